r"""Scalar products of two four-momenta as :math:`p_i \cdot p_j = m_i m_j + d_{ij}`, in two precisions.

The excess d vanishes where the two have the same velocity.  In determinants of scalar products the terms
without it cancel; computed on its own and as a sum of non-negative terms it keeps all its digits there.
"""

from __future__ import annotations

import math

from massgap.arrays.compiled import compiled
from massgap.arrays.double_double import (
    TwoFloats,
    add,
    divide,
    multiply,
    scaled,
    square,
    square_root,
    squared_half_sine,
    squared_sinh,
    subtract,
    two_product,
    two_sum,
)

__all__ = ["UNIT_ROUNDOFF"]

UNIT_ROUNDOFF = 2.0**-53
"""Half the distance from 1 to the next float64: the relative error of one rounding."""

_TWO_PI, _TWO_PI_LOW = 6.283185307179586, 2.4492935982947064e-16


@compiled
def length_kernel(pt: float, eta: float) -> float:
    """|p| = pt cosh(eta); an object without transverse momentum is at rest, whatever eta says."""
    return pt * math.cosh(eta) if pt != 0.0 else 0.0


@compiled
def product_excess_kernel(
    pt1: float, eta1: float, phi1: float, m1: float, p1: float,
    pt2: float, eta2: float, phi2: float, m2: float, p2: float,
) -> tuple[float, float]:  # fmt: skip
    """p1.p2 - m1 m2 in GeV^2, and a bound on its relative error; the lengths p count for massive ones only."""
    if (pt1 == 0.0 and pt2 == 0.0) or (pt1 == 0.0 and m1 == 0.0) or (pt2 == 0.0 and m2 == 0.0):
        return 0.0, 0.0  # both at rest, or one without energy
    angular, energetic, loss = 0.0, 0.0, 0.0
    if pt1 != 0.0 and pt2 != 0.0:
        dphi, rest = two_sum(phi1, -phi2)
        if abs(dphi) > math.pi:
            # Across the seam of the azimuth the small angle keeps its digits.
            dphi = (dphi - math.copysign(_TWO_PI, dphi)) + (rest - math.copysign(_TWO_PI_LOW, dphi))
        # cosh(delta eta) - cos(delta phi)
        angular = 2.0 * pt1 * pt2 * (math.sinh(0.5 * (eta1 - eta2)) ** 2 + math.sin(0.5 * dphi) ** 2)
    if m1 != 0.0 or m2 != 0.0:
        e1, e2 = math.sqrt(p1 * p1 + m1 * m1), math.sqrt(p2 * p2 + m2 * m2)
        # p1 E2 - p2 E1: the hyperbolic sine of the difference of rapidities, times m1 m2
        both = (p1 * m2 + p2 * m1) / (p1 * e2 + p2 * e1)
        sine = (p1 * m2 - p2 * m1) * both
        base = m1 * m2
        excess = (base * base + (m1 * p2) ** 2 + (m2 * p1) ** 2) / (e1 * e2 + p1 * p2)
        energetic = sine * sine / (base + excess)
        loss = 8.0 * abs(sine) * (p1 * m2 + p2 * m1) * both / (base + excess)
    total = angular + energetic
    if total > 0.0:
        # The condition numbers of sinh for large, and of the difference of lengths for nearly equal arguments.
        return total, UNIT_ROUNDOFF * (10.0 + 2.0 * abs(eta1 - eta2) + loss / total)
    if pt1 == pt2 and eta1 == eta2 and m1 == m2:
        return 0.0, 0.0
    if m1 == 0.0 and m2 == 0.0 and eta1 == eta2 and phi1 == phi2:
        return 0.0, 0.0
    # Equal velocities to rounding only, underflow, or NaN: nothing is known about the digits.
    return total, math.inf


@compiled
def exact_length_kernel(pt: float, eta: float) -> TwoFloats:
    """|p| = pt cosh(eta) with twice the digits."""
    if pt == 0.0:
        return 0.0, 0.0
    cosh = add((1.0, 0.0), scaled(squared_sinh((0.5 * eta, 0.0)), 2.0))
    return multiply((pt, 0.0), cosh)


@compiled
def exact_product_excess_kernel(
    pt1: float, eta1: float, phi1: float, m1: float, p1: TwoFloats,
    pt2: float, eta2: float, phi2: float, m2: float, p2: TwoFloats,
) -> TwoFloats:  # fmt: skip
    """p1.p2 - m1 m2 in GeV^2 with twice the digits, for the input as it is."""
    total = (0.0, 0.0)
    if (pt1 == 0.0 and pt2 == 0.0) or (pt1 == 0.0 and m1 == 0.0) or (pt2 == 0.0 and m2 == 0.0):
        return total
    if pt1 != 0.0 and pt2 != 0.0:
        half_eta = scaled(two_sum(eta1, -eta2), 0.5)
        separation = add(squared_sinh(half_eta), squared_half_sine(two_sum(phi1, -phi2)))
        total = scaled(multiply(two_product(pt1, pt2), separation), 2.0)
    if m1 != 0.0 or m2 != 0.0:
        e1 = square_root(add(square(p1), two_product(m1, m1)))
        e2 = square_root(add(square(p2), two_product(m2, m2)))
        a, b = multiply(p1, (m2, 0.0)), multiply(p2, (m1, 0.0))
        numerator = multiply(subtract(a, b), add(a, b))
        sine = divide(numerator, add(multiply(p1, e2), multiply(p2, e1)))
        base = two_product(m1, m2)
        squares = add(square(base), add(square(a), square(b)))
        excess = divide(squares, add(multiply(e1, e2), multiply(p1, p2)))
        total = add(total, divide(square(sine), add(base, excess)))
    return total
