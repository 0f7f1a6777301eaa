"""Boosted trees as one operator of an ONNX graph.

The nodes are written straight from XGBoost's own JSON model. Its splits compare in float32 with ``x < threshold``, which is
the operator's ``BRANCH_LT``: values exactly at a threshold go the same way in both.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xgboost as xgb
    from numpy.typing import NDArray

__all__ = ["tree_operators"]


def tree_operators(boosters: Sequence[xgb.Booster], features: str, score: str) -> tuple[list[Any], list[Any]]:
    """Return operators and constants from the features to the probabilities, a column per booster.

    Parameters
    ----------
    boosters
        One per fold.
    features, score
        Names of the tensors, (N, n_features) and (N, n_boosters).

    Raises
    ------
    ModelError
        If a booster is not made of ordinary trees with one logistic output.
    """
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node("IsInf", [features], ["is_infinite"]),
        helper.make_node("Where", ["is_infinite", "missing", features], ["cleaned"]),
        helper.make_node(
            "TreeEnsembleRegressor",
            ["cleaned"],
            ["margin"],
            domain="ai.onnx.ml",
            n_targets=len(boosters),
            aggregate_function="SUM",
            post_transform="NONE",
            **_tree_attributes(boosters),
        ),
        helper.make_node("Sigmoid", ["margin"], [score]),
    ]
    return nodes, [numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "missing")]


def _tree_attributes(boosters: Sequence[xgb.Booster]) -> dict[str, Any]:
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
