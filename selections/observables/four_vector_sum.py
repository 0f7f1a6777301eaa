"""The sum of two four-vectors given as (pt, eta, phi, mass)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.kernels.formulas import (
    invariant_mass_kernel,
    pt_eta_phi_kernel,
    pz_kernel,
    sum_kernel,
)

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
    px, py, pz = sum_kernel(pt1, eta1, phi1, pt2, eta2, phi2)
    pz1, pz2 = pz_kernel(pt1, eta1), pz_kernel(pt2, eta2)
    energy = math.hypot(math.hypot(pt1, pz1), max(m1, 0.0)) + math.hypot(math.hypot(pt2, pz2), max(m2, 0.0))
    pt, eta, phi = pt_eta_phi_kernel(px, py, pz)
    mass = invariant_mass_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)
    return pt, eta, phi, mass, px, py, pz, energy


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
    return FourVector(
        *elementwise(four_vector_sum_kernel, pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, outputs=8)
    )
