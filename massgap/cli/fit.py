"""The command ``massgap fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.options.fit_options import (
    controls,
    edges,
    luminosities,
    nuisances_option,
    part_words,
    renames,
    words,
)
from massgap.cli.options.run_options import option_pairs
from massgap.cli.words import print_fit

__all__ = ["fit"]


def _plan(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    if not values:
        return None
    from massgap.fits.fit_run import FitPlan

    return FitPlan([part_words(context, parameter, value, 2) for value in values])


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
@click.option("--histogram", help="What is fitted: a score or an observable.  [default: the scores]")
@click.option(
    "--region",
    "--regions",
    multiple=True,
    callback=words,
    metavar="NAME[,NAME...]",
    help="Where; several that share no event are fitted together; of several runs, RUN:NAME is one of that run alone.  [default: as the score says]",
)
@click.option(
    "--channels",
    multiple=True,
    callback=words,
    metavar="NAME[,NAME...]",
    help="Channels of the analysis, fitted together.  [default: all in which the score is filled]",
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    callback=controls,
    metavar="REGION[:HISTOGRAM[:EDGES]]",
    help="A control region beside the rest, one bin unless edges are given; again for several.",
)
@click.option(
    "--part",
    "plan",
    multiple=True,
    callback=_plan,
    metavar="REGION:HISTOGRAM[:EDGES]",
    help="Instead of all these, again for each part of a fit of several histograms, e.g. two_leptons:met:0,50,200.",
)
@click.option(
    "--rename",
    "renamed",
    multiple=True,
    callback=renames,
    metavar="[RUN:]OLD=NEW",
    help="What the likelihood calls a process; equal names of several runs are one process.",
)
@click.option("--edges", callback=edges, help="Bin edges, e.g. 0,0.5,0.9,1.  [default: chosen by statistics]")
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
@nuisances_option
@click.option(
    "--data/--no-data", "use_data", default=True, show_default=True, help="Use recorded data of the run."
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
    "--allow-overlap",
    is_flag=True,
    help="Fit regions and runs together although they share events, or may do so.",
)
@click.option("--accept-loss", is_flag=True, help="Fit although the run lost events.")
def fit(
    run_folders: tuple[Path, ...],
    out: Path | None,
    lumi_fb: tuple[float, ...] | None,
    signal: str | None,
    histogram: str | None,
    region: tuple[str, ...],
    channels: tuple[str, ...],
    controls: tuple[Any, ...],
    plan: Any,
    renamed: dict[str, str],
    edges: list[float] | None,
    min_background: float,
    max_relative_error: float,
    lumi_uncertainty: float,
    normalisation: dict[str, Any],
    mc_statistics: Any,
    systematics: bool,
    nuisances: Any,
    use_data: bool,
    level: float,
    engine: str,
    allow_overlap: bool,
    accept_loss: bool,
) -> None:
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
    from massgap.fits.fit_run import FitOptions
    from massgap.fits.workspaces.workspace import WorkspaceOptions

    common = normalisation.pop("all", WorkspaceOptions.default_normalisation)
    model = WorkspaceOptions(
        lumi_uncertainty=lumi_uncertainty,
        default_normalisation=common,
        normalisation=normalisation,
        mc_statistics=mc_statistics,
        systematics=systematics,
        nuisances=nuisances,
    )
    options = FitOptions(
        histogram=histogram,
        region=region,
        channels=channels,
        controls=controls,
        edges=edges,
        min_background=min_background,
        max_relative_error=max_relative_error,
        use_data=use_data,
        level=level,
        engine=engine,
        model=model,
    )
    print_fit(
        stages.fit(
            run_folders,
            out,
            lumi_fb=lumi_fb,
            signal=signal,
            plan=plan,
            options=options,
            renamed=renamed,
            allow_overlap=allow_overlap,
            accept_loss=accept_loss,
        )
    )
