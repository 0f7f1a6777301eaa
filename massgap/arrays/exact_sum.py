"""Sums of floating-point numbers that are exact, whatever the order.

A weighted histogram is a sum of doubles, and a double sum depends on its order: the same events in other
chunks, or chunks that arrive in another order, change the last digits.  Here each sum is held as
an integer in a fixed-point grid that is wide enough for every double (a long accumulator, after
U. Kulisch), cut into limbs of 32 bits kept in 64-bit integers.  Integer addition is associative,
so results are bit-for-bit the same for every chunk size, executor and order of arrival, and the
final rounding to a double is the only error.
"""

from __future__ import annotations

from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["ExactSum", "one_magnitude"]

_LIMB_BITS = 32
_BASE_EXPONENT = -1088  # below the smallest subnormal double, 2**-1074, and a multiple of 32
_LIMB_MASK = (1 << _LIMB_BITS) - 1
_NOT_FINITE = 0x7FF  # exponent field of infinities and NaN
_MAGNITUDE = (1 << 63) - 1  # all bits but the sign
_CARRY_EVERY = 1 << 29  # one term adds less than 2**33 to a limb


_ALL = np.zeros(0, dtype=np.int64)


@numba.njit(cache=True, nogil=True)
def _exponents(bits):
    """Lowest and highest exponent field of the numbers that are not zero, from the bits of doubles."""
    lowest, highest = _NOT_FINITE, -1
    for b in bits:
        exponent = (b >> 52) & _NOT_FINITE
        zero = (b & _MAGNITUDE) == 0
        lowest = min(lowest, _NOT_FINITE if zero else exponent)
        highest = max(highest, -1 if zero else exponent)
    return lowest, highest


@numba.njit(cache=True, nogil=True)
def _parts(b):
    """Limb and three parts of the number with these bits: its 53 bits of mantissa fall into two or three limbs."""
    exponent = (b >> 52) & _NOT_FINITE
    mantissa = b & ((1 << 52) - 1)
    if exponent > 0:
        mantissa |= 1 << 52
    else:
        exponent = 1
    shift = exponent - 1075 - _BASE_EXPONENT
    offset = shift & (_LIMB_BITS - 1)
    # mantissa * 2**offset has up to 84 bits: do it in two halves that fit into 64.
    low = (mantissa & _LIMB_MASK) << offset
    high = (mantissa >> _LIMB_BITS) << offset
    sign = 1 if b >= 0 else -1
    first = sign * (low & _LIMB_MASK)
    second = sign * ((low >> _LIMB_BITS) + (high & _LIMB_MASK))
    return shift >> 5, first, second, sign * (high >> _LIMB_BITS)


@numba.njit(cache=True, nogil=True)
def _deposit(limbs, lowest, bits, bins, rows, start):
    """Add the numbers ``rows`` (all of them if there are none) to the sums in their bins; bins below 0 are none."""
    all_rows = len(rows) == 0
    for n in range(len(bins)):
        i = n if all_rows else rows[n]
        if bins[n] < 0 or bits[i] & _MAGNITUDE == 0:
            continue
        limb, first, second, third = _parts(bits[i])
        j, b = limb - lowest, bins[n] + start
        limbs[j, b] += first
        limbs[j + 1, b] += second
        limbs[j + 2, b] += third


@numba.njit(cache=True, nogil=True)
def _take_apart(bits, lowest, out):
    """The parts of each number, for several deposits; those of a zero are zero."""
    for i in range(len(bits)):
        out[0, i], out[1, i], out[2, i], out[3, i] = 0, 0, 0, 0
        if bits[i] & _MAGNITUDE != 0:
            limb, first, second, third = _parts(bits[i])
            out[0, i], out[1, i], out[2, i], out[3, i] = limb - lowest, first, second, third


@numba.njit(cache=True, nogil=True)
def _within(bins, size, rows, n_rows):
    """Whether all bins are below ``size`` and all rows within 0 to ``n_rows``: one pass without a branch."""
    outside = 0
    for n in range(len(bins)):
        outside += bins[n] >= size
    for n in range(len(rows)):
        outside += (rows[n] < 0) | (rows[n] >= n_rows)
    return outside == 0


@numba.njit(cache=True, nogil=True)
def _deposit_parts(limbs, parts, bins, rows, start):
    """Add the numbers ``rows`` (all of them if there are none) to the sums in their bins; bins below 0 are none."""
    all_rows = len(rows) == 0
    for n in range(len(bins)):
        b = bins[n]
        if b < 0:
            continue
        b += start
        i = n if all_rows else rows[n]
        j = parts[0, i]
        limbs[j, b] += parts[1, i]
        limbs[j + 1, b] += parts[2, i]
        limbs[j + 2, b] += parts[3, i]


@numba.njit(cache=True, nogil=True)
def _one_magnitude(bits):
    """Whether all numbers are the same but for their signs."""
    others = 0
    for i in range(len(bits)):
        others += ((bits[i] ^ bits[0]) & _MAGNITUDE) != 0
    return others == 0


@numba.njit(cache=True, nogil=True)
def _count_signs(net, bits, bins, rows):
    """Positive less negative numbers in each bin; bins below 0 are none."""
    all_rows = len(rows) == 0
    for n in range(len(bins)):
        b = bins[n]
        if b >= 0:
            net[b] += 1 - 2 * (bits[n if all_rows else rows[n]] < 0)


def one_magnitude(values: npt.NDArray[np.float64]) -> bool:
    """Whether all numbers are the same but for their signs, and none is zero; True without any.

    Examples
    --------
    >>> one_magnitude(np.array([1.5, -1.5])), one_magnitude(np.array([1.0, 2.0]))
    (True, False)
    """
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    return not len(bits) or bool(_one_magnitude(bits) and bits[0] & _MAGNITUDE)


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
        bins = np.ascontiguousarray(bins, dtype=np.int64)
        if len(bins) != len(values) or (len(bins) and (bins.min() < 0 or bins.max() >= self.size)):
            msg = f"ExactSum.fill: bins must be one per value and within 0 to {self.size - 1}"
            raise ValueError(msg)
        bits = self._prepare(values, len(values))
        if bits is None:
            return
        if _one_magnitude(bits):
            net = np.zeros(self.size, dtype=np.int64)
            _count_signs(net, bits, bins, _ALL)
            self._add_times(net, bits, 0)
        else:
            _deposit(self.limbs, self.lowest, bits, bins, _ALL, 0)

    def fill_each(
        self,
        fills: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64] | None]],
        values: npt.NDArray[np.float64],
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Add the same values several times, to different sums.

        Parameters
        ----------
        fills
            Pairs of bins and rows: ``values[rows[i]]`` is added to the sum ``bins[i]``; None for all rows; bins below
            0 are left out.
        values
            What is added.
        start, stop
            Only these sums are meant: bins count from the first of them.

        Raises
        ------
        ValueError
            If a value is NaN or infinite, or a bin or row is outside its array.
        """
        size = (self.size if stop is None else min(stop, self.size)) - start
        terms = 0
        for bins, rows in fills:
            n = len(values) if rows is None else len(rows)
            terms += n
            if len(bins) != n or not _within(bins, size, _ALL if rows is None else rows, len(values)):
                msg = (
                    f"ExactSum.fill_each: bins must be one per value and within 0 to {size - 1}, "
                    f"rows within 0 to {len(values) - 1}"
                )
                raise ValueError(msg)
        bits = self._prepare(values, terms)
        if bits is None:
            return
        if _one_magnitude(bits):
            # Data, and most simulations: weights are equal but for their signs, and are counted.
            net = np.zeros(size, dtype=np.int64)
            for bins, rows in fills:
                if rows is None or len(rows):
                    _count_signs(net, bits, bins, _ALL if rows is None else rows)
            self._add_times(net, bits, start)
            return
        fills = [(bins, rows) for bins, rows in fills if rows is None or len(rows)]
        if len(fills) == 1:
            # Parts that are used once need no memory.
            bins, rows = fills[0]
            _deposit(self.limbs, self.lowest, bits, bins, _ALL if rows is None else rows, start)
            return
        parts = np.empty((4, len(bits)), dtype=np.int64)
        _take_apart(bits, self.lowest, parts)
        for bins, rows in fills:
            _deposit_parts(self.limbs, parts, bins, _ALL if rows is None else rows, start)

    def add_times(self, bin_: int, value: float, times: int) -> None:
        """Add a positive number so many times (negative to take it away) to one sum.

        Raises
        ------
        ValueError
            If the number is NaN or infinite, or the bin is outside the array.
        """
        if not 0 <= bin_ < self.size:
            msg = f"ExactSum.add_times: the bin must be within 0 to {self.size - 1}"
            raise ValueError(msg)
        bits = self._prepare(np.array([value]), abs(times))
        if bits is not None:
            self._add_times(np.array([times]), bits, bin_)

    def _add_times(self, net: npt.NDArray[np.int64], bits: npt.NDArray[np.int64], start: int) -> None:
        """Add the magnitude of the first number so many times to the sums from ``start`` on."""
        limb, *parts = _parts(bits[0] & _MAGNITUDE)
        for j, part in enumerate(parts, start=limb - self.lowest):
            self.limbs[j, start : start + len(net)] += net * part

    def _prepare(self, values: npt.NDArray[np.float64], terms: int) -> npt.NDArray[np.int64] | None:
        """The bits of the values, with room made for them; None if all of them are zero."""
        bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
        lowest, highest = _exponents(bits)
        if highest == _NOT_FINITE:
            msg = "ExactSum: the values to be added must be finite"
            raise ValueError(msg)
        if highest < 0:
            return None
        shift = -1075 - _BASE_EXPONENT
        self._count(terms)
        first = (max(int(lowest), 1) + shift) // _LIMB_BITS
        last = (max(int(highest), 1) + shift) // _LIMB_BITS + 2
        self._make_room(first, last)
        return bits

    def _make_room(self, lowest: int, highest: int) -> None:
        if not len(self.limbs):
            self.lowest = lowest
        below = max(self.lowest - lowest, 0)
        above = max(highest - (self.lowest + len(self.limbs) - 1), 0)
        if below or above:
            old = self.limbs
            # np.pad does the same, at ten times the cost.
            self.limbs = np.zeros((len(old) + below + above, self.size), dtype=np.int64)
            self.limbs[below : below + len(old)] = old
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
            # Not with +=, which would copy the slice onto itself in the end.
            mine = self.limbs[start : start + len(other.limbs)]
            np.add(mine, other.limbs, out=mine)
        return self

    def __add__(self, other: ExactSum) -> ExactSum:
        out = self.copy()
        out += other
        return out

    def part(self, which: slice) -> ExactSum:
        """Some of the sums."""
        limbs = self.limbs[:, which]
        out = ExactSum(limbs.shape[1])
        out.lowest, out.limbs, out.terms = self.lowest, np.ascontiguousarray(limbs), self.terms
        return out

    def trim(self) -> None:
        """Drop the highest and lowest limbs that are zero in all sums."""
        used = np.flatnonzero([limb.any() for limb in self.limbs])
        if not len(used):
            self.limbs, self.lowest = self.limbs[:0], 0
        elif len(used) < len(self.limbs):
            self.limbs = np.ascontiguousarray(self.limbs[used[0] : used[-1] + 1])
            self.lowest += int(used[0])

    def regrouped(self, groups: npt.NDArray[np.int64]) -> ExactSum:
        """Sums of these sums: distinct indices of shape (n, any) give n sums."""
        out = ExactSum(len(groups))
        # Each term is in one sum only, so that no more than all of them meet.
        out.terms, out.lowest, out.limbs = self.terms, self.lowest, self.limbs[:, groups].sum(axis=2)
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
