r"""Sums of weights in bootstrap replicas of a simulated sample, by event or by bin.

In a replica every event counts n times, n from a Poisson distribution of mean 1: a sample as large as this one, up to its own
fluctuation, drawn from it (B. Efron, Ann. Statist. 7 (1979) 1; the Poisson form of it needs no knowledge of the other events).
How often an event counts is a function of its key, the number of the replica and a seed, so that it is the same in every
histogram and region, in any order of the events, on any machine.

Without events, the contents :math:`W = \sum w` and :math:`V = \sum w^2` of a bin are taken for a scaled Poisson variable:
:math:`W/V \cdot W` events of weight :math:`V/W` have the same mean and variance (G. Bohm, G. Zech, Nucl. Instrum. Meth. A 748
(2014) 1, arXiv:1309.1287). It is exact for equal weights, so for a bin with one event.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import poisson

from massgap.arrays.compiled import compiled, compiled_inline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]

__all__ = ["number_of", "resampled_bins", "resampled_events"]

# The finaliser "mix13" of D. Stafford and the golden ratio as step: SplitMix64, in compiled code.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_TO_UNIT, _MANTISSA = np.uint64(11), 2.0**-53
# Beyond 20 the probability is below the spacing of 53-bit numbers.
_CUMULATIVE = np.append(poisson.cdf(np.arange(20), 1.0), 1.0)


@compiled_inline
def _mixed(state: np.uint64) -> np.uint64:
    state = (state ^ (state >> _SHIFTS[0])) * _MIX[0]
    state = (state ^ (state >> _SHIFTS[1])) * _MIX[1]
    return state ^ (state >> _SHIFTS[2])


@compiled
def _resample(
    keys: Keys,
    weights: Floats,
    places: NDArray[np.int64],
    seed: np.uint64,
    cumulative: Floats,
    sums: Floats,
    squares: Floats,
) -> None:
    """Add events to the sums of weights and of their squares, shape (bins, replicas)."""
    for i in range(len(keys)):
        place = places[i]
        if place < 0:
            continue
        weight = weights[i]
        state = _mixed((keys[i] ^ seed) + _STEP)
        for r in range(sums.shape[1]):
            state = state + _STEP
            unit = (_mixed(state) >> _TO_UNIT) * _MANTISSA
            # Without branches for nearly all: a processor cannot foresee them.
            n = 0
            for k in range(4):
                n += unit >= cumulative[k]
            while n > 3 and unit >= cumulative[n]:
                n += 1
            sums[place, r] += n * weight
            squares[place, r] += n * weight * weight


def resampled_events(
    keys: Keys, weights: Floats, places: NDArray[np.int64], shape: tuple[int, int], seed: int
) -> tuple[Floats, Floats]:
    """Sums of weights and of their squares in replicas.

    Parameters
    ----------
    keys : ndarray of uint64, shape (events,)
        What tells events apart; equal keys count equally often.
    weights : ndarray of shape (events,)
    places : ndarray of int, shape (events,)
        Bin of each event, negative for none.
    shape : (int, int)
        Numbers of bins and of replicas.
    seed : int

    Returns
    -------
    sums, squares : ndarray of shape (bins, replicas)

    Examples
    --------
    >>> one, _ = resampled_events(np.array([7], np.uint64), np.array([0.5]), np.array([0]), (1, 6), seed=1)
    >>> bool(np.isin(one, 0.5 * np.arange(6)).all())
    True
    """
    sums, squares = np.zeros(shape), np.zeros(shape)
    _resample(
        np.ascontiguousarray(keys, np.uint64),
        np.ascontiguousarray(weights, np.float64),
        np.ascontiguousarray(places, np.int64),
        np.uint64(number_of("seed", seed)),
        _CUMULATIVE,
        sums,
        squares,
    )
    return sums, squares


def resampled_bins(
    values: Floats, variances: Floats, replicas: int, seed: int, *names: str
) -> tuple[Floats, Floats]:
    """The same from contents of bins alone.

    A bin without variance keeps its contents: nothing is known of its events, or there are none. Where positive and negative
    weights cancel to less than the weight of one event, (sum w)^2 < sum w^2, the scaled Poisson variable makes no sense and a
    Gaussian one of the same variance is taken.

    Parameters
    ----------
    values, variances : ndarray
        Sums of weights and of their squares, any shape.
    replicas : int
    seed : int
    *names : str
        What the bins are of; other names give other numbers.

    Returns
    -------
    sums, squares : ndarray
        With a last axis of replicas more.
    """
    random = np.random.default_rng(number_of(*names, seed))
    known = variances > 0.0
    safe = np.where(known, variances, 1.0)
    effective = np.where(known, values**2 / safe, 0.0)
    # Rounding may leave a little less than 1 of a single event.
    scaled = effective > 1.0 - 1e-6
    counts = random.poisson(np.where(scaled, effective, 0.0)[..., np.newaxis], (*values.shape, replicas))
    ratio = np.where(scaled[..., np.newaxis], counts / np.where(scaled, effective, 1.0)[..., np.newaxis], 1.0)
    sums, squares = values[..., np.newaxis] * ratio, variances[..., np.newaxis] * ratio
    cancelled = known & ~scaled
    if cancelled.any():
        shifts = random.standard_normal((int(cancelled.sum()), replicas))
        sums[cancelled] += np.sqrt(variances[cancelled])[:, np.newaxis] * shifts
    return sums, squares


def number_of(*names: object) -> int:
    """A number of 64 bits that belongs to some names, the same everywhere.

    >>> number_of("tt", 1) == number_of("tt", 1) != number_of("tt", 2)
    True
    """
    text = "\0".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
