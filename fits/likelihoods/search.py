r"""Where a likelihood may have several minima: which starts are tried, and what is taken for the lowest minimum.

From the first start and four others; then from the best of them with each doubtful parameter on the other side of 0, again wherever
that ends lower. Where not all of them ended at one minimum, from many more: with w minima found from n starts, w (n - 1) / (n - w - 2)
are to be expected (C. G. E. Boender, A. H. G. Rinnooy Kan, Mathematical Programming 37 (1987) 59), and the search ends when that
is nearer to w than to w + 1. Parameters are doubtful where :mod:`massgap.fits.likelihoods.doubt` says so.

Some likelihoods have no minimum: where a free factor multiplies a free factor per bin, only their product matters to these bins, and
where all other bins ask for none of the former it falls for ever as one goes to 0 and the other grows. With that factor held at a
bound B it is higher than its limit by C / B, so that bounds that grow tenfold give the limit, and how far it still is.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.fits.likelihoods.minimisation import CONVERGED, FLAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.intp]

__all__ = [
    "BOUNDS",
    "Found",
    "in_the_limit",
    "is_lowest",
    "lowest",
    "other_starts",
    "scattered_start",
    "search",
]

_ROUNDING = 1e-11
"""Relative difference of two values that are one minimum."""
_LOWER = 1e-6
"""By how much a start that did not converge may not be lower than what is taken for the lowest minimum."""
_APART = 1e-7
"""Difference of two values that are not."""
_PATTERNS = (
    (0.8, -0.7, 0.9, 0.6, -0.8, -0.9, 0.7),
    (1.2, 1.4, -1.3, 1.1, 1.2),
    (-1.4, 1.2, 1.3, -1.1, -1.2, 1.5, 1.1, -1.3, -1.1),
)
"""Start values of interpolated parameters; no two of them repeat alike."""
_FIRST = 4  # starts, of the first two patterns and their reverse
_OTHER_SIDE = 1.2
_ROUNDS = 3
_WIDTH, _MOST_SCATTERED = 2.5, 80
_MOST_SIDES = 10
"""Doubtful parameters that are tried on their other side: those that are most in doubt."""
_MANY = 60
"""Parameters beyond which that costs more than it is worth, and where the first pattern alone is tried."""
BOUNDS = (10.0, 30.0, *(10.0**n for n in range(2, 11)))
"""Of free factors that have none, where there is no minimum."""
_NEAR = 1e-9
"""Distance to the limit at which bounds need not grow any more."""


class Found(NamedTuple):
    """Where a minimisation ended.

    Attributes
    ----------
    value, distance : float
    status, steps : int
        As :func:`massgap.fits.likelihoods.minimisation.minimise` says.
    below_zero : callable
        Tells whether less than nothing is expected in some bin, without events: nowhere that a likelihood can be.
    pars : ndarray of shape (parameters,)
    """

    value: float
    distance: float
    status: int
    steps: int
    below_zero: Callable[[], bool]
    pars: Floats

    @property
    def converged(self) -> bool:
        """Whether it is a minimum."""
        return self.status in (CONVERGED, FLAT)


def other_starts(first: Floats, free: Integers, interpolated: NDArray[np.bool_]) -> list[Floats]:
    """More places, the same every time, with each interpolated parameter on both sides of its kink.

    Parameters
    ----------
    first : ndarray of shape (parameters,)
        The first start.
    free : ndarray of int
        Parameters that move.
    interpolated : ndarray of bool, of shape (parameters,)
        Those that start at 0; others are factors.
    """
    out = []
    for pattern in _PATTERNS[: 1 if free.size > _MANY else None]:
        values = np.resize(pattern, free.size)
        for sign in (1.0, -1.0):
            start = first.copy()
            factors = start[free] * (1.0 + 0.1 * sign * values) + 0.02
            start[free] = np.where(interpolated[free], sign * values, factors)
            out.append(start)
    return out


def scattered_start(k: int, first: Floats, free: Integers, interpolated: NDArray[np.bool_]) -> Floats:
    """The k-th of many more places, which fill the space evenly: an additive recurrence (M. Roberts 2018)."""
    golden = 2.0
    for _ in range(30):  # x^(d + 1) = x + 1
        golden = (1.0 + golden) ** (1.0 / (free.size + 1.0))
    even = (0.5 + (k + 1.0) * golden ** -(1.0 + np.arange(free.size))) % 1.0
    start = first.copy()
    values = np.where(interpolated[free], _WIDTH * (2.0 * even - 1.0), start[free] * (0.3 + 1.4 * even))
    start[free] = values
    return start


def lowest(found: Sequence[Found]) -> Found | None:
    """The lowest minimum; the first of several that differ by rounding alone, as it is next to the start.

    One where less than nothing is expected is taken only where there is no other.
    """
    best: Found | None = None
    for one in found:
        if one.converged and (best is None or _lower(one, best)):
            best = one
    return best


def is_lowest(best: Found | None, found: Sequence[Found]) -> bool:
    """Whether a minimum is there, and no start that did not converge came lower."""
    if best is None:
        return False
    return all(one.converged or one.value > best.value - _LOWER or one.below_zero() for one in found)


def _lower(one: Found, other: Found) -> bool:
    if abs(one.value - other.value) > _APART and one.below_zero() is not other.below_zero():
        return other.below_zero()
    return one.value < other.value - _ROUNDING * max(1.0, abs(other.value))


def search(
    run: Callable[[Floats], Found],
    first: Floats,
    others: Callable[[], Sequence[Floats]],
    scattered: Callable[[int], Floats],
    doubtful: Sequence[int],
    *,
    check: bool,
) -> list[Found]:
    """What minimisations from several starts end at, that from the first one first.

    Parameters
    ----------
    run : callable
        Minimises from a start, which it may change.
    first : ndarray of shape (parameters,)
    others : callable
        Gives :func:`other_starts`.
    scattered : callable
        :func:`scattered_start` of a number.
    doubtful : sequence of int
        Parameters along which there may be several minima, the most doubtful first.
    check : bool
        Whether to try others though the first start converges.
    """
    found = [run(first.copy())]
    if found[0].converged and not check:
        return found
    more = others()
    found += [run(start) for start in more[:_FIRST]]
    sides = list(doubtful)[:_MOST_SIDES] if len(more) > _FIRST else []
    _other_sides(run, sides, found)
    if _minima(found) > 1:
        found += [run(start) for start in more[_FIRST:]]
        _other_sides(run, sides, found)
        if sides:
            _until_all_are_found(run, scattered, found)
    return found


def _minima(found: Sequence[Found]) -> int:
    """How many there are, one that did not converge among them."""
    values = sorted(one.value for one in found if one.converged)
    apart = [b > a + _APART * max(1.0, abs(a)) for a, b in itertools.pairwise(values)]
    return 1 + sum(apart) + (len(values) < len(found))


def _until_all_are_found(
    run: Callable[[Floats], Found], scattered: Callable[[int], Floats], found: list[Found]
) -> None:
    for k in range(_MOST_SCATTERED):
        w, n = _minima(found), len(found)
        if n > w + 2 and w * (n - 1) < (w + 0.5) * (n - w - 2):
            return
        found.append(run(scattered(k)))


def _other_sides(run: Callable[[Floats], Found], doubtful: Sequence[int], found: list[Found]) -> None:
    """From the lowest minimum with one parameter on the other side, until that ends nowhere lower."""
    for _ in range(_ROUNDS):
        best = lowest(found)
        if best is None:
            return
        for p in doubtful:
            start = best.pars.copy()
            start[p] = -_OTHER_SIDE if start[p] > 0.0 else _OTHER_SIDE
            found.append(run(start))
        now = lowest(found)
        if now is None or now.value > best.value - _APART:
            return


def in_the_limit(
    run: Callable[[Floats, float], Found], found: Sequence[Found], factors: Integers
) -> list[Found]:
    """Minima with growing bounds of factors, and how far the last of them are from the limit.

    Parameters
    ----------
    run : callable
        Minimises from a start, which it may change, with a bound of the factors that have none.
    found : sequence of Found
        With the first of :data:`BOUNDS`.
    factors : ndarray of int
        Parameters that may grow or shrink for ever.
    """
    out: list[Found] = []
    for one in found:
        if one.converged and all(abs(one.value - other.value) > _APART for other in out):
            out.append(one)
    return [_followed(run, one, factors) for one in out]


def _followed(run: Callable[[Floats, float], Found], last: Found, factors: Integers) -> Found:
    """A minimum at the first bound, where it is at the last one."""
    steps, power, slope = last.steps, np.zeros(last.pars.size), np.zeros(last.pars.size)
    for bound, before in zip(BOUNDS[1:], BOUNDS, strict=False):
        if (last.pars[factors] < before).all():
            return last  # inside the bounds
        # What grows or shrinks with the bound, and what comes near its own limit as one over the bound.
        start = last.pars * (bound / before) ** power
        now = run(start + slope * (1.0 / bound - 1.0 / before), bound)
        if not now.converged:
            now = run(start.copy(), bound)
        if not now.converged or now.value > last.value:
            return last
        positive = np.zeros(last.pars.size, dtype=bool)
        positive[factors] = (last.pars[factors] > 0.0) & (now.pars[factors] > 0.0)
        ratio = np.where(positive, now.pars, 1.0) / np.where(positive, last.pars, 1.0)
        power = np.rint(np.log(ratio) / np.log(bound / before))
        slope = np.where(power == 0.0, (now.pars - last.pars) / (1.0 / bound - 1.0 / before), 0.0)
        rest = (last.value - now.value) / (bound / before - 1.0)
        steps += now.steps
        last = now._replace(distance=now.distance + rest, steps=steps)
        if rest < _NEAR:
            break
    return last
