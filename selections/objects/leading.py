"""The objects with the largest transverse momentum, in columns of any order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["leading_three_kernel", "leading_two_kernel", "object_kernel"]

Momentum: TypeAlias = tuple[float, float, float, float]
"""pt, eta, phi, mass of one object; all NaN for an object that does not exist."""


@compiled
def leading_two_kernel(objects: Floats, start: int, stop: int) -> tuple[int, int]:
    """Columns of the two largest pT (row 0), falling, -1 for missing ones; equal pT keep their order."""
    first, second = -1, -1
    for k in range(start, stop):
        if first < 0 or objects[0, k] > objects[0, first]:
            first, second = k, first
        elif second < 0 or objects[0, k] > objects[0, second]:
            second = k
    return first, second


@compiled
def leading_three_kernel(
    objects: Floats, start: int, stop: int, pt_min: float, abs_eta_max: float
) -> tuple[int, int, int]:
    """The same for three, of the objects with pT above and |eta| (row 1) below the limits."""
    first, second, third = -1, -1, -1
    for k in range(start, stop):
        if not (objects[0, k] > pt_min and abs(objects[1, k]) < abs_eta_max):
            continue
        if first < 0 or objects[0, k] > objects[0, first]:
            first, second, third = k, first, second
        elif second < 0 or objects[0, k] > objects[0, second]:
            second, third = k, second
        elif third < 0 or objects[0, k] > objects[0, third]:
            third = k
    return first, second, third


@compiled
def object_kernel(objects: Floats, k: int) -> Momentum:
    """pt, eta, phi, mass of column k, NaN for k = -1."""
    if k < 0:
        return math.nan, math.nan, math.nan, math.nan
    return objects[0, k], objects[1, k], objects[2, k], objects[3, k]
