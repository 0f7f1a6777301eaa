"""Invariant mass of two objects or systems, without cancellation for collinear or very fast ones.

Objects are given as (pt, eta, phi, mass); systems, which may fly along the beam, by three-momentum and mass.
"""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.kernels.formulas import energy_excess_kernel, invariant_mass_kernel

__all__ = ["invariant_mass", "momentum_kernel", "vector_mass_squared_kernel"]


def invariant_mass(pt1: Any, eta1: Any, phi1: Any, m1: Any, pt2: Any, eta2: Any, phi2: Any, m2: Any) -> Any:
    r"""Invariant mass of two objects (M_ll of Table II of the slepton paper).

    .. math:: m^2 = m_1^2 + m_2^2 + 2 (E_1 E_2 - \vec p_1 \cdot \vec p_2)

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2
        Transverse momenta (GeV), pseudorapidities, azimuths (radians) and masses (GeV) of the two;
        they broadcast.  Negative masses (rounding in stored files) count as zero; an object with zero
        transverse momentum is at rest.

    Returns
    -------
    float or array
        GeV, at least m1 + m2 (up to rounding); always defined for finite input.

    Examples
    --------
    >>> print(round(invariant_mass(40.0, 0.5, 0.0, 0.0, 30.0, -0.5, 0.0, 0.0), 6))
    36.102542
    """
    return elementwise(invariant_mass_kernel, pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)


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
