"""The compiled passes of exact sums: numbers are cut into parts that fall into limbs of 32 bits, and added there."""

from __future__ import annotations

import numpy as np

from massgap.arrays.compiled import compiled

__all__ = [
    "BASE_EXPONENT",
    "LIMB_BITS",
    "MAGNITUDE",
    "NOT_FINITE",
    "all_inside",
    "count_signs",
    "deposit",
    "deposit_parts",
    "deposit_rows",
    "deposit_total",
    "exponent_range",
    "parts_of",
    "same_magnitude",
    "spread",
    "take_apart",
    "used_limbs",
]

LIMB_BITS = 32
BASE_EXPONENT = -1088  # below the smallest subnormal double, 2**-1074, and a multiple of 32
LIMB_MASK = (1 << LIMB_BITS) - 1
NOT_FINITE = 0x7FF  # exponent field of infinities and NaN
_BLOCK = 512  # numbers whose parts stay in the processor's nearest memory
MAGNITUDE = (1 << 63) - 1  # all bits but the sign


@compiled
def exponent_range(bits):
    """Lowest and highest exponent field of the numbers that are not zero, from the bits of doubles."""
    lowest, highest = NOT_FINITE, -1
    for b in bits:
        exponent = (b >> 52) & NOT_FINITE
        zero = (b & MAGNITUDE) == 0
        lowest = min(lowest, NOT_FINITE if zero else exponent)
        highest = max(highest, -1 if zero else exponent)
    return lowest, highest


@compiled
def parts_of(b):
    """Limb and three parts of the number with these bits: its 53 bits of mantissa fall into two or three limbs."""
    exponent = (b >> 52) & NOT_FINITE
    mantissa = b & ((1 << 52) - 1)
    if exponent > 0:
        mantissa |= 1 << 52
    else:
        exponent = 1
    # Without a sign: loops with numbers of both signs are not vectorised.
    shift = np.uint64(exponent - 1075 - BASE_EXPONENT)
    offset, whole = shift & np.uint64(LIMB_BITS - 1), np.uint64(mantissa)
    # mantissa * 2**offset has up to 84 bits: do it in two halves that fit into 64.
    low = (whole & np.uint64(LIMB_MASK)) << offset
    high = (whole >> np.uint64(LIMB_BITS)) << offset
    sign = b >> 63  # 0 or -1, which turns a number round by x ^ sign - sign
    first = np.int64(low & np.uint64(LIMB_MASK))
    second = np.int64((low >> np.uint64(LIMB_BITS)) + (high & np.uint64(LIMB_MASK)))
    third = np.int64(high >> np.uint64(LIMB_BITS))
    limb = np.int64(shift >> np.uint64(5))
    return limb, (first ^ sign) - sign, (second ^ sign) - sign, (third ^ sign) - sign


@compiled
def deposit(limbs, lowest, bits, bins, rows, start):
    """Add the numbers ``rows`` (all of them if there are none) to the sums in their bins; bins below 0 are none."""
    all_rows = len(rows) == 0
    for n in range(len(bins)):
        i = n if all_rows else rows[n]
        if bins[n] < 0 or bits[i] & MAGNITUDE == 0:
            continue
        limb, first, second, third = parts_of(bits[i])
        j, b = limb - lowest, bins[n] + start
        limbs[j, b] += first
        limbs[j + 1, b] += second
        limbs[j + 2, b] += third


@compiled
def deposit_total(limbs, lowest, values, sum_, power):
    """Add all numbers (``power`` 1) or their squares (2) to one sum.

    Block by block, so that the parts stay near, and without a branch: the loops are vectorised.
    """
    number = np.empty(_BLOCK, dtype=np.float64)
    bits = number.view(np.int64)
    parts = np.empty((4, _BLOCK), dtype=np.int64)
    for start in range(0, len(values), _BLOCK):
        n = min(_BLOCK, len(values) - start)
        for i in range(n):
            number[i] = values[start + i] * values[start + i] if power == 2 else values[start + i]
        first, last = len(limbs), 0
        for i in range(n):
            limb, parts[1, i], parts[2, i], parts[3, i] = parts_of(bits[i])
            limb = limb - lowest if bits[i] & MAGNITUDE != 0 else -1  # a zero is in none
            parts[0, i] = limb
            first, last = min(first, limb), max(last, limb)
        for j in range(max(first, 0), last + 1):
            a, b, c = 0, 0, 0
            for i in range(n):
                here = parts[0, i] == j
                a += parts[1, i] if here else 0
                b += parts[2, i] if here else 0
                c += parts[3, i] if here else 0
            limbs[j, sum_] += a
            limbs[j + 1, sum_] += b
            limbs[j + 2, sum_] += c


@compiled
def take_apart(bits, lowest, out):
    """The parts of each number, for several deposits; those of a zero are zero."""
    for i in range(len(bits)):
        out[0, i], out[1, i], out[2, i], out[3, i] = 0, 0, 0, 0
        if bits[i] & MAGNITUDE != 0:
            limb, first, second, third = parts_of(bits[i])
            out[0, i], out[1, i], out[2, i], out[3, i] = limb - lowest, first, second, third


@compiled
def all_inside(bins, size, rows, n_rows):
    """Whether all bins are below ``size`` and all rows within 0 to ``n_rows``: one pass without a branch."""
    outside = 0
    for n in range(len(bins)):
        outside += bins[n] >= size
    for n in range(len(rows)):
        outside += (rows[n] < 0) | (rows[n] >= n_rows)
    return outside == 0


@compiled
def deposit_parts(limbs, parts, bins, rows, start):
    """Add the numbers ``rows`` (all of them if there are none) to the sums in their bins, for each line of bins.

    Bins below 0 are none.
    """
    all_rows = len(rows) == 0
    for line in range(len(bins)):
        for n in range(bins.shape[1]):
            b = bins[line, n]
            if b < 0:
                continue
            b += start
            i = n if all_rows else rows[n]
            j = parts[0, i]
            limbs[j, b] += parts[1, i]
            limbs[j + 1, b] += parts[2, i]
            limbs[j + 2, b] += parts[3, i]


@compiled
def used_limbs(bits, lowest, used):
    """Mark the limbs into which a part of any of the numbers falls that is not zero."""
    for i in range(len(bits)):
        if bits[i] & MAGNITUDE != 0:
            limb, first, second, third = parts_of(bits[i])
            j = limb - lowest
            used[j] |= first != 0
            used[j + 1] |= second != 0
            used[j + 2] |= third != 0


@compiled
def spread(bits, lowest, column, rows):
    """Write the parts of each number into its row, those of limb ``j`` into column ``column[j]`` (below 0: they are zero)."""
    for i in range(len(bits)):
        if bits[i] & MAGNITUDE != 0:
            limb, first, second, third = parts_of(bits[i])
            j = limb - lowest
            if column[j] >= 0:
                rows[i, column[j]] = first
            if column[j + 1] >= 0:
                rows[i, column[j + 1]] = second
            if column[j + 2] >= 0:
                rows[i, column[j + 2]] = third


@compiled
def deposit_rows(sums, numbers, bins, rows):
    """Add the row of each number to the row of its bin, for each line of bins; bins below 0 are none.

    All parts of a number and of its square lie side by side, so that a bin is looked up once for all of them.
    """
    all_rows = len(rows) == 0
    width = numbers.shape[1]
    for line in range(len(bins)):
        for n in range(bins.shape[1]):
            b = bins[line, n]
            if b < 0:
                continue
            i = n if all_rows else rows[n]
            if width == 4:  # a number that the compiler knows: one vector
                for c in range(4):
                    sums[b, c] += numbers[i, c]
            else:
                for c in range(8):
                    sums[b, c] += numbers[i, c]


@compiled
def same_magnitude(bits):
    """Whether all numbers are the same but for their signs."""
    others = 0
    for i in range(len(bits)):
        others += ((bits[i] ^ bits[0]) & MAGNITUDE) != 0
    return others == 0


@compiled
def count_signs(net, bits, bins, rows):
    """Positive less negative numbers in each bin; bins below 0 are none."""
    all_rows = len(rows) == 0
    for n in range(len(bins)):
        b = bins[n]
        if b >= 0:
            net[b] += 1 - 2 * (bits[n if all_rows else rows[n]] < 0)
