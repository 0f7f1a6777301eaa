"""Invariant mass of two objects, without cancellation for collinear or very fast ones."""

from __future__ import annotations

from typing import Any

from massgap.arrays.elementwise import elementwise
from massgap.arrays.kernels.formulas import invariant_mass_kernel

__all__ = ["invariant_mass"]


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
