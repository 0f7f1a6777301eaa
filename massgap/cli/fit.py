"""The command ``massgap fit``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from massgap.cli.console import Ticker
from massgap.cli.options.fit_options import (
    fit_options_of,
    fitted_options,
    likelihood_options,
    luminosities,
    runs_options,
    simulation_options,
)
from massgap.cli.options.toys import toy_options
from massgap.cli.printing.words import print_fit

__all__ = ["fit"]


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

    simulation = {name: asked.pop(name) for name in ("replicas", "replica_seed")}
    options = replace(fit_options_of(asked), toys=toys, **simulation)
    print_fit(stages.fit(run_folders, out, options=options, toys_done=Ticker().toys, **asked))
