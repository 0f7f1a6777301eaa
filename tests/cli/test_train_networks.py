"""``massgap train --classifier mlp|tabnet``: options, what is kept, what cannot be."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from runs import write_feature_run

from massgap.cli.group import main
from massgap.contracts.description import Description, Feature, Region, Score
from massgap.models.folds import fold_key
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training import train_run as module

FAST = (
    "--classifier",
    "mlp",
    "--set",
    "hidden=8",
    "--set",
    "epochs=3",
    "--set",
    "batch_size=128",
    "--folds",
    2,
)


@pytest.fixture
def run(tmp_path):
    """A run folder with two features, a mass, and two signals."""
    rng = np.random.default_rng(1)
    tables, datasets = {}, {}
    for block, dataset in enumerate(("sig_100", "sig_200", "bkg")):
        n = 1200 if dataset == "bkg" else 600
        process = dataset.partition("_")[0]
        mass = float(dataset[4:] or 0)
        m = rng.normal(mass, 20, n) if mass else rng.uniform(50, 250, n)
        tables[dataset] = pd.DataFrame(
            {"met": rng.normal(bool(mass), 1, n), "m": m, "weight": 1.0, "process": process, "dataset": dataset,
             "fold_key": fold_key(1, block + 1, np.arange(n)), "region_sr": True}
        )  # fmt: skip
        datasets[dataset] = {"process": process, "is_signal": bool(mass), "is_data": False}
        if mass:
            datasets[dataset]["masses"] = {"T": mass}
    described = Description(
        "mine", features=(Feature("met"), Feature("m")), regions=(Region("sr"),), scores=(Score("score", regions=("sr",), features=("met",)),)
    )  # fmt: skip
    return write_feature_run(tmp_path / "run", tables, datasets, described)


def train(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def made(done, folder):
    assert done.exit_code == 0, done.output
    return json.loads((folder / "training.json").read_text())


def test_a_network_of_a_run(run, tmp_path):
    out = tmp_path / "model"
    more = (
        "--seeds",
        2,
        "--use-seeds",
        "all",
        "--class-weights",
        "2:1",
        "--weighting",
        "counts",
        "--patience",
        2,
    )
    training = made(train(run, *FAST, *more, "--out", out), out)
    recipe = training["recipe"]
    assert [recipe[key] for key in ("kind", "seeds", "seed_choice", "weighting", "early_stopping", "n_folds")] == [
        "mlp", 2, "all", "counts", 2, 2,
    ]  # fmt: skip
    assert recipe["class_weights"] == {"signal": 2.0, "background": 1.0}
    assert recipe["hyperparameters"]["hidden"] == [8]
    assert training["features"] == ["met"]
    assert set(training["versions"]) >= {"jax", "optax"}
    assert [len(fold["seeds"]) for fold in training["folds"]] == [2, 2]
    assert training["onnx_difference"] <= 1e-6
    assert sorted(path.name for path in out.iterdir()) == ["card.md", "mine.onnx", "training.json"]
    card = (out / "card.md").read_text()
    assert card.startswith("# Model card: mine.onnx\n\nDense networks that separate `sig` from `bkg`")
    assert "- 2 seeds per fold, the mean of their scores" in card
    assert "already holds this training" in train(run, *FAST, *more, "--out", out).output
    # the same bytes again, from nothing
    again = tmp_path / "again"
    made(train(run, *FAST, *more, "--out", again), again)
    assert (again / "mine.onnx").read_bytes() == (out / "mine.onnx").read_bytes()


def test_eight_to_one_to_one(run, tmp_path):
    out = tmp_path / "model"
    training = made(train(run, *FAST[:-2], "--folds", "8:1:1", "--out", out), out)
    assert (training["n_folds"], training["protocol"]) == (10, "next_fold")
    for fold in training["folds"]:
        for name in ("signal", "background"):
            whole = sum(fold[f"n_{part}_{name}"] for part in ("train", "eval"))
            assert whole == 1200
            assert fold[f"n_stop_{name}"] == training["folds"][(fold["fold"] + 1) % 10][f"n_eval_{name}"]


def test_what_was_finished_is_not_trained_again(run, tmp_path, monkeypatch):
    from massgap.models.networks import trainer

    out, whole = tmp_path / "model", tmp_path / "whole"
    made(train(run, *FAST, "--out", whole), whole)
    calls = []
    optimise = trainer.optimise

    def counted(*arguments, **options):
        calls.append(options["seed"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return optimise(*arguments, **options)

    monkeypatch.setattr(trainer, "optimise", counted)
    assert train(run, *FAST, "--out", out).exit_code != 0
    assert not (out / "training.json").exists()
    (steps,) = out.glob(".steps_*")
    assert [path.name for path in steps.iterdir()] == ["fold_0_seed_1.npz"]
    made(train(run, *FAST, "--out", out), out)
    assert calls == [(1, 0), (1, 1), (1, 1)]
    assert (out / "mine.onnx").read_bytes() == (whole / "mine.onnx").read_bytes()
    assert not list(out.glob(".steps_*"))
    # one that is cut off is trained anew
    calls.clear()
    assert train(run, *FAST, "--seed", 3, "--out", out).exit_code != 0
    (steps,) = out.glob(".steps_*")
    (steps / "fold_0_seed_3.npz").write_bytes((steps / "fold_0_seed_3.npz").read_bytes()[:500])
    made(train(run, *FAST, "--seed", 3, "--out", out), out)
    assert calls == [(3, 0), (3, 1), (3, 0), (3, 1)]


def test_parameterised_balanced_and_flat(run, tmp_path):
    """All of it through the command; the balance is in the mass, in which the score is flat as well."""
    out = tmp_path / "model"
    options = ("--label", "true:random", "--balance", "m:60:240:60", "--flatten", "m")
    done = train(run, *FAST, *options, "--out", out)
    assert done.exit_code == 1
    assert re.search(
        r"flat in 'm': fold 0 has \d+ effective background events .* leave out --flatten", done.output
    )
    training = made(train(run, *FAST, *options[:-2], "--out", out), out)
    assert training["features"] == ["met", "true_T"]
    assert training["recipe"]["balance"]["column"] == "m"
    scorer = OnnxScorer(out, ["met"], hypothesis={"T": 150.0})
    assert (scorer.features, scorer.notes) == (["met"], [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--classifier", "bdt", "--seeds", 3), "nothing is random in trees"),
        (("--classifier", "mlp", "--recipe", "slepton"), "is for --classifier bdt, not mlp"),
        (("--classifier", "mlp", "--set", "depth=3"), "Unknown hyperparameter 'depth': known are hidden"),
        (("--classifier", "mlp", "--set", "hidden"), "is not NAME=VALUE"),
        (("--classifier", "mlp", "--folds", "8:2"), "neither a number of folds nor 8:1:1"),
        (("--folds", "8:1:1", "--protocol", "nested"), "--protocol nested another one"),
        (("--classifier", "mlp", "--class-weights", "3"), "is not two numbers"),
        (("--balance", "m:1:2"), "is not COLUMN:LOW:HIGH:WIDTH"),
        (("--balance", "m:0:300:50"), "--thin-bins drop"),
        (("--thin-bins", "drop"), "--thin-bins is of --balance"),
        (("--label", "nonesuch"), "The feature table lacks nonesuch"),
        (("--flatten", "m", "--protocol", "held_out"), "--protocol nested"),
    ],
)
def test_what_cannot_be_is_said(run, arguments, words):
    done = train(run, *arguments)
    assert done.exit_code != 0
    assert words in " ".join(done.output.split())


def test_a_classifier_that_is_not_installed_says_what_brings_it(run, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "optax", None)
    done = train(run, "--classifier", "tabnet")
    assert done.exit_code == 1
    assert (
        'training of networks needs optax, which is not installed: pip install "massgap[neural]"'
        in done.output
    )
    assert module.require_trainer("trees") is None
