"""Smooth curve through a cumulative distribution made of few weighted events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import isotonic_regression

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
    x : ndarray of shape (n,)
        Thresholds, increasing.
    y : ndarray of shape (n,) or (n, curves)
        Sum above each threshold.
    n_eff : ndarray of the shape of y
        Effective number of events in each sum.
    bandwidth : float
        Standard deviation of the kernel, in units of x.

    Returns
    -------
    ndarray of the shape of y
        Smooth curve; NaN where no event is left above the threshold.
    """
    if y.ndim == 1:
        return smooth_cumulative(x, y[:, np.newaxis], n_eff[:, np.newaxis], bandwidth)[:, 0]
    out = np.full(y.shape, np.nan)
    filled = (y > 0.0) & (n_eff > 0.0)
    log_y, weight = np.log(np.where(filled, y, 1.0)), np.where(filled, n_eff, 0.0)
    distance = x[np.newaxis, :] - x[:, np.newaxis]
    kernel = np.exp(-0.5 * (distance / bandwidth) ** 2)
    # Weighted straight line, its value at distance 0.
    s0, t0 = kernel @ weight, kernel @ (weight * log_y)
    kernel *= distance
    s1, t1 = kernel @ weight, kernel @ (weight * log_y)
    kernel *= distance
    s2 = kernel @ weight
    determinant = s0 * s2 - s1 * s1
    line = determinant > 1e-9 * s0 * s0 * bandwidth**2
    mean = t0 / np.where(s0 > 0.0, s0, 1.0)
    value = np.where(line, (s2 * t0 - s1 * t1) / np.where(line, determinant, 1.0), mean)
    for i in range(y.shape[1]):
        own = filled[:, i]
        if own.any():
            falling = isotonic_regression(value[own, i], weights=weight[own, i], increasing=False)
            out[own, i] = np.exp(falling.x)
    return out
