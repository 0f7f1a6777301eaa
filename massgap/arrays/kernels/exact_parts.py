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
    "deposit_with_squares",
    "exponent_range",
    "parts_of",
    "same_magnitude",
    "take_apart",
]

LIMB_BITS = 32
BASE_EXPONENT = -1088  # below the smallest subnormal double, 2**-1074, and a multiple of 32
LIMB_MASK = (1 << LIMB_BITS) - 1
NOT_FINITE = 0x7FF  # exponent field of infinities and NaN
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
    shift = exponent - 1075 - BASE_EXPONENT
    offset = shift & (LIMB_BITS - 1)
    # mantissa * 2**offset has up to 84 bits: do it in two halves that fit into 64.
    low = (mantissa & LIMB_MASK) << offset
    high = (mantissa >> LIMB_BITS) << offset
    sign = 1 if b >= 0 else -1
    first = sign * (low & LIMB_MASK)
    second = sign * ((low >> LIMB_BITS) + (high & LIMB_MASK))
    return shift >> 5, first, second, sign * (high >> LIMB_BITS)


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
def deposit_with_squares(limbs, lowest, values, bins, half):
    """Add each number to the sum in its bin, and its square to the one ``half`` further."""
    number = np.empty(1, dtype=np.float64)
    bits = number.view(np.int64)
    for i in range(len(values)):
        for power in range(2):
            number[0] = values[i] * values[i] if power else values[i]
            if bits[0] & MAGNITUDE == 0:
                continue
            limb, first, second, third = parts_of(bits[0])
            j, b = limb - lowest, bins[i] + power * half
            limbs[j, b] += first
            limbs[j + 1, b] += second
            limbs[j + 2, b] += third


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
