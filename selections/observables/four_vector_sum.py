"""The sum of two four-vectors given as (pt, eta, phi, mass)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.selections.observables.invariant_mass import invariant_mass_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["FourVector", "four_vector_sum"]


class FourVector(NamedTuple):
    """Components of a four-vector: GeV, radians; phi and eta are NaN where pt is 0."""

    pt: Any
    eta: Any
    phi: Any
    mass: Any
    px: Any
    py: Any
    pz: Any
    energy: Any


@compiled
def four_vector_sum_kernel(
    pt1: float, eta1: float, phi1: float, m1: float, pt2: float, eta2: float, phi2: float, m2: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """pt, eta, phi, mass, px, py, pz, E of the sum."""
    px = pt1 * math.cos(phi1) + pt2 * math.cos(phi2)
    py = pt1 * math.sin(phi1) + pt2 * math.sin(phi2)
    pz1 = pt1 * math.sinh(eta1) if pt1 != 0.0 else 0.0
    pz2 = pt2 * math.sinh(eta2) if pt2 != 0.0 else 0.0
    pz = pz1 + pz2
    energy = math.hypot(math.hypot(pt1, pz1), max(m1, 0.0)) + math.hypot(math.hypot(pt2, pz2), max(m2, 0.0))
    pt = math.hypot(px, py)
    eta, phi = math.nan, math.nan
    if pt != 0.0:
        eta, phi = math.asinh(pz / pt), math.atan2(py, px)
        if phi == -math.pi:
            phi = math.pi
    mass = invariant_mass_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)
    return pt, eta, phi, mass, px, py, pz, energy


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
    pt: Floats,
    eta: Floats,
    phi: Floats,
    mass: Floats,
    px: Floats,
    py: Floats,
    pz: Floats,
    energy: Floats,
) -> None:
    for i in range(pt.size):
        pt[i], eta[i], phi[i], mass[i], px[i], py[i], pz[i], energy[i] = four_vector_sum_kernel(
            pt1[i], eta1[i], phi1[i], m1[i], pt2[i], eta2[i], phi2[i], m2[i]
        )


def four_vector_sum(
    pt1: Any, eta1: Any, phi1: Any, m1: Any, pt2: Any, eta2: Any, phi2: Any, m2: Any
) -> FourVector:
    """The four-vector of two objects together.

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2
        Transverse momenta (GeV), pseudorapidities, azimuths (radians) and masses (GeV); they
        broadcast.  Negative masses count as zero; an object with zero transverse momentum is at rest.

    Returns
    -------
    FourVector
        pt, eta, phi in (-pi, pi], mass, px, py, pz, energy.  eta and phi are NaN where the sum has no
        transverse momentum.

    Examples
    --------
    >>> pair = four_vector_sum(30.0, 0.0, 0.0, 0.0, 40.0, 0.0, 1.5707963267948966, 0.0)
    >>> print(round(pair.pt, 9), round(pair.mass, 9), round(pair.energy, 9))
    50.0 48.989794856 70.0
    """
    return FourVector(*elementwise(_loop, pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, outputs=8))
