"""``massgap train``: recipes, regions and names on the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from runs import write_feature_run

from massgap.cli.group import main
from massgap.contracts.description import Description, Region, Score
from massgap.contracts.feature_table import write_feature_tables
from massgap.models.folds import fold_key


@pytest.fixture
def run(tmp_path):
    """A run folder with two features, two regions and two scores."""
    rng = np.random.default_rng(1)
    tables, datasets = {}, {}
    for block, (process, mean) in enumerate({"sig": 1.0, "bkg": 0.0}.items()):
        n = 400
        tables[process] = pd.DataFrame(
            {
                "met": rng.normal(mean, 1, n),
                "m_ll": rng.normal(-mean, 1, n),
                "weight": 1.0,
                "process": process,
                "dataset": process,
                "fold_key": fold_key(1, block + 1, np.arange(n)),
                "region_wide": True,
                "region_sr": rng.random(n) < 0.7,
            }
        )
        datasets[process] = {"process": process, "is_signal": process == "sig", "is_data": False}
    described = Description(
        "mine",
        regions=(Region("wide"), Region("sr", within="wide")),
        scores=(Score("low", regions=("sr",)), Score("high", regions=("wide",))),
    )
    return write_feature_run(tmp_path / "run", tables, datasets, described)


def train(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def test_two_models_of_one_run(run):
    for name, region in (("low", "sr"), ("high", "wide")):
        done = train(run, "--name", name)
        assert done.exit_code == 0, done.output
        folder = run / "models" / name
        assert f"model: {folder / name}.onnx" in done.output
        training = json.loads((folder / "training.json").read_text())
        assert (training["recipe"]["name"], training["region"]) == ("trees", region)
    assert "already holds this training" in train(run, "--name", "low").output


def test_a_third_of_negative_weights_is_trained_by_what_the_message_says(run):
    path = run / "features" / "bkg.parquet"
    table = pd.read_parquet(path)
    weight = np.where(np.random.default_rng(2).random(len(table)) < 0.34, -1.0, 1.0)
    manifest = json.loads((run / "manifest.json").read_text())
    tables = {"sig": pd.read_parquet(run / "features" / "sig.parquet"), "bkg": table.assign(weight=weight)}
    manifest["features"] = write_feature_tables(run / "features", tables, {})
    (run / "manifest.json").write_text(json.dumps(manifest))
    done = train(run, "--name", "high")
    assert done.exit_code == 1
    assert f"'bkg' has {(weight < 0).sum()} negative weights of 400" in done.output
    for policy in ("absolute", "drop"):
        assert policy in done.output
        again = train(run, "--name", "high", "--negative-weights", policy)
        assert again.exit_code == 0, again.output
        training = json.loads((run / "models" / "high" / "training.json").read_text())
        assert training["negative_weights"] == policy
        assert training["processes"]["bkg"]["weight_fb"] == pytest.approx(weight.sum())
    assert "--negative-weights" in done.output


def test_the_model_of_an_own_analysis_bears_the_name_of_its_class(run):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["analysis"] = "./folder/mine.py:MyAnalysis"
    manifest["description"]["scores"] = manifest["description"]["scores"][:1]
    (run / "manifest.json").write_text(json.dumps(manifest))
    done = train(run)
    assert done.exit_code == 0, done.output
    assert (run / "model" / "MyAnalysis.onnx").is_file()
    assert "--name" in train(run, "--name", "a/b").output


def test_options_change_the_recipe(run, tmp_path):
    (tmp_path / "mine.toml").write_text("region = 'sr'\nn_folds = 4\n[hyperparameters]\nn_trees = 9\n")
    recipe = ("--recipe", tmp_path / "mine.toml")
    out = tmp_path / "model"
    arguments = ("--region", "all", "--folds", 2, "--seed", 7, "--features", "m_ll", "--protocol", "held_out")
    done = train(run, "--name", "low", "--out", out, *recipe, *arguments)
    assert done.exit_code == 0, done.output
    training = json.loads((out / "training.json").read_text())
    found = [training[key] for key in ("region", "n_folds", "seed", "features", "protocol")]
    assert found == ["all", 2, 7, ["m_ll"], "held_out"]
    assert training["hyperparameters"]["n_trees"] == 9
    assert sum(fold["n_eval_signal"] for fold in training["folds"]) == 400
    train(run, "--name", "low", "--out", out, *recipe)
    training = json.loads((out / "training.json").read_text())
    assert [training[key] for key in ("region", "n_folds", "seed")] == ["sr", 4, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "the scores low, high: say with --name"),
        (("--name", "low", "--recipe", "nonesuch"), "There is no recipe 'nonesuch'; known are"),
        (("--name", "low", "--region", "nowhere"), "no region 'nowhere'"),
        (("--name", "low", "--protocol", "paper"), "Unknown protocol 'paper' for the recipe 'trees'"),
        (("--name", "low", "--features", "ht"), "The feature table lacks ht."),
    ],
)
def test_what_cannot_be_is_one_line(run, arguments, words):
    done = train(run, *arguments)
    assert done.exit_code == 1
    assert words in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_trees_that_may_not_split_are_told(run):
    """Weights of a class sum to one: the library's own threshold of one forbids every split."""
    done = train(run, "--name", "low", "--set", "min_child_weight=1")
    assert done.exit_code == 0, done.output
    assert "note: no tree has a split" in done.output
    assert "--set min_child_weight=0" in done.output
    assert "no tree has a split" not in train(run, "--name", "low", "--set", "min_child_weight=0").output


def test_a_point_of_a_learning_curve(run):
    done = train(run, "--name", "high", "--fraction", "0.5")
    assert done.exit_code == 0, done.output
    training = json.loads((run / "models" / "high" / "training.json").read_text())
    assert training["recipe"]["fraction"] == 0.5
    refused = train(run, "--name", "high", "--fraction", "0")
    assert refused.exit_code == 2
    assert "0 is not in the range 0.0<x<=1.0" in " ".join(refused.output.replace("0.0 is", "0 is").split())
