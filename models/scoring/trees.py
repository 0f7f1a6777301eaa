"""Decision trees read from an ONNX graph into flat arrays, and scored by compiled code.

Only graphs of one shape are read: optionally ``IsInf`` and ``Where`` that make infinite values missing,
one ``TreeEnsembleRegressor`` that sums, one ``Sigmoid``. Everything else is for onnxruntime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = ["Forest", "TreeModel", "UnsupportedTreesError", "probes", "read_trees"]

MANY_CELLS = 2048
"""Most cells in which thresholds of one feature are looked up; 4 kB."""


class UnsupportedTreesError(Exception):
    """The graph is valid ONNX, but not of the shape that is read here; the message says why."""


@dataclass(frozen=True)
class Forest:
    """The trees of one output column."""

    kind: str
    arrays: tuple[Any, ...]
    thresholds: dict[int, NDArray[np.float32]]

    def score(
        self, x: NDArray[np.float32], events: NDArray[np.int64], infinite: bool, out: NDArray[np.float32]
    ) -> None:
        """Write the scores of the rows `events` of `x` (contiguous in either order) into `out`."""
        from massgap.models.scoring import tree_kernels

        kernel: Any = tree_kernels.score_by_ranks if self.kind == "ranks" else tree_kernels.score_by_walking
        rows, width = x.shape
        strides = (width, 1) if x.flags.c_contiguous else (1, rows)
        flat = _plain((x if x.flags.c_contiguous else x.T).reshape(-1))
        kernel(flat, *strides, events, infinite, *self.arrays, out)

    def __setstate__(self, state: dict[str, Any]) -> None:
        arrays = tuple(_plain(a) if isinstance(a, np.ndarray) else a for a in state["arrays"])
        self.__dict__.update({**state, "arrays": arrays})


@dataclass(frozen=True)
class TreeModel:
    """All trees of a model, one forest per output column."""

    forests: tuple[Forest, ...]
    infinite_is_missing: bool

    @property
    def n_folds(self) -> int:
        """Number of output columns."""
        return len(self.forests)

    def score(self, x: NDArray[np.float32], fold: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the score of each event by the forest of its `fold`, shape (N,)."""
        out = np.empty(len(x), np.float32)
        for i, forest in enumerate(self.forests):
            events = np.flatnonzero(fold == i)
            if events.size:
                forest.score(x, events, self.infinite_is_missing, out)
        return out

    def score_all(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of all forests, shape (N, folds)."""
        out = np.empty((self.n_folds, len(x)), np.float32)
        events = np.arange(len(x))
        for i, forest in enumerate(self.forests):
            forest.score(x, events, self.infinite_is_missing, out[i])
        return np.ascontiguousarray(out.T)


def probes(model: TreeModel, width: int, n: int, seed: int = 0) -> NDArray[np.float32]:
    """Return `n` rows that are hard to score: at and beside thresholds, missing, infinite, tiny and huge.

    The same model gives the same rows.
    """
    rng = np.random.default_rng(seed)
    values: list[list[NDArray[np.float32]]] = [[] for _ in range(width)]
    for forest in model.forests:
        for feature, thresholds in forest.thresholds.items():
            values[feature].append(thresholds)
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38], np.float32)
    largest = np.finfo(np.float32).max
    x = np.empty((n, width), np.float32)
    for j in range(width):
        at = np.concatenate([*values[j], np.zeros(1, np.float32)])
        beside = [np.nextafter(at, np.float32(end)) for end in (-np.inf, np.inf)]
        edges = np.concatenate([at, *beside])
        low, high = float(at.min().clip(-largest)), float(at.max().clip(max=largest))
        between = rng.uniform(low - 0.1 * (high - low), high + 0.1 * (high - low) + 1e-3, n)
        x[:, j] = np.where(rng.random(n) < 0.5, rng.choice(edges, n), between.clip(-largest, largest))
        x[:, j] = np.where(rng.random(n) < 0.1, rng.choice(odd, n), x[:, j])
    return x


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return a writable, aligned array: numba would compile anew for the types of others."""
    return np.require(array, requirements=("C", "A", "W"))


# ---- reading


def read_trees(model: onnx.ModelProto, width: int, n_folds: int) -> TreeModel:
    """Return the trees of a graph with `width` features and `n_folds` columns of scores.

    Raises
    ------
    UnsupportedTreesError
        If the graph has another shape, with the reason.
    """
    import numba

    _need(not getattr(numba.config, "DISABLE_JIT", 0), "numba is told not to compile (NUMBA_DISABLE_JIT)")
    node, infinite = _ensemble(model.graph)
    attributes = {a.name: a for a in node.attribute}
    tree = _Nodes(attributes, width)
    n_targets = attributes["n_targets"].i if "n_targets" in attributes else 1
    _need(n_targets == n_folds, "its trees have another number of columns")
    base = np.zeros(n_targets, np.float32)
    if "base_values" in attributes and (given := attributes["base_values"].floats):
        _need(len(given) == n_targets, "its base values are not one per column")
        base = np.array(given, np.float32)
    _need(bool(np.isfinite(base).all()), "it has base values that are not finite")
    targets = tree.target_of_tree
    _need(bool(((targets >= 0) & (targets < n_targets)).all()), "it has trees without column")
    return TreeModel(
        tuple(_forest(tree, tree.roots[targets == i], base[i]) for i in range(n_targets)), infinite
    )


def _need(condition: bool, reason: str) -> None:
    if not condition:
        raise UnsupportedTreesError(reason)


def _ensemble(graph: onnx.GraphProto) -> tuple[onnx.NodeProto, bool]:
    """Return the tree operator and whether infinite values are made missing before it."""
    from onnx import numpy_helper

    nodes = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in constants]
    last = nodes.get(graph.output[0].name)
    _need(last is not None and last.op_type == "Sigmoid", "it does not end in a Sigmoid")
    trees = nodes.get(last.input[0]) if last is not None else None
    if trees is None or trees.op_type != "TreeEnsembleRegressor" or trees.domain != "ai.onnx.ml":
        reason = "it has no TreeEnsembleRegressor before its Sigmoid"
        raise UnsupportedTreesError(reason)
    if list(trees.input) == inputs:
        _need(len(graph.node) == 2, "it has other operators")
        return trees, False
    where = nodes.get(trees.input[0])
    _need(
        len(graph.node) == 4 and where is not None and where.op_type == "Where",
        "it prepares features its own way",
    )
    assert where is not None
    is_inf = nodes.get(where.input[0])
    missing = constants.get(where.input[1])
    _need(
        is_inf is not None
        and is_inf.op_type == "IsInf"
        and not is_inf.attribute
        and list(is_inf.input) == inputs
        and where.input[2] == inputs[0]
        and missing is not None
        and missing.data_type == 1
        and not [d for d in missing.dims if d != 1]
        and len(missing.dims) <= 2
        and bool(np.isnan(numpy_helper.to_array(missing)).all()),
        "it prepares features its own way",
    )
    return trees, True


class _Nodes:
    """The nodes of all trees: comparisons all made ``x < threshold``, children by position."""

    def __init__(self, attributes: dict[str, Any], width: int) -> None:
        known = {
            "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
            "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true", "nodes_hitrates",
            "target_treeids", "target_nodeids", "target_ids", "target_weights",
            "n_targets", "base_values", "aggregate_function", "post_transform",
        }  # fmt: skip
        _need(set(attributes) <= known, "it has attributes that are not known here")
        for name, usual in (("aggregate_function", b"SUM"), ("post_transform", b"NONE")):
            _need(
                name not in attributes or attributes[name].s == usual, f"its {name} is not {usual.decode()}"
            )

        def ints(name: str) -> NDArray[np.int64]:
            return np.array(attributes[name].ints if name in attributes else (), np.int64)

        trees, numbers = ints("nodes_treeids"), ints("nodes_nodeids")
        n = len(trees)
        feature, true, false = ints("nodes_featureids"), ints("nodes_truenodeids"), ints("nodes_falsenodeids")
        value = np.array(
            attributes["nodes_values"].floats if "nodes_values" in attributes else (), np.float32
        )
        mode = np.array(attributes["nodes_modes"].strings if "nodes_modes" in attributes else (), "S16")
        missing = ints("nodes_missing_value_tracks_true")
        missing = missing if missing.size else np.zeros(n, np.int64)
        sizes = {len(a) for a in (numbers, feature, true, false, value, mode, missing)}
        _need(n > 0 and sizes == {n}, "its node attributes differ in length")

        changes = np.r_[True, trees[1:] != trees[:-1]]
        self.roots = np.flatnonzero(changes)
        _need(len(np.unique(trees)) == len(self.roots), "the nodes of its trees are not side by side")
        key_base = int(numbers.max()) + 1
        _need(numbers.min() >= 0 and key_base < 1 << 31, "its node numbers are not usual")
        number_of_tree = np.cumsum(changes) - 1
        key = number_of_tree * key_base + numbers
        order = np.argsort(key, kind="stable")
        key_sorted = key[order]
        _need(bool((np.diff(key_sorted) > 0).all()), "it has a node twice")

        def position(of_tree: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
            wanted = of_tree * key_base + number
            at = np.searchsorted(key_sorted, wanted).clip(max=n - 1)
            _need(
                bool(((number >= 0) & (number < key_base) & (key_sorted[at] == wanted)).all()),
                "it refers to nodes that it does not have",
            )
            return order[at]

        leaf = mode == b"LEAF"
        split = ~leaf
        _need(
            bool(np.isin(mode, [b"LEAF", b"BRANCH_LT", b"BRANCH_LEQ", b"BRANCH_GTE", b"BRANCH_GT"]).all()),
            "it has comparisons other than <, <=, >= and >",
        )
        _need(
            bool(((feature[split] >= 0) & (feature[split] < width)).all()), "it has features beyond its width"
        )
        _need(not np.isnan(value[split]).any(), "it has thresholds that are not numbers")
        to_true, to_false = np.zeros(n, np.int64), np.zeros(n, np.int64)
        to_true[split] = position(number_of_tree[split], true[split])
        to_false[split] = position(number_of_tree[split], false[split])
        parents = np.bincount(np.r_[to_true[split], to_false[split]], minlength=n)
        expected = np.ones(n, np.int64)
        expected[self.roots] = 0
        _need(bool((parents == expected).all()), "its nodes do not form trees that begin at their first node")

        # x <= t is x < (the next number above t); x >= t and x > t are the opposites of x < t and x <= t.
        above = (mode == b"BRANCH_LEQ") | (mode == b"BRANCH_GT")
        _need(not np.isposinf(value[split & above]).any(), "it compares with infinity")
        self.threshold = value.copy()
        self.threshold[above] = np.nextafter(value[above], np.float32(np.inf))
        turned = (mode == b"BRANCH_GTE") | (mode == b"BRANCH_GT")
        self.true = np.where(turned, to_false, to_true)
        self.false = np.where(turned, to_true, to_false)
        self.missing_true = ((missing != 0) ^ turned) & split
        self.feature = np.where(leaf, -1, feature)

        leaf_trees, leaf_numbers = ints("target_treeids"), ints("target_nodeids")
        ids = ints("target_ids")
        weights = np.array(
            attributes["target_weights"].floats if "target_weights" in attributes else (), np.float32
        )
        _need(
            {len(a) for a in (leaf_trees, leaf_numbers, ids)} == {len(weights)}, "its leaves differ in length"
        )
        tree_order = np.argsort(trees[self.roots], kind="stable")
        sorted_trees = trees[self.roots][tree_order]
        at = np.searchsorted(sorted_trees, leaf_trees).clip(max=len(sorted_trees) - 1)
        _need(bool((sorted_trees[at] == leaf_trees).all()), "it has leaves of unknown trees")
        where = position(tree_order[at], leaf_numbers)
        count = np.bincount(where, minlength=n)
        _need(bool((count == leaf).all()), "its leaves do not have one weight each")
        _need(bool(np.isfinite(weights).all()), "it has weights that are not finite")
        self.weight = np.zeros(n, np.float32)
        self.weight[where] = weights
        target = np.full(n, -1)
        target[where] = ids
        of_leaf_tree = number_of_tree[where]
        self.target_of_tree = np.zeros(len(self.roots), np.int64)
        self.target_of_tree[of_leaf_tree] = ids
        _need(bool((self.target_of_tree[of_leaf_tree] == ids).all()), "it has trees with several columns")


# ---- laying out


def _forest(nodes: _Nodes, roots: NDArray[np.int64], base: np.float32) -> Forest:
    """Return the trees with these roots, padded to perfect trees where they are shallow enough."""
    from massgap.models.scoring.tree_kernels import BLOCK, DEEPEST

    mine, depth = _reached(nodes, roots)
    feature = nodes.feature[mine]
    used = np.unique(feature[feature >= 0])
    thresholds = tuple(np.unique(nodes.threshold[mine][feature == f]) for f in used)
    named = dict(zip(used.tolist(), thresholds, strict=True))
    most = max((len(t) for t in thresholds), default=0)
    if depth.max(initial=0) > DEEPEST or most > 65535:
        walked = (
            roots,
            nodes.feature,
            nodes.threshold,
            nodes.missing_true,
            nodes.true,
            nodes.false,
            nodes.weight,
        )
        return Forest("walk", (*walked, base), named)
    rank_type = np.int8 if most <= 255 else np.int16
    lowest = np.iinfo(rank_type).min

    # which of its two columns of ranks a feature needs
    of_feature = np.full(max(used.max(initial=0) + 1, 1), -1)
    of_feature[used] = np.arange(len(used))
    column = np.full((len(used), 2), -1, np.int64)
    split = feature >= 0
    wanted = np.unique(np.stack([of_feature[feature[split]], ~nodes.missing_true[mine][split]]), axis=1)
    column[wanted[0], wanted[1].astype(np.int64)] = np.arange(wanted.shape[1])
    rank_of = np.zeros(len(nodes.feature), np.int64)
    for u, f in enumerate(used):
        at = mine[feature == f]
        rank_of[at] = np.searchsorted(thresholds[u], nodes.threshold[at])
    column_of = np.zeros(len(nodes.feature), np.int64)
    splits = mine[split]
    column_of[splits] = column[of_feature[nodes.feature[splits]], (~nodes.missing_true[splits]).astype(int)]

    depth = np.maximum(depth, 1)
    first_node = np.r_[0, np.cumsum((1 << depth) - 1)]
    first_leaf = np.r_[0, np.cumsum(1 << depth)]
    columns = np.zeros(first_node[-1], np.int32)
    limits = np.zeros(first_node[-1], rank_type)
    leaves = np.zeros(first_leaf[-1], np.float32)
    for d in np.unique(depth):
        which = np.flatnonzero(depth == d)
        level = roots[which][:, None]
        for h in range(d):
            at = first_node[which][:, None] + (1 << h) - 1 + np.arange(1 << h)
            columns[at] = column_of[level] * BLOCK
            limits[at] = rank_of[level] + lowest
            leaf = nodes.feature[level] < 0
            level = np.stack(
                [np.where(leaf, level, nodes.true[level]), np.where(leaf, level, nodes.false[level])], axis=2
            ).reshape(len(which), -1)
        leaves[first_leaf[which][:, None] + np.arange(1 << d)] = nodes.weight[level]

    arrays = (
        used, *_look_up(thresholds, column[:, 0]), column[:, 0].copy(), column[:, 1].copy(),
        max(wanted.shape[1], 1), depth, first_node[:-1].copy(), columns, limits,
        first_leaf[:-1].astype(np.uintp), leaves, base,
    )  # fmt: skip
    return Forest("ranks", arrays, named)


def _reached(nodes: _Nodes, roots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all nodes below these roots, and the depth of each tree."""
    depth = np.zeros(len(roots), np.int64)
    found, level, tree = [roots], roots, np.arange(len(roots))
    while True:
        split = nodes.feature[level] >= 0
        level, tree = level[split], tree[split]
        if not level.size:
            return np.concatenate(found), depth
        depth[np.unique(tree)] += 1
        level = np.r_[nodes.true[level], nodes.false[level]]
        tree = np.r_[tree, tree]
        found.append(level)


def _look_up(thresholds: tuple[NDArray[np.float32], ...], columns_true: NDArray[np.int64]) -> tuple[Any, ...]:
    """Return the tables that find the rank of a value: its cell of equal width, then a short search."""
    from massgap.models.scoring.tree_kernels import cells_of

    low, scale, n_cells, steps, starts, padded = [], [], [], [], [], []
    for t, column_true in zip(thresholds, columns_true, strict=True):
        finite = t[np.isfinite(t)].astype(np.float64)
        bottom = finite.min(initial=np.inf) if finite.size else 0.0
        width = float(np.ptp(finite)) if finite.size else 0.0
        for n in (256, 512, 1024, MANY_CELLS):
            with np.errstate(over="ignore", divide="ignore"):
                factor = np.float32(n / width) if width > 0 else np.float32(0)
            cell = np.empty(len(t), np.int32)
            cells_of(t.copy(), np.float32(bottom), factor, n, False, cell)
            most = int(np.bincount(cell).max())
            if most == 1:
                break
        low.append(bottom)
        scale.append(factor)
        n_cells.append(n)
        steps.append(int(most).bit_length())
        missing = 0 if column_true >= 0 else len(t)
        starts.append(np.r_[np.searchsorted(cell, np.arange(n)), missing].astype(np.uint16))
        padded.append(np.r_[t, np.full(1 << steps[-1], np.nan)].astype(np.float32))

    def begin(parts: list[Any]) -> NDArray[np.int64]:
        return np.r_[0, np.cumsum([len(p) for p in parts])][:-1].astype(np.int64)

    return (
        np.array(low, np.float32), np.array(scale, np.float32), np.array(n_cells, np.int64),
        begin(starts), np.concatenate([np.empty(0, np.uint16), *starts]),
        begin(padded), np.array([len(t) for t in thresholds], np.int64), np.array(steps, np.int64),
        np.concatenate([np.empty(0, np.float32), *padded]),
    )  # fmt: skip
