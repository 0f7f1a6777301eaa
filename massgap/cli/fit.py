"""The command ``massgap fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.options.run_options import option_pairs
from massgap.cli.words import print_fit

__all__ = ["fit"]


def _edges(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    try:
        return [float(edge) for edge in value.split(",")]
    except ValueError as error:
        msg = f"{value!r}: write increasing numbers with commas, for instance 0,0.5,0.9,1"
        raise click.BadParameter(msg) from error


def _plan(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    if not values:
        return None
    from massgap.fits.fit_run import FitPlan

    parts = []
    for value in values:
        words = value.split(":")
        if len(words) not in (2, 3) or not all(words):
            msg = f"{value!r}: write REGION:HISTOGRAM or REGION:HISTOGRAM:EDGES, for instance two_leptons:met:0,50,200"
            raise click.BadParameter(msg)
        parts.append((*words[:2], _edges(context, parameter, words[2] if len(words) == 3 else None)))
    return FitPlan(parts)


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Fit folder.  [default: RUN_FOLDER/fit]")
@click.option("--lumi", "lumi_fb", type=float, help="Luminosity in fb-1.  [default: that of the analysis]")
@click.option("--signal", help="Signal process.  [default: as the samples say]")
@click.option("--histogram", help="What is fitted: a score or an observable.  [default: the scores]")
@click.option(
    "--region",
    multiple=True,
    help="Where; again for several of different channels, fitted together.  [default: as the score says]",
)
@click.option(
    "--part",
    "plan",
    multiple=True,
    callback=_plan,
    metavar="REGION:HISTOGRAM[:EDGES]",
    help="Instead of both, again for each part of a fit of several histograms, e.g. two_leptons:met:0,50,200.",
)
@click.option(
    "--edges", callback=_edges, help="Bin edges, e.g. 0,0.5,0.9,1.  [default: chosen by statistics]"
)
@click.option(
    "--min-background",
    default=5.0,
    show_default=True,
    help="Background events that each bin must expect where bins are chosen.",
)
@click.option(
    "--max-relative-error",
    default=0.3,
    show_default=True,
    help="Largest relative error of the background from the simulation in a bin, where bins are chosen.",
)
@click.option("--lumi-uncertainty", default=0.025, show_default=True, help="Relative; 0 leaves it out.")
@click.option(
    "--background-uncertainty",
    "normalisation",
    multiple=True,
    callback=option_pairs,
    metavar="NAME=SIZE",
    help="Normalisation of a background: relative size, 0, or free. NAME can be all.  [default: all=0.2]",
)
@click.option(
    "--mc-statistics", type=click.Choice(["lite", "full", "off"]), default="lite", show_default=True
)
@click.option(
    "--systematics/--no-systematics", default=True, show_default=True, help="Use the variations of the run."
)
@click.option("--level", default=0.95, show_default=True, help="Confidence level of the limit.")
@click.option(
    "--engine",
    type=click.Choice(["massgap", "pyhf"]),
    default="massgap",
    show_default=True,
    help="What computes the likelihood; pyhf is the slow reference.",
)
@click.option(
    "--replicas",
    default=100,
    show_default=True,
    help="Of the simulation, from which the uncertainty of expected numbers is found; 0 leaves it out.",
)
@click.option("--seed", default=1, show_default=True, help="Of the replicas.")
@click.option("--accept-loss", is_flag=True, help="Fit although the run lost events.")
def fit(
    run_folder: Path,
    out: Path | None,
    lumi_fb: float | None,
    signal: str | None,
    histogram: str | None,
    region: tuple[str, ...],
    plan: Any,
    edges: list[float] | None,
    min_background: float,
    max_relative_error: float,
    lumi_uncertainty: float,
    normalisation: dict[str, Any],
    mc_statistics: Any,
    systematics: bool,
    level: float,
    engine: str,
    replicas: int,
    seed: int,
    accept_loss: bool,
) -> None:
    """Fit scores or observables of a run: significance, upper limit, signal strength, threshold scan.

    \b
    Examples:
      massgap fit runs/scored --lumi 300
      massgap fit runs/mine --histogram met --region two_leptons --region three_leptons
      massgap fit runs/scored --background-uncertainty tt=0.1 --background-uncertainty WW=free
    """
    from massgap import stages
    from massgap.fits.fit_run import FitOptions
    from massgap.fits.workspaces.workspace import WorkspaceOptions

    common = normalisation.pop("all", WorkspaceOptions.default_normalisation)
    model = WorkspaceOptions(
        lumi_uncertainty=lumi_uncertainty,
        default_normalisation=common,
        normalisation=normalisation,
        mc_statistics=mc_statistics,
        systematics=systematics,
    )
    options = FitOptions(
        histogram=histogram,
        region=region,
        edges=edges,
        min_background=min_background,
        max_relative_error=max_relative_error,
        level=level,
        engine=engine,
        replicas=replicas,
        seed=seed,
        model=model,
    )
    print_fit(
        stages.fit(
            run_folder,
            out,
            lumi_fb=lumi_fb,
            signal=signal,
            plan=plan,
            options=options,
            accept_loss=accept_loss,
        )
    )
