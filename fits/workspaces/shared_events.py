"""Variances of merged bins of samples in which one hard process is there several times (``massgap generate --repeat`` and ``--responses``).

The bins of a run's histograms know how many copies of one event each of them holds, but not which bins share an event. When bins
are merged, the rows of the selected events tell: the variance of a merged bin is the sum of squares of what each event brings to
all of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.same_event import sums_of_squares
from massgap.contracts.errors import TableError
from massgap.fits.workspaces.copied_rows import copied_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.workspaces.templates import Templates

__all__ = ["with_shared_events"]


def with_shared_events(
    templates: Templates, histogram: str, run: RunFolder, renamed: Mapping[str, str]
) -> Templates:
    """Templates whose variances count copies of one event in different bins of the histogram as one, where these are merged.

    Parameters
    ----------
    templates
        In the bins of the fit.
    histogram
        Name of the histogram that they are of.
    run
        The run that they are from.
    renamed
        Process in the run -> in the likelihood.

    Returns
    -------
    Templates
        The same where the run has no such samples, or kept no rows of what the histogram is of.
    """
    processes = dict(templates.processes)
    try:
        rows = copied_rows(run, histogram, templates.region)
    except TableError:  # the bootstrap says so
        return templates
    for found in rows:
        name = renamed.get(found.process, found.process)
        if name not in processes:
            continue
        fine = np.asarray(run.histogram(histogram).axes[-1].edges, dtype=np.float64)
        extra = _shared(found.values, found.keys, found.weights, fine, templates.edges)
        processes[name] = replace(
            processes[name], variances=np.maximum(processes[name].variances + extra, 0.0)
        )
    return replace(templates, processes=processes)


def _shared(
    values: NDArray[np.float64],
    keys: NDArray[np.uint64],
    weights: NDArray[np.float64],
    fine: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Variance of the merged bins less that of their parts; what lies outside the edges is in the outermost bins."""
    n, coarse = len(fine) - 1, len(edges) - 1
    bin_ = np.clip(np.searchsorted(fine, values, side="right") - 1, 0, n - 1)
    merged = np.clip(np.searchsorted(edges, 0.5 * (fine[1:] + fine[:-1]), side="right") - 1, 0, coarse - 1)
    # Underflow and overflow are bins of their own in the histogram.
    cell = np.where(values < fine[0], 0, np.where(values >= fine[-1], n + 1, bin_ + 1))
    defined = ~np.isnan(values)
    _, parts = sums_of_squares(np.where(defined, cell, -1), keys, weights, n + 2)
    _, whole = sums_of_squares(np.where(defined, merged[bin_], -1), keys, weights, coarse)
    of_parts = np.bincount(merged[np.clip(np.arange(n + 2) - 1, 0, n - 1)], parts, coarse)
    return np.asarray(whole - of_parts, dtype=np.float64)
