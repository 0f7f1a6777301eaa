"""The commands ``massgap train`` and ``massgap models``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from massgap.cli.console import Ticker, say
from massgap.cli.options.run_options import names
from massgap.cli.options.train_options import balance, class_weights, folds, hyperparameters
from massgap.cli.printing.documents import emit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["models", "train"]


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
@click.option(
    "--channels",
    callback=names,
    help="Train the scores of these names one after the other, each into RUN_FOLDER/models/NAME (or OUT/NAME).",
)
@click.option(
    "--classifier",
    type=click.Choice(["bdt", "mlp", "tabnet", "tabm"]),
    help="Boosted trees, a dense network, TabNet, or TabM.  [default: as the recipe says]",
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
@click.option(
    "--folds",
    metavar="N|8:1:1",
    callback=folds,
    help="Number of rotated folds; 8:1:1 is ten of them, each stopped by the next one.  [default: as the recipe says]",
)
@click.option("--seed", type=int, help="For what is random in the training.  [default: as the recipe says]")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    help="Networks per fold, with as many seeds.  [default: as the recipe says]",
)
@click.option(
    "--use-seeds",
    "seed_choice",
    type=click.Choice(["best", "all"]),
    help="Take the best of them, by the events that stop the training, or the mean of all scores.",
)
@click.option(
    "--weighting",
    type=click.Choice(["weights", "counts", "components", "signal_counts", "drawn"]),
    help="Train on weighted events, or let each count one; or all processes of a class alike; or only each of signal one, and "
    "background as it is or drawn by its weights.  [default: as the recipe says]",
)
@click.option(
    "--class-weights",
    metavar="S:B",
    callback=class_weights,
    help="Sums of the weights of signal and background in the training.  [default: 1:1]",
)
@click.option(
    "--balance",
    metavar="COLUMN:LOW:HIGH:WIDTH",
    callback=balance,
    help="Signal and background weigh the same in each bin of a column, and all bins the same.",
)
@click.option(
    "--thin-bins",
    type=click.Choice(["error", "drop"]),
    help="Refuse bins of --balance with less than 50 events of a class, or leave them out.  [default: error]",
)
@click.option(
    "--label",
    metavar="COLUMN|true:random",
    help="A column as a further input, or the true masses of signal and random ones of background.",
)
@click.option(
    "--flatten",
    metavar="COLUMN",
    help="Make the score the quantile of the background given this column: a threshold keeps its shape in it.",
)
@click.option(
    "--fraction",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    help="Share of the training events that are used, for a learning curve.  [default: all]",
)
@click.option(
    "--patience",
    "early_stopping",
    type=click.IntRange(1),
    help="Iterations without improvement that stop the training.  [default: as the recipe says]",
)
@click.option(
    "--set",
    "hyperparameters",
    metavar="NAME=VALUE",
    multiple=True,
    callback=hyperparameters,
    help="A hyperparameter of the recipe, e.g. hidden=50-50 or learning_rate=0.01. May be given several times.",
)
@click.option(
    "--negative-weights",
    type=click.Choice(["error", "absolute", "drop"]),
    help="Train on absolute weights, or without events of negative weight.  [default: as the recipe says]",
)
@click.option("--accept-loss", is_flag=True, help="Train although the run lost events.")
def train(run_folder: Path, out: Path | None, channels: tuple[str, ...] | None, **options: Any) -> None:
    """Train a classifier on a run's feature tables and export it to ONNX.

    \b
    Examples:
      massgap train runs/slepton --out runs/model
      massgap train runs/mine --classifier mlp --set hidden=50-50 --seeds 5
      massgap train runs/mine --name low --region sr_low --recipe my_recipe.py:SMALL
      massgap train runs/ewk --channels 1l,2l,3l --classifier tabnet
    """
    from massgap import stages

    given = {name: value for name, value in options.items() if value is not None}
    of_folds = given.pop("folds", {})
    if "protocol" in of_folds and given.get("protocol", of_folds["protocol"]) != of_folds["protocol"]:
        msg = f"--folds 8:1:1 is the protocol next_fold, and --protocol {given['protocol']} another one: give one of them, or --folds 10."
        raise click.UsageError(msg)
    given.update(of_folds)
    if thin := given.pop("thin_bins", None):
        if "balance" not in given:
            msg = "--thin-bins is of --balance, which is not given."
            raise click.UsageError(msg)
        given["balance"]["thin"] = thin
    if channels and "name" in given:
        msg = "give --name or --channels, not both: --channels trains the scores of these names"
        raise click.UsageError(msg)
    trained = []
    for name in channels or (given.pop("name", None),):
        ticker = Ticker()
        folder = out / name if channels and out is not None else out
        made = stages.train(run_folder, folder, name=name, progress=ticker.train, **given)
        ticker.close()
        _print_model(made)
        trained.append(
            {
                "folder": made.folder,
                "model_file": made.model_file,
                "reused": made.reused,
                "auc_eval": made.auc_eval,
                "training": made.training,
            }
        )
    emit("massgap-trained/1", {"models": trained})


def _print_model(made: Any) -> None:
    if made.reused:
        say("note: the folder already holds this training; nothing was done")
    for note in made.training["notes"]:
        say(f"note: {note}")
    if _has_no_split(made.training):
        say(
            "note: no tree has a split, so that all events have one score: the weights of signal and background sum to one each, "
            "of which gamma and min_child_weight are thresholds; --set min_child_weight=0 --set gamma=0 allows every split"
        )
    click.echo(
        "area under the ROC curve per held-out fold: " + ", ".join(f"{auc:.4f}" for auc in made.auc_eval)
    )
    click.echo(f"model: {made.model_file}")


def _has_no_split(training: Mapping[str, Any]) -> bool:
    """Whether no input of boosted trees has gained anything."""
    gains = (training.get("importance") or {}).get("all") or {}
    trees = "min_child_weight" in (training.get("hyperparameters") or {})
    return trees and bool(gains) and not any(gains.values())


@click.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the trained models that come with massgap; with a NAME, show the card of one.

    Each is loaded by its name: massgap run ANALYSIS --model NAME.

    \b
    Examples:
      massgap models
      massgap models slepton-small
      massgap run slepton --fileset data/fileset.json --model slepton-small --out runs/scored
    """
    from massgap import stages
    from massgap.models.zoo.shelf import zoo_row

    found = stages.zoo(name)
    rows = [zoo_row(each, model) for each, model in found.items()]
    emit("massgap-models/1", {"models": rows})
    if name is not None:
        click.echo(found[name].card or f"{found[name].card_file} is missing")
    for row in rows if name is None else ():
        click.echo(f"{row['name']}: {row['kind']}, {row['n_folds']} folds, {row['bytes'] / 1000:.0f} kB")
        click.echo(
            f"  analysis {row['analysis']}, region {row['region']}, AUC of held-out events {row['auc']:.3f}"
        )
        events = ", ".join(f"{process} {n:,}" for process, n in row["events"].items())
        click.echo(f"  trained on {events} (events; seed {row['seed']})")
        inputs = ", ".join(f"{each} [{unit}]" if unit else each for each, unit in row["features"].items())
        click.echo(f"  {inputs}")
