"""Sums and shares of a run's histograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.same_event import sums_of_squares
from massgap.contracts.errors import TableError
from massgap.fits.workspaces.copied_rows import CopiedRows, copied_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from massgap.contracts.run_folder import RunFolder

    Number = tuple[float, float | None]
    Floats = NDArray[np.float64]

__all__ = ["fraction", "ratio", "shared_by_parts", "shared_by_regions", "shared_within", "sum_of"]


def sum_of(
    histogram: Any, process: str, region: str, below: float = math.inf, *, shared: Mapping[str, Any] | None
) -> tuple[float, float]:
    """Sum of weights (fb) and its variance, of bins that end at most at ``below``; all, with those outside, by default.

    ``shared`` is what bins have in common where one event is in several of them, as ``Folders.shared`` gives it for what is below.
    """
    axis = histogram.axes[-1]
    filled = histogram[{"process": process, "region": region, "variation": "nominal"}]
    stop = len(axis) + 2 if below == math.inf else 1 + int(np.searchsorted(axis.edges, below + 1e-9)) - 1
    values, variances = filled.values(flow=True), filled.variances(flow=True)
    extra = 0.0 if shared is None or process not in shared else shared[process].sum(axis=0)[: stop - 1].sum()
    return float(values[:stop].sum()), float(variances[:stop].sum() + extra)


def fraction(part: tuple[float, float], whole: tuple[float, float], shared: float = 0.0) -> Number | None:
    """Share of a part in the whole and its standard error, of weighted events.

    Parameters
    ----------
    part, whole
        Sum of weights and its variance.
    shared
        Covariance of the part with the rest, of events that have copies in both: :func:`shared_by_parts`.
    """
    if whole[0] <= 0.0:
        return None
    share = part[0] / whole[0]
    variance = (1.0 - 2.0 * share) * part[1] - 2.0 * share * shared + share**2 * whole[1]
    return share, math.sqrt(max(0.0, variance)) / whole[0]


def ratio(above: tuple[float, float], below: tuple[float, float], shared: float = 0.0) -> Number | None:
    """Of two parts that have no row in common, sums of weights with variances, and its standard error."""
    if below[0] == 0.0:
        return None
    found = above[0] / below[0]
    variance = above[1] + found**2 * below[1] - 2.0 * found * shared
    return found, math.sqrt(max(0.0, variance)) / abs(below[0])


def shared_within(
    run: RunFolder, histogram: str, region: str, process: str, inside: Callable[[Floats], Any]
) -> float:
    """What must be added to the variances of the bins of a part (fb^2), so that their sum counts an event once.

    Parameters
    ----------
    run
        The run.
    histogram, region, process
        Whose rows.
    inside
        Says which values of the histogram's observable are in the part, shape (n,) -> booleans; it holds whole bins.
    """
    edges = np.asarray(run.histogram(histogram).axes[-1].edges)
    found = 0.0
    for rows in _rows(run, histogram, region, process):
        own = np.asarray(inside(rows.values), bool)
        weights = rows.weights * own
        bins = np.searchsorted(edges, rows.values, side="right")
        _, alone = sums_of_squares(np.where(own, bins, -1), rows.keys, weights, len(edges) + 1)
        found += _common(rows.keys, weights, weights) - float(alone.sum())
    return found


def _rows(run: RunFolder, histogram: str, region: str, process: str) -> list[CopiedRows]:
    try:
        every = copied_rows(run, histogram, region)
    except TableError:  # the bootstrap says so
        return []
    return [rows for rows in every if rows.process == process]


def shared_by_parts(
    run: RunFolder,
    histogram: str,
    region: str,
    process: str,
    one: Callable[[Floats], Any],
    other: Callable[[Floats], Any],
) -> float:
    """Covariance (fb^2) of the sums of weights of two parts of a region that have no row in common, but copies of one event.

    Parameters
    ----------
    run
        The run.
    histogram, region, process
        Whose rows.
    one, other
        Say which values of the histogram's observable are in each part, shape (n,) -> booleans.
    """
    return sum(
        _common(rows.keys, rows.weights * one(rows.values), rows.weights * other(rows.values))
        for rows in _rows(run, histogram, region, process)
    )


def shared_by_regions(run: RunFolder, histogram: str, part: str, whole: str, process: str) -> float:
    """Covariance (fb^2) of the sum of weights of a region with that of the rest of another one that it lies within."""
    parts, wholes = (_rows(run, histogram, name, process) for name in (part, whole))
    if len(parts) != len(wholes):  # no rows were kept of one of them
        return 0.0
    found = 0.0
    for inside, every in zip(parts, wholes, strict=True):
        keys = np.concatenate([every.keys, inside.keys])
        own = np.concatenate([np.zeros(len(every.keys)), inside.weights])
        rest = np.concatenate([every.weights, -inside.weights])
        found += _common(keys, own, rest)
    return found


def _common(keys: NDArray[np.uint64], one: Floats, other: Floats) -> float:
    """Sum over events of the products of what their copies sum up to in each of two parts."""
    _, event = np.unique(keys, return_inverse=True)
    return float(np.bincount(event, one) @ np.bincount(event, other)) if len(keys) else 0.0
