"""What bins beyond a threshold share where one hard process is in several of them (``massgap generate --repeat`` and ``--responses``).

The bins of a run's histograms know how many copies of one event each of them holds, but not which bins share an event. The
variance of a sum of bins is larger than the sum of their variances then; the rows of the selected events tell by how much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.same_event import sums_of_squares
from massgap.contracts.errors import TableError
from massgap.fits.workspaces.copied_rows import copied_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.contracts.run_folder import RunFolder

    Floats = NDArray[np.float64]

__all__ = ["shared_variances"]


def shared_variances(
    run: RunFolder, histogram: str, region: str, *, above: bool = True, outside: bool = False
) -> dict[str, Floats]:
    """What must be added to the variances of single bins, so that their sums beyond any threshold count an event once.

    Parameters
    ----------
    run
        Whose histogram is scanned.
    histogram, region
        Which.
    above
        Whether what is above a threshold is kept; what passes every threshold is in the outermost bin.
    outside
        Also of what passes no threshold, as one bin more at that end: the sum of all is that of the region.

    Returns
    -------
    dict
        Process -> fb^2, shape (folds, bins), one fold where the histogram has none. Empty where no dataset has copies, or the run
        kept no rows of what the histogram is of.
    """
    if histogram not in run.histograms:
        return {}
    try:
        rows = copied_rows(run, histogram, region)
    except TableError:  # the bootstrap says so
        return {}
    axes = run.histogram(histogram).axes
    edges = np.asarray(axes[-1].edges, dtype=np.float64)
    folds = axes["fold"].size if "fold" in axes.name else 1
    found: dict[str, Floats] = {}
    for each in rows:
        extra = _extra(each.values, each.keys, each.weights, edges, folds, above)
        if not outside:
            extra = extra[:, 1:] if above else extra[:, :-1]
        found[each.process] = found.get(each.process, 0.0) + extra
    return found


def _extra(
    values: Floats, keys: NDArray[np.uint64], weights: Floats, edges: Floats, folds: int, above: bool
) -> Floats:
    """Growth of the variance as bins are added one by one, less the variance of each bin alone; shape (folds, bins + 1).

    One bin more, for what passes no threshold: before the others, or behind them where what is below is kept.
    """
    bins = len(edges)
    place = np.searchsorted(edges, values, side="right") - 1
    # A sum starts at the bin that passes every threshold.
    depth = np.clip(bins - 2 - place if above else place, 0, bins - 1)
    inside = ~np.isnan(values)
    keys, weights, depth = keys[inside], weights[inside], depth[inside]
    fold = (keys % np.uint64(folds)).astype(np.int64)
    order = np.lexsort((depth, keys))
    keys, weights, cell = keys[order], weights[order], (fold * bins + depth)[order]
    if not len(keys):
        return np.zeros((folds, bins))
    first = np.concatenate(([True], keys[1:] != keys[:-1]))
    total = np.cumsum(weights)
    before = np.repeat((total - weights)[first], np.diff(np.append(np.flatnonzero(first), len(keys))))
    so_far = total - before
    grown = np.bincount(cell, so_far**2 - (so_far - weights) ** 2, folds * bins)
    _, alone = sums_of_squares(cell, keys, weights, folds * bins)
    extra = (grown - alone).reshape(folds, bins)
    return np.ascontiguousarray(extra[:, ::-1] if above else extra)
