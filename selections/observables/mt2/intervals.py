"""Arithmetic of intervals for compiled kernels: each result holds the exact one for all numbers in the operands.

Operations of IEEE 754 are right to half a unit in the last place; each end is moved outwards by at least one. Nothing
here depends on the rounding mode.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from massgap.arrays.compiled import compiled_inline

__all__ = ["Interval", "add", "divide", "down", "exact", "multiply", "root", "square", "subtract", "up"]

Interval: TypeAlias = tuple[float, float]
"""Lower and upper end."""

_UNIT = 2.0**-52
# Products of numbers near 1 may underflow; what is lost is less than this.
_LEAST = 1e-300


@compiled_inline
def down(x: float) -> float:
    """A number below every one that is rounded to x."""
    return x - abs(x) * _UNIT - _LEAST


@compiled_inline
def up(x: float) -> float:
    """A number above every one that is rounded to x."""
    return x + abs(x) * _UNIT + _LEAST


@compiled_inline
def exact(x: float) -> Interval:
    """A number itself."""
    return x, x


@compiled_inline
def add(a: Interval, b: Interval) -> Interval:
    """a + b."""
    return down(a[0] + b[0]), up(a[1] + b[1])


@compiled_inline
def subtract(a: Interval, b: Interval) -> Interval:
    """a - b."""
    return down(a[0] - b[1]), up(a[1] - b[0])


@compiled_inline
def multiply(a: Interval, b: Interval) -> Interval:
    """a b."""
    w, x, y, z = a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1]
    return down(min(w, x, y, z)), up(max(w, x, y, z))


@compiled_inline
def square(a: Interval) -> Interval:
    """The square of a: never negative, and 0 only where a holds 0."""
    x, y = abs(a[0]), abs(a[1])
    low = 0.0 if a[0] <= 0.0 <= a[1] else max(down(min(x, y) * min(x, y)), 0.0)
    return low, up(max(x, y) * max(x, y))


@compiled_inline
def divide(a: Interval, b: Interval) -> Interval:
    """a / b, for a >= 0 and b > 0."""
    low = max(down(a[0] / b[1]), 0.0)
    return low, (up(a[1] / b[0]) if b[0] > 0.0 else math.inf)


@compiled_inline
def root(a: Interval) -> Interval:
    """The square root of a; what is below 0 counts as 0."""
    return max(down(math.sqrt(max(a[0], 0.0))), 0.0), up(math.sqrt(max(a[1], 0.0)))
