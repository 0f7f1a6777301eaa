"""Decision trees as flat arrays, and their scores by compiled code.

`massgap.models.scoring.tree_reading` reads them from an ONNX graph, `massgap.models.scoring.tree_layout` arranges them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Forest", "TreeModel", "UnsupportedTreesError", "probes"]


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
