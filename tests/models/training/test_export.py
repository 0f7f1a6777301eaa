from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from massgap.models.errors import ModelError
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.training.export import to_bytes, to_onnx, verified_bytes
from massgap.models.training.trained_folds import train


def thresholds(folds):
    """All split values per feature, in float32."""
    found = {name: set() for name in folds.features}
    for booster in folds.classifiers:
        for tree in json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"][
            "trees"
        ]:
            for left, feature, value in zip(
                tree["left_children"], tree["split_indices"], tree["split_conditions"], strict=True
            ):
                if left >= 0:
                    found[folds.features[feature]].add(np.float32(value))
    return [np.array(sorted(found[name] or {np.float32(0)}), dtype=np.float32) for name in folds.features]


def nasty_rows(folds, n, seed=0):
    """Random rows of which a third sits at, just below or just above thresholds, and a tenth is missing."""
    rng = np.random.default_rng(seed)
    x = np.empty((n, len(folds.features)), dtype=np.float32)
    for j, values in enumerate(thresholds(folds)):
        span = max(float(np.ptp(values)), 1.0)
        x[:, j] = rng.uniform(values.min() - span / 5, values.max() + span / 5, n)
        at = rng.random(n) < 0.33
        picked = rng.choice(values, at.sum())
        neighbours = np.stack(
            [np.nextafter(picked, np.float32(-np.inf)), picked, np.nextafter(picked, np.float32(np.inf))]
        )
        x[at, j] = neighbours[rng.integers(0, 3, at.sum()), np.arange(at.sum())]
        x[rng.random(n) < 0.1, j] = np.nan
        x[rng.random(n) < 0.01, j] = rng.choice(np.array([0.0, -0.0, 1e-45, 3e38], dtype=np.float32))
    return x


@pytest.fixture(scope="module")
def large(full_table, recipe):
    """The full fifty trees in every fold."""
    return train(
        full_table,
        recipe.changed(early_stopping=50, protocol="held_out"),
        importances=False,
        compare_protocols=False,
    )


def test_a_million_rows_agree_with_xgboost(large):
    assert [b.num_boosted_rounds() for b in large.classifiers] == [50, 50, 50]
    x = nasty_rows(large, 1_000_000)
    scorer = OnnxScorer.from_bytes(to_bytes(to_onnx(large)), "large", features=large.features)
    difference = np.abs(scorer.score_all_folds(x) - large.predict(x))
    assert difference.shape == (1_000_000, 3)
    assert difference.max() <= 1e-6


def walk(tree, row):
    """One tree of XGBoost's text dump, walked in plain Python."""
    while "leaf" not in tree:
        value = row[tree["split"]]
        if np.isnan(value):
            wanted = tree["missing"]
        else:
            wanted = tree["yes"] if value < np.float32(tree["split_condition"]) else tree["no"]
        tree = next(child for child in tree["children"] if child["nodeid"] == wanted)
    return tree["leaf"]


def test_agrees_with_trees_walked_by_hand(trained, model_bytes, full_table):
    x = full_table[trained.features].to_numpy(dtype=np.float32)[::60]
    x = np.concatenate([x, nasty_rows(trained, 100, seed=4)])
    scores = OnnxScorer.from_bytes(model_bytes, "model").score_all_folds(x)
    for i, booster in enumerate(trained.classifiers):
        trees = [json.loads(tree) for tree in booster.get_dump(dump_format="json")]
        for row, score in zip(x, scores[:, i], strict=True):
            named = dict(zip(trained.features, row, strict=True))
            margin = sum(walk(tree, named) for tree in trees)
            assert score == pytest.approx(1 / (1 + np.exp(-margin)), abs=1e-6)


def test_agrees_with_another_converter(large):
    """onnxmltools converts each booster by its own code."""
    convert = pytest.importorskip("onnxmltools").convert_xgboost
    import onnxruntime as ort
    from onnxmltools.convert.common.data_types import FloatTensorType

    x = nasty_rows(large, 2000, seed=2)
    ours = OnnxScorer.from_bytes(to_bytes(to_onnx(large)), "large").score_all_folds(x)
    for i, booster in enumerate(large.classifiers):
        names = booster.feature_names
        booster.feature_names = None
        shape = [("x", FloatTensorType([None, x.shape[1]]))]
        other = convert(booster, initial_types=shape, target_opset=15)
        booster.feature_names = names
        session = ort.InferenceSession(other.SerializeToString(), providers=["CPUExecutionProvider"])
        probability = np.asarray(session.run(None, {"x": x})[1])[:, 1]
        assert np.abs(ours[:, i] - probability).max() <= 1e-6


def test_infinite_counts_as_missing(trained, model_bytes, full_table):
    x = full_table[trained.features].to_numpy(dtype=np.float32)[:500].copy()
    holes = np.random.default_rng(0).random(x.shape) < 0.1
    scorer = OnnxScorer.from_bytes(model_bytes, "model")
    with_nan = np.where(holes, np.float32(np.nan), x)
    for value in (np.inf, -np.inf):
        with_inf = np.where(holes, np.float32(value), x)
        assert np.array_equal(scorer.score_all_folds(with_inf), scorer.score_all_folds(with_nan))
    assert not np.array_equal(scorer.score_all_folds(with_nan), scorer.score_all_folds(x))


def test_a_score_does_not_depend_on_the_batch(large):
    """Chunk sizes must not move an event across a bin edge: bit-identical, row by row."""
    scorer = OnnxScorer.from_bytes(to_bytes(to_onnx(large)), "large")
    x = nasty_rows(large, 3000, seed=9)
    whole = scorer.score_all_folds(x)
    for size in (1, 2, 7, 16, 31, 127, 129, 1000):
        parts = [scorer.score_all_folds(x[i : i + size]) for i in range(0, 600, size)]
        assert np.array_equal(np.concatenate(parts)[:600], whole[:600])


def test_same_folds_same_bytes(trained, model_bytes, full_table, recipe):
    again = train(full_table.sample(frac=1, random_state=2), recipe, units=trained.units)
    assert to_bytes(to_onnx(again)) == model_bytes


def test_graph_and_metadata(trained, model_bytes):
    model = onnx.load_model_from_string(model_bytes)
    onnx.checker.check_model(model, full_check=True)
    assert {o.domain: o.version for o in model.opset_import} == {"": 15, "ai.onnx.ml": 3}
    assert [v.name for v in (*model.graph.input, *model.graph.output)] == ["features", "score"]
    props = {p.key: p.value for p in model.metadata_props}
    assert json.loads(props["massgap.features"]) == trained.features
    assert json.loads(props["massgap.units"])["mt2_100"] == "GeV"
    assert props["massgap.n_folds"] == "3"
    assert props["massgap.training_hash"] == trained.training_hash
    assert props["massgap.format"] == "massgap-model/1"
    assert (props["massgap.recipe"], props["massgap.region"]) == ("slepton", "precuts")
    assert props["massgap.recipe_digest"] == trained.recipe.digest
    trees = next(n for n in model.graph.node if n.op_type == "TreeEnsembleRegressor")
    ids = next(a for a in trees.attribute if a.name == "nodes_treeids").ints
    assert len(set(ids)) == sum(f.n_trees for f in trained.folds)


def test_trees_without_a_split(full_table, recipe, features):
    stumps = train(
        full_table,
        recipe.changed(hyperparameters={"min_child_weight": 1, "base_score": 0.3}),
        importances=False,
        compare_protocols=False,
    )
    x = full_table[features].to_numpy(dtype=np.float32)[:10]
    _, difference = verified_bytes(stumps, x)
    assert difference <= 1e-6


def test_a_wrong_conversion_is_noticed(trained, full_table, monkeypatch):
    from massgap.models.training import tree_graph

    whole = tree_graph._trees

    def shifted(booster):
        trees, margin = whole(booster)
        return trees, margin + 1e-4

    monkeypatch.setattr(tree_graph, "_trees", shifted)
    with pytest.raises(ModelError, match="differs from what was trained"):
        verified_bytes(trained, full_table[trained.features].to_numpy(dtype=np.float32))


def test_other_boosters_are_refused(trained, full_table):
    from dataclasses import replace

    import xgboost as xgb

    x = full_table[trained.features].to_numpy(dtype=np.float32)
    matrix = xgb.DMatrix(x, label=np.arange(len(x)) % 2, feature_names=trained.features)
    linear = xgb.train({"booster": "dart", "objective": "binary:logistic"}, matrix, 2)
    with pytest.raises(ModelError, match="Only gbtree"):
        to_onnx(replace(trained, classifiers=[linear] * 3))
