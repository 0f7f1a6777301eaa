r"""What a Delta_4 is worth: its change when the numbers that it is computed from change in their last digit."""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.selections.observables.cascades.delta4 import excesses_kernel
from massgap.selections.observables.cascades.scalar_products import UNIT_ROUNDOFF, length_kernel

__all__ = ["delta4_noise"]


@compiled
def _pair_kernel(
    i: tuple[float, float, float, float, float, float], j: tuple[float, float, float, float, float, float]
) -> tuple[float, float, float, float]:
    """Derivatives of p_i.p_j by pt_i, eta_i, phi_i, m_i, each times the input; i and j as pt, eta, phi, m, |p|, E."""
    pt_i, eta_i, phi_i, m_i, length, energy = i
    pt_j, eta_j, phi_j, _, _, other_energy = j
    if energy == 0.0:
        return 0.0, 0.0, 0.0, 0.0
    pz_i = pt_i * math.sinh(eta_i) if pt_i != 0.0 else 0.0
    pz_j = pt_j * math.sinh(eta_j) if pt_j != 0.0 else 0.0
    ratio = other_energy / energy
    by_eta = length * (pz_i * ratio - pz_j) * eta_i if pt_i != 0.0 else 0.0
    by_phi = pt_i * pt_j * math.sin(phi_i - phi_j) * phi_i
    by_pt = length * length * ratio - pt_i * pt_j * math.cos(phi_i - phi_j) - pz_i * pz_j
    return by_pt, by_eta, by_phi, m_i * m_i * ratio


@compiled
def delta4_noise_kernel(
    p1: tuple[float, float, float, float],
    p2: tuple[float, float, float, float],
    p3: tuple[float, float, float, float],
    spectrum: tuple[float, float, float, float],
    relative: float,
) -> float:
    """Quadratic sum of x dDelta_4/dx over the sixteen inputs x, times their relative uncertainty."""
    m1, m2, m3 = max(p1[3], 0.0), max(p2[3], 0.0), max(p3[3], 0.0)
    l1, l2, l3 = length_kernel(p1[0], p1[1]), length_kernel(p2[0], p2[1]), length_kernel(p3[0], p3[1])
    v1 = (p1[0], p1[1], p1[2], m1, l1, math.hypot(l1, m1))
    v2 = (p2[0], p2[1], p2[2], m2, l2, math.hypot(l2, m2))
    v3 = (p3[0], p3[1], p3[2], m3, l3, math.hypot(l3, m3))
    d12, d13, d23 = excesses_kernel(p1, p2, p3)
    g12, g13, g23 = m1 * m2 + d12[0], m1 * m3 + d13[0], m2 * m3 + d23[0]
    g11, g22, g33 = m1 * m1, m2 * m2, m3 * m3
    x, y, z, c = spectrum[0] ** 2, spectrum[1] ** 2, spectrum[2] ** 2, spectrum[3] ** 2
    z1, z2, z3 = 0.5 * (x - y - g11) - g12 - g13, 0.5 * (y - z - g22) - g23, 0.5 * (z - c - g33)
    a11, a22, a33 = g22 * g33 - g23 * g23, g11 * g33 - g13 * g13, g11 * g22 - g12 * g12
    a12, a13, a23 = g13 * g23 - g12 * g33, g12 * g23 - g13 * g22, g12 * g13 - g23 * g11
    # Delta_4 = z.adj(g).z - M_chi^2 det(g): its derivatives by z14, z24, z34, M_chi^2 and the elements of g.
    by_z1 = 2.0 * (a11 * z1 + a12 * z2 + a13 * z3)
    by_z2 = 2.0 * (a12 * z1 + a22 * z2 + a23 * z3)
    by_z3 = 2.0 * (a13 * z1 + a23 * z2 + a33 * z3)
    by_c = -(g11 * a11 + g12 * a12 + g13 * a13)
    by_11 = z2 * z2 * g33 + z3 * z3 * g22 - 2.0 * z2 * z3 * g23 - c * a11
    by_22 = z1 * z1 * g33 + z3 * z3 * g11 - 2.0 * z1 * z3 * g13 - c * a22
    by_33 = z1 * z1 * g22 + z2 * z2 * g11 - 2.0 * z1 * z2 * g12 - c * a33
    by_12 = 2.0 * (z1 * z3 * g23 + z2 * z3 * g13 - z3 * z3 * g12 - z1 * z2 * g33 - c * a12)
    by_13 = 2.0 * (z1 * z2 * g23 + z2 * z3 * g12 - z2 * z2 * g13 - z1 * z3 * g22 - c * a13)
    by_23 = 2.0 * (z1 * z2 * g13 + z1 * z3 * g12 - z1 * z1 * g23 - z2 * z3 * g11 - c * a23)
    # z14 and z24 hold the visible products, too.
    by_12, by_13, by_23 = by_12 - by_z1, by_13 - by_z1, by_23 - by_z2
    total = (x * by_z1) ** 2 + (y * (by_z2 - by_z1)) ** 2 + (z * (by_z3 - by_z2)) ** 2
    total += (c * (2.0 * by_c - by_z3)) ** 2
    for i, j, k, by_ij, by_ik, by_ii, by_z in (
        (v1, v2, v3, by_12, by_13, by_11, by_z1),
        (v2, v1, v3, by_12, by_23, by_22, by_z2),
        (v3, v1, v2, by_13, by_23, by_33, by_z3),
    ):
        first, second = _pair_kernel(i, j), _pair_kernel(i, k)
        for n in range(3):
            total += (by_ij * first[n] + by_ik * second[n]) ** 2
        by_mass = by_ij * first[3] + by_ik * second[3] + i[3] ** 2 * (2.0 * by_ii - by_z)
        total += by_mass * by_mass
    return relative * math.sqrt(total)


def delta4_noise(
    pt1: Any, eta1: Any, phi1: Any, m1: Any,
    pt2: Any, eta2: Any, phi2: Any, m2: Any,
    pt3: Any, eta3: Any, phi3: Any, m3: Any,
    m_x: Any, m_y: Any, m_z: Any, m_chi: Any, relative: Any = UNIT_ROUNDOFF,
) -> Any:  # fmt: skip
    r"""Uncertainty of Delta_4 from that of the numbers it is computed from.

    .. math:: \sigma = \epsilon \Big[ \sum_x \Big( x \frac{\partial \Delta_4}{\partial x} \Big)^2 \Big]^{1/2}

    over the sixteen inputs x, in first order.  Near the boundary of phase space, where signal events gather,
    it is what decides whether a small Delta_4 differs from zero; rounding inside
    :func:`~massgap.selections.observables.cascades.delta4.delta4` is below it or below 2e-11 of the value.

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt3, eta3, phi3, m3, m_x, m_y, m_z, m_chi
        As for :func:`~massgap.selections.observables.cascades.delta4.delta4`.
    relative
        Relative uncertainty of each input: 2^-53 for float64, ``2**-24`` for the float32 of most files.  All
        broadcast.

    Returns
    -------
    float or array
        GeV^8, not negative; NaN for input that is not finite.  Inputs that are exactly zero count as exact.

    Examples
    --------
    >>> event = (30, 0, 0, 0, 20, 0.5, 1, 0, 10, -0.5, 2, 0)
    >>> print(f"{delta4_noise(*event, 390, 360, 330, 300, relative=2**-24):.3g} GeV^8")
    3.12e+07 GeV^8
    """
    inputs = (pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt3, eta3, phi3, m3, m_x, m_y, m_z, m_chi)
    return elementwise(delta4_noise_kernel, *inputs, relative, groups=(4, 4, 4, 4, 1))
