"""The commands ``massgap fit`` and ``massgap limit``: of runs, and of any HistFactory workspace."""

from __future__ import annotations

from dataclasses import asdict, replace
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
from massgap.cli.options.toys import toy_options
from massgap.cli.printing.documents import emit
from massgap.cli.printing.words import print_fit

if TYPE_CHECKING:
    from massgap.stages.fitting import WorkspaceLimits

__all__ = ["fit", "limit"]


@click.command()
@click.argument("run_folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Fit folder.  [default: RUN_FOLDER/fit; of several, fit_<names of the others> in the first]",
)
@click.option(
    "--lumi",
    "lumi_fb",
    multiple=True,
    callback=luminosities,
    metavar="FB[,FB...]",
    help="Luminosity in fb-1; of several, a fit for each.  [default: that of the analysis]",
)
@click.option("--signal", help="Signal process.  [default: as the samples say]")
@fitted_options
@likelihood_options
@simulation_options(100)
@toy_options
@runs_options
def fit(run_folders: tuple[Path, ...], out: Path | None, toys: Any, **asked: Any) -> None:
    """Fit scores or observables of a run: significance, upper limit, signal strength, threshold scan.

    Several runs are combined in one likelihood if their events are not the same.

    \b
    Examples:
      massgap fit runs/scored --lumi 137,300,3000
      massgap fit runs/mine --histogram met --channels 1l,2l --control cr_top --nuisances nuisances.toml
      massgap fit runs/one_lepton runs/two_leptons --out fits/both
      massgap fit runs/mine --histogram met --region two_leptons --region three_leptons
      massgap fit runs/scored --background-uncertainty tt=0.1 --background-uncertainty WW=free
    """
    from massgap import stages

    options = replace(fit_options_of(asked), toys=toys)
    print_fit(stages.fit(run_folders, out, options=options, toys_done=Ticker().toys, **asked))


@click.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option(
    "--patchset", "patch_set", type=click.Path(path_type=Path), help="Signals, as pyhf and HEPData have them."
)
@click.option(
    "--patch", "patches", multiple=True, help="Only this signal of the patch set; may be given again."
)
@click.option("--poi", help="Parameter of interest.  [default: that of the measurement]")
@click.option("--measurement", help="Which measurement.  [default: the first]")
@click.option("--mu", default=1.0, show_default=True, help="Signal strength whose CLs is given.")
@click.option("--level", default=0.95, show_default=True, help="Confidence level of the limit.")
@click.option("--no-limit", is_flag=True, help="Only CLs and significances.")
@click.option(
    "--expected", is_flag=True, help="Do not look at the observations: expectations at nominal parameters."
)
@click.option(
    "--impacts", is_flag=True, help="Also how much each nuisance parameter moves the fitted signal strength."
)
@click.option(
    "--engine",
    type=click.Choice(["massgap", "pyhf"]),
    default="massgap",
    show_default=True,
    help="What computes the likelihood; pyhf is the slow reference.",
)
@toy_options
@click.option("--out", type=click.Path(path_type=Path), help="JSON file with everything, also pulls.")
def limit(
    workspace: Path,
    out: Path | None,
    patch_set: Path | None,
    patches: tuple[str, ...],
    no_limit: bool,
    expected: bool,
    **asked: Any,
) -> None:
    """CLs, limits and significances of any HistFactory workspace, also of published ones.

    \b
    Examples:
      massgap limit runs/scored/fit/workspace.json
      massgap limit BkgOnly.json --patchset patchset.json --out limits.json
      massgap limit workspace.json --poi mu_SIG --impacts
      massgap limit workspace.json --toys 20000
    """
    from massgap import stages
    from massgap.arrays.compiled import for_arrays_only
    from massgap.fits.workspace_fit import WorkspaceFitOptions
    from massgap.stages.fitting import LIMITS_FORMAT

    options = WorkspaceFitOptions(observed=not expected, limit=not no_limit, **asked)
    ticker = Ticker()
    with for_arrays_only():
        found = stages.limit(
            workspace,
            out,
            patch_set=patch_set,
            patches=patches,
            options=options,
            progress=ticker.signals if patch_set is not None else None,
            toys_done=ticker.toys,
        )
    _print(found)
    emit(
        LIMITS_FORMAT,
        {
            "workspace": workspace,
            "patch_set": patch_set,
            "options": asdict(options),
            "points": [point.as_dict() for point in found.points],
        },
    )
    if not found.converged:
        raise click.exceptions.Exit(1)


def _print(found: WorkspaceLimits) -> None:
    if len(found.points) == 1 and found.points[0].converged:
        rows = _rows(found.points[0].results)
        width = max(len(what) for what, _ in rows)
        for what, value in rows:
            click.echo(f"{what:{width}s}  {value}")
    else:
        names = max(len("signal"), *(len(point.name) for point in found.points))
        if found.options.toys is not None:
            click.echo(f"From {found.options.toys.number:,} toys of each hypothesis:")
        click.echo(f"{'signal':{names}s}  CLs obs.  CLs exp.  limit obs.  limit exp.  68 %")
        for point in found.points:
            click.echo(f"{point.name:{names}s}  {_columns(point.results)}")
    for point in found.points:
        for warning in point.results.get("warnings", ()):
            say(f"note: {point.name}: {warning}" if point.name else f"note: {warning}")
    if found.out is not None:
        say(f"results: {found.out}")


def _columns(results: dict[str, Any]) -> str:
    if "error" in results:
        return f"not converged: {results['error']}"
    best = results.get("toys", results)
    cls, limits = best["cls"], best.get("upper_limit")
    text = f"{_number(cls['cls'], '.4f'):>8s}  {cls['expected'][2]:8.4f}"
    if limits is not None:
        low, median, high = limits["expected"][1:4]
        text += f"  {_number(limits['observed'], '.4g'):>10s}  {median:10.4g}  {low:.4g} to {high:.4g}"
    return text


def _rows(results: dict[str, Any]) -> list[tuple[str, str]]:
    cls, found = results["cls"], results["discovery"]
    low, median, high = cls["expected"][1:4]
    rows = [("parameter of interest", results["poi"])]
    if cls["cls"] is not None:
        rows.append((f"observed CLs of {results['poi']} = {cls['mu']:g}", f"{cls['cls']:.4g}"))
    rows.append(
        (f"expected CLs of {results['poi']} = {cls['mu']:g}", f"{median:.4g} (68 %: {low:.4g} to {high:.4g})")
    )
    limits = results.get("upper_limit")
    if limits is not None:
        percent = f"{100.0 * limits['level']:g} % CLs limit"
        low, median, high = limits["expected"][1:4]
        if limits["observed"] is not None:
            rows.append((f"observed {percent}", f"{limits['observed']:.4g}"))
        rows.append((f"expected {percent}", f"{median:.4g} (68 %: {low:.4g} to {high:.4g})"))
    rows.append(("expected significance", f"{found['expected_significance']:.3g} sigma"))
    if found["observed_significance"] is not None:
        rows.append(("observed significance", f"{found['observed_significance']:.3g} sigma"))
    strength = results.get("signal_strength")
    if strength is not None:
        down = strength["error_down"]
        interval = f"+{strength['error_up']:.3g}" + (
            f" -{down:.3g}" if down is not None else " (no lower end)"
        )
        rows.append(("fitted", f"{strength['value']:.4g} {interval}"))
    if "toys" in results:
        from massgap.fits.inference.toys.results import toy_rows

        rows += toy_rows(results["toys"], results["poi"])
    shown = results.get("impacts", ())[:20]
    return rows + [(f"impact of {i['name']}", f"{i['up']:+.3g} / {i['down']:+.3g}") for i in shown]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
