"""Where charged particles meet the calorimeter in the magnetic field of a solenoid.

A particle from the origin turns with the radius R = pT / (0.2998 B) (metres, GeV, tesla) until it meets the barrel of the card's
radius or an endcap; the line from the origin to that place has half of the turning angle to its momentum. Tracks know their
momentum; a deposit without track is taken for a straight flight from the origin, which is where its direction goes wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["at_calorimeter"]

#: GeV of transverse momentum per tesla, metre and unit charge.
_PER_TESLA_METRE = 0.299792458


def at_calorimeter(
    table: dict[str, Any], pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, charge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pseudorapidity and azimuth of the places where particles leave the field, seen from the origin.

    Parameters
    ----------
    table : dict
        Table ``[field]`` of a card: ``strength`` in tesla, ``radius`` and ``half_length`` in metres.
    pt, eta, phi, charge : arrays
        Particles; GeV, units of e.

    Returns
    -------
    eta, phi
        Those of neutral particles as they are.

    Examples
    --------
    >>> table = {"strength": 3.8, "radius": 1.29, "half_length": 3.0}
    >>> eta, phi = at_calorimeter(table, np.array([10.0, 0.5]), np.zeros(2) + 0.1, np.zeros(2), np.ones(2))
    >>> phi.round(4).tolist(), eta.round(3).tolist()
    ([-0.0735, -2.7035], [0.1, 2.783])
    """
    turning = np.flatnonzero(charge)
    radius = pt[turning] / (_PER_TESLA_METRE * table["strength"] * np.abs(charge[turning]))
    climb = np.sinh(eta[turning])
    # half of the turning angle: at the barrel, which slow ones never reach, or at the endcap
    reach = table["radius"] / (2.0 * radius)
    barrel = np.where(reach < 1.0, np.arcsin(np.minimum(reach, 1.0)), np.inf)
    with np.errstate(divide="ignore"):
        endcap = table["half_length"] / (2.0 * radius * np.abs(climb))
    half = np.minimum(barrel, endcap)
    # at eta = 0 a slow one turns for ever
    half = np.where(np.isfinite(half), half, 0.0)
    along = 2.0 * radius * half * climb
    distance = 2.0 * radius * np.sin(half)
    out_eta, out_phi = eta.copy(), phi.copy()
    out_eta[turning] = np.arcsinh(along / np.maximum(np.abs(distance), 1e-9))
    # beyond half a turn it is on the other side of the line
    opposite = np.where(distance < 0.0, np.pi, 0.0)
    turned = phi[turning] - np.sign(charge[turning]) * half + opposite
    out_phi[turning] = np.pi - np.remainder(np.pi - turned, 2.0 * np.pi)
    return out_eta, out_phi
