"""Invariant mass of two systems given by their three-momenta and masses."""

from __future__ import annotations

import math

from massgap.arrays.compiled import compiled
from massgap.arrays.kernels.formulas import energy_excess_kernel

__all__ = ["momentum_kernel", "vector_mass_squared_kernel"]


@compiled
def momentum_kernel(pt: float, eta: float, phi: float) -> tuple[float, float, float]:
    """px, py, pz; an object without transverse momentum is at rest."""
    if pt == 0.0:
        return 0.0, 0.0, 0.0
    return pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)


@compiled
def vector_mass_squared_kernel(
    p1: tuple[float, float, float], m1: float, p2: tuple[float, float, float], m2: float
) -> float:
    """m1^2 + m2^2 + 2 (E1 E2 - |p1||p2|) + 2 (|p1||p2| - p1.p2), the last from the cross product.

    Unlike the form with pt and eta it holds for momenta along the beam, too.
    """
    x1, y1, z1 = p1
    x2, y2, z2 = p2
    length1 = math.hypot(math.hypot(x1, y1), z1)
    length2 = math.hypot(math.hypot(x2, y2), z2)
    dot = x1 * x2 + y1 * y2 + z1 * z2
    if dot > 0.0:
        cross2 = (y1 * z2 - z1 * y2) ** 2 + (z1 * x2 - x1 * z2) ** 2 + (x1 * y2 - y1 * x2) ** 2
        angular = cross2 / (length1 * length2 + dot)
    else:
        angular = length1 * length2 - dot
    return m1 * m1 + m2 * m2 + 2.0 * (energy_excess_kernel(length1, m1, length2, m2) + angular)
