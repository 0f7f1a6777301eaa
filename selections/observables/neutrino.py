r"""Longitudinal momentum of the neutrino in W -> lepton neutrino, with both roots.

With the missing transverse momentum as the neutrino's and :math:`(p_\ell + p_\nu)^2 = m_W^2`,

.. math::
    p_z = \frac{A\, p_z^\ell \pm E_\ell \sqrt{\Delta}}{m_T^2}, \quad
    \Delta = A^2 - m_T^2 E_T^{miss\,2}, \quad
    A = \frac{m_W^2 - m_\ell^2}{2} + \vec p_T^\ell \cdot \vec p_T^{miss}, \quad m_T^2 = m_\ell^2 + p_T^{\ell\,2}

Here the differences in :math:`\Delta = (A - m_T E_T^{miss})(A + m_T E_T^{miss})` and in the smaller root are
taken before anything is squared, so that nothing cancels but what cancels in the event.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.kernels.formulas import pz_kernel
from massgap.physical_constants import W_MASS_2018

__all__ = ["NeutrinoPz", "neutrino_pz"]


class NeutrinoPz(NamedTuple):
    """The neutrino's longitudinal momentum: GeV, the discriminant in GeV^4."""

    pz1: Any
    pz2: Any
    pz_real: Any
    discriminant: Any
    is_complex: Any
    scale: Any
    pz_scaled: Any


@compiled
def product_excess_kernel(ax: float, ay: float, bx: float, by: float) -> float:
    """|a||b| - a.b of two plane vectors, without cancellation for nearly parallel ones."""
    dot = ax * bx + ay * by
    lengths = math.hypot(ax, ay) * math.hypot(bx, by)
    if dot <= 0.0:
        return lengths - dot
    cross = ax * by - ay * bx
    return cross * cross / (lengths + dot)


@compiled
def neutrino_pz_kernel(
    px: float, py: float, pz: float, m: float, mex: float, mey: float, m_w: float
) -> tuple[float, float, float, float, float, float, float]:
    """pz1, pz2, pz_real, discriminant, 1 if complex else 0, scale, pz_scaled from the lepton and MET."""
    pt, met = math.hypot(px, py), math.hypot(mex, mey)
    mt = math.hypot(pt, m)
    if not mt > 0.0:
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    energy = math.hypot(mt, pz)
    half = 0.5 * (m_w - m) * (m_w + m)
    # m_T MET -+ pT.ptmiss, the first term of each being (m_T - pT) MET
    massive = met * m * (m / (mt + pt))
    below = massive + product_excess_kernel(px, py, mex, mey)
    above = massive + product_excess_kernel(px, py, -mex, -mey)
    discriminant = (half - below) * (half + above)
    a = half + (px * mex + py * mey)
    real = a * (pz / mt) / mt
    if discriminant < 0.0:
        # MET times the scale makes A - m_T MET zero (or A + m_T MET, for a W lighter than the lepton).
        scale = half / below if half >= 0.0 else -half / above
        scaled = (half + scale * (px * mex + py * mey)) * (pz / mt) / mt
        return real, math.nan, real, discriminant, 1.0, scale, scaled
    root = energy * math.sqrt(discriminant)
    if a * pz == 0.0:
        return -root / mt / mt, root / mt / mt, 0.0, discriminant, 0.0, 1.0, math.nan
    # Both terms have one sign: this root has the larger magnitude.
    sum_ = a * pz + math.copysign(root, a * pz)
    large = sum_ / mt / mt
    # The product of the roots is (E^2 MET^2 - A^2) / m_T^2, and E MET -+ A = (E - m_T) MET + (m_T MET -+ A).
    forward = met * pz * (pz / (energy + mt))
    small = (forward + below - half) * (forward + above + half) / sum_
    return small, large, real, discriminant, 0.0, 1.0, math.nan


@compiled
def of_lepton_kernel(
    pt: float, eta: float, phi: float, m: float, met: float, phi_met: float, m_w: float
) -> tuple[float, float, float, float, float, float, float]:
    """The same from (pt, eta, phi, mass) of the lepton, and MET with its azimuth."""
    mex, mey = 0.0, 0.0
    if met != 0.0:
        mex, mey = met * math.cos(phi_met), met * math.sin(phi_met)
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pz_kernel(pt, eta)
    return neutrino_pz_kernel(px, py, pz, max(m, 0.0), mex, mey, m_w)


def neutrino_pz(
    pt: Any, eta: Any, phi: Any, mass: Any, met: Any, phi_met: Any, m_w: Any = W_MASS_2018
) -> NeutrinoPz:
    """Both solutions for the neutrino's longitudinal momentum in W -> lepton neutrino.

    Mass-unspecific paper, "Reconstruction": the neutrino has the missing transverse momentum, and the W
    its mass.

    Parameters
    ----------
    pt, eta, phi, mass
        The lepton: GeV, radians.  Negative masses count as zero; without transverse momentum it is at rest.
    met, phi_met
        Missing transverse momentum (GeV) and its azimuth (radians).
    m_w
        Mass of the W, GeV.  All inputs broadcast.

    Returns
    -------
    NeutrinoPz
        pz1 and pz2
            The roots, the one with the smaller magnitude first (of two with equal magnitude, the negative
            one).  Complex roots: pz1 is their real part, and pz2 is NaN.
        pz_real
            Mean of the roots, which is the real part of complex ones.
        discriminant
            GeV^4, negative for complex roots, which are told by is_complex (1 or 0).
        scale, pz_scaled
            For complex roots the factor on MET for which they become one real root, and this root; for
            real ones 1 and NaN.

        All are NaN for a lepton with neither mass nor transverse momentum.

    Examples
    --------
    >>> roots = neutrino_pz(40.0, 0.5, 0.0, 0.0, 30.0, 2.5)
    >>> print(round(roots.pz1, 4), round(roots.pz2, 4), roots.is_complex)
    -24.7283 83.8471 0.0
    >>> roots = neutrino_pz(100.0, 0.5, 0.0, 0.0, 60.0, 3.1)
    >>> print(roots.is_complex, round(roots.scale, 4), roots.pz1 == roots.pz_real)
    1.0 0.2693 True
    """
    return NeutrinoPz(*elementwise(of_lepton_kernel, pt, eta, phi, mass, met, phi_met, m_w, outputs=7))
