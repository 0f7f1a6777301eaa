"""Invariant mass of two objects, without cancellation for collinear or very fast ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["invariant_mass"]


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
    # An object without transverse momentum has no direction: whatever eta says, it is at rest.
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
    """The invariant mass of the sum of two four-vectors."""
    return math.sqrt(invariant_mass_squared_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2))


@compiled
def _loop(
    pt1: Floats,
    eta1: Floats,
    phi1: Floats,
    m1: Floats,
    pt2: Floats,
    eta2: Floats,
    phi2: Floats,
    m2: Floats,
    out: Floats,
) -> None:
    for i in range(out.size):
        out[i] = invariant_mass_kernel(pt1[i], eta1[i], phi1[i], m1[i], pt2[i], eta2[i], phi2[i], m2[i])


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
    return elementwise(_loop, pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)
