"""Trees arranged for compiled scoring: padded to perfect trees of ranks where they are shallow, else to be walked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.scoring.trees import Forest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.models.scoring.tree_nodes import Nodes

__all__ = ["forest"]

MANY_CELLS = 2048
"""Most cells in which thresholds of one feature are looked up; 4 kB."""


def forest(nodes: Nodes, roots: NDArray[np.int64], base: np.float32) -> Forest:
    """Return the trees with these roots, padded to perfect trees where they are shallow enough."""
    from massgap.models.scoring.tree_kernels import DEEPEST

    mine, depth = _reached(nodes, roots)
    feature = nodes.feature[mine]
    used = np.unique(feature[feature >= 0])
    thresholds = tuple(np.unique(nodes.threshold[mine][feature == f]) for f in used)
    named = dict(zip(used.tolist(), thresholds, strict=True))
    most = max((len(t) for t in thresholds), default=0)
    if depth.max(initial=0) > DEEPEST or most > 65535:
        return Forest("walk", _walked(nodes, roots, base), named)
    column, rank_of, column_of, n_columns = _ranks(nodes, mine, used, thresholds)
    depth = np.maximum(depth, 1)
    rank_type = np.int8 if most <= 255 else np.int16
    padded = _perfect_trees(nodes, roots, depth, rank_of + np.iinfo(rank_type).min, column_of, rank_type)
    arrays = (
        used, *_look_up(thresholds, column[:, 0]), column[:, 0].copy(), column[:, 1].copy(),
        max(n_columns, 1), depth, *padded, base,
    )  # fmt: skip
    return Forest("ranks", arrays, named)


def _walked(nodes: Nodes, roots: NDArray[np.int64], base: np.float32) -> tuple[Any, ...]:
    return (
        roots, nodes.feature, nodes.threshold, nodes.missing_true, nodes.true, nodes.false, nodes.weight, base,
    )  # fmt: skip


def _ranks(
    nodes: Nodes,
    mine: NDArray[np.int64],
    used: NDArray[np.int64],
    thresholds: tuple[NDArray[np.float32], ...],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Return the columns of ranks of each feature (missing passes or not), and rank and column that each node compares."""
    feature = nodes.feature[mine]
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
    return column, rank_of, column_of, int(wanted.shape[1])


def _perfect_trees(
    nodes: Nodes,
    roots: NDArray[np.int64],
    depth: NDArray[np.int64],
    limit_of: NDArray[np.int64],
    column_of: NDArray[np.int64],
    rank_type: type[np.signedinteger[Any]],
) -> tuple[Any, ...]:
    """Return first node, columns and limits per node, first leaf and leaves of the trees, level by level.

    A leaf above the lowest level is repeated below itself, so that every path has the length of the tree's depth.
    """
    from massgap.models.scoring.tree_kernels import BLOCK

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
            limits[at] = limit_of[level]
            leaf = nodes.feature[level] < 0
            level = np.stack(
                [np.where(leaf, level, nodes.true[level]), np.where(leaf, level, nodes.false[level])], axis=2
            ).reshape(len(which), -1)
        leaves[first_leaf[which][:, None] + np.arange(1 << d)] = nodes.weight[level]
    return first_node[:-1].copy(), columns, limits, first_leaf[:-1].astype(np.uintp), leaves


def _reached(nodes: Nodes, roots: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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
