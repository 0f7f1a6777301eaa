r"""Fits of many pseudo-experiments in one compiled loop.

Of every toy the global minimum is found once, and the minimum at each signal strength that is tested from there: the parameters
are moved along the valley of the likelihood, :math:`\theta + (\mu - \hat\mu)\, d\theta / d\mu`, before the fit begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.minimisation import CONVERGED, FLAT, minimise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.fits.likelihoods.arrays import Floats, Integers, ModelArrays

__all__ = ["ACCEPTED", "AGAIN", "FAILED", "LEVEL", "fit_toys"]

ACCEPTED, LEVEL, AGAIN, FAILED = 0, 1, 2, 3
"""How the fits of a toy ended: at minima; the same, with some direction that has no influence; the same, from other starts or
after a conditional fit had found a lower place than the global one; not."""

_MOST_ROUNDS = 5
_LOWER = 1e-7


@compiled
def _lowest(
    m: ModelArrays,
    theta: Floats,
    starts: Floats,
    every: bool,
    free: Integers,
    poi: int,
    mu: float,
    low: Floats,
    high: Floats,
    data: Floats,
    auxiliary: Floats,
    tolerance: float,
    most: int,
    trial: Floats,
) -> tuple[float, float, int]:
    """The lowest minimum from ``theta``, and from other starts if the first fails or ``every`` one is wanted.

    The parameter of interest starts at ``mu`` everywhere unless that is NaN. Gives value, distance and how it ended.
    """
    value, distance, status, _ = minimise(m, theta, free, low, high, data, auxiliary, tolerance, most)
    found = status in (CONVERGED, FLAT)
    ended = LEVEL if status == FLAT else ACCEPTED
    if found and not every:
        return value, distance, ended
    for k in range(len(starts)):
        trial[:] = starts[k]
        if not np.isnan(mu):
            trial[poi] = mu
        other, far, status, _ = minimise(m, trial, free, low, high, data, auxiliary, tolerance, most)
        if status in (CONVERGED, FLAT) and (not found or other < value - _LOWER):
            theta[:] = trial
            value, distance, ended, found = other, far, AGAIN, True
            if not every:
                break
    return value, distance, ended if found else FAILED


@compiled
def _round(
    m: ModelArrays,
    theta: Floats,
    held: Floats,
    trial: Floats,
    starts: Floats,
    every: bool,
    valley: Floats,
    free: Integers,
    nuisances: Integers,
    poi: int,
    low: Floats,
    high: Floats,
    data: Floats,
    measured: Floats,
    mus: Floats,
    upper: bool,
    tolerance: float,
    most: int,
    q: Floats,
) -> tuple[float, float, int, bool]:
    """The global fit of a toy from ``theta``, and those at all signal strengths: fitted strength, distance, how they ended.

    Where a conditional fit ends lower than the global one, ``theta`` becomes that place and the last number is True.
    """
    lowest, distance, how = _lowest(
        m, theta, starts[1:], every, free, poi, np.nan, low, high, data, measured, tolerance, most, trial
    )
    best = theta[poi]
    for j in range(len(mus)):
        q[j] = 0.0
        if how == FAILED or (best >= mus[j] if upper else best <= mus[j]):
            continue
        for p in range(len(theta)):
            held[p] = theta[p] + (mus[j] - best) * valley[p]
        held[poi] = mus[j]
        value, far, how_held = _lowest(
            m, held, starts, every, nuisances, poi, mus[j], low, high, data, measured, tolerance, most, trial
        )
        how, distance = max(how, how_held), max(distance, far)
        q[j] = 2.0 * max(value - lowest, 0.0)
        if how_held != FAILED and value < lowest - _LOWER:
            theta[:] = held
            return best, distance, how, True
    return best, distance, how, False


@compiled
def fit_toys(
    m: ModelArrays,
    counts: Floats,
    auxiliary: Floats,
    starts: Floats,
    every: bool,
    valley: Floats,
    free: Integers,
    nuisances: Integers,
    poi: int,
    low: Floats,
    high: Floats,
    mus: Floats,
    upper: bool,
    tolerance: float,
    most: int,
    q: Floats,
    best: Floats,
    distances: Floats,
    ended: NDArray[np.int8],
) -> None:
    """Fill the test statistics of toys, with their certificates.

    Parameters
    ----------
    m : ModelArrays
    counts, auxiliary : ndarray of shape (toys, bins) and (toys, parameters)
        Pseudo-data.
    starts : ndarray of shape (starts, parameters)
        Where fits begin: the first always, the others where that fails.
    every : bool
        Try all starts, and take the lowest minimum.
    valley : ndarray of shape (parameters,)
        How parameters follow the signal strength, about.
    free, nuisances : ndarray of int
        Parameters that move, and those but the signal strength, in rising order: Hessians are lower triangles.
    poi : int
    low, high : ndarray of shape (parameters,)
        Bounds; those of the signal strength hold for the global fit.
    mus : ndarray
        Signal strengths that are tested.
    upper : bool
        Whether signal strengths below the fitted one agree with the data (:math:`\\tilde q_\\mu`), or those above it
        (:math:`q_0`).
    tolerance, most
        As of :func:`massgap.fits.likelihoods.minimisation.minimise`.
    q : ndarray of shape (mus, toys)
        Is filled; NaN where a fit failed.
    best, distances, ended : ndarray of shape (toys,)
        Are filled: fitted signal strength, largest distance to a minimum, how the fits ended.
    """
    size = len(starts[0])
    theta, held, trial = np.empty(size), np.empty(size), np.empty(size)
    for t in range(len(counts)):
        theta[:] = starts[0]
        ended[t] = FAILED
        for attempt in range(_MOST_ROUNDS):
            best[t], distances[t], how, again = _round(
                m,
                theta,
                held,
                trial,
                starts,
                every,
                valley,
                free,
                nuisances,
                poi,
                low,
                high,
                counts[t],
                auxiliary[t],
                mus,
                upper,
                tolerance,
                most,
                q[:, t],
            )
            if not again:
                ended[t] = how if attempt == 0 or how == FAILED else AGAIN
                break
        if ended[t] == FAILED:
            q[:, t] = np.nan
