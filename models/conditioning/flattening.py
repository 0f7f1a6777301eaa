"""A score that is flat in a column for background: the quantile of the background, given the column, by a monotone table.

A threshold on such a score keeps the same share of the background at every value of the column, so the background's shape
in the column is preserved.  For each fold the table is made of the background events that stopped the training: they were not
fitted to, and are not those that the classifier scores in an analysis.  `massgap.models.conditioning.quantile_table` makes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.models.networks.graph_writer import GraphWriter

__all__ = ["LEVELS", "Flattening", "log_odds"]

_SMALLEST, _NEXT_TO_ONE = 1e-26, 1 - 2.0**-24
"""Scores beyond these are as these: float32 tells no numbers between the latter and 1."""
_NARROW = 1e-3
"""Least distance of neighbouring logits in a table: equal scores would be a step, steeper than float32 can tell."""
LEVELS = (0.5, 0.9, 0.95, 0.99)
"""Quantiles whose uncertainty is stated."""


def log_odds(score: NDArray[Any]) -> NDArray[np.float64]:
    """``ln(s / (1 - s))`` of scores, finite also for 0 and 1.

    Examples
    --------
    >>> log_odds(np.array([0.0, 0.5, 1.0])).round(1).tolist()
    [-59.9, 0.0, 16.6]
    """
    s = np.clip(np.asarray(score, np.float64), _SMALLEST, _NEXT_TO_ONE)
    return np.asarray(np.log(s) - np.log(1 - s))


@dataclass(frozen=True)
class Flattening:
    """The table of one fold.

    ``centres`` (n_rows,) are values of the column, rising.  ``levels`` (n_levels,) are shares of the background from 0 to
    1, ``logits`` (n_rows, n_levels - 2) the logits of the scores below which they lie, 0 and 1 left out, rising;
    ``effective`` (n_rows,) are the effective events that each row is worth. Between centres the logits are interpolated,
    outside of them, where no event was, they are those of the outermost.
    """

    centres: NDArray[np.float64]
    logits: NDArray[np.float64]
    levels: NDArray[np.float64]
    effective: NDArray[np.float64]

    def uncertainty(self, *, at_ends: bool = False) -> dict[str, float]:
        """Statistical uncertainty of the quantile at one value of the column, for a few levels: sqrt(q (1 - q) / n).

        Of the row in the middle of the column, or (`at_ends`) of that which knows least.
        """
        n = float(self.effective.min() if at_ends else self.effective[len(self.effective) // 2])
        return {f"{q:g}": float(np.sqrt(q * (1 - q) / n)) for q in LEVELS}

    def __call__(self, score: NDArray[Any], column: NDArray[Any]) -> NDArray[np.float64]:
        """The quantiles of scores, shape (N,), given the column, shape (N,); where it is missing, of the middle row."""
        c = np.where(np.isfinite(column), column, self.centres[len(self.centres) // 2]).astype(np.float64)
        below, share = self._place(c)
        logit = log_odds(score)
        lowest, highest = log_odds(np.array([0.0, 1.0]))
        out = np.empty(len(c))
        for start in range(0, len(c), 16384):
            part = slice(start, start + 16384)
            k, f = below[part], share[part, None]
            inner = (1 - f) * self.logits[k] + f * self.logits[k + 1]
            ends = np.zeros((len(k), 1))
            table = np.concatenate([ends + lowest, inner, ends + highest], axis=1)
            width = np.maximum(np.diff(table, axis=1), _NARROW)
            steps = np.clip((logit[part, None] - table[:, :-1]) / width, 0.0, 1.0)
            out[part] = steps @ np.diff(self.levels)
        # The score 1 is the quantile 1, also where the table ends less than a step below it.
        return np.where(logit >= highest, 1.0, out)

    def _place(self, c: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        below = np.clip(np.searchsorted(self.centres, c, side="right") - 1, 0, len(self.centres) - 2)
        gap = np.diff(self.centres)[below]
        return below, np.clip((c - self.centres[below]) / gap, 0.0, 1.0)

    def write(self, graph: GraphWriter, score: str, column: str) -> str:
        """The same as operators: score and column are (N, 1) in the graph's type, the column without infinite values."""
        inner = self._write_logits(graph, column)
        s = graph.op("Clip", score, np.asarray(_SMALLEST), np.asarray(_NEXT_TO_ONE))
        logit = graph.op("Sub", graph.op("Log", s), graph.op("Log", graph.op("Sub", np.asarray(1.0), s)))
        lowest, highest = log_odds(np.array([0.0, 1.0]))
        zero = graph.op("Mul", logit, np.asarray(0.0))
        low = graph.op("Concat", graph.op("Add", zero, np.asarray(lowest)), inner, axis=1)
        high = graph.op("Concat", inner, graph.op("Add", zero, np.asarray(highest)), axis=1)
        width = graph.op("Max", graph.op("Sub", high, low), np.asarray(_NARROW))
        steps = graph.op("Div", graph.op("Sub", logit, low), width)
        steps = graph.op("Clip", steps, np.asarray(0.0), np.asarray(1.0))
        quantile = graph.op("MatMul", steps, np.diff(self.levels)[:, None])
        full = graph.op("GreaterOrEqual", score, np.asarray(_NEXT_TO_ONE))
        return graph.op("Where", full, np.asarray(1.0), quantile)

    def _write_logits(self, graph: GraphWriter, column: str) -> str:
        """The row of the table at the value of the column."""
        middle = np.asarray(self.centres[len(self.centres) // 2])
        c = graph.op("Where", graph.op("IsNaN", column), middle, column)
        below = self._write_place(graph, c)
        low = graph.op("Gather", self.centres[:, None], below, axis=0)
        gap = graph.op("Gather", np.diff(self.centres)[:, None], below, axis=0)
        share = graph.op("Div", graph.op("Sub", c, low), gap)
        share = graph.op("Clip", share, np.asarray(0.0), np.asarray(1.0))
        here = graph.op("Gather", self.logits, below, axis=0)
        step = graph.op("Gather", np.diff(self.logits, axis=0), below, axis=0)
        return graph.op("Add", here, graph.op("Mul", share, step))

    def _write_place(self, graph: GraphWriter, c: str) -> str:
        """Number of the centre below, shape (N,): first among groups of centres, then within the group."""
        n = len(self.centres)
        width = math.ceil(math.sqrt(n))
        groups = np.full((-(-n // width), width), np.inf)
        groups.ravel()[:n] = self.centres

        def counted(bounds: str | NDArray[np.float64]) -> str:
            reached = graph.op("Cast", graph.op("GreaterOrEqual", c, bounds), to=1)
            return graph.op("Cast", graph.op("ReduceSum", reached, np.array([1]), keepdims=0), to=7)

        group = counted(groups[None, 1:, 0]) if len(groups) > 1 else counted(np.full((1, 1), np.inf))
        rest = groups[:, 1:] if width > 1 else np.full((len(groups), 1), np.inf)
        within = counted(graph.op("Gather", rest, group, axis=0))
        place = graph.op("Add", graph.op("Mul", group, np.asarray(width)), within)
        return graph.op("Min", place, np.asarray(n - 2))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, the table itself left out."""
        return {
            "centres": self.centres.tolist(),
            "effective": self.effective.tolist(),
            "uncertainty": self.uncertainty(),
            "uncertainty_at_ends": self.uncertainty(at_ends=True),
        }
