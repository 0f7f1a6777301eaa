"""Sums and shares of a run's histograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    Number = tuple[float, float | None]

__all__ = ["fraction", "sum_of"]


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


def fraction(part: tuple[float, float], whole: tuple[float, float]) -> Number | None:
    """Share of a part in the whole and its standard error, of weighted events."""
    if whole[0] <= 0.0:
        return None
    share = part[0] / whole[0]
    variance = (1.0 - 2.0 * share) * part[1] + share**2 * whole[1]
    return share, math.sqrt(max(0.0, variance)) / whole[0]
