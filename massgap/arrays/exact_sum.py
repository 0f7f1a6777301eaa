"""Sums of floating-point numbers that are exact, whatever the order.

A weighted histogram is a sum of doubles, and a double sum depends on its order: the same events in other
chunks, or chunks that arrive in another order, change the last digits.  Here each sum is held as
an integer in a fixed-point grid that is wide enough for every double (a long accumulator, after
U. Kulisch), cut into limbs of 32 bits kept in 64-bit integers.  Integer addition is associative,
so results are bit-for-bit the same for every chunk size, executor and order of arrival, and the
final rounding to a double is the only error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from massgap.arrays.kernels.exact_parts import (
    BASE_EXPONENT,
    LIMB_BITS,
    MAGNITUDE,
    NOT_FINITE,
    all_inside,
    count_signs,
    deposit,
    deposit_parts,
    deposit_rows,
    deposit_total,
    exponent_range,
    parts_of,
    same_magnitude,
    spread,
    take_apart,
    used_limbs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ExactSum", "one_magnitude"]

_CARRY_EVERY = 1 << 29  # one term adds less than 2**33 to a limb
_ADDITIONS = 1 << 9  # that many trimmed sums can be added at least before a carry
_ALL = np.zeros(0, dtype=np.int64)

_NARROW, _WIDE = 4, 8
"""Limbs of numbers and their squares that are added side by side: of 4 or 8, which are one vector of the processor."""

Fills = list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64] | None]]


def _checked(
    fills: Fills, values: int, size: int
) -> tuple[list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]], int]:
    """Fills with lines of bins, without empty ones, and how many terms they are."""
    lines = [(np.atleast_2d(bins), _ALL if rows is None else rows) for bins, rows in fills]
    for (bins, rows), (_, given) in zip(lines, fills, strict=True):
        n = values if given is None else len(rows)
        if bins.shape[1] != n or not all_inside(bins.ravel(), size, rows, values):
            msg = (
                f"ExactSum.fill_each: bins must be one per value and within 0 to {size - 1}, "
                f"rows within 0 to {values - 1}"
            )
            raise ValueError(msg)
    return [(bins, rows) for bins, rows in lines if bins.size], sum(bins.size for bins, _ in lines)


def one_magnitude(values: npt.NDArray[np.float64]) -> bool:
    """Whether all numbers are the same but for their signs, and none is zero; True without any.

    Examples
    --------
    >>> one_magnitude(np.array([1.5, -1.5])), one_magnitude(np.array([1.0, 2.0]))
    (True, False)
    """
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    return not len(bits) or bool(same_magnitude(bits) and bits[0] & MAGNITUDE)


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
        if same_magnitude(bits):
            net = np.zeros(self.size, dtype=np.int64)
            count_signs(net, bits, bins, _ALL)
            self._add_times(net, bits, 0)
        else:
            deposit(self.limbs, self.lowest, bits, bins, _ALL, 0)

    def fill_each(
        self,
        fills: Fills,
        values: npt.NDArray[np.float64],
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Add the same values several times, to different sums.

        Parameters
        ----------
        fills
            Pairs of bins and rows: ``values[rows[i]]`` is added to the sum ``bins[i]``, or to that in each line of bins of
            shape (n, rows); None for all rows; bins below 0 are left out.
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
        lines, terms = _checked(fills, len(values), size)
        bits = self._prepare(values, terms)
        if bits is None:
            return
        if same_magnitude(bits):
            # Data, and most simulations: weights are equal but for their signs, and are counted.
            net = np.zeros(size, dtype=np.int64)
            for bins, rows in lines:
                for line in bins:
                    count_signs(net, bits, line, rows)
            self._add_times(net, bits, start)
            return
        if len(lines) == 1 and len(lines[0][0]) == 1:
            # Parts that are used once need no memory.
            ((bins, rows),) = lines
            deposit(self.limbs, self.lowest, bits, bins[0], rows, start)
            return
        parts = np.empty((4, len(bits)), dtype=np.int64)
        take_apart(bits, self.lowest, parts)
        for bins, rows in lines:
            deposit_parts(self.limbs, parts, bins, rows, start)

    def fill_with_squares(self, fills: Fills, values: npt.NDArray[np.float64], start: int, size: int) -> None:
        """Add values to the ``size`` sums from ``start`` on as :meth:`fill_each`, and their squares to as many sums after those.

        Raises
        ------
        ValueError
            If a value or its square is NaN or infinite, or a bin or row is outside its array.
        """
        values = np.ascontiguousarray(values, dtype=np.float64)
        lines, terms = _checked(fills, len(values), size)
        squares = values * values
        numbers = None if one_magnitude(values) else self._side_by_side((values, squares), terms)
        if numbers is None:
            before = self.terms
            self.fill_each(fills, values, start, start + size)
            self.terms = min(before, self.terms)  # less where it carried
            self.fill_each(fills, squares, start + size, start + 2 * size)
            return
        rows_of_numbers, columns = numbers
        sums = np.zeros((size, rows_of_numbers.shape[1]), dtype=np.int64)
        for bins, rows in lines:
            deposit_rows(sums, rows_of_numbers, bins, rows)
        for (which, limb), column in columns.items():
            first = start + which * size
            self.limbs[limb, first : first + size] += sums[:, column]

    def _side_by_side(
        self, numbers: tuple[npt.NDArray[np.float64], ...], terms: int
    ) -> tuple[npt.NDArray[np.int64], dict[tuple[int, int], int]] | None:
        """The parts of several numbers of each event in a row, and (number, limb) -> column; None if there are too many."""
        bits = [self._prepare(values, terms if k == 0 else 0) for k, values in enumerate(numbers)]
        columns: dict[tuple[int, int], int] = {}
        used = np.zeros((len(numbers), len(self.limbs)), dtype=bool)
        for k, found in enumerate(bits):
            if found is not None:
                used_limbs(found, self.lowest, used[k])
                columns.update({(k, int(j)): len(columns) + n for n, j in enumerate(np.flatnonzero(used[k]))})
        if not columns or len(columns) > _WIDE:
            return None
        rows = np.zeros((len(numbers[0]), _NARROW if len(columns) <= _NARROW else _WIDE), dtype=np.int64)
        for k, found in enumerate(bits):
            if found is not None:
                place = np.array([columns.get((k, j), -1) for j in range(len(self.limbs))])
                spread(found, self.lowest, place, rows)
        return rows, columns

    def fill_total(self, values: npt.NDArray[np.float64]) -> None:
        """Add all values to the first of two sums, and their squares to the second.

        Raises
        ------
        ValueError
            If a value or its square is NaN or infinite, or there are not two sums.
        """
        if self.size != 2:
            msg = f"ExactSum.fill_total: there must be 2 sums, for values and squares, and not {self.size}"
            raise ValueError(msg)
        values = np.ascontiguousarray(values, dtype=np.float64)
        if self._prepare(values, len(values), squares=True) is not None:
            for power in (1, 2):
                deposit_total(self.limbs, self.lowest, values, power - 1, power)

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
        limb, *parts = parts_of(bits[0] & MAGNITUDE)
        for j, part in enumerate(parts, start=limb - self.lowest):
            self.limbs[j, start : start + len(net)] += net * part

    def _prepare(
        self, values: npt.NDArray[np.float64], terms: int, *, squares: bool = False
    ) -> npt.NDArray[np.int64] | None:
        """The bits of the values, with room made for them (and their squares); None if all of them are zero."""
        bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
        lowest, highest = exponent_range(bits)
        if highest == NOT_FINITE:
            msg = "ExactSum: the values to be added must be finite"
            raise ValueError(msg)
        if highest < 0:
            return None
        if squares:
            # A number of the exponent e has a square of 2 e or 2 e + 1.
            lowest, highest = min(lowest, 2 * lowest - 1023), max(highest, 2 * highest - 1022)
            with np.errstate(over="ignore"):
                fine = highest < NOT_FINITE or bool(np.isfinite(np.square(values)).all())
            if not fine:
                msg = "ExactSum: the squares of the values to be added must be finite"
                raise ValueError(msg)
        shift = -1075 - BASE_EXPONENT
        self._count(terms)
        first = (max(int(lowest), 1) + shift) // LIMB_BITS
        last = (max(int(highest), 1) + shift) // LIMB_BITS + 2
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
            carry = self.limbs[j] >> LIMB_BITS
            self.limbs[j] -= carry << LIMB_BITS
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

    def parts(self, which: Sequence[slice]) -> ExactSum:
        """Some of the sums, one part after the other; a part may be there more than once."""
        limbs = np.concatenate([self.limbs[:, part] for part in which], axis=1)
        out = ExactSum(limbs.shape[1])
        out.lowest, out.limbs, out.terms = self.lowest, limbs, self.terms
        return out

    def trim(self) -> None:
        """Drop the limbs at both ends that are zero in all sums, and put high ones into those below that have room for them."""
        used = np.flatnonzero([limb.any() for limb in self.limbs])
        if not len(used):
            self.limbs, self.lowest = self.limbs[:0], 0
        elif len(used) < len(self.limbs):
            self.limbs = np.ascontiguousarray(self.limbs[used[0] : used[-1] + 1])
            self.lowest += int(used[0])
        while len(self.limbs) > 1:
            top = self.limbs[-1]
            # One of the highest limb is 2**32 of the one below, as much as half a term may add to that.
            terms = self.terms + (max(int(top.max()), -int(top.min())) + 1) // 2
            if terms > _CARRY_EVERY // _ADDITIONS:
                break
            self.limbs[-2] += top << LIMB_BITS
            self.limbs, self.terms = self.limbs[:-1], terms

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
            total += np.ldexp(limb.astype(np.float64), (lowest + j) * LIMB_BITS + BASE_EXPONENT)
        total[negative] *= -1
        return total

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.size, self.lowest, self.limbs, self.terms)


def _restore(size: int, lowest: int, limbs: npt.NDArray[np.int64], terms: int) -> ExactSum:
    out = ExactSum(size)
    out.lowest, out.limbs, out.terms = lowest, limbs, terms
    return out
