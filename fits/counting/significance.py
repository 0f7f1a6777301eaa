r"""Expected significances of a counting experiment and of independent bins.

Asimov forms of Cowan, Cranmer, Gross and Vitells (arXiv:1007.1727) and, with an uncertain
background, of the on/off problem with :math:`\tau = b / \sigma_b^2`. Everything takes arrays that
broadcast, is exact to float64 from :math:`s \ll b` to :math:`s \gg b`, and gives NaN where it is
undefined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.fits.counting.deviance import deviance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "asimov",
    "asimov_with_uncertainty",
    "binned_common_normalisation",
    "binned_statistical",
    "binned_uncorrelated",
    "s_over_1pb",
    "s_over_sqrtb",
]


def asimov(s: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    r"""Median discovery significance :math:`\sqrt{2[(s+b)\ln(1+s/b) - s]}`.

    Parameters
    ----------
    s, b : array_like
        Expected signal and background events.

    Returns
    -------
    ndarray
        In standard deviations; NaN where ``b <= 0`` or ``s < 0``.

    Notes
    -----
    Equation (97) of arXiv:1007.1727.

    Examples
    --------
    A few hundred events on top of several thousand:

    >>> round(float(asimov(414.0, 8792.7)), 2)
    4.38
    """
    s, b = _counts(s, b)
    return np.sqrt(2.0 * deviance(b, s))


def asimov_with_uncertainty(s: ArrayLike, b: ArrayLike, db: ArrayLike) -> NDArray[np.float64]:
    r"""Median discovery significance when the background is known to ``b +- db``.

    The background is constrained by an auxiliary count of mean :math:`\tau b`,
    :math:`\tau = b/\sigma_b^2` (the on/off problem). With the background-only fit
    :math:`\hat b = b + s/(1+\tau)` the result is
    :math:`\sqrt{2[D(s+b, \hat b) + D(\tau b, \tau \hat b)]}`, algebraically the formula of
    Li and Ma and of Cowan, but free of cancellation.

    Parameters
    ----------
    s, b, db : array_like
        Expected signal, expected background, absolute uncertainty of the background, in events.

    Returns
    -------
    ndarray
        Equal to `asimov` where ``db == 0``; NaN where ``b <= 0``, ``s < 0`` or ``db < 0``.

    Examples
    --------
    >>> round(float(asimov_with_uncertainty(414.0, 8792.7, 0.2 * 8792.7)), 4)
    0.2315
    """
    s, b = _counts(s, b)
    db = np.asarray(db, dtype=np.float64)
    with np.errstate(all="ignore"):
        relative_variance = db * db / b  # 1 / tau; finite where tau itself would overflow
        fitted = b + s * relative_variance / (1.0 + relative_variance)
        on = deviance(fitted, s / (1.0 + relative_variance))
        off = deviance(fitted / relative_variance, -s / (1.0 + relative_variance))
        z = np.sqrt(2.0 * (on + off))
    z = np.where(relative_variance == 0.0, np.sqrt(2.0 * deviance(b, s)), z)
    z = np.where(np.isinf(relative_variance), 0.0, z)
    return np.where((db >= 0.0) & ~np.isnan(s) & ~np.isnan(b), z, np.nan)


def s_over_1pb(s: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Signal-to-background ratio ``s / (1 + b)`` in event counts, finite where ``b`` is 0.

    Counts, not cross sections: the 1 is one event. NaN where ``b <= -1``.

    Examples
    --------
    >>> float(s_over_1pb(3.0, 0.0))
    3.0
    """
    s = np.asarray(s, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    return s / np.where(b > -1.0, 1.0 + b, np.nan)


def s_over_sqrtb(s: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Significance of large counts, ``s / sqrt(b)``, with the sign of ``s``; NaN where ``b <= 0``.

    A signal that takes events away (interference, or negative weights) gives a deficit of so many standard
    deviations. The Asimov forms are of the test for an excess and have no value there.

    Examples
    --------
    >>> float(s_over_sqrtb(3.0, 9.0)), float(s_over_sqrtb(-3.0, 9.0))
    (1.0, -1.0)
    """
    s = np.asarray(s, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    return s / np.sqrt(np.where(b > 0.0, b, np.nan))


def binned_statistical(s: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    r"""Significance of independent bins with a known background, :math:`\sqrt{\sum Z_k^2}`.

    Parameters
    ----------
    s, b : array_like
        Expected events, bins along the last axis.

    Returns
    -------
    ndarray
        A bin with neither signal nor background adds nothing; signal in a bin without background,
        and negative numbers, give NaN.

    Examples
    --------
    >>> float(binned_statistical([3.0, 0.0], [9.0, 0.0])) == float(asimov(3.0, 9.0))
    True
    """
    s, b = np.broadcast_arrays(np.asarray(s, dtype=np.float64), np.asarray(b, dtype=np.float64))
    z = np.where((s == 0.0) & (b == 0.0), 0.0, asimov(s, b))
    return _root_sum_square(z)


def binned_uncorrelated(s: ArrayLike, b: ArrayLike, rel: ArrayLike) -> NDArray[np.float64]:
    """Significance of bins whose backgrounds are uncertain by ``rel``, each for itself.

    Parameters
    ----------
    s, b : array_like
        Expected events, bins along the last axis.
    rel : array_like
        Relative uncertainty of the background, one number or one per bin.

    Returns
    -------
    ndarray
        NaN where any bin has ``b <= 0``, ``s < 0`` or ``rel < 0``.
    """
    b = np.asarray(b, dtype=np.float64)
    return _root_sum_square(asimov_with_uncertainty(s, b, np.asarray(rel, dtype=np.float64) * b))


def binned_common_normalisation(s: ArrayLike, b: ArrayLike, rel: ArrayLike) -> NDArray[np.float64]:
    r"""Significance of bins that share one log-normal normalisation of the background.

    The background of bin :math:`k` is :math:`b_k e^t` with :math:`t = \theta \ln(1 + rel)` and a
    unit Gaussian constraint on :math:`\theta`. The background-only fit to the Asimov data
    :math:`n = s + b` solves :math:`B (e^t - 1) + t / \ln^2(1 + rel) = S`, a convex increasing
    function of :math:`t`, by Newton steps from its right.

    Parameters
    ----------
    s, b : array_like
        Expected events, bins along the last axis.
    rel : array_like
        Relative uncertainty (kappa = 1 + rel), of the shape of ``s`` without its last axis.

    Returns
    -------
    ndarray
        Square root of q0. NaN where any bin has ``b <= 0`` or ``s < 0``, or ``rel < 0``.
    """
    s, b = np.broadcast_arrays(*_counts(s, b))
    rel = np.asarray(rel, dtype=np.float64)
    width2 = np.log1p(np.where(rel >= 0.0, rel, np.nan)) ** 2
    signal, background = s.sum(axis=-1), b.sum(axis=-1)
    signal, background, width2 = np.broadcast_arrays(signal, background, width2)
    with np.errstate(all="ignore"):
        t = np.minimum(np.log1p(signal / background), signal * width2)
        for _ in range(60):
            value = width2 * (background * np.expm1(t) - signal) + t
            step = value / (width2 * background * np.exp(t) + 1.0)
            t = t - step
            if not np.any(np.abs(step) > 1e-17 + 4e-16 * np.abs(t)):
                break
        penalty = np.where(width2 > 0.0, t * t / width2, 0.0)
    shifted = b * np.exp(t)[..., np.newaxis]
    excess = s - b * np.expm1(t)[..., np.newaxis]
    return np.asarray(np.sqrt(2.0 * np.sum(deviance(shifted, excess), axis=-1) + penalty))


def _counts(s: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Float arrays with NaN where a significance is undefined."""
    s = np.asarray(s, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    return np.where(s >= 0.0, s, np.nan), np.where(b > 0.0, b, np.nan)


def _root_sum_square(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.sum(z * z, axis=-1)))
