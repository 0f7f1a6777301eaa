r"""The Poisson deviance without cancellation, the building block of every significance here.

All likelihood ratios of counting experiments are sums of
:math:`D(n, \mu) = n \ln(n/\mu) + \mu - n = \mu\, h((n - \mu)/\mu)` with
:math:`h(x) = (1 + x) \ln(1 + x) - x`. Written as it stands, :math:`h` loses half of the digits at
:math:`x = 10^{-8}`; written as below it keeps them for every :math:`x \ge -1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["deviance", "relative_deviance"]

# 1/(2k + 3) for k = 0..: with |x| < 1 the variable v = x/(2 + x) has v^2 < 1 (v = 1/3 at x = 1), and the
# series is used for -0.6 < x < 1 only, where v^2 < 0.19, so that 24 terms reach 1e-17.
_ATANH_TAIL = 1.0 / (2.0 * np.arange(24) + 3.0)


def relative_deviance(x: ArrayLike) -> NDArray[np.float64]:
    r"""Return :math:`h(x) = (1 + x) \ln(1 + x) - x` to full relative precision.

    With :math:`v = x / (2 + x)`, :math:`\ln(1 + x) = 2\,\mathrm{artanh}\,v`, so that
    :math:`h = 2 [v^2 + (1 + v)(v^3/3 + v^5/5 + \dots)] / (1 - v)`, a sum without cancellation.

    Parameters
    ----------
    x : array_like
        Relative difference of a count from its expectation, at least -1.

    Returns
    -------
    ndarray
        ``h(x) >= 0``; NaN for ``x < -1`` and for NaN.

    Examples
    --------
    >>> float(relative_deviance(1e-9))
    4.999999998333334e-19
    >>> float(relative_deviance(-1.0))
    1.0
    """
    x = np.asarray(x, dtype=np.float64)
    near = (x > -0.6) & (x < 1.0)
    v = np.where(near, x, 0.0)
    v = v / (2.0 + v)
    square = v * v
    tail = np.zeros_like(square)
    for coefficient in _ATANH_TAIL[::-1]:
        tail = tail * square + coefficient
    series = 2.0 * square * (1.0 + (1.0 + v) * v * tail) / (1.0 - v)
    far = np.where(near | (x <= -1.0), 1.0, x)
    plain = (1.0 + far) * np.log1p(far) - far
    out = np.where(near, series, plain)
    return np.where(x == -1.0, 1.0, np.where(x < -1.0, np.nan, np.where(np.isnan(x), np.nan, out)))


def deviance(mean: ArrayLike, difference: ArrayLike) -> NDArray[np.float64]:
    r"""Return :math:`D(n, \mu) = n \ln(n/\mu) + \mu - n` from :math:`\mu` and :math:`n - \mu`.

    The difference is an argument of its own because callers know it better than a subtraction of
    two large counts would give it.

    Parameters
    ----------
    mean : array_like
        Expectation :math:`\mu \ge 0`.
    difference : array_like
        Count minus expectation, at least ``-mean``.

    Returns
    -------
    ndarray
        0 where both are 0, infinity where a count is seen with expectation 0.

    Examples
    --------
    >>> float(deviance(2.0, -2.0))  # n = 0
    2.0
    """
    mean = np.asarray(mean, dtype=np.float64)
    difference = np.asarray(difference, dtype=np.float64)
    positive = np.where(mean > 0.0, mean, 1.0)
    with np.errstate(over="ignore"):
        x = difference / positive
    # A ratio that overflows is taken apart: D -> n (ln n - ln mu) - n.
    huge = np.isinf(x)
    value = positive * relative_deviance(np.where(huge, 0.0, np.maximum(x, -1.0)))
    count = np.where(huge, difference, 1.0)
    value = np.where(huge, count * (np.log(count) - np.log(positive) - 1.0), value)
    value = np.where(np.isnan(x), np.nan, value)
    empty = np.where(difference == 0.0, 0.0, np.where(difference > 0.0, np.inf, np.nan))
    return np.where(mean > 0.0, value, np.where(mean == 0.0, empty, np.nan))
