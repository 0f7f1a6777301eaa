"""The nodes of all trees of a model, read from the attributes of its tree operator and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.scoring.trees import UnsupportedTreesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Position = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]

__all__ = ["Nodes", "need", "read_nodes"]

KNOWN = {
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
    "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true", "nodes_hitrates",
    "target_treeids", "target_nodeids", "target_ids", "target_weights",
    "n_targets", "base_values", "aggregate_function", "post_transform",
}  # fmt: skip
"""Attributes of the tree operator; another one could change the score."""


class Nodes(NamedTuple):
    """The nodes of all trees, one entry per node: comparisons all made ``x < threshold``, children by position.

    A leaf has the feature -1. ``roots`` and ``target_of_tree`` (the column of the output) have one entry per tree.
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    missing_true: NDArray[np.bool_]
    true: NDArray[np.int64]
    false: NDArray[np.int64]
    weight: NDArray[np.float32]
    target_of_tree: NDArray[np.int64]


def need(condition: bool, reason: str) -> None:
    """Raise an UnsupportedTreesError unless the condition holds."""
    if not condition:
        raise UnsupportedTreesError(reason)


def read_nodes(attributes: dict[str, Any], width: int) -> Nodes:
    """Return the nodes of a ``TreeEnsembleRegressor`` with `width` features.

    Raises
    ------
    UnsupportedTreesError
        If they are not ordinary trees that sum one weight per leaf, with the reason.
    """
    need(set(attributes) <= KNOWN, "it has attributes that are not known here")
    for name, usual in (("aggregate_function", b"SUM"), ("post_transform", b"NONE")):
        need(name not in attributes or attributes[name].s == usual, f"its {name} is not {usual.decode()}")
    raw = _raw(attributes)
    roots, of_node, position = _numbering(raw)
    true, false = _children(raw, roots, of_node, position, width)
    threshold, turned = _comparisons(raw)
    split = raw.mode != b"LEAF"
    weight, target_of_tree = _leaves(attributes, raw, roots, of_node, position)
    return Nodes(
        roots,
        np.where(split, raw.feature, -1),
        threshold,
        ((raw.missing != 0) ^ turned) & split,
        np.where(turned, false, true),
        np.where(turned, true, false),
        weight,
        target_of_tree,
    )


class _Raw(NamedTuple):
    """The node attributes as they are written, all of one length."""

    tree: NDArray[np.int64]
    number: NDArray[np.int64]
    feature: NDArray[np.int64]
    true: NDArray[np.int64]
    false: NDArray[np.int64]
    value: NDArray[np.float32]
    mode: NDArray[np.bytes_]
    missing: NDArray[np.int64]


def _ints(attributes: dict[str, Any], name: str) -> NDArray[np.int64]:
    return np.array(attributes[name].ints if name in attributes else (), np.int64)


def _floats(attributes: dict[str, Any], name: str) -> NDArray[np.float32]:
    return np.array(attributes[name].floats if name in attributes else (), np.float32)


def _raw(attributes: dict[str, Any]) -> _Raw:
    tree = _ints(attributes, "nodes_treeids")
    missing = _ints(attributes, "nodes_missing_value_tracks_true")
    raw = _Raw(
        tree,
        _ints(attributes, "nodes_nodeids"),
        _ints(attributes, "nodes_featureids"),
        _ints(attributes, "nodes_truenodeids"),
        _ints(attributes, "nodes_falsenodeids"),
        _floats(attributes, "nodes_values"),
        np.array(attributes["nodes_modes"].strings if "nodes_modes" in attributes else (), "S16"),
        missing if missing.size else np.zeros(len(tree), np.int64),
    )
    need(len(tree) > 0 and {len(a) for a in raw} == {len(tree)}, "its node attributes differ in length")
    return raw


def _numbering(raw: _Raw) -> tuple[NDArray[np.int64], NDArray[np.int64], Position]:
    """Return the first node of each tree, the tree of each node (0, 1, ...), and what finds a node by tree and number."""
    n = len(raw.tree)
    changes = np.r_[True, raw.tree[1:] != raw.tree[:-1]]
    roots = np.flatnonzero(changes)
    need(len(np.unique(raw.tree)) == len(roots), "the nodes of its trees are not side by side")
    key_base = int(raw.number.max()) + 1
    need(raw.number.min() >= 0 and key_base < 1 << 31, "its node numbers are not usual")
    of_node = np.cumsum(changes) - 1
    key = of_node * key_base + raw.number
    order = np.argsort(key, kind="stable")
    key_sorted = key[order]
    need(bool((np.diff(key_sorted) > 0).all()), "it has a node twice")

    def position(of_tree: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
        wanted = of_tree * key_base + number
        at = np.searchsorted(key_sorted, wanted).clip(max=n - 1)
        need(
            bool(((number >= 0) & (number < key_base) & (key_sorted[at] == wanted)).all()),
            "it refers to nodes that it does not have",
        )
        return order[at]

    return roots, of_node, position


def _children(
    raw: _Raw, roots: NDArray[np.int64], of_node: NDArray[np.int64], position: Position, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the two children of each node, 0 for leaves, after checking that they form trees."""
    n = len(raw.tree)
    known = [b"LEAF", b"BRANCH_LT", b"BRANCH_LEQ", b"BRANCH_GTE", b"BRANCH_GT"]
    need(bool(np.isin(raw.mode, known).all()), "it has comparisons other than <, <=, >= and >")
    split = raw.mode != b"LEAF"
    feature = raw.feature[split]
    need(bool(((feature >= 0) & (feature < width)).all()), "it has features beyond its width")
    need(not np.isnan(raw.value[split]).any(), "it has thresholds that are not numbers")
    true, false = np.zeros(n, np.int64), np.zeros(n, np.int64)
    true[split] = position(of_node[split], raw.true[split])
    false[split] = position(of_node[split], raw.false[split])
    parents = np.bincount(np.r_[true[split], false[split]], minlength=n)
    expected = np.ones(n, np.int64)
    expected[roots] = 0
    need(bool((parents == expected).all()), "its nodes do not form trees that begin at their first node")
    return true, false


def _comparisons(raw: _Raw) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return thresholds for ``x < threshold``, and where the children change places.

    x <= t is x < (the next number above t); x >= t and x > t are the opposites of x < t and x <= t.
    """
    above = (raw.mode == b"BRANCH_LEQ") | (raw.mode == b"BRANCH_GT")
    need(not np.isposinf(raw.value[above]).any(), "it compares with infinity")
    threshold = raw.value.copy()
    threshold[above] = np.nextafter(raw.value[above], np.float32(np.inf))
    return threshold, (raw.mode == b"BRANCH_GTE") | (raw.mode == b"BRANCH_GT")


def _leaves(
    attributes: dict[str, Any],
    raw: _Raw,
    roots: NDArray[np.int64],
    of_node: NDArray[np.int64],
    position: Position,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the weight of each node (0 unless it is a leaf) and the column to which each tree adds."""
    trees, numbers = _ints(attributes, "target_treeids"), _ints(attributes, "target_nodeids")
    ids, weights = _ints(attributes, "target_ids"), _floats(attributes, "target_weights")
    need({len(a) for a in (trees, numbers, ids)} == {len(weights)}, "its leaves differ in length")
    tree_order = np.argsort(raw.tree[roots], kind="stable")
    sorted_trees = raw.tree[roots][tree_order]
    at = np.searchsorted(sorted_trees, trees).clip(max=len(sorted_trees) - 1)
    need(bool((sorted_trees[at] == trees).all()), "it has leaves of unknown trees")
    where = position(tree_order[at], numbers)
    count = np.bincount(where, minlength=len(raw.tree))
    need(bool((count == (raw.mode == b"LEAF")).all()), "its leaves do not have one weight each")
    need(bool(np.isfinite(weights).all()), "it has weights that are not finite")
    weight = np.zeros(len(raw.tree), np.float32)
    weight[where] = weights
    target_of_tree = np.zeros(len(roots), np.int64)
    target_of_tree[of_node[where]] = ids
    need(bool((target_of_tree[of_node[where]] == ids).all()), "it has trees with several columns")
    return weight, target_of_tree
