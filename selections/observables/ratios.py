"""Ratios of scales: momenta over MET, and the ratio of excess masses."""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise

__all__ = ["over_met", "ratio_mt2"]


@compiled
def over_met_kernel(value: float, met: float) -> float:
    """value / MET, NaN for MET = 0."""
    return value / met if met != 0.0 else math.nan


@compiled
def ratio_mt2_kernel(mt2_trial: float, mt2_0: float, trial_mass: float) -> float:
    """(MT2(trial) - trial) / MT2(0), NaN for MT2(0) = 0."""
    return (mt2_trial - trial_mass) / mt2_0 if mt2_0 != 0.0 else math.nan


def over_met(value: Any, met: Any) -> Any:
    """A scale in units of the missing transverse momentum (Table II, scale ratios).

    Parameters
    ----------
    value, met
        GeV; they broadcast.

    Returns
    -------
    float or array
        Dimensionless; NaN where MET is 0.

    Examples
    --------
    >>> print(over_met(60.0, 120.0), over_met(60.0, 0.0))
    0.5 nan
    """
    return elementwise(over_met_kernel, value, met)


def ratio_mt2(mt2_100: Any, mt2_0: Any, trial_mass: Any = 100.0) -> Any:
    """Ratio of excess masses, (M_T2^100 - 100) / M_T2^0 (Table II, scale ratios).

    Parameters
    ----------
    mt2_100, mt2_0
        M_T2 (GeV) for the trial mass and for a massless invisible particle; they broadcast.
    trial_mass
        The trial mass of the first, GeV.

    Returns
    -------
    float or array
        Dimensionless; NaN where M_T2^0 is 0, which only happens for massless leptons.

    Examples
    --------
    >>> print(ratio_mt2(125.0, 50.0), ratio_mt2(125.0, 0.0))
    0.5 nan
    """
    return elementwise(ratio_mt2_kernel, mt2_100, mt2_0, trial_mass)
