"""The command ``massgap fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.run_options import option_pairs
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


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Fit folder.  [default: RUN_FOLDER/fit]")
@click.option("--lumi", "lumi_fb", default=300.0, show_default=True, help="Luminosity in fb-1.")
@click.option("--signal", help="Signal process.  [default: as the samples say]")
@click.option(
    "--histogram", default="score", show_default=True, help="What is fitted: score or an observable."
)
@click.option("--selection", help="topology or precuts, for an observable.")
@click.option(
    "--edges", callback=_edges, help="Bin edges, e.g. 0,0.5,0.9,1.  [default: chosen by statistics]"
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
@click.option("--accept-loss", is_flag=True, help="Fit although the run lost events.")
def fit(
    run_folder: Path,
    out: Path | None,
    lumi_fb: float,
    signal: str | None,
    histogram: str,
    selection: str | None,
    edges: list[float] | None,
    lumi_uncertainty: float,
    normalisation: dict[str, Any],
    mc_statistics: Any,
    systematics: bool,
    level: float,
    accept_loss: bool,
) -> None:
    """Fit the score of a run: significance, upper limit, signal strength, threshold scan.

    \b
    Examples:
      massgap fit runs/scored --lumi 300
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
    options = FitOptions(histogram=histogram, selection=selection, edges=edges, level=level, model=model)
    print_fit(
        stages.fit(run_folder, out, lumi_fb=lumi_fb, signal=signal, options=options, accept_loss=accept_loss)
    )
