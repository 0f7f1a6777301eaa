"""The command ``massgap train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.console import Ticker, say
from massgap.cli.options.run_options import names

__all__ = ["train"]


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Model folder.  [default: RUN_FOLDER/model, with --name RUN_FOLDER/models/NAME]",
)
@click.option(
    "--recipe",
    help="How: NAME, my_recipe.py:NAME, or a .json or .toml file of its fields.  [default: that of the analysis]",
)
@click.option(
    "--name",
    help="Name of the ONNX file, and of the score if the analysis has several.  [default: the analysis]",
)
@click.option("--features", callback=names, help="Inputs, in order.  [default: as the analysis says]")
@click.option("--signal", callback=names, help="Signal processes.  [default: as the samples say]")
@click.option("--backgrounds", callback=names, help="Background processes.  [default: all others]")
@click.option(
    "--region",
    help="Train on the events of this region, or of all (for several regions: A+B).  [default: as the recipe says]",
)
@click.option(
    "--protocol",
    help="What stops the training: nested (a split of its events), held_out (the fold that is evaluated), "
    "or a variant of the recipe, e.g. paper.  [default: as the recipe says]",
)
@click.option("--folds", "n_folds", type=int, help="Number of rotated folds.  [default: as the recipe says]")
@click.option("--seed", type=int, help="For what is random in the training.  [default: as the recipe says]")
@click.option(
    "--negative-weights",
    type=click.Choice(["error", "absolute", "drop"]),
    help="Train on absolute weights, or without events of negative weight.  [default: as the recipe says]",
)
@click.option("--accept-loss", is_flag=True, help="Train although the run lost events.")
def train(run_folder: Path, out: Path | None, **options: Any) -> None:
    """Train a classifier on a run's feature tables and export it to ONNX.

    \b
    Examples:
      massgap train runs/slepton --out runs/model
      massgap train runs/mine --name low --region sr_low --recipe my_recipe.py:SMALL
    """
    from massgap import stages

    given = {name: value for name, value in options.items() if value is not None}
    ticker = Ticker()
    made = stages.train(run_folder, out, progress=ticker.train, **given)
    ticker.close()
    _print_model(made)


def _print_model(made: Any) -> None:
    if made.reused:
        say("note: the folder already holds this training; nothing was done")
    for note in made.training["notes"]:
        say(f"note: {note}")
    click.echo(
        "area under the ROC curve per held-out fold: " + ", ".join(f"{auc:.4f}" for auc in made.auc_eval)
    )
    click.echo(f"model: {made.model_file}")
