from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from massgap.contracts.description import Description, Feature, Region, Score
from massgap.contracts.errors import (
    FolderError,
    IncompleteRunError,
    ModelFolderError,
    RunFolderError,
    TableError,
)
from massgap.models.errors import ModelError
from massgap.models.folds import held_out_fold
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training.recipe import Recipe
from massgap.models.training.train_run import read_run_features, train_run
from massgap.source_code import imported_digest


def write_run(folder, table, features, is_signal=lambda process: process.startswith("slepton")):
    """A run folder as the processors write it."""
    (folder / "features").mkdir(parents=True)
    datasets = {}
    header = {"format": "massgap-features/1", "features": features, "units": {"mt2_100": "GeV"}}
    for dataset, part in table.groupby("dataset"):
        process = part["process"].iloc[0]
        datasets[dataset] = {
            "process": process,
            "is_data": False,
            "is_signal": is_signal(process),
            "scale": 1.0,
        }
        write_table(folder / "features" / f"{dataset}.parquet", part, header)
    datasets["data_2018"] = {"process": "data", "is_data": True, "is_signal": False}
    manifest = {"format": "massgap-run/1", "analysis": "slepton", "fileset_hash": "f00", "datasets": datasets}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "ledger.json").write_text(
        json.dumps({"format": "massgap-ledger/1", "complete": True, "accepted_loss": False})
    )
    return folder


def write_table(path, part, header):
    arrow = pa.Table.from_pandas(part, preserve_index=False)
    pq.write_table(arrow.replace_schema_metadata({b"massgap": json.dumps(header).encode()}), path)


@pytest.fixture
def run(tmp_path, table, features):
    return write_run(tmp_path / "run", table, features)


QUICK = {"importances": False, "compare_protocols": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory, full_table, features):
    folder = tmp_path_factory.mktemp("whole")
    run = write_run(folder / "run", full_table, features)
    return train_run(run, folder / "model")


def test_writes_what_the_next_stages_read(made, features, backgrounds):
    assert sorted(p.name for p in made.folder.iterdir()) == ["card.md", "slepton.onnx", "training.json"]
    training = json.loads(made.training_file.read_text())
    assert training == made.training
    assert training["format"] == "massgap-training/1"
    assert training["features"] == features
    assert training["signal"] == ["slepton_110_80"]
    assert sorted(training["backgrounds"]) == sorted(backgrounds)
    assert training["units"]["mt2_100"] == "GeV"
    assert training["model_sha256"] == hashlib.sha256(made.model_file.read_bytes()).hexdigest()
    assert training["onnx_difference"] <= 1e-6
    assert len(training["folds"]) == training["n_folds"] == 3
    assert set(training["importance"]) == {"all", "tt+WW", *backgrounds}
    assert made.auc_eval == [fold["auc_eval"] for fold in training["folds"]]
    assert training["source"]["fileset_hash"] == "f00"


def test_the_score_of_the_folder_is_the_one_evaluated(made, full_table, features):
    """AUC of fold 0 again, from the ONNX file and the table."""
    scorer = OnnxScorer(made.folder, features)
    chosen = full_table[
        full_table["region_precuts"] & (held_out_fold(full_table["fold_key"].to_numpy()) == 0)
    ]
    score = scorer.score({n: chosen[n].to_numpy() for n in features}, np.zeros(len(chosen), dtype=int))
    y, w = (chosen["process"] == "slepton_110_80").to_numpy(), chosen["weight"].to_numpy()
    above = np.sign(score[y][:, None] - score[~y]) / 2 + 0.5
    expected = w[y] @ above @ w[~y] / w[y].sum() / w[~y].sum()
    assert made.auc_eval[0] == pytest.approx(expected, abs=1e-5)


def test_same_run_same_bytes_and_resume(tmp_path, run):
    first = train_run(run, tmp_path / "a", **QUICK)
    elsewhere = train_run(run, tmp_path / "b", **QUICK)
    assert first.model_file.read_bytes() == elsewhere.model_file.read_bytes()
    assert first.training_file.read_text() == elsewhere.training_file.read_text()
    again = train_run(run, tmp_path / "a", **QUICK)
    assert (first.reused, again.reused) == (False, True)
    assert again.training == first.training
    change(run / "manifest.json", created="another day", command="another way to say it")
    assert train_run(run, tmp_path / "a", **QUICK).reused
    change(run / "manifest.json", code_hash="another selection")
    assert not train_run(run, tmp_path / "a", **QUICK).reused
    assert not train_run(run, tmp_path / "a", **QUICK, hyperparameters={"n_trees": 5}).reused


@pytest.mark.parametrize("spoil", ["cut", "lost", "other", "json", "card"])
def test_a_spoiled_folder_is_made_again(tmp_path, run, spoil):
    made = train_run(run, tmp_path / "a", **QUICK)
    content = made.model_file.read_bytes()
    if spoil == "cut":
        made.model_file.write_bytes(content[:-5])
    elif spoil == "lost":
        made.model_file.unlink()
    elif spoil == "other":
        made.model_file.write_bytes(b"x" * len(content))
    elif spoil == "json":
        made.training_file.write_text("{")
    else:
        made.card_file.unlink()
    again = train_run(run, tmp_path / "a", **QUICK)
    assert not again.reused
    assert again.model_file.read_bytes() == content


def test_a_replaced_model_file_is_refused(made, tmp_path, model_bytes):
    (tmp_path / "training.json").write_text(made.training_file.read_text())
    (tmp_path / "slepton.onnx").write_bytes(model_bytes)
    with pytest.raises(ModelFolderError, match=r"training.json beside it describes"):
        OnnxScorer(tmp_path / "slepton.onnx")


def test_interrupted_while_writing(tmp_path, run, monkeypatch):
    import massgap.contracts.model_folder as module

    made = train_run(run, tmp_path / "a", **QUICK)

    def interrupted(path, content, **options):
        assert path.name == "training.json"
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_run(run, tmp_path / "a", **QUICK, hyperparameters={"n_trees": 2})
    monkeypatch.undo()
    with pytest.raises(ModelFolderError, match="training was interrupted"):
        OnnxScorer(tmp_path / "a")
    again = train_run(run, tmp_path / "a", **QUICK)
    assert not again.reused
    assert again.model_file.read_bytes() == OnnxScorer(made.model_file)._content


def test_unwritable_folder(tmp_path, run):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"Cannot write the model folder .*file"):
        train_run(run, tmp_path / "file", **QUICK)


def test_background_without_selected_events_is_noted(tmp_path, table, features):
    run = write_run(tmp_path / "run", table, features)
    for path in (run / "features").glob("ZZ*.parquet"):
        part = pq.read_table(path)
        pq.write_table(part.slice(0, 0), path)
    made = train_run(run, tmp_path / "model", **QUICK)
    assert "ZZ" not in made.training["backgrounds"]
    assert made.training["notes"] == ["ZZ has no selected events and is not trained against"]
    assert "- ZZ has no selected events" in made.card_file.read_text()


def test_card(made):
    card = made.card_file.read_text()
    assert card.startswith("# Model card: slepton.onnx\n")
    for words in (
        "separate `slepton_110_80` from `WW`, `WZ`",
        "| tt | background | ",
        "| 3 | `mt2_100` | GeV |",
        "n_trees 50, max_depth 5, eta 0.5, lambda 0.01",
        "protocol `nested`",
        f"| {made.auc_eval[0]:.4f} |",
        "Mean held-out AUC: nested",
        "## Limits of use",
        made.training["model_sha256"],
        made.training["training_hash"],
        "xgboost ",
    ):
        assert words in card
    counts = made.training["processes"]["tt"]
    assert f"| tt | background | {counts['raw']:,} | {counts['weight_fb']:.5g} |" in card


# ---- recipes, regions, scores


OWN = """
from massgap.models.training.recipe import Recipe

MINE = Recipe("mine", region="precuts", hyperparameters={"n_trees": 20, "max_depth": 3, "eta": 0.5})
"""


@pytest.mark.parametrize(
    ("old", "new"), [("20", "30"), ("max_depth", "gamma"), ('"precuts"', '"all"'), ("\n\n", "\n\nX = 1\n")]
)
def test_a_changed_recipe_never_gives_yesterdays_model(tmp_path, run, old, new):
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    first = train_run(run, tmp_path / "model", recipe=f"{file}:MINE", **QUICK)
    before = first.model_file.read_bytes()
    assert train_run(run, tmp_path / "model", recipe=f"{file}:MINE", **QUICK).reused
    file.write_text(OWN.replace(old, new))
    imported_digest.cache_clear()  # tomorrow is another process
    again = train_run(run, tmp_path / "model", recipe=f"{file}:MINE", **QUICK)
    assert not again.reused
    if "X" not in new:
        assert again.model_file.read_bytes() != before
        fresh = train_run(run, tmp_path / "fresh", recipe=f"{file}:MINE", **QUICK)
        assert fresh.model_file.read_bytes() == again.model_file.read_bytes()


def test_a_changed_recipe_in_the_same_process(tmp_path, run):
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    first = train_run(run, tmp_path / "model", recipe=f"{file}:MINE", **QUICK)
    file.write_text(OWN.replace("20", "30"))
    again = train_run(run, tmp_path / "model", recipe=f"{file}:MINE", **QUICK)
    assert not again.reused
    assert again.training["hyperparameters"]["n_trees"] == 30 != first.training["hyperparameters"]["n_trees"]


def test_changed_code_of_the_room_trains_again(tmp_path, run, monkeypatch):
    import massgap.models.training.train_run as module

    asked = []
    real = module.package_digest

    def changed(**options):
        asked.append(options)
        return real(**options) + "x"

    train_run(run, tmp_path / "model", **QUICK)
    monkeypatch.setattr(module, "package_digest", changed)
    assert not train_run(run, tmp_path / "model", **QUICK).reused
    assert asked == [{"only": ("models", "arrays")}]


def test_the_recipe_of_the_analysis_and_its_variant(tmp_path, run):
    made = train_run(run, tmp_path / "a", **QUICK)
    assert made.training["recipe"]["name"] == "slepton"
    assert made.training["region"] == "precuts"
    paper = train_run(run, tmp_path / "b", protocol="paper", **QUICK)
    assert paper.training["recipe"]["name"] == "slepton-paper"
    assert paper.training["protocol"] == "held_out"
    assert [f["n_stop_signal"] for f in paper.training["folds"]] == [0, 0, 0]
    change(run / "manifest.json", analysis="another")
    other = train_run(run, tmp_path / "c", **QUICK)
    assert other.training["recipe"]["name"] == "trees"
    assert other.model_file.name == "another.onnx"


def test_the_record_holds_the_whole_recipe(made):
    recipe = Recipe.from_dict(made.training["recipe"])
    assert recipe.digest == made.training["recipe_digest"]
    assert list(recipe.features) == made.training["features"]
    assert recipe.backgrounds == tuple(made.training["backgrounds"])


def test_a_run_of_somebody_elses_analysis(tmp_path, table):
    """No column but the contract's, and everything else as the run's description says."""
    table = table.rename(columns={"region_precuts": "region_sr"})
    table["region_wide"], table["region_sr_low"] = True, table["met"] < 150
    run = write_run(tmp_path / "run", table, ["met", "mt2_100", "eta_l1", "m_ll"])
    regions = (Region("wide"), Region("sr", within="wide"), Region("sr_low", within="sr"))
    scores = (Score("low", regions=("sr_low",), features=("mt2_100", "met")), Score("high", regions=("sr",)))
    described = Description(
        "own", features=(Feature("met"), Feature("mt2_100")), regions=regions, scores=scores
    )
    change(run / "manifest.json", analysis="own", description=described.as_dict())
    with pytest.raises(ModelError, match="has the scores low, high: say with --name"):
        train_run(run, tmp_path / "model", **QUICK)
    low = train_run(run, tmp_path / "low", name="low", **QUICK)
    high = train_run(run, tmp_path / "high", name="high", **QUICK)
    assert (low.model_file.name, high.model_file.name) == ("low.onnx", "high.onnx")
    assert (low.training["region"], high.training["region"]) == ("sr_low", "sr")
    assert low.training["features"] == OnnxScorer(low.folder).features == ["mt2_100", "met"]
    assert high.training["features"] == ["met", "mt2_100"]
    n_low = sum(f["n_eval_signal"] for f in low.training["folds"])
    assert n_low == (table["region_sr_low"] & (table["process"] == "slepton_110_80")).sum()
    assert "events of the region `sr_low`" in low.card_file.read_text()
    with pytest.raises(TableError, match=r"no region 'nowhere' .*it has sr, wide, sr_low"):
        train_run(run, tmp_path / "x", name="low", region="nowhere", **QUICK)


# ---- run folders that cannot be used


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_lost_events_are_not_trained_on_unless_accepted(run, tmp_path):
    change(run / "ledger.json", complete=False)
    with pytest.raises(IncompleteRunError, match=r"is incomplete .* accept the loss"):
        read_run_features(run)
    assert len(read_run_features(run, accept_loss=True).table)
    change(run / "ledger.json", accepted_loss=True)
    assert len(read_run_features(run).table)


def test_not_a_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match=r"nowhere is no folder"):
        read_run_features(tmp_path / "nowhere")


def test_damaged_manifest(run):
    (run / "manifest.json").write_text('{"format": "massgap-run/1", ')
    with pytest.raises(RunFolderError, match=r"manifest.json is damaged"):
        read_run_features(run)
    (run / "manifest.json").write_text('{"format": "massgap-run/7"}')
    with pytest.raises(RunFolderError, match="format 'massgap-run/7', but 'massgap-run/1' is needed"):
        read_run_features(run)


def test_only_data(run):
    change(run / "manifest.json", datasets={"data": {"is_data": True}})
    with pytest.raises(TableError, match="no simulated dataset"):
        read_run_features(run)


def test_missing_table(run):
    (run / "features" / "tt_0.parquet").unlink()
    with pytest.raises(TableError, match="no feature table for the dataset 'tt_0'"):
        read_run_features(run)


def test_truncated_table(run):
    path = run / "features" / "tt_0.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TableError, match=r"tt_0.parquet cannot be read"):
        read_run_features(run)


def test_somebody_elses_parquet(run):
    pd.DataFrame({"met": [1.0]}).to_parquet(run / "features" / "tt_0.parquet")
    with pytest.raises(TableError, match=r"tt_0.parquet is not a feature table"):
        read_run_features(run)


def test_tables_that_disagree(run, table, features):
    part = table[table["dataset"] == "tt_0"]
    header = {"format": "massgap-features/1", "features": features, "units": {"mt2_100": "MeV"}}
    write_table(run / "features" / "tt_0.parquet", part, header)
    with pytest.raises(TableError, match=r"tt_0.parquet differ: .*GeV.* against .*MeV"):
        read_run_features(run)


def test_no_signal_in_the_run(tmp_path, table, features):
    run = write_run(tmp_path / "run", table, features, is_signal=lambda process: False)
    with pytest.raises(
        TableError, match=r"no selected signal events: its processes are WW.*\(signal: none\).*--signal"
    ):
        train_run(run, tmp_path / "model")


def test_bad_name(run, tmp_path):
    with pytest.raises(ModelError, match=r"'../x' cannot be a file name"):
        train_run(run, tmp_path / "model", name="../x")
