"""Arithmetic with twice the digits of a float64: a number is the exact sum of two of them, (high, low).

For the few quantities in which everything cancels.  Each operation is right to about 1e-31 of its result.
Sources: Dekker, Numer. Math. 18 (1971) 224; Knuth, The Art of Computer Programming, vol. 2, section 4.2.2.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from massgap.arrays.compiled import compiled

__all__ = ["TwoFloats"]

TwoFloats: TypeAlias = tuple[float, float]
"""A number as high + low, where low is at most half a unit in the last place of high."""

_SPLIT = 134217729.0  # 2^27 + 1
# 1 / (2 k + 1)! for k = 1 to 5, and from 6 on, where one float64 is enough: the terms are below 1e-16 of the sum.
_INVERSE_FACTORIALS = (
    (0.16666666666666666, 9.25185853854297e-18),
    (0.008333333333333333, 1.1564823173178714e-19),
    (0.0001984126984126984, 1.7209558293420705e-22),
    (2.7557319223985893e-06, -1.858393274046472e-22),
    (2.505210838544172e-08, -1.448814070935912e-24),
)
_SMALL_INVERSE_FACTORIALS = (
    1.6059043836821613e-10,
    7.647163731819816e-13,
    2.8114572543455206e-15,
    8.22063524662433e-18,
    1.9572941063391263e-20,
)
_TWO_PI_HIGH, _TWO_PI_LOW, _TWO_PI_REST = 6.283185307179586, 2.4492935982947064e-16, -5.989539619436679e-33


@compiled
def two_sum(a: float, b: float) -> TwoFloats:
    """a + b without rounding."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@compiled
def two_product(a: float, b: float) -> TwoFloats:
    """a b without rounding."""
    p = a * b
    t = _SPLIT * a
    a_high = t - (t - a)
    a_low = a - a_high
    t = _SPLIT * b
    b_high = t - (t - b)
    b_low = b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


@compiled
def add(a: TwoFloats, b: TwoFloats) -> TwoFloats:
    """a + b; also where they nearly cancel."""
    s, e = two_sum(a[0], b[0])
    t, f = two_sum(a[1], b[1])
    s, e = two_sum(s, e + t)
    return two_sum(s, e + f)


@compiled
def negative(a: TwoFloats) -> TwoFloats:
    """-a."""
    return -a[0], -a[1]


@compiled
def subtract(a: TwoFloats, b: TwoFloats) -> TwoFloats:
    """a - b."""
    return add(a, (-b[0], -b[1]))


@compiled
def scaled(a: TwoFloats, power_of_two: float) -> TwoFloats:
    """a times a power of two, without rounding."""
    return a[0] * power_of_two, a[1] * power_of_two


@compiled
def multiply(a: TwoFloats, b: TwoFloats) -> TwoFloats:
    """a b."""
    p, e = two_product(a[0], b[0])
    return two_sum(p, e + (a[0] * b[1] + a[1] * b[0]))


@compiled
def square(a: TwoFloats) -> TwoFloats:
    """a^2."""
    return multiply(a, a)


@compiled
def divide(a: TwoFloats, b: TwoFloats) -> TwoFloats:
    """a / b."""
    q = a[0] / b[0]
    rest = subtract(a, multiply((q, 0.0), b))
    r = rest[0] / b[0]
    rest = subtract(rest, multiply((r, 0.0), b))
    q, r = two_sum(q, r)
    return two_sum(q, r + rest[0] / b[0])


@compiled
def square_root(a: TwoFloats) -> TwoFloats:
    """The square root of a >= 0."""
    if a[0] <= 0.0:
        return 0.0, 0.0
    x = math.sqrt(a[0])
    rest = subtract(a, two_product(x, x))
    x, y = two_sum(x, rest[0] / (2.0 * x))
    rest = subtract(a, multiply((x, y), (x, y)))
    return add((x, y), (rest[0] / (2.0 * x), 0.0))


@compiled
def _squared_sine(x: TwoFloats, sign: float) -> TwoFloats:
    """sin^2 x for sign -1, sinh^2 x for sign +1: Taylor series of a small part of x, then doublings."""
    doublings = 0
    while abs(x[0]) > 0.25 and doublings < 1100:
        x = scaled(x, 0.5)
        doublings += 1
    x2 = square(x)
    # sin x / x or sinh x / x as a polynomial in y = -x^2 or x^2, from its smallest term on
    y = (sign * x2[0], sign * x2[1])
    tail = 0.0
    for k in range(len(_SMALL_INVERSE_FACTORIALS) - 1, -1, -1):
        tail = _SMALL_INVERSE_FACTORIALS[k] + tail * y[0]
    series = (tail, 0.0)
    for k in range(len(_INVERSE_FACTORIALS) - 1, -1, -1):
        series = add(_INVERSE_FACTORIALS[k], multiply(series, y))
    s = multiply(x2, square(add((1.0, 0.0), multiply(series, y))))
    for _ in range(doublings):
        s = scaled(multiply(s, add((1.0, 0.0), (sign * s[0], sign * s[1]))), 4.0)
    return s


@compiled
def squared_sinh(x: TwoFloats) -> TwoFloats:
    """sinh^2 x, with a relative error of some 1e-30 also for small x."""
    return _squared_sine(x, 1.0)


@compiled
def squared_half_sine(angle: TwoFloats) -> TwoFloats:
    """sin^2(angle / 2), with a relative error of some 1e-30 near multiples of 2 pi, too."""
    turns = math.floor(angle[0] / _TWO_PI_HIGH + 0.5)
    if turns != 0.0:
        angle = subtract(angle, two_product(turns, _TWO_PI_HIGH))
        angle = subtract(angle, two_product(turns, _TWO_PI_LOW))
        angle = subtract(angle, (turns * _TWO_PI_REST, 0.0))
    return _squared_sine(scaled(angle, 0.5), -1.0)
