r"""Endpoints of the visible masses of a cascade X -> p1 Y, Y -> p2 Z, Z -> p3 chi with massless p1, p2, p3.

Source: the cascade-decays paper, eqs. (2.2) to (2.5).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise

__all__ = ["Endpoints", "endpoints"]


class Endpoints(NamedTuple):
    """Largest invariant masses in GeV, and the region (1 to 4) of the spectrum that m123 belongs to."""

    m12: Any
    m23: Any
    m13: Any
    m123: Any
    region: Any


@compiled
def _decay(parent: float, daughter: float) -> float:
    """sqrt(parent^2 - daughter^2), without cancellation."""
    return math.sqrt((parent - daughter) * (parent + daughter))


@compiled
def endpoints_kernel(
    m_x: float, m_y: float, m_z: float, m_chi: float
) -> tuple[float, float, float, float, float]:
    """m12, m23, m13, m123 and the region; all NaN unless M_X > M_Y > M_Z > M_chi >= 0."""
    if not (math.inf > m_x > m_y > m_z > m_chi >= 0.0):
        return math.nan, math.nan, math.nan, math.nan, math.nan
    xy, yz, zc = _decay(m_x, m_y), _decay(m_y, m_z), _decay(m_z, m_chi)
    # Ratios of masses along the chain; the last is infinite for a massless chi.
    first, second, third = m_x / m_y, m_y / m_z, (m_z / m_chi if m_chi > 0.0 else math.inf)
    if first > second * third:
        m123, region = xy * (_decay(m_y, m_chi) / m_y), 1.0
    elif second > third * first:
        # M_X M_Z - M_Y M_chi as a sum of positive terms
        difference = (m_x - m_y) * m_z + m_y * (m_z - m_chi)
        m123 = math.sqrt(difference * (m_x * m_z + m_y * m_chi)) * (yz / (m_y * m_z))
        region = 2.0
    elif third > first * second:
        m123, region = _decay(m_x, m_z) * (zc / m_z), 3.0
    else:
        m123, region = m_x - m_chi, 4.0
    return xy * (yz / m_y), yz * (zc / m_z), xy * (zc / m_z), m123, region


def endpoints(m_x: Any, m_y: Any, m_z: Any, m_chi: Any) -> Endpoints:
    r"""Kinematic edges of a chain of three two-body decays (cascade-decays paper, eqs. 2.2 to 2.5).

    .. math::
        m_{12}^2 &= (M_X^2 - M_Y^2)(M_Y^2 - M_Z^2) / M_Y^2 \\
        m_{23}^2 &= (M_Y^2 - M_Z^2)(M_Z^2 - M_\chi^2) / M_Z^2 \\
        m_{13}^2 &= (M_X^2 - M_Y^2)(M_Z^2 - M_\chi^2) / M_Z^2

    and for the three together, in this order,

    ====== =============================== ==========================================================
    region where                           :math:`m_{123}^2`
    ====== =============================== ==========================================================
    1      X / Y > (Y / Z) (Z / chi)       :math:`(M_X^2 - M_Y^2)(M_Y^2 - M_\chi^2) / M_Y^2`
    2      Y / Z > (Z / chi) (X / Y)       :math:`(M_X^2 M_Z^2 - M_Y^2 M_\chi^2)(M_Y^2 - M_Z^2) / (M_Y^2 M_Z^2)`
    3      Z / chi > (X / Y) (Y / Z)       :math:`(M_X^2 - M_Z^2)(M_Z^2 - M_\chi^2) / M_Z^2`
    4      else                            :math:`(M_X - M_\chi)^2`
    ====== =============================== ==========================================================

    Parameters
    ----------
    m_x, m_y, m_z, m_chi
        Masses of X, Y, Z and chi, GeV; they broadcast.

    Returns
    -------
    Endpoints
        m12, m23, m13, m123 in GeV (not squared) and the region, 1.0 to 4.0.  m123 is continuous from region to
        region.  All are NaN unless M_X > M_Y > M_Z > M_chi >= 0 and M_X is finite.  A massless chi is always in
        region 3.

    Notes
    -----
    The visible particles are taken as massless.  With muons of mass m an endpoint moves by the order of
    m^2 / m12.

    Examples
    --------
    >>> print(*(round(float(edge), 4) for edge in endpoints(390.0, 360.0, 330.0, 300.0)))
    59.9479 59.938 62.4897 90.0 4.0
    """
    return Endpoints(*elementwise(endpoints_kernel, m_x, m_y, m_z, m_chi, outputs=5))
