"""The command ``massgap plane``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from massgap.cli.console import Ticker, say
from massgap.cli.options.fit_options import (
    fit_options_of,
    fitted_options,
    likelihood_options,
    luminosities,
    runs_options,
    simulation_options,
)
from massgap.cli.options.run_options import models
from massgap.cli.printing.documents import emit

if TYPE_CHECKING:
    from massgap.fits.planes.options import PlaneResult

__all__ = ["plane"]


@click.command()
@click.argument("run_folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", type=click.Path(path_type=Path), help="Plane folder.  [default: RUN/plane]")
@click.option(
    "--lumi",
    "luminosities",
    multiple=True,
    callback=luminosities,
    metavar="FB,FB,...",
    help="Luminosities in fb-1.  [default: that of the analysis]",
)
@click.option(
    "--xsec",
    default="own",
    show_default=True,
    metavar="SET|FILE",
    help="Cross sections of the signals: own (of the samples), a set of the analysis' study as nlo, or a JSON or CSV file.",
)
@click.option(
    "--profile-xsec", is_flag=True, help="Their uncertainty as a parameter of the likelihood, not as a band."
)
@click.option(
    "--masses",
    type=click.Path(path_type=Path),
    help="Masses by process (JSON or CSV), instead of the samples'.",
)
@click.option(
    "--signal",
    "signals",
    multiple=True,
    help="Only this signal, or a pattern as 'pair_300_*'; again for others.  [default: all]",
)
@click.option(
    "--model",
    multiple=True,
    callback=models,
    metavar="[NAME=]FILE|FOLDER",
    help="Model of the score, or a folder of models by score: a run without these scores is made again with them, in RUN/scored.",
)
@click.option("--x", help="Mass on the first axis.  [default: the first that varies]")
@click.option("--y", help="Mass on the second axis.  [default: the next that varies]")
@click.option("--interpolation", type=click.Choice(["spline", "linear"]), default="spline", show_default=True)
@fitted_options
@likelihood_options
@simulation_options(20)
@click.option(
    "--toys",
    type=int,
    metavar="N",
    help="Also with N toys of each hypothesis at each point, for small counts: it takes long.",
)
@click.option("--seed", type=int, help="Seed of the toys.  [default: 1]")
@runs_options
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that fit.")
def plane(
    run_folders: tuple[Path, ...], out: Path | None, luminosities: tuple[float, ...] | None, **asked: Any
) -> None:
    """Test every signal of a run, or of several in one likelihood: limits, significances, contours, a patch set of pyhf.

    Interrupted, the same command goes on.

    \\b
    Examples:
      massgap plane runs/scored --lumi 137,300,3000
      massgap plane runs/mine --model models --lumi 137,300,3000
      massgap plane runs/scored --xsec nlo --out planes/nlo --workers 2
      massgap plane runs/mine --histogram met --region two_leptons --xsec my_cross_sections.csv
    """
    from massgap import stages
    from massgap.fits.inference.toys.options import wanted_toys

    toys = wanted_toys(asked.pop("toys"), asked.pop("seed"))
    options = replace(fit_options_of(asked), toys=toys)
    plane_options = {
        "profile_cross_section": asked.pop("profile_xsec"),
        **{key: asked.pop(key) for key in ("signals", "x", "y", "interpolation")},
    }
    found = stages.plane(
        run_folders,
        out,
        luminosities=luminosities or (),
        options=options,
        plane_options=plane_options,
        progress=Ticker().signals,
        **asked,
    )
    _print(found)
    emit(found.results["format"], {"plane_folder": found.out, **found.results})
    if not found.converged:
        raise click.exceptions.Exit(1)


def _print(found: PlaneResult) -> None:
    results = found.results
    masses = list(results["points"][0]["masses"])
    widths = [max(len(name), 6) for name in masses]
    percent = f"{100.0 * results['level']:g} %"
    for lumi in results["luminosities"]:
        rows = [row for row in results["points"] if row["lumi_fb"] == lumi]
        click.echo(
            f"{lumi:g} fb-1, {percent} CLs limits on the signal strength; cross sections: {results['xsec']['set']}"
        )
        head = "  ".join(f"{name:>{width}s}" for name, width in zip(masses, widths, strict=True))
        click.echo(
            f"{head}     xsec [fb]  efficiency  CLs exp.  limit exp.  68 %              limit obs.  sigma exp. (+- simulation)"
        )
        for row in rows:
            places = "  ".join(f"{row['masses'][n]:{w}g}" for n, w in zip(masses, widths, strict=True))
            click.echo(f"{places}  {_columns(row)}")
        for line in _contour_lines([c for c in results["contours"] if c["lumi_fb"] == lumi]):
            click.echo(line)
        for line in _interpolation_lines([i for i in results["interpolation"] if i["lumi_fb"] == lumi]):
            click.echo(line)
    for warning in results["warnings"]:
        say(f"warning: {warning}")
    if found.reused:
        say(f"{found.reused} of {len(results['points'])} points were finished before")
    say(f"plane folder: {found.out}")


def _columns(row: dict[str, Any]) -> str:
    text = f"{row['cross_section_fb']:12.4g}  {row['efficiency']:10.3g}"
    if not row["converged"]:
        return f"{text}  not converged: {row['error']}"
    low, median, high = row["upper_limit"]["expected"][1:4]
    seen = row["upper_limit"]["observed"]
    band = f"{low:.4g} to {high:.4g}"
    return (
        f"{text}  {row['cls']['expected'][2]:8.4f}  {median:10.4g}  {band:16s}  "
        f"{'-' if seen is None else format(seen, '.4g'):>10s}  {row['significance']['expected']:10.3g}{_error(row)}{_toys(row)}"
    )


def _toys(row: dict[str, Any]) -> str:
    if row["toys"] is None:
        return ""
    limit = row["toys"]["upper_limit"]
    return f"; toys: limit exp. {limit['expected'][2]:.4g} +- {limit['expected_errors'][2]:.1g}"


def _error(row: dict[str, Any]) -> str:
    spread = row["uncertainty"].get("expected_significance") or {}
    return "" if spread.get("std") is None else f" +- {spread['std']:.2g}"


def _contour_lines(contours: list[dict[str, Any]]) -> list[str]:
    """A line per contour of expectations and observations."""
    words = {"exclusion": "exclusion", "evidence": "3 sigma", "discovery": "5 sigma"}
    out = []
    for entry in contours:
        if entry["cross_section"] or entry["band"] not in (0, "observed"):
            continue
        kind = "observed" if entry["band"] == "observed" else "expected"
        if not entry["lines"]:
            text = entry["note"]
        elif all(len(line) == 1 for line in entry["lines"]):
            text = "at " + ", ".join(
                "/".join(f"{v:.5g}" for v in line[0] if v is not None) for line in entry["lines"]
            )
        else:
            xs = [point[0] for line in entry["lines"] for point in line]
            ys = [point[1] for line in entry["lines"] for point in line]
            ends = ", open at the edge of the points" if any(entry["open"]) else ""
            text = f"from {min(xs):.4g} to {max(xs):.4g}, {min(ys):.4g} to {max(ys):.4g} GeV{ends}"
        out.append(f"contour, {kind} {words[entry['what']]}: {text}")
    return out


def _interpolation_lines(entries: list[dict[str, Any]]) -> list[str]:
    """How well points that are left out are foretold."""
    out = []
    for entry in entries:
        inside = sum(row["inside"] for row in entry["left_out"])
        if not inside:
            out.append(
                f"interpolation of {entry['quantity']}: no point lies between the others, its error is not known"
            )
            continue
        text = (
            f"off by {entry['mean']:.2g} on average, {entry['max']:.2g} at most, at {inside} points left out"
        )
        shift = entry["contour_shift"]
        if shift is not None:
            text += f"; moves the contour by {shift['mean']:.2g} GeV, {shift['max']:.2g} at most"
        out.append(f"interpolation of {entry['quantity']}: {text}")
    return out
