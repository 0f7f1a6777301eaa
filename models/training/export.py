"""The trained folds as one ONNX file that carries its own preprocessing and description.

The graph: ``features`` (float32, N x n_features) -> infinite values become NaN, NaN is missing ->
one tree ensemble with one target per fold -> logistic function -> ``score`` (float32, N x n_folds).
Column i is the probability from the classifier that has not seen fold i.

The tree nodes are written straight from XGBoost's own JSON model. Its splits compare in float32
with ``x < threshold``, which is the operator's ``BRANCH_LT``: values exactly at a threshold go the
same way in both.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap import __version__
from massgap.models.errors import ModelError
from massgap.models.scoring.onnx_file import DIGEST, FORMATS, content_digest
from massgap.models.training.recipe import ALL_ROWS

if TYPE_CHECKING:
    import onnx
    import xgboost as xgb
    from numpy.typing import NDArray

    from massgap.models.training.trained_folds import TrainedFolds

FORMAT = FORMATS[-1]
INPUT, OUTPUT = "features", "score"
OPSET, OPSET_ML, IR_VERSION = 15, 3, 8
PREPROCESSING = "infinite values become NaN; NaN is missing and follows each split's default branch"
AGREEMENT = 1e-6
"""Largest accepted difference between the ONNX score and native XGBoost."""


def to_onnx(folds: TrainedFolds) -> onnx.ModelProto:
    """Return the ONNX model of all folds; the same folds give the same bytes.

    Raises
    ------
    ModelError
        If a booster is not made of ordinary trees with one logistic output.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    n_features, n_folds = len(folds.features), folds.n_folds
    nodes = [
        helper.make_node("IsInf", [INPUT], ["is_infinite"]),
        helper.make_node("Where", ["is_infinite", "missing", INPUT], ["cleaned"]),
        helper.make_node(
            "TreeEnsembleRegressor",
            ["cleaned"],
            ["margin"],
            domain="ai.onnx.ml",
            n_targets=n_folds,
            aggregate_function="SUM",
            post_transform="NONE",
            **_tree_attributes(folds.classifiers),
        ),
        helper.make_node("Sigmoid", ["margin"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "massgap_folds",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["events", n_features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["events", n_folds])],
        initializer=[numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "missing")],
        doc_string="Column i of the output: the classifier that has not seen fold i.",
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)],
        ir_version=IR_VERSION,
        producer_name="massgap",
        producer_version=__version__,
    )
    properties = metadata(folds)
    helper.set_model_props(model, properties)
    helper.set_model_props(model, {**properties, DIGEST: content_digest(model)})
    onnx.checker.check_model(model)
    return model


def metadata(folds: TrainedFolds) -> dict[str, str]:
    """Return the metadata properties of the ONNX file, all strings, lists as JSON."""
    recipe = folds.recipe
    return {
        "massgap.format": FORMAT,
        "massgap.version": __version__,
        "massgap.features": json.dumps(folds.features),
        "massgap.units": json.dumps(folds.units, sort_keys=True),
        "massgap.n_folds": str(folds.n_folds),
        "massgap.training_hash": folds.training_hash,
        "massgap.recipe": recipe.name,
        "massgap.recipe_digest": recipe.digest,
        "massgap.region": recipe.region or ALL_ROWS,
        "massgap.signal": json.dumps(list(recipe.signal or ())),
        "massgap.backgrounds": json.dumps(list(recipe.backgrounds or ())),
        "massgap.protocol": recipe.protocol,
        "massgap.preprocessing": PREPROCESSING,
        "massgap.score": "column i: probability of signal from the classifier that has not seen fold i",
    }


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Return the deterministic serialisation of a model."""
    return model.SerializeToString(deterministic=True)


def verified_bytes(folds: TrainedFolds, x: NDArray[np.float32]) -> tuple[bytes, float]:
    """Return the ONNX file's bytes and its largest difference from native XGBoost on the events `x`.

    Raises
    ------
    ModelError
        If the two differ by more than `AGREEMENT`.
    """
    from massgap.models.scoring.scorer import OnnxScorer

    content = to_bytes(to_onnx(folds))
    scores = OnnxScorer.from_bytes(content, "the exported model", features=folds.features).score_all_folds(x)
    native = folds.predict(np.where(np.isinf(x), np.float32(np.nan), x))
    difference = float(np.abs(scores - native).max(initial=0.0))
    if not difference <= AGREEMENT:
        msg = f"The exported model differs from XGBoost by {difference:.2g}, more than {AGREEMENT:g}."
        raise ModelError(msg)
    return content, difference


def _tree_attributes(boosters: list[xgb.Booster]) -> dict[str, Any]:
    """Return the attributes of one TreeEnsembleRegressor whose target i sums the trees of booster i."""
    parts: dict[str, list[NDArray[Any]]] = {}
    base_values = []
    tree_id = 0
    for target, booster in enumerate(boosters):
        trees, base_margin = _trees(booster)
        base_values.append(base_margin)
        for tree in trees:
            for key, array in _nodes_of(tree, tree_id, target).items():
                parts.setdefault(key, []).append(array)
            tree_id += 1
    attributes: dict[str, Any] = {k: np.concatenate(v).tolist() for k, v in parts.items()}
    attributes["base_values"] = base_values
    return attributes


def _nodes_of(tree: dict[str, Any], tree_id: int, target: int) -> dict[str, NDArray[Any]]:
    """Return the nodes and leaves of one tree of XGBoost's JSON model, as the operator's attributes name them."""
    left = np.asarray(tree["left_children"], dtype=np.int64)
    right = np.asarray(tree["right_children"], dtype=np.int64)
    # float32, the type in which XGBoost holds and compares it; a leaf keeps its value here.
    value = np.asarray(tree["split_conditions"], dtype=np.float32)
    leaf = left < 0
    number = np.arange(len(left))
    return {
        "nodes_treeids": np.full(len(left), tree_id),
        "nodes_nodeids": number,
        "nodes_featureids": np.where(leaf, 0, np.asarray(tree["split_indices"], dtype=np.int64)),
        "nodes_values": np.where(leaf, np.float32(0), value),
        "nodes_truenodeids": np.where(leaf, 0, left),
        "nodes_falsenodeids": np.where(leaf, 0, right),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, np.asarray(tree["default_left"])),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LT"),
        "target_treeids": np.full(leaf.sum(), tree_id),
        "target_nodeids": number[leaf],
        "target_ids": np.full(leaf.sum(), target),
        "target_weights": value[leaf],
    }


def _trees(booster: xgb.Booster) -> tuple[list[dict[str, Any]], float]:
    """Return the trees of a booster as XGBoost's JSON model gives them, and its base margin."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    kind, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if (kind, objective) != ("gbtree", "binary:logistic"):
        msg = f"Only gbtree boosters with binary:logistic can be exported, not {kind} with {objective}."
        raise ModelError(msg)
    trees = learner["gradient_booster"]["model"]["trees"]
    if any(any(tree["split_type"]) for tree in trees):
        msg = "Trees with categorical splits cannot be exported: give the features as numbers."
        raise ModelError(msg)
    # "[5E-1]" since XGBoost 3.1, "5E-1" before; a probability, whose logit starts the sum.
    base_score = float(learner["learner_model_param"]["base_score"].strip("[]"))
    return trees, float(np.log(base_score / (1 - base_score)))
