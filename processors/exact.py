"""Sums of floating-point numbers that are exact, whatever the order.

A weighted histogram is a sum of doubles, and a double sum depends on its order: the same events in other
chunks, or chunks that arrive in another order, change the last digits.  Here each sum is held as
an integer in a fixed-point grid that is wide enough for every double (a long accumulator, after
U. Kulisch), cut into limbs of 32 bits kept in 64-bit integers.  Integer addition is associative,
so results are bit-for-bit the same for every chunk size, executor and order of arrival, and the
final rounding to a double is the only error.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["ExactSum"]

_LIMB_BITS = 32
_BASE_EXPONENT = -1088  # below the smallest subnormal double, 2**-1074, and a multiple of 32
_N_LIMBS = 67  # up to 2**1056: beyond the largest double
_CARRY_EVERY = 1 << 29  # one term adds less than 2**33 to a limb


@numba.njit(cache=True, nogil=True)
def _limb_range(values):
    """Lowest and highest limb that any of the values touches."""
    lowest, highest = _N_LIMBS, -1
    for x in values:
        if x != 0.0:
            _, exponent = math.frexp(x)
            first = (exponent - 53 - _BASE_EXPONENT) // _LIMB_BITS
            last = (exponent - 1 - _BASE_EXPONENT) // _LIMB_BITS
            lowest = min(lowest, first)
            highest = max(highest, last)
    return lowest, highest


@numba.njit(cache=True, nogil=True)
def _deposit(limbs, lowest, bins, values):
    """Add each value to the sum in its bin: 53 bits of mantissa fall into two or three limbs."""
    mask = (1 << _LIMB_BITS) - 1
    for i in range(len(values)):
        x = values[i]
        if x == 0.0:
            continue
        mantissa, exponent = math.frexp(abs(x))
        integer = np.int64(math.ldexp(mantissa, 53))
        shift = exponent - 53 - _BASE_EXPONENT
        limb = shift // _LIMB_BITS
        offset = shift - limb * _LIMB_BITS
        # integer * 2**offset has up to 84 bits: do it in two halves that fit into 64.
        low = (integer & mask) << offset
        high = (integer >> _LIMB_BITS) << offset
        first = low & mask
        second = (low >> _LIMB_BITS) + (high & mask)
        third = high >> _LIMB_BITS
        sign = 1 if x > 0.0 else -1
        j = limb - lowest
        b = bins[i]
        limbs[j, b] += sign * first
        if second:
            limbs[j + 1, b] += sign * second
        if third:
            limbs[j + 2, b] += sign * third


class ExactSum:
    """An array of exact sums.

    Parameters
    ----------
    size
        Number of sums (bins).

    Examples
    --------
    >>> total = ExactSum(1)
    >>> total.fill(np.zeros(3, dtype=np.int64), np.array([1e16, 1.0, -1e16]))
    >>> total.values()
    array([1.])
    """

    __slots__ = ("limbs", "lowest", "size", "terms")

    def __init__(self, size: int) -> None:
        self.size = size
        self.lowest = 0
        self.limbs: npt.NDArray[np.int64] = np.zeros((0, size), dtype=np.int64)
        self.terms = 0

    def fill(self, bins: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> None:
        """Add ``values[i]`` to the sum ``bins[i]``.

        Raises
        ------
        ValueError
            If a value is NaN or infinite, or a bin is outside the array.
        """
        values = np.ascontiguousarray(values, dtype=np.float64)
        bins = np.ascontiguousarray(bins, dtype=np.int64)
        if not np.isfinite(values).all():
            msg = "ExactSum.fill: the values to be added must be finite"
            raise ValueError(msg)
        if len(bins) != len(values) or (len(bins) and (bins.min() < 0 or bins.max() >= self.size)):
            msg = f"ExactSum.fill: bins must be one per value and within 0 to {self.size - 1}"
            raise ValueError(msg)
        lowest, highest = _limb_range(values)
        if highest < 0:
            return
        self._count(len(values))
        self._make_room(int(lowest), int(highest) + 1)
        _deposit(self.limbs, self.lowest, bins, values)

    def _make_room(self, lowest: int, highest: int) -> None:
        if not len(self.limbs):
            self.lowest = lowest
        below = max(self.lowest - lowest, 0)
        above = max(highest - (self.lowest + len(self.limbs) - 1), 0)
        if below or above:
            self.limbs = np.pad(self.limbs, ((below, above), (0, 0)))
            self.lowest -= below

    def _count(self, terms: int) -> None:
        if self.terms + terms > _CARRY_EVERY:
            self._normalise()
        self.terms += terms

    def _normalise(self) -> None:
        """Carry, so that all limbs but the highest lie in [0, 2**32)."""
        if len(self.limbs):
            self.limbs = np.pad(self.limbs, ((0, 1), (0, 0)))
        for j in range(len(self.limbs) - 1):
            carry = self.limbs[j] >> _LIMB_BITS
            self.limbs[j] -= carry << _LIMB_BITS
            self.limbs[j + 1] += carry
        used = np.flatnonzero(self.limbs.any(axis=1))
        if len(used):
            self.limbs = np.ascontiguousarray(self.limbs[used[0] : used[-1] + 1])
            self.lowest += int(used[0])
        else:
            self.limbs, self.lowest = self.limbs[:0], 0
        self.terms = 1

    def __iadd__(self, other: ExactSum) -> Self:
        if self.size != other.size:
            msg = f"ExactSum: cannot add {other.size} sums to {self.size}"
            raise ValueError(msg)
        if len(other.limbs):
            self._count(other.terms)
            self._make_room(other.lowest, other.lowest + len(other.limbs) - 1)
            start = other.lowest - self.lowest
            self.limbs[start : start + len(other.limbs)] += other.limbs
        return self

    def __add__(self, other: ExactSum) -> ExactSum:
        out = self.copy()
        out += other
        return out

    def copy(self) -> ExactSum:
        """An independent copy."""
        out = ExactSum(self.size)
        out.lowest, out.limbs, out.terms = self.lowest, self.limbs.copy(), self.terms
        return out

    def values(self) -> npt.NDArray[np.float64]:
        """The sums as doubles, rounded once (error at most one unit in the last place)."""
        out = self.copy()
        out._normalise()
        limbs, lowest = out.limbs, out.lowest
        if not len(limbs):
            return np.zeros(self.size)
        negative = limbs[-1] < 0
        if negative.any():
            # The complement of a negative number: carry once more with the sign turned.
            limbs[:, negative] *= -1
            out._normalise()
            limbs, lowest = out.limbs, out.lowest
        total = np.zeros(self.size)
        for j, limb in enumerate(limbs):
            total += np.ldexp(limb.astype(np.float64), (lowest + j) * _LIMB_BITS + _BASE_EXPONENT)
        total[negative] *= -1
        return total

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.size, self.lowest, self.limbs, self.terms)


def _restore(size: int, lowest: int, limbs: npt.NDArray[np.int64], terms: int) -> ExactSum:
    out = ExactSum(size)
    out.lowest, out.limbs, out.terms = lowest, limbs, terms
    return out
