"""Making of the table by which a score becomes flat: quantiles of the background at many values of a column.

A column that falls steeply has most of its range in few events: bins of equal weight would be so wide there that the score
changes inside of them.  So a row of the table is the distribution at one value of the column, a node: of the events around
it, each is moved there along a parabola (at the ends a straight line) through their logits, its distance from that curve
scaled with the mean distance, which may change along a straight line.  All of it is in the coordinate
``ln(F / (1 - F))`` of the share F of the weight below, in which an exponential tail is a straight line and a power law
bends little; towards the ends the windows become narrower as the weight beyond them does, as long as events are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.conditioning.flattening import Flattening, log_odds

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["flattening_of"]

_PER_SIDE = 150
"""Effective events on either side of a node, at least: a quantile of 0.9 is then known to 0.017."""
_NARROWEST = 1 / 60
"""Share of the weight on either side of a node, unless events are too few, or the end is near."""
_OF_THE_REST = 0.3
"""The same near an end, as a share of the weight beyond the node."""
_OVERLAP = 1.5
"""Nodes within the reach of one side."""
_TOWARDS_END = 1.5
"""Factor between the weights beyond the nodes at an end, of which all have the same window."""
_TAIL = 3
"""Effective events beyond the highest level that a row tells by itself, at least."""
_BEYOND = 4
"""Levels beyond those that the events tell, each at a third of the share beyond the one before."""
_MOST_SCALED = 3.0
"""Factor by which a distance from the curve is scaled, at most."""
_APART = 2e-6
"""Relative distance of nodes, at least: in float32 they must differ, too."""


class _Node(NamedTuple):
    """Where a row is made: the share of the weight below, the shares where its window ends, and whether it is at an end."""

    share: float
    low: float
    high: float
    end: bool


class _Sorted(NamedTuple):
    """Background events in the order of the column, shape (N,): the column, its coordinate, logits, weights, shares below."""

    column: NDArray[np.float64]
    along: NDArray[np.float64]
    logit: NDArray[np.float64]
    weight: NDArray[np.float64]
    share: NDArray[np.float64]


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
    n = _effective(w) if len(w) and w.sum() > 0 else 0.0
    if n < 2 * _PER_SIDE or np.ptp(c) == 0:
        why = f"{n:.0f} effective background events" if n < 2 * _PER_SIDE else "one value alone"
        msg = (
            f"The score cannot be made flat in {name!r}: fold {fold} has {why} among those that stop the training, and "
            f"{2 * _PER_SIDE} of several values are needed. Generate more events, or leave out --flatten."
        )
        raise TableError(msg)
    events = _sorted(s, c, w)
    centres, rows, effective = _rows(events, n)
    levels = _levels(max(_effective(own) for _, own in rows))
    table = np.stack([_quantiles(*row, levels) for row in rows])
    return Flattening(centres, table, levels, effective)


def _effective(w: NDArray[np.float64]) -> float:
    return float(w.sum() ** 2 / (w**2).sum())


def _sorted(s: NDArray[np.float64], c: NDArray[np.float64], w: NDArray[np.float64]) -> _Sorted:
    order = np.argsort(c, kind="stable")
    c, w = c[order], w[order]
    positive = np.maximum(w, 0)
    share = (np.cumsum(positive) - positive / 2) / positive.sum()
    _, place = np.unique(c, return_inverse=True)
    n_equal = np.bincount(place)
    share = (np.bincount(place, share) / n_equal)[place]  # equal values of the column are one
    share = np.clip(share, 0.5 / len(c), 1 - 0.5 / len(c))
    return _Sorted(c, np.log(share) - np.log1p(-share), log_odds(s[order]), w, share)


def _nodes(n: float) -> list[_Node]:
    """Nodes for so many effective events, from the lowest to the highest share."""
    least = min(_PER_SIDE / n, 0.5)
    upper = []
    beyond = 0.5
    while True:
        reach = max(least, min(_NARROWEST, _OF_THE_REST * beyond))
        if beyond - reach < least:
            break
        upper.append(_Node(1 - beyond, 1 - beyond - reach, 1 - beyond + reach, end=False))
        beyond -= reach / _OVERLAP
    while beyond * n > 0.5:
        upper.append(_Node(1 - beyond, 1 - 2 * least, 1.0, end=True))
        beyond /= _TOWARDS_END
    upper.append(_Node(1.0, 1 - 2 * least, 1.0, end=True))
    lower = [_Node(1 - one.share, 1 - one.high, 1 - one.low, one.end) for one in upper]
    return sorted({*lower, *upper})


def _rows(
    events: _Sorted, n: float
) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.float64], NDArray[np.float64]]], NDArray[np.float64]]:
    """Values of the column, the logits there with their weights, and how many events these are worth."""
    centres: list[float] = []
    rows, effective = [], []
    for node in _nodes(n):
        # Nodes lie at values of the column that occur; the outermost are its ends.
        at = min(int(np.searchsorted(events.share, node.share)), len(events.column) - 1)
        centre = float(events.column[at])
        if centres and centre <= centres[-1] + _APART * max(abs(centre), abs(centres[-1])):
            continue
        # Of a column with few values the window has all events of the node's own value.
        starts = (
            np.searchsorted(events.share, node.low),
            np.searchsorted(events.column, centre),
        )
        stops = (
            np.searchsorted(events.share, node.high, side="right"),
            np.searchsorted(events.column, centre, side="right"),
        )
        first, last = int(min(starts)), int(max(stops))
        part = slice(first, last)
        distance, w = events.along[part] - events.along[at], events.weight[part]
        if not w.sum() > 0:
            w = np.abs(w)
        rows.append((_moved(events.logit[part], distance, w, 1 if node.end else 2), w))
        centres.append(centre)
        effective.append(_effective(w) / _leverage(distance, np.maximum(w, 0)))
    return np.array(centres), rows, np.array(effective)


def _moved(
    logit: NDArray[np.float64], distance: NDArray[np.float64], w: NDArray[np.float64], order: int
) -> NDArray[np.float64]:
    """The logits that these events would have at the node."""
    curve, here = _fitted(logit, distance, w, order)
    rest = logit - curve
    size, size_here = _fitted(np.abs(rest), distance, w, 1)
    mean = float(np.average(np.abs(rest), weights=np.abs(w)))
    bounds = (mean / _MOST_SCALED, mean * _MOST_SCALED) if mean > 0 else (1.0, 1.0)
    return np.asarray(here + rest * np.clip(size_here, *bounds) / np.clip(size, *bounds))


def _fitted(
    y: NDArray[np.float64], distance: NDArray[np.float64], w: NDArray[np.float64], order: int
) -> tuple[NDArray[np.float64], float]:
    """A polynomial by least squares, of as high an order as the values of the distance allow; its values, and that at 0."""
    order = min(order, len(np.unique(distance)) - 1)
    powers = np.stack([distance**k for k in range(order + 1)], axis=1)
    for weights in (w, np.abs(w)):  # negative ones may leave nothing that could be fitted
        matrix = powers.T @ (powers * weights[:, None])
        if np.linalg.eigvalsh(matrix)[0] > 1e-12 * np.abs(matrix).max():
            break
    found = np.linalg.lstsq(matrix, powers.T @ (weights * y), rcond=None)[0]
    return powers @ found, float(found[0])


def _leverage(distance: NDArray[np.float64], w: NDArray[np.float64]) -> float:
    """How many times the variance of a straight line is larger at the node than amid its events."""
    mean = float(np.average(distance, weights=w))
    spread = float(np.average((distance - mean) ** 2, weights=w))
    return 1 + mean**2 / spread if spread > 0 else 1.0


def _levels(effective: float) -> NDArray[np.float64]:
    """From 0 to 1, denser towards 1 as far as the events of a row reach, and `_BEYOND` of them farther, also towards 0."""
    low = 0.025 / 3.0 ** np.arange(_BEYOND, 0, -1)
    above = np.geomspace(0.1, min(_TAIL / effective, 0.02), 30)
    beyond = above[-1] / 3.0 ** np.arange(1, _BEYOND + 1)
    return np.concatenate([[0.0], low, np.linspace(0, 0.9, 37)[1:-1], 1 - above, 1 - beyond, [1.0]])


def _quantiles(
    logit: NDArray[np.float64], weight: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logits below which these shares of the weight lie, rising, for all levels but 0 and 1."""
    order = np.argsort(logit, kind="stable")
    along = np.maximum.accumulate(np.cumsum(weight[order]))  # negative weights must not turn it back
    # The mean share below the k-th of n events is k / (n + 1).
    share = along / (along[-1] + (weight**2).sum() / weight.sum())
    inner = levels[1:-1]
    found = np.maximum.accumulate(np.interp(inner, share, logit[order]))
    # Where events are too few, the share beyond falls exponentially with the logit, as it does before.
    told = int(np.searchsorted(inner, 1 - _TAIL / _effective(weight) + 1e-9, side="right")) - 1
    # One event of a large weight may leave a window with hardly any effective ones: half of them are told even so.
    told = max(told, int(np.searchsorted(inner, 0.5)))
    _extend(found[::-1], inner[::-1], len(inner) - 1 - _BEYOND, 0.1)
    _extend(found, 1 - inner, min(told, len(inner) - 1 - _BEYOND), 0.1)
    lowest, highest = log_odds(np.array([0.0, 1.0]))
    return np.clip(found, lowest, highest)


def _extend(found: NDArray[np.float64], beyond: NDArray[np.float64], last: int, start: float) -> None:
    """Replace what comes after `last`, of falling shares beyond, by what the places from the share `start` to there tell."""
    first = next(
        (at for share in (start, 0.5, 1.0) if (at := int(np.argmin(np.abs(beyond - share)))) < last), last - 1
    )
    log = np.log(beyond)
    per = (found[last] - found[first]) / (log[first] - log[last])
    direction = np.sign(per) if per else np.sign(found[-1] - found[0])
    per = direction * max(abs(per), 1e-3)
    found[last + 1 :] = found[last] + per * (log[last] - log[last + 1 :])
