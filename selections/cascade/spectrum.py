"""Spectra (M_X, M_Y, M_Z, M_chi) of the cascade-decays paper, and the directions in which it scans them."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.errors import SelectionError

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["TESTING_SPECTRUM", "TRUTH_SPECTRUM", "Spectrum", "falling_spectrum", "shifted_spectrum"]


class Spectrum(NamedTuple):
    """Masses of X, Y, Z and chi in GeV."""

    m_x: Any
    m_y: Any
    m_z: Any
    m_chi: Any


TRUTH_SPECTRUM = Spectrum(390.0, 360.0, 330.0, 300.0)
"""The benchmark signal (eq. 4.1)."""

TESTING_SPECTRUM = Spectrum(691.0, 660.0, 631.0, 600.0)
"""The centre of the scan: the right edges, another overall scale (eq. 4.5)."""

_HALF_ROOT = math.sqrt(0.5)


@compiled
def shifted_spectrum_kernel(
    alpha: float, beta: float, gamma: float, delta: float, m_x: float, m_y: float, m_z: float, m_chi: float
) -> tuple[float, float, float, float]:
    """M + alpha v1 + beta v2 + gamma v3 + delta v4."""
    a, b, c = _HALF_ROOT * alpha, _HALF_ROOT * beta, 0.5 * gamma
    return (
        m_x + ((b + c) + delta),
        m_y + ((a - c) + delta),
        m_z + ((c - b) + delta),
        m_chi + (delta - (a + c)),
    )


def falling_spectrum(masses: Sequence[Any]) -> Spectrum:
    """Four masses as a spectrum in which each particle can decay into the next.

    Parameters
    ----------
    masses
        Of X, Y, Z and chi, GeV.

    Raises
    ------
    SelectionError
        If they are not four numbers, or do not fall.

    Examples
    --------
    >>> falling_spectrum((390, 360, 330, 300)).m_z
    330.0
    """
    try:
        found = tuple(float(mass) for mass in masses)
    except (TypeError, ValueError):
        found = ()
    if len(found) != 4 or not all(a > b for a, b in itertools.pairwise(found)) or not found[3] >= 0.0:
        shown = ",".join(map(str, masses))
        msg = (
            f"the masses of X, Y, Z and chi must be four that fall, in GeV, and not {shown}: for instance --spectrum "
            "691,660,631,600"
        )
        raise SelectionError(msg)
    return Spectrum(*found)


def shifted_spectrum(
    alpha: Any = 0.0,
    beta: Any = 0.0,
    gamma: Any = 0.0,
    delta: Any = 0.0,
    start: Sequence[Any] = TESTING_SPECTRUM,
) -> Spectrum:
    r"""The spectrum :math:`M = M_0 + \alpha v_1 + \beta v_2 + \gamma v_3 + \delta v_4` (cascade-decays paper, eq. 4.6).

    .. math::
        v_1 = (0, 1, 0, -1)/\sqrt2, \quad v_2 = (1, 0, -1, 0)/\sqrt2, \quad
        v_3 = (1, -1, 1, -1)/2, \quad v_4 = (1, 1, 1, 1)

    The edges of the visible masses change along the first three and hardly along the last.  The paper's
    flat direction deviates slightly from (1, 1, 1, 1) without saying how; here v4 is that vector itself, not
    normalised, so that delta is the shift of all four masses.

    Parameters
    ----------
    alpha, beta, gamma, delta
        Shifts, GeV; they broadcast.
    start
        Masses of X, Y, Z and chi at the origin, GeV.

    Returns
    -------
    Spectrum
        GeV.  Not checked for falling masses: a scan may leave the region where the chain is open.

    Examples
    --------
    >>> print(*(float(mass) for mass in shifted_spectrum(gamma=2.0, delta=-300.0)))
    392.0 359.0 332.0 299.0
    """
    m_x, m_y, m_z, m_chi = start
    return Spectrum(
        *elementwise(shifted_spectrum_kernel, alpha, beta, gamma, delta, m_x, m_y, m_z, m_chi, outputs=4)
    )
