"""Angles, distances and four-vector sums of objects; arrays as in ``jagged_kernels``.

Operation by operation the formulas of ``massgap.selections`` (angles, invariant_mass, four_vector_sum), which
stands above this folder: the same bits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    from massgap.arrays.jagged_kernels import Bools, Floats, Index

__all__ = ["closest", "delta_phi", "delta_r", "near", "pair_mass", "pair_momentum", "wrap_phi"]


@compiled
def wrap_phi(phi: float) -> float:
    """The same angle in (-pi, pi]; operation by operation that of ``massgap.selections.observables.angles``."""
    if phi > math.pi or phi < -math.pi:
        phi -= 2.0 * math.pi * round(phi / (2.0 * math.pi))
    return math.pi if phi == -math.pi else phi


@compiled
def near(
    offsets: Index,
    eta: Floats,
    phi: Floats,
    other: Index,
    other_eta: Floats,
    other_phi: Floats,
    delta_r: float,
) -> Bools:
    """Whether each object has one of the others of its event strictly within ``delta_r``."""
    out = np.empty(eta.size, np.bool_)
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            found = False
            for m in range(other[i], other[i + 1]):
                deta = eta[k] - other_eta[m]
                if abs(deta) >= delta_r:
                    continue
                dphi = wrap_phi(phi[k] - other_phi[m])
                if deta * deta + dphi * dphi < delta_r * delta_r:
                    found = True
                    break
            out[k] = found
    return out


@compiled
def closest(
    offsets: Index, eta: Floats, phi: Floats, other: Index, other_eta: Floats, other_phi: Floats
) -> tuple[Floats, Index]:
    """Distance and place of the nearest of the others, inf and -1 where there is none."""
    distance = np.empty(eta.size, np.float64)
    place = np.empty(eta.size, np.int64)
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            best, at = np.inf, -1
            for m in range(other[i], other[i + 1]):
                apart = math.hypot(eta[k] - other_eta[m], wrap_phi(phi[k] - other_phi[m]))
                if apart < best:
                    best, at = apart, m
            distance[k], place[k] = best, at
    return distance, place


@compiled
def delta_phi(phi_a: Floats, phi_b: Floats) -> Floats:
    """phi_a - phi_b in (-pi, pi]."""
    out = np.empty(phi_a.size, np.float64)
    for k in range(out.size):
        out[k] = wrap_phi(phi_a[k] - phi_b[k])
    return out


@compiled
def delta_r(eta_a: Floats, phi_a: Floats, eta_b: Floats, phi_b: Floats) -> Floats:
    """sqrt(delta eta^2 + delta phi^2)."""
    out = np.empty(phi_a.size, np.float64)
    for k in range(out.size):
        out[k] = math.hypot(eta_a[k] - eta_b[k], wrap_phi(phi_a[k] - phi_b[k]))
    return out


@compiled
def energy_excess(p1: float, m1: float, p2: float, m2: float) -> float:
    """E1 E2 - p1 p2 for two momenta (lengths) with masses; a sum of positive terms only."""
    product = p1 * p2
    energies = math.hypot(p1, m1) * math.hypot(p2, m2)
    if energies + product == 0.0:
        return 0.0
    return ((m1 * m2) ** 2 + (m1 * p2) ** 2 + (m2 * p1) ** 2) / (energies + product)


@compiled
def mass_of_two(
    pt1: float, eta1: float, phi1: float, m1: float, pt2: float, eta2: float, phi2: float, m2: float
) -> float:
    """Root of m1^2 + m2^2 + 2 (E1 E2 - |p1||p2|) + 2 (|p1||p2| - p1.p2)."""
    m1, m2 = max(m1, 0.0), max(m2, 0.0)
    p1 = pt1 * math.cosh(eta1) if pt1 != 0.0 else 0.0
    p2 = pt2 * math.cosh(eta2) if pt2 != 0.0 else 0.0
    angular = 0.0
    if pt1 != 0.0 and pt2 != 0.0:
        # cosh(delta eta) - cos(delta phi)
        angular = 2.0 * (math.sinh(0.5 * (eta1 - eta2)) ** 2 + math.sin(0.5 * (phi1 - phi2)) ** 2)
    return math.sqrt(m1 * m1 + m2 * m2 + 2.0 * (energy_excess(p1, m1, p2, m2) + pt1 * pt2 * angular))


@compiled
def pair_mass(
    pt1: Floats, eta1: Floats, phi1: Floats, m1: Floats, pt2: Floats, eta2: Floats, phi2: Floats, m2: Floats
) -> Floats:
    """Invariant masses of pairs."""
    out = np.empty(pt1.size, np.float64)
    for k in range(out.size):
        out[k] = mass_of_two(pt1[k], eta1[k], phi1[k], m1[k], pt2[k], eta2[k], phi2[k], m2[k])
    return out


@compiled
def pair_momentum(
    pt1: Floats, eta1: Floats, phi1: Floats, pt2: Floats, eta2: Floats, phi2: Floats
) -> tuple[Floats, Floats, Floats]:
    """pt, eta, phi of the sums of pairs; eta and phi are NaN where the sum has no transverse momentum."""
    pt, eta, phi = (
        np.empty(pt1.size, np.float64),
        np.empty(pt1.size, np.float64),
        np.empty(pt1.size, np.float64),
    )
    for k in range(pt.size):
        px = pt1[k] * math.cos(phi1[k]) + pt2[k] * math.cos(phi2[k])
        py = pt1[k] * math.sin(phi1[k]) + pt2[k] * math.sin(phi2[k])
        pz1 = pt1[k] * math.sinh(eta1[k]) if pt1[k] != 0.0 else 0.0
        pz2 = pt2[k] * math.sinh(eta2[k]) if pt2[k] != 0.0 else 0.0
        pt[k] = math.hypot(px, py)
        eta[k], phi[k] = math.nan, math.nan
        if pt[k] != 0.0:
            eta[k] = math.asinh((pz1 + pz2) / pt[k])
            angle = math.atan2(py, px)
            phi[k] = math.pi if angle == -math.pi else angle
    return pt, eta, phi
