"""Ditau mass: two leptons as collinear products of fast taus, balanced by a jet or by MET.

A tau of large momentum decays into a lepton and neutrinos along its own direction.  The transverse
momenta then fix the neutrinos' share: ``pT(neutrinos of tau i) = xi_i pT(lepton i)``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.kernels.formulas import invariant_mass_squared_kernel

_ROUNDING = 2e-15
"""Sines of differences of equal azimuths: half a spacing of doubles at pi for each azimuth, and for 2 pi."""

__all__ = ["DitauFromMet", "DitauMass", "ditau_from_met", "ditau_mass", "ditau_mass_squared"]


class DitauMass(NamedTuple):
    """Squared ditau mass (GeV^2) and its signed root (GeV)."""

    m2: Any
    m: Any


class DitauFromMet(NamedTuple):
    """Ditau mass from MET, with the neutrinos' momenta in units of the leptons' (xi) and the leptons' shares (x)."""

    m2: Any
    m: Any
    xi1: Any
    xi2: Any
    x1: Any
    x2: Any
    physical: Any


@compiled
def signed_sqrt_kernel(m2: float) -> float:
    """sign(m2) sqrt|m2|."""
    return math.copysign(math.sqrt(abs(m2)), m2)


@compiled
def ditau_mass_squared_kernel(
    m2_ll: float, pt1: float, phi1: float, pt2: float, phi2: float, pt_jet: float, phi_jet: float
) -> float:
    """Equation (1): -m_ll^2 (p1 x pj) (p2 x pj) / (p1 x p2)^2."""
    # Divided by the lengths first: a product of two tiny momenta must not underflow.
    sine = math.sin(phi2 - phi1)
    if sine == 0.0 or pt1 == 0.0 or pt2 == 0.0:
        return math.nan
    cross1 = (pt_jet / pt2) * math.sin(phi_jet - phi1) / sine
    cross2 = (pt_jet / pt1) * math.sin(phi_jet - phi2) / sine
    return 0.0 - m2_ll * cross1 * cross2


@compiled
def neutrino_shares_kernel(
    pt1: float, phi1: float, pt2: float, phi2: float, met: float, phi_met: float
) -> tuple[float, float]:
    """xi1 and xi2 with MET = xi1 pT1 + xi2 pT2."""
    sine = math.sin(phi2 - phi1)
    if sine == 0.0 or pt1 == 0.0 or pt2 == 0.0:
        return math.nan, math.nan
    return (met / pt1) * _sine(phi2 - phi_met) / sine, (met / pt2) * _sine(phi_met - phi1) / sine


@compiled
def _sine(angle: float) -> float:
    """The sine, zero for two directions that are one but for rounding: pi and -pi, or an angle made of components."""
    sine = math.sin(angle)
    return 0.0 if abs(sine) < _ROUNDING else sine


@compiled
def ditau_from_jet_kernel(
    pt1: float, eta1: float, phi1: float, m1: float, pt2: float, eta2: float, phi2: float, m2: float,
    pt_jet: float, phi_jet: float,
) -> tuple[float, float]:  # fmt: skip
    """Squared mass and its signed root, from (pt, eta, phi, mass) of the leptons and the jet."""
    m2_ll = invariant_mass_squared_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)
    squared = ditau_mass_squared_kernel(m2_ll, pt1, phi1, pt2, phi2, pt_jet, phi_jet)
    return squared, signed_sqrt_kernel(squared)


@compiled
def ditau_from_met_kernel(
    pt1: float, eta1: float, phi1: float, m1: float, pt2: float, eta2: float, phi2: float, m2: float,
    met: float, phi_met: float,
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """Squared mass, its signed root, xi1, xi2, x1, x2, and 1 where both neutrino systems are physical."""
    m2_ll = invariant_mass_squared_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)
    xi1, xi2 = neutrino_shares_kernel(pt1, phi1, pt2, phi2, met, phi_met)
    squared = m2_ll * (1.0 + xi1) * (1.0 + xi2)
    x1 = 1.0 / (1.0 + xi1) if xi1 != -1.0 else math.nan
    x2 = 1.0 / (1.0 + xi2) if xi2 != -1.0 else math.nan
    physical = math.nan
    if not math.isnan(xi1):
        physical = 1.0 if xi1 >= 0.0 and xi2 >= 0.0 else 0.0
    return squared, signed_sqrt_kernel(squared), xi1, xi2, x1, x2, physical


def ditau_mass_squared(
    pt1: Any,
    eta1: Any,
    phi1: Any,
    m1: Any,
    pt2: Any,
    eta2: Any,
    phi2: Any,
    m2: Any,
    pt_jet: Any,
    phi_jet: Any,
) -> DitauMass:
    r"""Ditau mass with the jet as recoil, squared and as signed root.

    .. math::
        m_{\tau\tau}^2 = -m_{\ell\ell}^2
        \frac{(\vec P_T^{\ell_1} \times \vec P_T^j) \cdot (\vec P_T^{\ell_2} \times \vec P_T^j)}
             {|\vec P_T^{\ell_1} \times \vec P_T^{\ell_2}|^2}

    Slepton paper, equation (1).  For a Z that decays to collinear taus and recoils against one jet it
    is the Z mass.  It is positive if the jet, or its opposite, lies between the leptons.

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2
        The leptons: transverse momenta (GeV), pseudorapidities, azimuths (radians), masses (GeV).
    pt_jet, phi_jet
        Transverse momentum (GeV) and azimuth (radians) of the jet.  All inputs broadcast.

    Returns
    -------
    DitauMass
        ``m2`` in GeV^2 and ``m = sign(m2) sqrt|m2|`` in GeV.  NaN where the leptons' transverse momenta
        are parallel, antiparallel or zero.

    Examples
    --------
    >>> from math import pi
    >>> result = ditau_mass_squared(50.0, 0.0, 0.0, 0.0, 50.0, 0.0, pi / 2, 0.0, 100.0, -3 * pi / 4)
    >>> print(round(result.m2, 6), round(result.m, 6))
    10000.0 100.0
    """
    return DitauMass(
        *elementwise(
            ditau_from_jet_kernel, pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt_jet, phi_jet, outputs=2
        )
    )


def ditau_mass(
    pt1: Any,
    eta1: Any,
    phi1: Any,
    m1: Any,
    pt2: Any,
    eta2: Any,
    phi2: Any,
    m2: Any,
    pt_jet: Any,
    phi_jet: Any,
) -> Any:
    """Signed ditau mass with the jet as recoil (M_tautau of Table II of the slepton paper, equation (1)).

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt_jet, phi_jet
        As in :func:`ditau_mass_squared`.

    Returns
    -------
    float or array
        GeV, negative where the squared mass is; NaN where the leptons' transverse momenta are parallel,
        antiparallel or zero.

    Examples
    --------
    >>> print(ditau_mass(20.0, 0.5, 0.0, 0.0, 30.0, -0.5, 0.0, 0.0, 120.0, 2.0))
    nan
    """
    return ditau_mass_squared(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt_jet, phi_jet).m


def ditau_from_met(
    pt1: Any, eta1: Any, phi1: Any, m1: Any, pt2: Any, eta2: Any, phi2: Any, m2: Any, met: Any, phi_met: Any
) -> DitauFromMet:
    r"""Ditau mass in the collinear approximation with MET as the neutrinos' momentum.

    .. math::
        \vec p_T^{miss} = \xi_1 \vec P_T^{\ell_1} + \xi_2 \vec P_T^{\ell_2}, \quad
        m_{\tau\tau}^2 = m_{\ell\ell}^2 (1 + \xi_1)(1 + \xi_2), \quad x_i = 1 / (1 + \xi_i)

    Ellis, Hinchliffe, Soldate, van der Bij, Nucl. Phys. B297 (1988) 221.

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2
        The leptons: transverse momenta (GeV), pseudorapidities, azimuths (radians), masses (GeV).
    met, phi_met
        Missing transverse momentum (GeV) and its azimuth (radians).  All inputs broadcast.

    Returns
    -------
    DitauFromMet
        m2 (GeV^2), m = sign(m2) sqrt|m2| (GeV), xi1, xi2, x1, x2, and physical (1 where neither neutrino
        system flies against its lepton, xi >= 0 or 0 < x <= 1, else 0).  The boundary belongs to it: with MET along
        one lepton the other has x = 1, without MET both have, and the mass is that of the leptons alone.  All are NaN where the leptons' transverse momenta
        are parallel, antiparallel or zero; x_i alone is NaN where xi_i = -1.

    Examples
    --------
    >>> result = ditau_from_met(60.0, 0.3, 0.0, 0.0, 40.0, -0.4, 1.5707963267948966, 0.0, 50.0, 0.9272952180016122)
    >>> print(round(result.xi1, 6), round(result.xi2, 6), round(result.x2, 6), result.physical)
    0.5 1.0 0.5 1.0
    """
    return DitauFromMet(
        *elementwise(ditau_from_met_kernel, pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, met, phi_met, outputs=7)
    )
