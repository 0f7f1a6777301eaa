"""Classifiers of folds apart: the same bits as by the whole graph, whatever shape it has, and the whole where it cannot be."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper, numpy_helper

from massgap.models.conditioning.flattening import Flattening
from massgap.models.networks.graph_writer import GraphWriter
from massgap.models.scoring import sessions
from massgap.models.scoring.scorer import OnnxScorer

WIDTH, FOLDS = 5, 3


def model_of(nodes, constants, *, folds=FOLDS) -> bytes:
    graph = helper.make_graph(
        nodes,
        "own",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", folds])],
        initializer=constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    named = {
        "format": "massgap-model/1",
        "features": '["a", "b", "c", "d", "e"]',
        "n_folds": str(folds),
        "training_hash": "0" * 64,
    }
    from massgap.models.scoring.onnx_file import DIGEST, FORMATS, content_digest

    named["format"] = FORMATS[0]
    helper.set_model_props(model, {f"massgap.{key}": value for key, value in named.items()})
    found = content_digest(model)
    helper.set_model_props(model, {**{p.key: p.value for p in model.metadata_props}, DIGEST: found})
    return model.SerializeToString()


def networks(*, double=False, flat=False) -> bytes:
    """A small network per fold with missing values inside, put side by side; made flat or not."""
    rng = np.random.default_rng(3)
    graph = GraphWriter(double=double)
    shared = graph.op("Where", graph.op("IsNaN", "features"), np.asarray(0.0), graph.number("features"))
    columns = []
    for _ in range(FOLDS):
        hidden = graph.op("Relu", graph.dense(shared, rng.normal(size=(WIDTH, 16)), rng.normal(size=16)))
        columns.append(
            graph.op("Sigmoid", graph.dense(hidden, rng.normal(size=(16, 1)) / 4, rng.normal(size=1)))
        )
    graph.named(graph.single(graph.op("Concat", *columns, axis=1)), "probability" if flat else "score")
    if flat:
        levels = np.array([0.0, 0.3, 0.7, 1.0])
        flattened = []
        for fold in range(FOLDS):
            table = Flattening(
                np.array([-1.0, 0.0, 1.0]),
                np.sort(rng.normal(size=(3, 2)), axis=1),
                levels,
                np.full(3, 100.0),
            )
            score = graph.number(graph.op("Gather", "probability", np.array([fold]), axis=1))
            column = graph.number(graph.op("Gather", "features", np.array([1]), axis=1))
            flattened.append(table.write(graph, score, column))
        graph.named(graph.single(graph.op("Concat", *flattened, axis=1)), "score")
    return model_of(graph.nodes, graph.initializers)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    rng = np.random.default_rng(8)
    rows = rng.normal(0, 2, (700, WIDTH)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


@pytest.mark.parametrize("options", [{}, {"double": True}, {"flat": True}], ids=["float", "double", "flat"])
def test_the_same_bits_as_by_the_whole_graph(x, options, monkeypatch) -> None:
    content = networks(**options)
    scorer = OnnxScorer.from_bytes(content, "own")
    assert scorer._apart is not None
    whole, apart = (len(onnx.load_from_string(c).graph.node) for c in (content, scorer._apart.graphs.content))
    assert apart <= whole + 4 * FOLDS  # what is shared is there thrice, nothing else
    fold = np.random.default_rng(1).integers(0, FOLDS, len(x))
    expected = scorer.score_all_folds(x)[np.arange(len(x)), fold]
    assert len(set(expected)) > 500
    assert np.array_equal(scorer.score(x, fold), expected)
    for n in (0, 1, 2, 3, 17):
        assert np.array_equal(scorer.score(x[:n], fold[:n]), expected[:n])
    # The library's logarithm of the last few events would have another last bit.
    for n in (1, 5, 40):
        assert np.array_equal(scorer.score_all_folds(x[:n]), scorer.score_all_folds(x)[:n])
    one = np.full(len(x), 2)  # other folds have no event
    assert np.array_equal(scorer.score(x, one), scorer.score_all_folds(x)[:, 2])
    monkeypatch.setattr(sessions, "BATCH", 50)
    assert np.array_equal(scorer.score(x, fold), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(scorer)).score(x, fold), expected)


def test_a_graph_that_mixes_the_folds_is_scored_as_a_whole(x) -> None:
    """Three parts are put together, but they are not one column each; and one whose score needs all columns."""
    rng = np.random.default_rng(3)
    uneven = GraphWriter()
    parts = [uneven.op("MatMul", "features", rng.normal(size=(WIDTH, n)) / 9) for n in (2, 1)]
    parts.append(uneven.op("MatMul", "features", np.zeros((WIDTH, 0))))
    uneven.named(uneven.op("Sigmoid", uneven.op("Concat", *parts, axis=1)), "score")
    mixed = GraphWriter()
    columns = [mixed.op("MatMul", "features", rng.normal(size=(WIDTH, 1)) / 9) for _ in range(FOLDS)]
    mixed.named(mixed.op("Softmax", mixed.op("Concat", *columns, axis=1), axis=1), "score")
    rows = np.nan_to_num(x)
    fold = np.arange(len(x)) % FOLDS
    for graph in (uneven, mixed):
        scorer = OnnxScorer.from_bytes(model_of(graph.nodes, graph.initializers), "own")
        assert scorer._apart is None
        expected = scorer.score_all_folds(rows)[np.arange(len(rows)), fold]
        assert np.array_equal(scorer.score(rows, fold), expected)


def test_a_branch_inside_the_graph_is_left_as_it_is(x) -> None:
    def branch(name: str, factor: float):
        constant = numpy_helper.from_array(np.float32(factor), f"{name}_factor")
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
        node = helper.make_node("Mul", ["z", f"{name}_factor"], [f"{name}_out"])
        return helper.make_graph([node], name, [], [out], initializer=[constant])

    graph = GraphWriter()
    columns = [graph.op("MatMul", "features", np.full((WIDTH, 1), 0.1 * k)) for k in range(FOLDS)]
    nodes = [
        *graph.nodes,
        helper.make_node("Concat", columns, ["z"], axis=1),
        helper.make_node(
            "If", ["yes"], ["m"], then_branch=branch("then", 0.5), else_branch=branch("else", 2.0)
        ),
        helper.make_node("Sigmoid", ["m"], ["score"]),
    ]
    constants = [*graph.initializers, numpy_helper.from_array(np.array(True), "yes")]
    scorer = OnnxScorer.from_bytes(model_of(nodes, constants), "own")
    assert scorer._apart is None
    rows = np.nan_to_num(x)
    fold = np.arange(len(x)) % FOLDS
    z = 0.5 * 0.1 * fold * rows.sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(scorer.score(rows, fold), 1 / (1 + np.exp(-z)), atol=1e-6)
