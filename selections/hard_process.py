"""Observables of generated hard processes, for slices of samples: two leptons and what escapes, before the shower.

Each takes the charged leptons (px, py, pz, E in GeV, in falling pT) and px, py of the sum of all that escapes. Where it is
undefined, it is 0: such events are in the lowest slice, and slices add up.
"""

from __future__ import annotations

import math

from massgap.selections.observables.mt2.mt2 import mt2

__all__ = ["OBSERVABLES", "hard_dilepton_mass", "hard_met", "hard_mt2"]

Momenta = list[tuple[float, float, float, float]]


def hard_mt2(leptons: Momenta, escaped: tuple[float, float]) -> float:
    """M_T2 (GeV) of the two leading leptons with trial mass 0 (hep-ph/9906349).

    >>> round(hard_mt2([(10.0, 0.0, 0.0, 10.0), (20.0, 0.0, 0.0, 20.0)], (-5.0, 3.0)), 6)
    12.017183
    """
    if len(leptons) < 2:
        return 0.0
    (x1, y1, *_), (x2, y2, *_) = leptons[:2]
    return float(mt2(0.0, x1, y1, 0.0, x2, y2, *escaped, 0.0, 0.0))


def hard_dilepton_mass(leptons: Momenta, escaped: tuple[float, float]) -> float:  # noqa: ARG001 (all have the same arguments)
    """Invariant mass (GeV) of the two leading leptons."""
    if len(leptons) < 2:
        return 0.0
    x, y, z, e = (a + b for a, b in zip(*leptons[:2], strict=True))
    return math.sqrt(max(e * e - x * x - y * y - z * z, 0.0))


def hard_met(leptons: Momenta, escaped: tuple[float, float]) -> float:  # noqa: ARG001 (all have the same arguments)
    """Transverse momentum (GeV) of all that escapes."""
    return math.hypot(*escaped)


#: Observables by the name that ``massgap generate --hard`` takes.
OBSERVABLES = {"M_T2": hard_mt2, "m_ll": hard_dilepton_mass, "MET": hard_met}
