"""Classifiers as other programs write them: the probability of class 1 is taken, or what to type is printed."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from massgap.models.errors import FeatureError, ModelError, ModelFileError
from massgap.models.scoring.scorer import OnnxScorer

NAMES = ["met", "m_ll", "pt"]
WEIGHT = np.array([[0.02], [-0.01], [0.005]], np.float32)
ROWS = np.array([[100, 20, 5], [0, 0, 0], [30, 90, 10], [250, 4, 400]], np.float32)
RIGHT = 1 / (1 + np.exp(-(ROWS.astype(np.float64) @ WEIGHT)[:, 0]))
"""The probability of the signal, by hand."""


def graph(nodes, inputs, outputs, *, tensors=None, opsets=(("", 15), ("ai.onnx.ml", 1)), **metadata):
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in (tensors or {}).items()]
    made = helper.make_graph(nodes, "model", inputs, outputs, initializer=constants)
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid(*opset) for opset in opsets], ir_version=8
    )
    helper.set_model_props(model, metadata)
    return model


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def two_columns(*, turned=False, kind=np.float32):
    """Operators that make the probabilities of both classes, and their constants."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["one"]),
        helper.make_node("Sub", ["unit", "one"], ["zero"]),
        helper.make_node("Concat", ["one", "zero"] if turned else ["zero", "one"], ["both"], axis=1),
        helper.make_node("ArgMax", ["both"], ["label"], axis=1, keepdims=0),
    ]
    return nodes, {"w": WEIGHT.astype(kind), "unit": np.ones((1, 1), kind)}


def classifier(output="both", **options):
    nodes, tensors = two_columns()
    nodes += options.pop("more", [])
    outputs = options.pop("outputs", [tensor("label", ["n"], TensorProto.INT64), tensor(output, ["n", 2])])
    return graph(nodes, [tensor("x", options.pop("shape", ["n", 3]))], outputs, tensors=tensors, **options)


def maps(labels, name="probabilities"):
    """A ``ZipMap`` as skl2onnx, onnxmltools and CatBoost end a graph in, and its output."""
    key = TensorProto.INT64 if isinstance(labels[0], int) else TensorProto.STRING
    given = {"classlabels_int64s" if isinstance(labels[0], int) else "classlabels_strings": labels}
    node = helper.make_node("ZipMap", ["both"], [name], domain="ai.onnx.ml", **given)
    value = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    sequence = helper.make_sequence_type_proto(helper.make_map_type_proto(key, value))
    return node, helper.make_value_info(name, sequence)


def scorer_of(model, features=NAMES):
    return OnnxScorer.from_bytes(model.SerializeToString(), "own.onnx", features)


def scores(model, features=NAMES):
    return scorer_of(model, features).score(ROWS)


# ---- what is taken


def test_the_second_of_two_probabilities_beside_a_label():
    scorer = scorer_of(classifier())
    assert scorer.score(ROWS) == pytest.approx(RIGHT, rel=1e-5)
    assert scorer.score(dict(zip(NAMES, ROWS.T, strict=True))) == pytest.approx(RIGHT, rel=1e-5)
    first, second = scorer.notes
    assert "of its outputs label, both the probability of class 1 is taken (both, column 1)" in first
    assert "does not name its features: its columns are taken for met, m_ll, pt, in this order" in second
    again = pickle.loads(pickle.dumps(scorer))
    assert again.score(ROWS) == pytest.approx(RIGHT, rel=1e-5)


@pytest.mark.parametrize("shape", [["n", 2], ["n", "classes"], None])
def test_two_probabilities_alone(shape):
    assert scores(classifier(outputs=[tensor("both", shape)])) == pytest.approx(RIGHT, rel=1e-5)


@pytest.mark.parametrize(
    ("labels", "place"),
    [
        ([0, 1], 1),
        ([1, 0], 0),
        ([-1, 1], 1),
        (["0", "1"], 1),
        (["bkg", "signal"], 1),
        (["sig", "b"], 0),
        (["s", "b"], 0),
    ],
)
def test_maps_are_opened_by_their_labels(labels, place):
    node, output = maps(labels)
    model = classifier(more=[node], outputs=[tensor("label", ["n"], TensorProto.INT64), output])
    assert scores(model) == pytest.approx(RIGHT if place else 1 - RIGHT, rel=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.FLOAT16])
def test_other_precisions(kind):
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    nodes, tensors = two_columns(kind=dtype)
    model = graph(nodes, [tensor("x", ["n", 3], kind)], [tensor("both", ["n", 2], kind)], tensors=tensors)
    assert scores(model) == pytest.approx(RIGHT, rel=1e-5 if dtype == np.float64 else 5e-3, abs=1e-3)
    one = graph(nodes[:2], [tensor("x", ["n", 3], kind)], [tensor("one", ["n", 1], kind)], tensors=tensors)
    assert scores(one) == pytest.approx(RIGHT, rel=1e-5 if dtype == np.float64 else 5e-3, abs=1e-3)


def test_a_double_model_whose_own_input_is_matrix_like_keeps_its_notes_short():
    nodes, tensors = two_columns(kind=np.float64)
    one = graph(
        nodes[:2],
        [tensor("x", ["n", 3], TensorProto.DOUBLE)],
        [tensor("one", ["n", 1], TensorProto.DOUBLE)],
        tensors=tensors,
        feature_names="met, m_ll, pt",
    )
    assert scorer_of(one).notes == []


@pytest.mark.parametrize("events", [1, 7])
def test_a_number_of_events_that_was_fixed_by_the_export_is_freed(events):
    outputs = [tensor("both", [events, 2])]
    assert scores(classifier(shape=[events, 3], outputs=outputs)) == pytest.approx(RIGHT, rel=1e-5)


@pytest.mark.parametrize(
    "spoiled",
    [
        # a batch of one is written into the graph
        helper.make_node("Reshape", ["one", "size"], ["p"]),
        # each event sees the others
        helper.make_node("ReduceMean", ["one"], ["p"], axes=[0], keepdims=1),
    ],
)
def test_a_fixed_number_of_events_that_matters_is_refused_with_what_to_type(spoiled):
    nodes, tensors = two_columns()
    tensors["size"] = np.array([1, 1], np.int64)
    model = graph([*nodes[:2], spoiled], [tensor("x", [1, 3])], [tensor("p", [1, 1])], tensors=tensors)
    with pytest.raises(ModelFileError, match=r"fixed at 1 events, and the model depends on it.*dynamic_axes"):
        scorer_of(model)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_one_input_per_feature_is_found_by_its_name(rank, kind, order):
    """The inputs stand in another order than the features: names decide."""
    nodes, tensors = two_columns(kind=helper.tensor_dtype_to_np_dtype(kind))
    tensors["axes"] = np.array([1], np.int64)
    columns = [f"{name}_column" for name in NAMES]
    reshaped = [
        helper.make_node("Unsqueeze" if rank == 1 else "Identity", [name, "axes"][: 3 - rank], [column])
        for name, column in zip(NAMES, columns, strict=True)
    ]
    model = graph(
        [*reshaped, helper.make_node("Concat", columns, ["x"], axis=1), *nodes],
        [tensor(NAMES[i], ["n", 1][:rank], kind) for i in order],
        [tensor("label", ["n"], TensorProto.INT64), tensor("both", ["n", 2], kind)],
        tensors=tensors,
    )
    assert scores(model) == pytest.approx(RIGHT, rel=1e-5)
    with pytest.raises(FeatureError, match=r"not in the model: ht.*one input per feature"):
        scorer_of(model, ["met", "m_ll", "ht"])


def trees():
    """One tree of two leaves as CatBoost writes it: operators of machine learning alone, of an old version."""
    attributes = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [1, 0, 0],
        "nodes_values": [50.0, 0.0, 0.0], "nodes_modes": ["BRANCH_GT", "LEAF", "LEAF"],
        "nodes_truenodeids": [2, 0, 0], "nodes_falsenodeids": [1, 0, 0],
        "class_treeids": [0, 0], "class_nodeids": [1, 2], "class_ids": [0, 0], "class_weights": [-1.0, 2.0],
        "classlabels_int64s": [0, 1], "post_transform": "LOGISTIC",
    }  # fmt: skip
    node = helper.make_node(
        "TreeEnsembleClassifier", ["features"], ["label", "both"], domain="ai.onnx.ml", **attributes
    )
    zipped, output = maps([0, 1])
    model = graph(
        [node, zipped],
        [tensor("features", ["n", 3])],
        [tensor("label", ["n"], TensorProto.INT64), output],
        opsets=(("ai.onnx.ml", 2),),
    )
    model.ir_version = 3
    return model


def test_old_graphs_of_trees_alone():
    right = [1 / (1 + np.exp(-(2.0 if m_ll > 50 else -1.0))) for m_ll in ROWS[:, 1]]
    assert scores(trees()) == pytest.approx(right, rel=1e-6)


# ---- names of features


@pytest.mark.parametrize("names", ["met,m_ll,pt", '["met", "m_ll", "pt"]'])
@pytest.mark.parametrize("key", ["feature_names", "features"])
def test_names_in_the_metadata_are_compared(names, key):
    model = classifier(**{key: names})
    assert all("does not name" not in note for note in scorer_of(model).notes)
    assert OnnxScorer.from_bytes(model.SerializeToString(), "own.onnx").features == NAMES
    with pytest.raises(FeatureError, match="another order, first at position 0: met in the model, pt given"):
        scorer_of(model, NAMES[::-1])


# ---- what is refused


def recipe_of(error):
    """The code that a message tells to type."""
    lines = str(error.value).splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip() == "import onnx")
    return "\n".join(
        line.strip() if not line.startswith("      ") else "    " + line.strip() for line in lines[start:]
    )


def typed(error, path):
    """The scores after somebody has typed what the message says."""
    exec(compile(recipe_of(error), "recipe", "exec"), {})  # noqa: S102
    return OnnxScorer(path.with_name(f"{path.stem}_score.onnx"), NAMES).score(ROWS)


def refused(model, path, match):
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=match) as error:
        OnnxScorer(path, NAMES)
    return error


def test_a_number_before_a_sigmoid_is_refused_and_the_recipe_works(tmp_path):
    nodes, tensors = two_columns()
    more = helper.make_node("Flatten", ["z"], ["p"])
    model = graph([nodes[0], more], [tensor("x", ["n", 3])], [tensor("p", ["n", 1])], tensors=tensors)
    error = refused(
        model, tmp_path / "m.onnx", "output p of the model .* ends in MatMul, so it is no probability"
    )
    assert typed(error, tmp_path / "m.onnx") == pytest.approx(RIGHT, rel=1e-5)


def test_a_number_that_is_not_always_a_probability_is_refused(tmp_path):
    nodes, tensors = two_columns()
    more = helper.make_node("Relu", ["z"], ["p"])
    model = graph([nodes[0], more], [tensor("x", ["n", 3])], [tensor("p", ["n", 1])], tensors=tensors)
    refused(model, tmp_path / "m.onnx", "output p of the model .* is not always between 0 and 1")


def test_two_numbers_before_a_softmax_are_refused_and_the_recipe_works(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"])]
    tensors = {"w": np.concatenate([-0.5 * WEIGHT, 0.5 * WEIGHT], axis=1)}
    model = graph(nodes, [tensor("x", ["n", 3])], [tensor("z", ["n", 2])], tensors=tensors)
    error = refused(model, tmp_path / "m.onnx", "two columns of z of the model .* do not sum to one")
    assert typed(error, tmp_path / "m.onnx") == pytest.approx(RIGHT, rel=1e-5)


def test_labels_that_do_not_say_which_is_the_signal(tmp_path):
    node, output = maps(["WW", "slepton"])
    model = classifier(more=[node], outputs=[tensor("label", ["n"], TensorProto.STRING), output])
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    error = refused(
        model, tmp_path / "m.onnx", "classes 'WW' and 'slepton', and neither is known to be the signal"
    )
    assert typed(error, tmp_path / "m.onnx") == pytest.approx(RIGHT, rel=1e-5)


def test_three_classes(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)]
    tensors = {"w": np.concatenate([0 * WEIGHT, -WEIGHT, WEIGHT], axis=1)}
    outputs = [tensor("label", ["n"], TensorProto.INT64), tensor("p", ["n", 3])]
    nodes.append(helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0))
    model = graph(nodes, [tensor("x", ["n", 3])], outputs, tensors=tensors)
    error = refused(model, tmp_path / "m.onnx", "tells 3 classes apart")
    z = ROWS.astype(float) @ WEIGHT[:, 0]
    assert typed(error, tmp_path / "m.onnx") == pytest.approx(
        np.exp(z) / (1 + np.exp(-z) + np.exp(z)), rel=1e-4
    )


@pytest.mark.parametrize(
    ("outputs", "match"),
    [
        ([tensor("label", ["n"], TensorProto.INT64)], "outputs label: none of them is a probability"),
        (
            [tensor("one", ["n", 1]), tensor("zero", ["n", 1])],
            "outputs one, zero: 2 of them may be the score",
        ),
    ],
)
def test_outputs_among_which_none_or_several_are_the_score(tmp_path, outputs, match):
    refused(classifier(outputs=outputs), tmp_path / "m.onnx", match)


def test_inputs_that_are_not_one_number_per_feature():
    nodes, tensors = two_columns()
    model = graph(
        [helper.make_node("Concat", ["a", "b"], ["x"], axis=1), *nodes],
        [tensor("a", ["n", 2]), tensor("b", ["n", 1])],
        [tensor("both", ["n", 2])],
        tensors=tensors,
    )
    with pytest.raises(
        ModelFileError, match=r"inputs a, b, and 'a' is not one number per event.*FloatTensorType"
    ):
        scorer_of(model)


def test_what_was_not_a_probability_after_all_is_still_found():
    """A classifier whose second column leaves [0, 1] for events far away."""
    scorer = scorer_of(classifier())
    with pytest.raises(ModelError, match="score nan"):
        scorer.score(np.full((1, 3), np.nan, np.float32))


# ---- as the programs write them


@pytest.fixture(scope="module")
def events():
    random = np.random.default_rng(3)
    y = random.integers(0, 2, 600)
    x = random.normal(y[:, np.newaxis], 1.0, (600, 3)).astype(np.float32)
    return x, y


def test_xgboost_through_onnxmltools(events):
    xgboost = pytest.importorskip("xgboost")
    onnxmltools = pytest.importorskip("onnxmltools")
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = events
    trees = xgboost.XGBClassifier(n_estimators=12, max_depth=3, n_jobs=1).fit(x, y)
    model = onnxmltools.convert_xgboost(trees, initial_types=[("input", FloatTensorType([None, 3]))])
    scorer = scorer_of(model)
    assert scorer.score(x) == pytest.approx(trees.predict_proba(x)[:, 1], abs=1e-5)
    assert "column 1" in scorer.notes[0]


@pytest.mark.parametrize(
    ("kind", "double", "texts", "zipped"),
    [
        ("GradientBoosting", False, False, True),
        ("GradientBoosting", False, True, False),
        ("HistGradientBoosting", False, False, True),
        ("HistGradientBoosting", True, False, False),
        ("MLP", False, False, False),
        ("MLP", True, True, True),
        ("pipeline", False, False, True),
        ("pipeline", True, False, False),
        ("pipeline", False, True, True),
        ("pipeline", False, False, "columns"),
    ],
)
def test_scikit_learn_through_skl2onnx(events, kind, double, texts, zipped):
    pytest.importorskip("sklearn")
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = events
    labels = np.array(["background", "signal"])[y] if texts else y
    made = {
        "GradientBoosting": lambda: GradientBoostingClassifier(n_estimators=6, random_state=1),
        "HistGradientBoosting": lambda: HistGradientBoostingClassifier(max_iter=6, random_state=1),
        "MLP": lambda: MLPClassifier((4,), max_iter=500, random_state=1),
        "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    }[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(x, labels)
        final = made[-1] if kind == "pipeline" else made
        kind_of_input = DoubleTensorType if double else FloatTensorType
        try:
            model = skl2onnx.to_onnx(
                made,
                initial_types=[("x", kind_of_input([None, 3]))],
                options={id(final): {"zipmap": zipped}},
                target_opset={"": 15, "ai.onnx.ml": 3},
            )
        except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
            pytest.skip(f"skl2onnx does not write it here: {type(error).__name__}")
    if zipped == "columns":
        with pytest.raises(ModelFileError, match="2 of them may be the score"):
            scorer_of(model)
        return
    assert scorer_of(model).score(x) == pytest.approx(made.predict_proba(x)[:, 1], abs=1e-4)


def test_columns_of_a_table_through_skl2onnx(events):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    x, y = events
    table = pd.DataFrame(x, columns=NAMES)
    made = make_pipeline(ColumnTransformer([("all", "passthrough", NAMES)]), LogisticRegression()).fit(
        table, y
    )
    model = skl2onnx.to_onnx(
        made,
        initial_types=[(name, FloatTensorType([None, 1])) for name in NAMES[::-1]],
        target_opset={"": 15, "ai.onnx.ml": 3},
    )
    assert scorer_of(model).score(x) == pytest.approx(made.predict_proba(table)[:, 1], abs=1e-5)


def test_lightgbm_through_onnxmltools(events):
    lightgbm = pytest.importorskip("lightgbm")
    onnxmltools = pytest.importorskip("onnxmltools")
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = events
    trees = lightgbm.LGBMClassifier(n_estimators=6, n_jobs=1, verbose=-1).fit(x, y)
    for zipped in (True, False):
        model = onnxmltools.convert_lightgbm(
            trees, initial_types=[("input", FloatTensorType([None, 3]))], zipmap=zipped
        )
        assert scorer_of(model).score(x) == pytest.approx(trees.predict_proba(x)[:, 1], abs=1e-4)
