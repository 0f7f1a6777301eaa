"""Smooth curve through a cumulative distribution made of few weighted events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["smooth_cumulative"]


def smooth_cumulative(x: Floats, y: Floats, n_eff: Floats, bandwidth: float) -> Floats:
    """Smooth a falling cumulative sum.

    A straight line is fitted to ln y around every x with a Gaussian kernel, each point weighted with
    its effective number of events, and the result is made falling. The logarithm because sums fall
    over decades and their errors are relative; a line, not a constant, because a mean would be
    pulled up on a slope and at the ends; a falling curve because it is a sum of what lies above.
    Signal and background are smoothed themselves, not the ratios made of them, so that S, S/(1+B)
    and the significance stay consistent with each other.

    Parameters
    ----------
    x : ndarray
        Thresholds, increasing.
    y : ndarray
        Sum above each threshold.
    n_eff : ndarray
        Effective number of events in each sum.
    bandwidth : float
        Standard deviation of the kernel, in units of x.

    Returns
    -------
    ndarray
        Smooth curve; NaN where no event is left above the threshold.
    """
    out = np.full(y.shape, np.nan)
    filled = (y > 0.0) & (n_eff > 0.0)
    if not filled.any():
        return out
    at, log_y, weight = x[filled], np.log(y[filled]), n_eff[filled]
    distance = at[np.newaxis, :] - at[:, np.newaxis]
    kernel = np.exp(-0.5 * (distance / bandwidth) ** 2) * weight
    # Weighted straight line, its value at distance 0.
    s0 = kernel.sum(axis=1)
    s1 = (kernel * distance).sum(axis=1)
    s2 = (kernel * distance**2).sum(axis=1)
    t0 = kernel @ log_y
    t1 = (kernel * distance) @ log_y
    determinant = s0 * s2 - s1 * s1
    line = determinant > 1e-9 * s0 * s0 * bandwidth**2
    value = np.where(line, (s2 * t0 - s1 * t1) / np.where(line, determinant, 1.0), t0 / s0)
    out[filled] = np.exp(_falling(value, weight))
    return out


def _falling(values: Floats, weights: Floats) -> Floats:
    """Closest non-increasing sequence in weighted least squares (pool adjacent violators)."""
    means: list[float] = []
    sums: list[float] = []
    counts: list[int] = []
    for value, weight in zip(values, weights, strict=True):
        means.append(float(value))
        sums.append(float(weight))
        counts.append(1)
        while len(means) > 1 and means[-2] < means[-1]:
            total = sums[-2] + sums[-1]
            means[-2] = (means[-2] * sums[-2] + means[-1] * sums[-1]) / total
            sums[-2] = total
            counts[-2] += counts[-1]
            del means[-1], sums[-1], counts[-1]
    return np.repeat(means, counts)
