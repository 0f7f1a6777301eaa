"""Formulas of angles and four-momenta of objects given as (pt, eta, phi, mass): one definition for all rooms.

Compiled functions of numbers, in GeV and radians.  An object without transverse momentum has no direction: whatever its
eta says, it is at rest.  Negative masses (rounding in stored files) count as zero.
"""

from __future__ import annotations

import math

from massgap.arrays.compiled import compiled

__all__ = [
    "delta_phi_kernel",
    "delta_r_kernel",
    "energy_excess_kernel",
    "invariant_mass_kernel",
    "invariant_mass_squared_kernel",
    "pt_eta_phi_kernel",
    "pz_kernel",
    "sum_kernel",
    "wrap_phi_kernel",
]


@compiled
def wrap_phi_kernel(phi: float) -> float:
    """The same angle in (-pi, pi]."""
    if phi > math.pi or phi < -math.pi:
        phi -= 2.0 * math.pi * round(phi / (2.0 * math.pi))
    return math.pi if phi == -math.pi else phi


@compiled
def delta_phi_kernel(phi_a: float, phi_b: float) -> float:
    """phi_a - phi_b in (-pi, pi]."""
    return wrap_phi_kernel(phi_a - phi_b)


@compiled
def delta_r_kernel(eta_a: float, phi_a: float, eta_b: float, phi_b: float) -> float:
    """sqrt(delta eta^2 + delta phi^2)."""
    return math.hypot(eta_a - eta_b, wrap_phi_kernel(phi_a - phi_b))


@compiled
def energy_excess_kernel(p1: float, m1: float, p2: float, m2: float) -> float:
    """E1 E2 - p1 p2 for two momenta (lengths) with masses; a sum of positive terms only."""
    product = p1 * p2
    energies = math.hypot(p1, m1) * math.hypot(p2, m2)
    if energies + product == 0.0:
        return 0.0
    return ((m1 * m2) ** 2 + (m1 * p2) ** 2 + (m2 * p1) ** 2) / (energies + product)


@compiled
def invariant_mass_squared_kernel(
    pt1: float, eta1: float, phi1: float, m1: float, pt2: float, eta2: float, phi2: float, m2: float
) -> float:
    """m1^2 + m2^2 + 2 (E1 E2 - |p1||p2|) + 2 (|p1||p2| - p1.p2)."""
    m1, m2 = max(m1, 0.0), max(m2, 0.0)
    p1 = pt1 * math.cosh(eta1) if pt1 != 0.0 else 0.0
    p2 = pt2 * math.cosh(eta2) if pt2 != 0.0 else 0.0
    angular = 0.0
    if pt1 != 0.0 and pt2 != 0.0:
        # cosh(delta eta) - cos(delta phi)
        angular = 2.0 * (math.sinh(0.5 * (eta1 - eta2)) ** 2 + math.sin(0.5 * (phi1 - phi2)) ** 2)
    return m1 * m1 + m2 * m2 + 2.0 * (energy_excess_kernel(p1, m1, p2, m2) + pt1 * pt2 * angular)


@compiled
def invariant_mass_kernel(
    pt1: float, eta1: float, phi1: float, m1: float, pt2: float, eta2: float, phi2: float, m2: float
) -> float:
    """The invariant mass of the sum of two four-momenta."""
    return math.sqrt(invariant_mass_squared_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2))


@compiled
def pz_kernel(pt: float, eta: float) -> float:
    """pt sinh(eta)."""
    return pt * math.sinh(eta) if pt != 0.0 else 0.0


@compiled
def pt_eta_phi_kernel(px: float, py: float, pz: float) -> tuple[float, float, float]:
    """pt, eta and phi in (-pi, pi]; eta and phi are NaN without transverse momentum."""
    pt = math.hypot(px, py)
    if pt == 0.0:
        return pt, math.nan, math.nan
    phi = math.atan2(py, px)
    return pt, math.asinh(pz / pt), (math.pi if phi == -math.pi else phi)


@compiled
def sum_kernel(
    pt1: float, eta1: float, phi1: float, pt2: float, eta2: float, phi2: float
) -> tuple[float, float, float]:
    """px, py, pz of the sum of two momenta."""
    px = pt1 * math.cos(phi1) + pt2 * math.cos(phi2)
    py = pt1 * math.sin(phi1) + pt2 * math.sin(phi2)
    return px, py, pz_kernel(pt1, eta1) + pz_kernel(pt2, eta2)
