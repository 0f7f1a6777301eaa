"""The trained models that come with massgap: what is listed is what is there, and each scores by its name."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from massgap.cli.group import main
from massgap.models.errors import ModelError
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.zoo.shelf import find_model, zoo_models, zoo_row

NAMES = list(zoo_models())
MOST_BYTES = 300_000
"""Of a model with all that belongs to it: git keeps every version of it."""


def asked(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["models", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_names_each_with_what_it_was_trained_on() -> None:
    text, rows = asked(), json.loads(asked("--json"))["models"]
    assert [row["name"] for row in rows] == NAMES
    assert len(NAMES) >= 1
    for row in rows:
        training = find_model(row["name"]).training
        assert row["auc"] == pytest.approx(np.mean([fold["auc_eval"] for fold in training["folds"]]))
        assert f"{row['name']}: {training['recipe']['kind']}, {training['n_folds']} folds" in text
        assert f"AUC of held-out events {row['auc']:.3f}" in text
        assert all(
            f"{process} {counts['raw']:,}" in text for process, counts in training["processes"].items()
        )
        assert list(row["features"]) == training["features"]
        assert row["features"] == training["units"]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_data_seed_metrics_units_use_and_limits(name: str) -> None:
    card, training = asked(name), find_model(name).training
    for title in (
        "Intended use",
        "Data",
        "Features",
        "Training",
        "Performance",
        "Limits of use",
        "Provenance",
    ):
        assert f"## {title}" in card
    assert card.startswith(f"# Model card: {name}.onnx")
    for words in (training["model_sha256"], training["source"]["fileset_hash"], f"seed {training['seed']}"):
        assert words in card
    for feature, unit in training["units"].items():
        assert re.search(rf"\| `{feature}` \| {unit or '1'} \|", card)
    assert all(f"| {fold['auc_eval']:.4f} |" in card for fold in training["folds"])
    # Which processes it has hardly seen is among its limits.
    few = {n: c["effective"] for n, c in training["processes"].items() if c["effective"] < 30}
    assert all(f"`{n}` ({found:.1f})" in card for n, found in few.items())


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_whole_and_scores_by_its_name(name: str) -> None:
    model = find_model(name)
    files = [model.model_file, model.card_file, model.training_file]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    assert sorted(file.name for file in model.folder.iterdir()) == sorted(file.name for file in files)
    scorer = OnnxScorer(name, model.training["features"])
    assert scorer.sha256 == hashlib.sha256(model.model_file.read_bytes()).hexdigest()
    assert scorer.sha256 == zoo_row(name, model)["sha256"] == model.training["model_sha256"]
    x = np.random.default_rng(0).normal(60, 40, (200, len(scorer.features))).astype(np.float32)
    scores = scorer.score_all_folds(x)
    assert scores.shape == (200, model.training["n_folds"])
    assert np.ptp(scores) > 0.2
    assert (scores[:, 0] != scores[:, 1]).any()


def test_an_analysis_takes_one_by_its_name() -> None:
    from massgap.stages.processing import processor_of

    analysis = find_model(NAMES[0]).training["source"]["analysis"]
    processor, options, tags = processor_of(analysis, {}, NAMES[0])
    (tag,) = tags["models"].values()
    assert tag["file"] == str(find_model(NAMES[0]).model_file)
    assert options["model"] == NAMES[0]
    assert next(iter(processor.models.values())).sha256 == find_model(NAMES[0]).training["model_sha256"]


@pytest.mark.parametrize("name", ["nonesuch", "..", "", "slepton-small/.."])
def test_a_name_that_is_not_there(name: str) -> None:
    with pytest.raises(ModelError, match="massgap models lists them"):
        find_model(name)
    done = CliRunner().invoke(main, ["models", "nonesuch"])
    assert done.exit_code == 1
    assert NAMES[0] in done.output
    with pytest.raises(ModelError, match="massgap models lists those"):
        OnnxScorer("nonesuch")


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAMES[0]).write_bytes(b"no model")
    with pytest.raises(ModelError, match="is not an ONNX model"):
        OnnxScorer(NAMES[0])
