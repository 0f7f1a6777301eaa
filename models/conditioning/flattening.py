"""A score that is flat in a column for background: the quantile of the background, given the column, by a monotone table.

A threshold on such a score keeps the same share of the background at every value of the column, so the background's shape
in the column is preserved.  For each fold the table is made of the background events that stopped the training: they were not
fitted to, and are not those that the classifier scores in an analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.networks.layers import sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.models.networks.graph_writer import GraphWriter

__all__ = ["Flattening", "flatness", "flattening_of"]

_PER_BIN = 150
"""Effective events of background in a bin of the column, at least: with two bins a quantile of 0.9 is known to 0.017."""
_MOST_BINS = 40
_TAIL = 5
"""Effective events above the highest level of a table, at least."""
_BEYOND = 4
"""Levels beyond those that the events tell, each at a third of the share above the one before."""
_MOST_LOGIT = 16.0
"""Of a score that is 1 in float32."""
_ENDS = 0.002
"""Shares of the weight beyond the outermost centres."""
_SURE = 1e-7
"""Nearer to 0 or 1 no score is, when it is corrected for the column: the resolution of float32."""
_NARROW = 2e-5
"""Least distance of neighbouring scores in a table: equal scores would be a step, steeper than float32 can tell."""
LEVELS = (0.5, 0.9, 0.99)
"""Quantiles whose uncertainty is stated."""


@dataclass(frozen=True)
class Flattening:
    """The table of one fold.

    ``centres`` (n_bins,) are values of the column, rising, each in the middle of two bins of equal weight whose events make its
    row, corrected for their distance from it by a straight line. ``levels`` (n_levels,) are shares of the background from 0 to
    1, ``logits`` (n_bins, n_levels - 2) the logits of the scores below which they lie, 0 and 1 left out, rising;
    ``effective`` (n_bins,) are the effective events of each row. Between centres the logits are interpolated, outside of them
    they are those of the outermost.
    """

    centres: NDArray[np.float64]
    logits: NDArray[np.float64]
    levels: NDArray[np.float64]
    effective: NDArray[np.float64]

    def uncertainty(self) -> dict[str, float]:
        """Statistical uncertainty of the quantile in the bin that knows least, for a few levels: sqrt(q (1 - q) / n)."""
        n = float(self.effective.min())
        return {f"{q:g}": float(np.sqrt(q * (1 - q) / n)) for q in LEVELS}

    def steepest(self) -> float:
        """The largest change of the quantile per change of the score: by it differences of scores are handed on."""
        return float(np.diff(self.levels).max() / _NARROW)

    def __call__(self, score: NDArray[Any], column: NDArray[Any]) -> NDArray[np.float64]:
        """The quantiles of scores, shape (N,), given the column, shape (N,); where it is missing, of the middle bin."""
        c = np.where(np.isfinite(column), column, self.centres[len(self.centres) // 2]).astype(np.float64)
        below, share = self._place(c)
        out = np.empty(len(c))
        for start in range(0, len(c), 65536):
            part = slice(start, start + 65536)
            k, f = below[part], share[part, None]
            above = self.logits[np.minimum(k + 1, len(self.centres) - 1)]
            inner = np.minimum(sigmoid(np, (1 - f) * self.logits[k] + f * above), self._highest())
            ends = np.zeros((len(k), 1))
            table = np.concatenate([ends, inner, ends + 1], axis=1)
            width = np.maximum(np.diff(table, axis=1), _NARROW)
            steps = np.clip((np.asarray(score[part], np.float64)[:, None] - table[:, :-1]) / width, 0.0, 1.0)
            out[part] = steps @ np.diff(self.levels)
        return out

    def _place(self, c: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        below = np.clip(np.searchsorted(self.centres, c, side="right") - 1, 0, len(self.centres) - 2)
        gap = np.diff(self.centres)[below]
        return below, np.clip((c - self.centres[below]) / gap, 0.0, 1.0)

    def _highest(self) -> NDArray[np.float64]:
        """Bounds of the scores of a table, so that the score 1 is the quantile 1."""
        n = len(self.levels) - 2
        return np.asarray(1 - _NARROW * np.arange(n, 0, -1), np.float64)

    def write(self, graph: GraphWriter, score: str, column: str) -> str:
        """The same as operators: score and column are (N, 1) in the graph's type, the column without infinite values."""
        inner = graph.op("Min", graph.op("Sigmoid", self._write_logits(graph, column)), self._highest())
        zero = graph.op("Mul", score, np.asarray(0.0))
        low = graph.op("Concat", zero, inner, axis=1)
        high = graph.op("Concat", inner, graph.op("Add", zero, np.asarray(1.0)), axis=1)
        width = graph.op("Max", graph.op("Sub", high, low), np.asarray(_NARROW))
        steps = graph.op("Div", graph.op("Sub", score, low), width)
        steps = graph.op("Clip", steps, np.asarray(0.0), np.asarray(1.0))
        return graph.op("MatMul", steps, np.diff(self.levels)[:, None])

    def _write_logits(self, graph: GraphWriter, column: str) -> str:
        """The row of the table at the value of the column."""
        middle = np.asarray(self.centres[len(self.centres) // 2])
        c = graph.op("Where", graph.op("IsNaN", column), middle, column)
        # The number of the centre below is how many of the inner ones lie at or below the value.
        inner = graph.number(graph.op("GreaterOrEqual", c, self.centres[None, 1:-1]))
        none = graph.op("Mul", c, np.asarray(0.0))
        counted = graph.op("ReduceSum", graph.op("Concat", inner, none, axis=1), np.array([1]), keepdims=0)
        below = graph.op("Cast", counted, to=7)  # INT64
        low = graph.op("Gather", self.centres[:, None], below, axis=0)
        gap = graph.op("Gather", np.diff(self.centres)[:, None], below, axis=0)
        share = graph.op("Div", graph.op("Sub", c, low), gap)
        share = graph.op("Clip", share, np.asarray(0.0), np.asarray(1.0))
        here = graph.op("Gather", self.logits, below, axis=0)
        step = graph.op("Gather", np.diff(self.logits, axis=0), below, axis=0)
        return graph.op("Add", here, graph.op("Mul", share, step))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, the table itself left out."""
        return {
            "centres": self.centres.tolist(),
            "effective": self.effective.tolist(),
            "uncertainty": self.uncertainty(),
        }


def flattening_of(
    score: NDArray[Any], column: NDArray[Any], weight: NDArray[np.float64], *, name: str, fold: int
) -> Flattening:
    """The table of background events.

    Parameters
    ----------
    score, column, weight
        Of the events, shape (N,); events whose column is missing are left out.
    name, fold
        What messages call the column, and the fold.

    Raises
    ------
    TableError
        If there are too few events, or the column has one value alone.
    """
    there = np.isfinite(column)
    s, c, w = (np.asarray(a, np.float64)[there] for a in (score, column, weight))
    n = w.sum() ** 2 / (w**2).sum() if len(w) and w.sum() > 0 else 0.0
    if n < 2 * _PER_BIN or np.ptp(c) == 0:
        why = f"{n:.0f} effective background events" if n < 2 * _PER_BIN else "one value alone"
        msg = (
            f"The score cannot be made flat in {name!r}: fold {fold} has {why} among those that stop the training, and "
            f"{2 * _PER_BIN} of several values are needed. Generate more events, or leave out --flatten."
        )
        raise TableError(msg)
    knots = _knots(c, w, int(min(n // _PER_BIN, _MOST_BINS)))
    effective, rows = [], []
    for number, knot in enumerate(knots):
        inside = (c >= knots[max(number - 1, 0)]) & (c <= knots[min(number + 1, len(knots) - 1)])
        effective.append(w[inside].sum() ** 2 / (w[inside] ** 2).sum())
        rows.append((_at(knot, s[inside], c[inside], w[inside]), w[inside]))
    levels = _levels(min(effective))
    table = np.stack([_quantiles(*row, levels) for row in rows])
    return Flattening(knots, table, levels, np.array(effective))


def _knots(c: NDArray[np.float64], w: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Values of the column between which there is equal weight; equal ones are one."""
    order = np.argsort(c, kind="stable")
    along = np.maximum.accumulate(np.cumsum(w[order])) / w.sum()
    shares = np.linspace(0, 1, n_bins + 1)
    shares[[0, -1]] = _ENDS, 1 - _ENDS
    found = c[order][np.minimum(np.searchsorted(along, shares), len(c) - 1)]
    apart = 1e-6 * max(float(np.abs(found).max()), float(np.ptp(c)))  # in float32 they must differ, too
    kept = [found[0]]
    for value in found[1:]:
        if value > kept[-1] + apart:
            kept.append(value)
    return np.array(kept)


def _at(
    knot: float, s: NDArray[np.float64], c: NDArray[np.float64], w: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The logits that these events would have at the knot: they follow a straight line in the column."""
    logit = np.log(np.clip(s, _SURE, 1 - _SURE) / np.clip(1 - s, _SURE, 1 - _SURE))
    positive = np.maximum(w, 0)
    distance = c - np.average(c, weights=positive)
    spread = np.average(distance**2, weights=positive)
    slope = np.average(distance * logit, weights=positive) / spread if spread > 0 else 0.0
    return np.asarray(logit - slope * (c - knot))


def _edges(weight: NDArray[np.float64], n_bins: int) -> list[tuple[int, int]]:
    """First and last event of bins of equal weight, of events in the order of the column."""
    along = np.maximum.accumulate(np.cumsum(weight))
    cuts = [0, *np.searchsorted(along, along[-1] * np.arange(1, n_bins) / n_bins).tolist(), len(weight)]
    return [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]  # noqa: RUF007


def _levels(effective: float) -> NDArray[np.float64]:
    """From 0 to 1, denser towards 1 as far as the events reach, and `_BEYOND` of them farther."""
    above = np.geomspace(0.1, min(_TAIL / effective, 0.05), 24)
    beyond = above[-1] / 3.0 ** np.arange(1, _BEYOND + 1)
    return np.concatenate([np.linspace(0, 0.9, 37)[:-1], 1 - above, 1 - beyond, [1.0]])


def _quantiles(
    logit: NDArray[np.float64], weight: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logits below which these shares of the weight lie, rising, for all levels but 0 and 1."""
    order = np.argsort(logit, kind="stable")
    along = np.maximum.accumulate(np.cumsum(weight[order]))  # negative weights must not turn it back
    middle = np.maximum.accumulate((along - weight[order] / 2) / along[-1])
    found = np.maximum.accumulate(np.interp(levels[1:-1], middle, logit[order]))
    # Where events are too few, the share above falls exponentially with the logit, as it does before.
    last = len(found) - _BEYOND - 1
    start = int(np.searchsorted(levels[1:-1], 0.9 - 1e-9))
    above = np.log(1 - levels[1:-1])
    per = (found[last] - found[start]) / (above[start] - above[last])
    found[last + 1 :] = found[last] + max(per, 1e-3) * (above[last] - above[last + 1 :])
    return np.minimum(found, _MOST_LOGIT)


def flatness(
    flat: NDArray[Any], column: NDArray[Any], weight: NDArray[np.float64], *, of_table: float, n_bins: int = 8
) -> dict[str, Any]:
    """How flat a score is for background that made no table: the share above a threshold in bins of the column.

    Parameters
    ----------
    flat, column, weight
        Of background events, shape (N,).
    of_table
        Effective events of a bin of the table: the shares cannot be nearer to flat than it knows.
    n_bins
        Bins of equal weight.

    Returns
    -------
    dict
        For each threshold of `LEVELS`, as text: ``shares`` and ``uncertainties`` (of events and table) per bin, and ``chi2`` of the shares against
        1 - threshold with ``bins`` degrees of freedom.
    """
    there = np.isfinite(column)
    order = np.argsort(column[there], kind="stable")
    s, w = flat[there][order], weight[there][order]
    found: dict[str, Any] = {}
    for level in LEVELS:
        shares, errors = [], []
        for first, last in _edges(w, n_bins):
            part, above = w[first:last], s[first:last] > level
            shares.append(float(part[above].sum() / part.sum()))
            of_events = (part**2).sum() / part.sum() ** 2
            errors.append(float(np.sqrt(level * (1 - level) * (of_events + 1 / of_table))))
        pulls = (np.array(shares) - (1 - level)) / np.array(errors)
        found[f"{level:g}"] = {
            "shares": shares,
            "uncertainties": errors,
            "chi2": float((pulls**2).sum()),
            "bins": len(shares),
        }
    return found
