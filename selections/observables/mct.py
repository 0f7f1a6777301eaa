"""Contransverse mass of two visible objects."""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.kernels.formulas import energy_excess_kernel

__all__ = ["mct"]


@compiled
def mct_kernel(pt1: float, phi1: float, m1: float, pt2: float, phi2: float, m2: float) -> float:
    """sqrt(m1^2 + m2^2 + 2 (ET1 ET2 + pT1.pT2)), as a sum of positive terms."""
    m1, m2 = max(m1, 0.0), max(m2, 0.0)
    # 1 + cos(delta phi) = 2 cos^2(delta phi / 2)
    angular = 2.0 * math.cos(0.5 * (phi1 - phi2)) ** 2
    return math.sqrt(m1 * m1 + m2 * m2 + 2.0 * (energy_excess_kernel(pt1, m1, pt2, m2) + pt1 * pt2 * angular))


def mct(pt1: Any, phi1: Any, m1: Any, pt2: Any, phi2: Any, m2: Any) -> Any:
    r"""Contransverse mass, without a correction for the recoil.

    .. math:: M_{CT}^2 = (E_{T1} + E_{T2})^2 - |\vec p_{T1} - \vec p_{T2}|^2, \quad E_T^2 = m^2 + p_T^2

    Tovey, arXiv:0802.2879.

    Parameters
    ----------
    pt1, phi1, m1, pt2, phi2, m2
        Transverse momenta (GeV), azimuths (radians) and masses (GeV) of the two visible objects; they
        broadcast.  Negative masses count as zero.

    Returns
    -------
    float or array
        GeV, at least m1 + m2 (up to rounding); always defined for finite input.

    Examples
    --------
    >>> print(round(mct(50.0, 0.2, 0.0, 30.0, 1.2, 0.0), 6))
    67.977253
    """
    return elementwise(mct_kernel, pt1, phi1, m1, pt2, phi2, m2)
