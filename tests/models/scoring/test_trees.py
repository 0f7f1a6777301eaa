"""Compiled trees against onnxruntime and against trees walked by hand, for forests of every kind."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from massgap.models.errors import ModelError, ModelFileError
from massgap.models.scoring import scorer as scorer_module
from massgap.models.scoring.scorer import OnnxScorer
from massgap.models.scoring.sessions import Whole
from massgap.models.scoring.tree_kernels import COUNTED
from massgap.models.scoring.tree_reading import read_trees
from massgap.models.scoring.trees import TreeModel, UnsupportedTreesError, probes

WIDTH = 5
F32 = np.float32


def grow(rng, depth, leaf_chance, values, modes, *, missing=True):
    """A random tree as nested tuples: (mode, feature, threshold, missing goes true, true, false) or a weight."""
    if depth == 0 or rng.random() < leaf_chance:
        return float(F32(rng.normal(0, 0.3)))
    feature = int(rng.integers(0, WIDTH))
    return (
        str(rng.choice(modes)),
        feature,
        float(rng.choice(values[feature])),
        bool(missing and rng.random() < 0.5),
        grow(rng, depth - 1, leaf_chance, values, modes, missing=missing),
        grow(rng, depth - 1, leaf_chance, values, modes, missing=missing),
    )


def attributes(trees, targets):
    """Trees as attributes of the operator, numbered breadth first."""
    a: dict[str, list] = {
        f"nodes_{key}": []
        for key in (
            "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
            "missing_value_tracks_true",
        )
    } | {f"target_{key}": [] for key in ("treeids", "nodeids", "ids", "weights")}  # fmt: skip
    for number, (tree, target) in enumerate(zip(trees, targets, strict=True)):
        queue = [tree]
        for i, node in enumerate(queue):
            split = isinstance(node, tuple)
            mode, feature, value, tracks, *children = node if split else ("LEAF", 0, 0.0, False)
            below = (len(queue), len(queue) + 1) if split else (0, 0)
            queue += children
            fields = (number, i, feature, value, mode, *below, int(tracks))
            for key, field in zip(list(a)[:8], fields, strict=True):
                a[key].append(field)
            if not split:
                for key, field in zip(list(a)[8:], (number, i, target, node), strict=True):
                    a[key].append(field)
    return a


def graph(a, n_targets, *, cleaned=True, last="Sigmoid", base=None, **changes):
    options = {"n_targets": n_targets, "aggregate_function": "SUM", "post_transform": "NONE"} | changes
    if base is not None:
        options["base_values"] = base
    trees = helper.make_node(
        "TreeEnsembleRegressor", ["c" if cleaned else "x"], ["m"], domain="ai.onnx.ml", **a, **options
    )
    before = [
        helper.make_node("IsInf", ["x"], ["i"]),
        helper.make_node("Where", ["i", "missing", "x"], ["c"]),
    ]
    nodes = [*(before if cleaned else []), trees, helper.make_node(last, ["m"], ["p"])]
    g = helper.make_graph(
        nodes,
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", n_targets])],
        initializer=[numpy_helper.from_array(np.array(np.nan, dtype=F32), "missing")] if cleaned else [],
    )
    imports = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(g, opset_imports=imports, ir_version=8)
    if n_targets > 1:
        from massgap.models.scoring.onnx_file import DIGEST, content_digest

        properties = {
            "massgap.format": "massgap-model/1",
            "massgap.features": '["a", "b", "c", "d", "e"]',
            "massgap.n_folds": str(n_targets),
            "massgap.training_hash": "none",
        }
        helper.set_model_props(model, properties)
        helper.set_model_props(model, {**properties, DIGEST: content_digest(model)})
    return model


def some_values(rng, n, *, special=True):
    """Thresholds per feature on very different scales, some of them a single step apart."""
    found = []
    for scale in (1.0, 300.0, 1e-3, 1e30, 1e-40):
        v = (rng.normal(0, scale, n)).astype(F32)
        v = np.concatenate([v, np.nextafter(v[: n // 4], F32(np.inf))])
        if special:
            v = np.concatenate([v, np.array([0.0, -0.0, 1e-45, -3.4e38, 3.4e38], dtype=F32)])
        found.append(v)
    return found


def load(model, engine):
    return OnnxScorer.from_bytes(model.SerializeToString(), "forest", list("abcde"), engine=engine)


KINDS = {
    "as massgap writes": {},
    "infinite values are values": {"cleaned": False},
    "one column": {"n_targets": 1, "base": [0.25]},
    "shallow and ragged": {"leaf_chance": 0.5, "n_trees": 37},
    "leaves only": {"depth": 0},
    "64 leaves": {"depth": 6, "n_trees": 11},
    "deeper than 64 leaves": {"depth": 9, "leaf_chance": 0.2},
    "more than 255 thresholds": {"n_values": 2000, "n_trees": 300},
    "41 to 255 thresholds": {"n_values": 60, "n_trees": 150},
    "at most": {"modes": ["BRANCH_LEQ"]},
    "all comparisons": {"modes": ["BRANCH_LT", "BRANCH_LEQ", "BRANCH_GT", "BRANCH_GTE"], "n_trees": 40},
    "no word on missing values": {"missing": False},
    "infinite thresholds": {"infinite": True, "cleaned": False},
}


def make(kind, seed=1):
    k = {
        "n_trees": 20, "depth": 5, "leaf_chance": 0.1, "n_values": 30, "modes": ["BRANCH_LT"],
        "n_targets": 3, "base": [0.1, -0.7, 1e-3], "missing": True, "cleaned": True, "infinite": False,
    } | KINDS[kind]  # fmt: skip
    rng = np.random.default_rng(seed)
    values = some_values(rng, k["n_values"])
    if k["infinite"]:
        values = [np.concatenate([v[:3], np.array([np.inf, -np.inf], dtype=F32)]) for v in values]
    trees = [
        grow(rng, k["depth"], k["leaf_chance"], values, k["modes"], missing=k["missing"])
        for _ in range(k["n_trees"])
    ]
    targets = rng.integers(0, k["n_targets"], len(trees)).tolist()
    a = attributes(trees, targets)
    if not k["missing"]:
        del a["nodes_missing_value_tracks_true"]
    return graph(a, k["n_targets"], cleaned=k["cleaned"], base=k["base"]), trees, targets, k


def walk(tree, row, *, cleaned):
    while isinstance(tree, tuple):
        mode, feature, threshold, tracks, true, false = tree
        v, t = row[feature], F32(threshold)
        if np.isnan(v) or (cleaned and np.isinf(v)):
            goes = tracks
        else:
            goes = {
                "BRANCH_LT": v < t, "BRANCH_LEQ": v <= t, "BRANCH_GT": v > t, "BRANCH_GTE": v >= t,
            }[mode]  # fmt: skip
        tree = true if goes else false
    return tree


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_onnxruntime_and_with_trees_walked_by_hand(kind):
    model, trees, targets, k = make(kind)
    ours, theirs = load(model, "compiled trees"), load(model, "onnxruntime")
    assert (ours.engine, theirs.engine) == ("compiled trees", "onnxruntime")
    assert load(model, "auto").engine == "compiled trees"
    x = probes(ours._trees, WIDTH, 6000, seed=3)
    scores = ours.score_all_folds(x)
    assert np.abs(scores.astype(float) - theirs.score_all_folds(x)).max() <= 2e-7
    for row, score in zip(x[:60], scores[:60], strict=True):
        margin = np.array(k["base"], dtype=float)
        for tree, target in zip(trees, targets, strict=True):
            margin[target] += walk(tree, row, cleaned=k["cleaned"])
        assert score == pytest.approx(1 / (1 + np.exp(-margin)), abs=1e-6)


def test_the_kinds_of_layout():
    kinds = {kind: load(make(kind)[0], "auto")._trees.forests[0] for kind in KINDS}
    assert {kind for kind, forest in kinds.items() if forest.kind == "walk"} == {"deeper than 64 leaves"}
    types = {kind: forest.arrays[16].dtype.name for kind, forest in kinds.items() if forest.kind == "ranks"}
    assert {kind for kind, name in types.items() if name == "int16"} == {"more than 255 thresholds"}
    counted = {kind: forest.arrays[7] <= COUNTED for kind, forest in kinds.items() if forest.kind == "ranks"}
    # Ranks of one byte and of two, each counted and looked up.
    assert counted["as massgap writes"].any()
    assert not counted["41 to 255 thresholds"].any()


def test_sums_are_those_of_onnxruntime():
    """The same float32 sums in the same order: the logistic function of onnxruntime's margins, to the bit."""
    import onnxruntime as ort

    from massgap.models.scoring.tree_kernels import _probability

    model, *_ = make("one column", seed=5)
    ours = load(model, "compiled trees")
    x = probes(ours._trees, WIDTH, 2000, seed=4)
    model.graph.node[-1].op_type = "Identity"
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    margins = session.run(None, {"x": x})[0][:, 0]
    assert ours.score(x).tolist() == [_probability(m) for m in margins]


def test_the_logistic_function():
    from massgap.models.scoring.tree_kernels import _probability

    m = np.concatenate([np.linspace(-120, 120, 4001), [0.0, -0.0, 1e-45, 3e38, -3e38, np.inf, -np.inf]])
    m = m.astype(F32)
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-m.astype(np.longdouble)))
    found = np.array([_probability(v) for v in m])
    np.testing.assert_allclose(found, expected.astype(F32), rtol=1.3e-7, atol=1e-45)
    assert np.isnan(_probability(F32(np.nan)))


@pytest.mark.parametrize(
    "kind", ["as massgap writes", "41 to 255 thresholds", "more than 255 thresholds", "deeper than 64 leaves"]
)
def test_the_same_bits_wherever_an_event_stands(kind):
    scorer = load(make(kind)[0], "compiled trees")
    x = probes(scorer._trees, WIDTH, 1500, seed=8)
    fold = np.random.default_rng(0).integers(0, 3, len(x))
    every = scorer.score_all_folds(x)
    whole = scorer.score(x, fold)
    assert np.array_equal(whole, every[np.arange(len(x)), fold])
    order = np.random.default_rng(1).permutation(len(x))
    assert np.array_equal(scorer.score(x[order], fold[order]), whole[order])
    assert np.array_equal(scorer.score(np.asfortranarray(x), fold), whole)
    assert np.array_equal(scorer.score_all_folds(np.asfortranarray(x)), every)
    for size in (1, 3, 31, 33, 255, 257):
        parts = [scorer.score(x[i : i + size], fold[i : i + size]) for i in range(0, 600, size)]
        assert np.array_equal(np.concatenate(parts)[:600], whole[:600])


def test_layouts_and_read_only_arrays_need_no_new_machine_code():
    from massgap.models.scoring.tree_kernels import score_by_ranks

    scorer = load(make("as massgap writes")[0], "compiled trees")
    x = probes(scorer._trees, WIDTH, 300)
    fold = np.zeros(300, dtype=np.uint8)
    whole = scorer.score(x, fold)
    known = len(score_by_ranks.signatures)
    frozen = x.copy()
    frozen.setflags(write=False)
    wide = np.zeros((300, 2 * WIDTH), dtype=F32)
    wide[:, ::2] = x
    raw = np.zeros(x.nbytes + 1, dtype=np.uint8)
    raw[1:] = np.frombuffer(x.tobytes(), dtype=np.uint8)
    unaligned = raw[1:].view(F32).reshape(x.shape)
    for same in (frozen, wide[:, ::2], unaligned, np.asfortranarray(x), x[::-1][::-1]):
        assert np.array_equal(scorer.score(same, fold), whole)
    # buffers out of band, as schedulers send them: the arrays of the trees arrive read-only
    buffers: list[pickle.PickleBuffer] = []
    luggage = pickle.dumps(scorer, protocol=5, buffer_callback=buffers.append)
    again = pickle.loads(luggage, buffers=[bytes(b.raw()) for b in buffers])
    assert buffers
    assert np.array_equal(again.score(x, fold), whole)
    assert len(score_by_ranks.signatures) == known


def test_a_worker_compares_without_onnxruntime(monkeypatch):
    scorer = load(make("as massgap writes")[0], "auto")
    x = probes(scorer._trees, WIDTH, 50)
    fold = np.zeros(50, dtype=int)
    luggage = pickle.dumps(scorer)
    monkeypatch.setattr(scorer_module, "_verified", set())  # a new process
    monkeypatch.setattr(Whole, "open", lambda self: pytest.fail("onnxruntime is not needed here"))
    assert np.array_equal(pickle.loads(luggage).score(x, fold), scorer.score(x, fold))
    assert scorer_module._verified == {scorer.sha256}

    monkeypatch.setattr(scorer_module, "_verified", set())
    whole = TreeModel.score_all
    monkeypatch.setattr(TreeModel, "score_all", lambda self, x: whole(self, x) + F32(1e-5))
    with pytest.raises(
        ModelError, match=r"On this machine .* differ by 1e-05 .*engine='onnxruntime', --engine onnxruntime"
    ):
        pickle.loads(luggage).score(x, fold)


def test_a_difference_falls_back_with_a_warning(monkeypatch):
    model, *_ = make("shallow and ragged", seed=77)
    whole = TreeModel.score_all
    monkeypatch.setattr(TreeModel, "score_all", lambda self, x: whole(self, x) * F32(np.nan))
    with pytest.warns(RuntimeWarning, match=r"differ from onnxruntime by nan .* onnxruntime scores instead"):
        scorer = load(model, "auto")
    assert scorer.engine == "onnxruntime"
    x = np.zeros((3, WIDTH), dtype=F32)
    assert np.isfinite(scorer.score_all_folds(x)).all()
    with pytest.raises(
        ModelFileError, match=r"differ from onnxruntime by nan .*engine='onnxruntime', --engine onnxruntime"
    ):
        load(model, "compiled trees")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(model, "onnxruntime").engine == "onnxruntime"


def changed(**changes):
    model, *_ = make("as massgap writes")
    node = next(n for n in model.graph.node if n.op_type == "TreeEnsembleRegressor")
    for name, change in changes.items():
        for attribute in list(node.attribute):
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                node.attribute.remove(attribute)
                node.attribute.append(helper.make_attribute(name, change(value)))
    return model


def swapped(node_of, op):
    model, *_ = make("as massgap writes")
    next(n for n in model.graph.node if n.op_type == node_of).op_type = op
    return model


def first_leaf_gone(values):
    return list(values)[1:]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: swapped("Sigmoid", "Identity"), "does not end in a Sigmoid"),
        (lambda: swapped("TreeEnsembleRegressor", "Neg"), "no TreeEnsembleRegressor"),
        (lambda: swapped("Where", "Add"), "features its own way"),
        (lambda: swapped("IsInf", "IsNaN"), "features its own way"),
        (lambda: changed(aggregate_function=lambda v: "AVERAGE"), "aggregate_function is not SUM"),
        (lambda: changed(post_transform=lambda v: "LOGISTIC"), "post_transform is not NONE"),
        (lambda: changed(base_values=lambda v: [*v, 0.0]), "base values"),
        (lambda: changed(nodes_modes=lambda v: [m.replace(b"LT", b"EQ") for m in v]), "comparisons other"),
        (lambda: changed(nodes_values=lambda v: [np.nan] * len(v)), "thresholds that are not numbers"),
        (lambda: changed(nodes_values=lambda v: list(v)[1:]), "differ in length"),
        (lambda: changed(nodes_featureids=lambda v: [f + 3 for f in v]), "beyond its width"),
        (lambda: changed(nodes_truenodeids=lambda v: [t * 1000 for t in v]), "does not have"),
        (lambda: changed(nodes_falsenodeids=lambda v: [0] * len(v)), "do not form trees"),
        (lambda: changed(nodes_treeids=lambda v: [0] * len(v)), "a node twice"),
        (lambda: changed(target_ids=lambda v: [t + 1 for t in v]), "without column"),
        (lambda: changed(target_ids=lambda v: [i % 3 for i in range(len(v))]), "several columns"),
        (lambda: changed(target_weights=lambda v: [np.inf] * len(v)), "weights that are not finite"),
        (lambda: changed(target_weights=first_leaf_gone), "leaves differ in length"),
        (lambda: changed(target_treeids=lambda v: [t + 500 for t in v]), "unknown trees"),
        (lambda: changed(target_nodeids=lambda v: [0] * len(v)), "one weight each"),
    ],
)
def test_other_graphs_are_left_to_onnxruntime(model, words):
    with pytest.raises(UnsupportedTreesError, match=words):
        read_trees(model(), WIDTH, 3)


def test_other_models_and_engines():
    model, *_ = make("one column")
    own = onnx.ModelProto()
    own.CopyFrom(model)
    del own.graph.node[:]
    own.graph.node.extend(
        [helper.make_node("ReduceMean", ["x"], ["z"], axes=[1]), helper.make_node("Sigmoid", ["z"], ["p"])]
    )
    assert load(own, "auto").engine == "onnxruntime"
    assert "onnxruntime" in repr(load(own, "auto"))
    with pytest.raises(ModelFileError, match="cannot be scored by compiled trees: it has no TreeEnsemble"):
        load(own, "compiled trees")
    with pytest.raises(ModelError, match=r"engine 'fast' is not known \(--engine\); known are 'auto'"):
        load(own, "fast")


def test_without_compilation_onnxruntime_scores(monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    monkeypatch.setattr(scorer_module, "_read", {})
    assert load(make("one column")[0], "auto").engine == "onnxruntime"


def test_sums_beyond_float32():
    """Infinite where onnxruntime's sum is."""
    huge = [("BRANCH_LT", 0, 0.0, True, 3e38, -3e38)] * 3
    model = graph(attributes([*huge, 0.0], [0] * 4), 1)
    x = np.array([[-1, 0, 0, 0, 0], [1, 0, 0, 0, 0]], dtype=F32)
    assert load(model, "compiled trees").score(x).tolist() == [1.0, 0.0]
    assert load(model, "onnxruntime").score(x) == pytest.approx([1.0, 0.0], abs=2e-7)
