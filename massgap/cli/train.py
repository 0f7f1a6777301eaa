"""The command ``massgap train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.console import Ticker, say
from massgap.cli.run_options import names

__all__ = ["train"]


@click.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Model folder.  [default: RUN_FOLDER/model]")
@click.option("--signal", callback=names, help="Signal processes.  [default: as the samples say]")
@click.option("--backgrounds", callback=names, help="Background processes.  [default: all others]")
@click.option(
    "--protocol",
    type=click.Choice(["nested", "paper"]),
    default="nested",
    show_default=True,
    help="Early stopping on a nested split, or on the held-out fold as in the paper.",
)
@click.option("--folds", "n_folds", default=3, show_default=True, help="Number of rotated folds.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--precuts/--no-precuts", default=True, show_default=True, help="Train on events after the pre-cuts only."
)
@click.option("--accept-loss", is_flag=True, help="Train although the run lost events.")
def train(run_folder: Path, out: Path | None, **options: Any) -> None:
    """Train boosted trees on a run's feature tables and export them to ONNX.

    \b
    Example:
      massgap train runs/slepton --out runs/model
    """
    from massgap import stages

    ticker = Ticker()
    made = stages.train(run_folder, out, progress=ticker.train, **options)
    ticker.close()
    _print_model(made)


def _print_model(made: Any) -> None:
    if made.reused:
        say("note: the folder already holds this training; nothing was done")
    click.echo(
        "area under the ROC curve per held-out fold: " + ", ".join(f"{auc:.4f}" for auc in made.auc_eval)
    )
    click.echo(f"model: {made.model_file}")
