from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from massgap.contracts.errors import ModelFolderError
from massgap.models.errors import FeatureError, ModelError, ModelFileError
from massgap.models.folds import held_out_fold
from massgap.models.scoring.onnx_file import DIGEST, content_digest
from massgap.models.scoring.scorer import OnnxScorer


@pytest.fixture
def scorer(model_file, features):
    return OnnxScorer(model_file, features=features)


@pytest.fixture
def columns(full_table, features):
    return {name: full_table[name].to_numpy() for name in features}


@pytest.fixture
def fold(full_table):
    return held_out_fold(full_table["fold_key"].to_numpy())


def own_model(width=3, outputs=1, **changes):
    """Somebody's own classifier: a linear layer and a sigmoid."""
    options = {
        "opset": 15,
        "in_type": TensorProto.FLOAT,
        "in_shape": ["n", width],
        "out_shape": ["n", outputs],
        "nodes": [
            helper.make_node("MatMul", ["x", "w"], ["z"]),
            helper.make_node("Sigmoid", ["z"], ["p"]),
        ],
        "domains": [],
        "w": np.full((width, outputs), 0.5, dtype=np.float32),
    }
    options |= changes
    graph = helper.make_graph(
        options["nodes"],
        "own",
        [helper.make_tensor_value_info("x", options["in_type"], options["in_shape"])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, options["out_shape"])],
        initializer=[numpy_helper.from_array(options["w"], "w")],
    )
    imports = [
        helper.make_opsetid("", options["opset"]),
        *(helper.make_opsetid(d, 1) for d in options["domains"]),
    ]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def saved(tmp_path, model):
    path = tmp_path / "own.onnx"
    path.write_bytes(model.SerializeToString())
    return path


# ---- what it says and gives


def test_properties(scorer, trained, model_bytes, features):
    import hashlib

    assert scorer.features == features
    assert scorer.n_folds == 3
    assert scorer.training_hash == trained.training_hash
    assert scorer.sha256 == hashlib.sha256(model_bytes).hexdigest()
    assert scorer.metadata["massgap.protocol"] == "nested"
    assert "27 features, 3 folds" in repr(scorer)
    assert (scorer.engine, "compiled trees" in repr(scorer)) == ("compiled trees", True)


def test_both_engines_agree(scorer, model_file, columns, fold):
    theirs = OnnxScorer(model_file, engine="onnxruntime")
    assert theirs.engine == "onnxruntime"
    assert np.abs(theirs.score(columns, fold) - scorer.score(columns, fold)).max() <= 2e-7


def test_each_event_gets_the_classifier_that_has_not_seen_it(scorer, trained, columns, fold, full_table):
    x = full_table[trained.features].to_numpy(dtype=np.float32)
    expected = [trained.predict(x[i : i + 1])[0, fold[i]] for i in range(200)]
    score = scorer.score(columns, fold)
    assert score.dtype == np.float32
    assert score[:200] == pytest.approx(np.array(expected), abs=1e-6)
    assert np.array_equal(scorer.score(x, fold), score)
    assert not np.array_equal(scorer.score(x, (fold + 1) % 3), score)


def test_a_mapping_is_read_by_name_in_any_order(scorer, columns, fold):
    backwards = {name: columns[name] for name in reversed(columns)}
    assert np.array_equal(scorer.score(backwards, fold), scorer.score(columns, fold))


def test_large_inputs_in_batches(model_file, columns, fold, monkeypatch):
    scorer = OnnxScorer(model_file, engine="onnxruntime")
    whole = scorer.score(columns, fold)
    monkeypatch.setattr("massgap.models.scoring.sessions.BATCH", 100)
    assert np.array_equal(scorer.score(columns, fold), whole)


def test_empty_input(scorer, features):
    nothing = scorer.score({name: np.array([]) for name in features}, np.array([], dtype=int))
    assert (nothing.shape, nothing.dtype) == ((0,), np.float32)
    assert scorer.score(np.empty((0, 27), dtype=np.float32), []).shape == (0,)
    assert scorer.score_all_folds(np.empty((0, 27), dtype=np.float32)).shape == (0, 3)


def test_model_folder(tmp_path, model_file, features):
    assert OnnxScorer(model_file.parent, features).path == str(model_file)
    (tmp_path / "second.onnx").write_bytes(b"")
    with pytest.raises(
        ModelFolderError, match=r"should hold one .onnx file; it holds second.onnx, slepton.onnx"
    ):
        OnnxScorer(model_file.parent)


# ---- the journey to a worker


def test_pickles_without_the_session_and_without_the_file(scorer, model_file, columns, fold, tmp_path):
    here = scorer.score(columns, fold)
    assert scorer._whole._session is not None
    luggage = pickle.dumps((scorer, {k: v[:50] for k, v in columns.items()}, fold[:50]))
    assert pickle.loads(pickle.dumps(scorer))._whole._session is None
    model_file.unlink()
    code = (
        "import pickle, sys; s, c, f = pickle.load(sys.stdin.buffer); "
        "sys.stdout.buffer.write(s.score(c, f).tobytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=luggage, capture_output=True, cwd=tmp_path, check=True
    )
    assert done.stdout == here[:50].tobytes()


def test_one_thread_on_the_cpu(scorer):
    options = scorer._whole.open().get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert scorer._whole.open().get_providers() == ["CPUExecutionProvider"]


# ---- features that do not fit


def test_permuted_features(model_file, features):
    permuted = [features[1], features[0], *features[2:]]
    with pytest.raises(
        FeatureError, match="another order, first at position 0: m_ll in the model, m_j given"
    ) as e:
        OnnxScorer(model_file, features=permuted)
    assert ", ".join(features) in str(e.value)
    assert ", ".join(permuted) in str(e.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f[:-1], "missing: eta_j"),
        (lambda f: [*f, "spin"], "not in the model: spin"),
        (lambda f: [*f[:-1], "spin"], "missing: eta_j; not in the model: spin"),
        (lambda f: [*f, f[0]], "28 names instead of 27"),
        (lambda f: "met", "must be a list"),
    ],
)
def test_other_features(model_file, features, change, words):
    with pytest.raises(FeatureError, match=words):
        OnnxScorer(model_file, features=change(features))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("met"), "missing: met.*The model takes m_ll, .*; given are m_ll"),
        (lambda c: c.update(spin=c["met"]), "not in the model: spin"),
        (
            lambda c: c.update(met=c["met"].astype(int)),
            "'met' has type int64, but the model .* takes float32 or float64",
        ),
        (lambda c: c.update(met=c["met"][:-1]), r"'met' has shape \(8399,\), but 'm_ll' has \(8400,\)"),
        (lambda c: c.update(m_ll=c["m_ll"][:1]), "'m_j' has shape"),
    ],
)
def test_wrong_columns(scorer, columns, fold, change, words):
    change(columns)
    with pytest.raises(FeatureError, match=words):
        scorer.score(columns, fold)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.zeros((4, 27)), "type float64, but the model .* takes float32"),
        (np.zeros((4, 27), dtype=np.int32), "type int32"),
        (np.zeros((4, 26), dtype=np.float32), r"shape \(4, 26\), but the model .* takes \(events, 27\)"),
        (np.zeros(27, dtype=np.float32), r"shape \(27,\)"),
    ],
)
def test_wrong_matrix(scorer, matrix, words):
    with pytest.raises(FeatureError, match=words):
        scorer.score(matrix, np.zeros(len(matrix), dtype=int))


@pytest.mark.parametrize(
    ("fold", "words"),
    [
        (None, "has 3 folds: give the fold"),
        ([0, 1, 3], "Folds run from 0 to 3"),
        ([0, 1, -1], "Folds run from -1 to 1"),
        ([0, 1], r"shape \(2,\)"),
        ([0.0, 1.0, 2.0], "type float64"),
    ],
)
def test_wrong_folds(scorer, fold, words):
    with pytest.raises(ModelError, match=words):
        scorer.score(np.zeros((3, 27), dtype=np.float32), fold)


# ---- files that do not fit


def test_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"Cannot read the model .*none.onnx: No such file"):
        OnnxScorer(tmp_path / "none.onnx")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.3, 0.7, 0.99, -1])
def test_truncated_file(model_file, model_bytes, keep):
    n = int(keep * len(model_bytes)) if isinstance(keep, float) else keep
    model_file.write_bytes(model_bytes[:n])
    with pytest.raises(ModelFileError, match=r"slepton\.onnx"):
        OnnxScorer(model_file)


@pytest.mark.parametrize(
    "content", [b"not a model at all", b"\x00" * 1000, b'{"format": "massgap-training/1"}', b"PK\x03\x04"]
)
def test_not_onnx(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not an ONNX model"):
        OnnxScorer(path)


def test_no_flipped_bit_goes_unnoticed(model_bytes, features):
    """Either the model is refused, or it scores exactly as before (padding, documentation strings)."""
    rng = np.random.default_rng(3)
    x = rng.normal(100, 50, (200, 27)).astype(np.float32)
    reference = OnnxScorer.from_bytes(model_bytes, "whole").score_all_folds(x)
    refused = 0
    for position in rng.integers(0, len(model_bytes), 150):
        damaged = bytearray(model_bytes)
        damaged[position] ^= 1 << int(rng.integers(0, 8))
        try:
            scores = OnnxScorer.from_bytes(bytes(damaged), "damaged", features).score_all_folds(x)
        except ModelError:
            refused += 1
        else:
            assert np.array_equal(scores, reference)
    assert refused > 140


def test_changed_metadata(model_bytes, tmp_path, features):
    model = onnx.load_model_from_string(model_bytes)
    for entry in model.metadata_props:
        if entry.key == "massgap.features":
            entry.value = json.dumps(features[::-1])
    with pytest.raises(ModelFileError, match="changed after its export"):
        OnnxScorer(saved(tmp_path, model), features[::-1])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("massgap.features", None, "lacks the metadata massgap.features"),
        ("massgap.training_hash", None, "lacks the metadata massgap.training_hash"),
        (DIGEST, None, f"lacks the metadata {DIGEST}"),
        ("massgap.format", "massgap-model/9", "format 'massgap-model/9'; this version reads massgap-model/1"),
        ("massgap.features", "[1, 2]", "damaged"),
        ("massgap.n_folds", "many", "damaged"),
        ("massgap.n_folds", "2", "has 3 columns, but massgap.n_folds is 2"),
        ("massgap.features", '["a", "b"]', "is 27 wide, but its metadata names 2: a, b"),
    ],
)
def test_wrong_metadata(model_bytes, tmp_path, key, value, words):
    model = onnx.load_model_from_string(model_bytes)
    entries = {p.key: p.value for p in model.metadata_props}
    entries[key] = value
    helper.set_model_props(model, {k: v for k, v in entries.items() if v is not None})
    if key != DIGEST:
        entries[DIGEST] = content_digest(model)
        helper.set_model_props(model, {k: v for k, v in entries.items() if v is not None})
    with pytest.raises(ModelError, match=words):
        OnnxScorer(saved(tmp_path, model))


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            helper.make_node(
                "BatchNormalization", ["z", "one", "one", "one", "one"], ["n", "r", "s"], training_mode=1
            ),
            "BatchNormalization, which is in training mode",
        ),
        (helper.make_node("Dropout", ["z", "half", "yes"], ["n"]), "Dropout, which is in training mode"),
        (helper.make_node("RandomNormalLike", ["z"], ["n"]), "RandomNormalLike, which draws random numbers"),
        (helper.make_node("Dropout", ["z", "half", "no"], ["n"]), None),
    ],
)
def test_a_model_that_goes_on_training_is_refused(tmp_path, node, words):
    """Its scores would depend on the events beside an event, or on chance: torch.onnx.export(..., training=TRAINING)."""
    given = {
        "c": np.ones((3, 1), np.float32),
        "one": np.ones(1, np.float32),
        "half": np.float32(0.5),
        "yes": True,
        "no": False,
    }
    nodes = [
        *(
            helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(v), name))
            for name, v in given.items()
        ),
        helper.make_node("MatMul", ["x", "c"], ["z"]),
        node,
        helper.make_node("Sigmoid", ["n"], ["p"]),
    ]
    path = saved(tmp_path, own_model(nodes=nodes))
    if words is None:
        assert OnnxScorer(path, ["a", "b", "c"]).score(np.zeros((2, 3), np.float32)).tolist() == [0.5, 0.5]
        return
    with pytest.raises(ModelFileError, match=rf"{words}.*model\.eval\(\) before torch\.onnx\.export"):
        OnnxScorer(path, ["a", "b", "c"])


def test_external_data(tmp_path):
    model = own_model(width=3)
    onnx.save_model(
        model, tmp_path / "own.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (tmp_path / "weights.bin").exists()
    with pytest.raises(ModelFileError, match="keeps the tensor 'w' in another file"):
        OnnxScorer(tmp_path / "own.onnx", ["a", "b", "c"])


def test_external_data_inside_an_attribute(tmp_path):
    value = numpy_helper.from_array(np.ones((3, 1), dtype=np.float32), "hidden")
    value.data_location = TensorProto.EXTERNAL
    entry = value.external_data.add()
    entry.key, entry.value = "location", "../elsewhere"
    nodes = [
        helper.make_node("Constant", [], ["c"], value=value),
        helper.make_node("MatMul", ["x", "c"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
    ]
    with pytest.raises(ModelFileError, match="'hidden' in another file"):
        OnnxScorer(saved(tmp_path, own_model(nodes=nodes)), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domains": ["com.example"]}, "domain 'com.example'"),
        (
            {"nodes": [helper.make_node("Custom", ["x", "w"], ["p"], domain="com.example")]},
            "custom operators of the domain 'com.example'",
        ),
        ({"opset": 999}, "opset 999 of ai.onnx; supported here are 7 to"),
        ({"opset": 3}, "opset 3 of ai.onnx"),
        # the weights of the layer are float32
        ({"in_type": TensorProto.DOUBLE}, "onnxruntime cannot load"),
        ({"in_type": TensorProto.INT64}, "type INT64"),
        ({"in_shape": ["n", 3, 1]}, "3 axes"),
        ({"in_shape": ["n", 4]}, "is 4 wide, but features names 3: a, b, c"),
        ({"outputs": 2}, "two columns of p of the model .* do not sum to one"),
        ({"nodes": [helper.make_node("NoSuchOperator", ["x", "w"], ["p"])]}, "onnxruntime cannot load"),
        (
            {"nodes": own_model().graph.node, "w": np.ones((9, 1), np.float32)},
            "onnxruntime",
        ),
    ],
)
def test_unsupported_models(tmp_path, changes, words):
    with pytest.raises(ModelError, match=words):
        OnnxScorer(saved(tmp_path, own_model(**changes)), ["a", "b", "c"])


# ---- somebody's own model


def test_own_model_with_names(tmp_path):
    scorer = OnnxScorer(saved(tmp_path, own_model()), ["a", "b", "c"])
    assert (scorer.n_folds, scorer.training_hash, scorer.features) == (1, None, ["a", "b", "c"])
    values = {"c": np.array([2.0]), "a": np.array([-1.0]), "b": np.array([0.5])}
    expected = 1 / (1 + np.exp(-0.75))
    assert scorer.score(values) == pytest.approx([expected], abs=1e-6)
    assert scorer.score(values, [2]) == pytest.approx([expected], abs=1e-6)


def test_own_model_with_a_flat_output(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["s"]),
        helper.make_node("Flatten", ["s"], ["f"], axis=0),
        helper.make_node("Squeeze", ["f"], ["p"]),
    ]
    scorer = OnnxScorer(saved(tmp_path, own_model(nodes=nodes, out_shape=["n"])), ["a", "b", "c"])
    assert scorer.score(np.zeros((5, 3), dtype=np.float32)).tolist() == [0.5] * 5


def test_own_model_needs_names(tmp_path):
    with pytest.raises(FeatureError, match=r"no feature names .* give features=\[...\], the 3 names"):
        OnnxScorer(saved(tmp_path, own_model()))


def test_scores_a_rounding_above_1_are_1(tmp_path):
    """What onnxruntime's sigmoid does far from 0; a little more is no rounding."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Relu", ["z"], ["p"])]
    w = np.full((3, 1), 2.0**-17, dtype=np.float32)
    scorer = OnnxScorer(saved(tmp_path, own_model(nodes=nodes, w=w)), ["a", "b", "c"])
    x = np.zeros((2, 3), dtype=np.float32)
    x[:, 0] = np.nextafter(np.float32(1), np.float32(2)) * 2**17, 2**15
    assert scorer.score(x).tolist() == [1.0, 0.25]
    x[0, 0] = 1.00001 * 2**17
    with pytest.raises(ModelError, match="for 1 of 2 events: a score must lie between 0 and 1"):
        scorer.score(x)


def test_scores_beyond_the_unit_interval(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Relu", ["z"], ["p"])]
    w = np.full((3, 1), 2.0**-17, dtype=np.float32)
    scorer = OnnxScorer(saved(tmp_path, own_model(nodes=nodes, w=w)), ["a", "b", "c"])
    with pytest.raises(ModelError, match="score 3 for 1 of 2 events: a score must lie between 0 and 1"):
        scorer.score(np.array([[2, 2, 2], [0, 0, 1]], dtype=np.float32) * 2**16)


def test_a_nan_score_is_not_passed_on(tmp_path):
    scorer = OnnxScorer(saved(tmp_path, own_model()), ["a", "b", "c"])
    with pytest.raises(ModelError, match="score nan for 1 of 2 events"):
        scorer.score(np.array([[np.nan, 0, 0], [0, 0, 0]], dtype=np.float32))
