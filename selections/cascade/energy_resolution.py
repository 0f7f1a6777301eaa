"""Energy resolution of muons and photons, as the cascade-decays paper takes it for ATLAS at high luminosity."""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise

__all__ = ["muon_energy_resolution", "photon_energy_resolution"]


@compiled
def muon_energy_resolution_kernel(energy: float) -> float:
    """E times the quadratic sum of 1.61e-2 and 2.76e-3 sqrt(E / GeV)."""
    return energy * math.hypot(1.61e-2, 2.76e-3 * math.sqrt(energy)) if energy >= 0.0 else math.nan


@compiled
def photon_energy_resolution_kernel(energy: float) -> float:
    """The quadratic sum of 9.84e-3 E, 9.41e-2 sqrt(E GeV) and 1.19 GeV."""
    if not energy >= 0.0:
        return math.nan
    return math.hypot(math.hypot(9.84e-3 * energy, 9.41e-2 * math.sqrt(energy)), 1.19)


def muon_energy_resolution(energy: Any) -> Any:
    r"""Absolute energy resolution of muons (cascade-decays paper, eq. 4.2).

    .. math:: \sigma(E) / E = 1.61 \times 10^{-2} \oplus 2.76 \times 10^{-3} \sqrt{E / \mathrm{GeV}}

    Parameters
    ----------
    energy
        GeV.

    Returns
    -------
    float or array
        Standard deviation, GeV; NaN for negative energies.

    Examples
    --------
    >>> print(round(muon_energy_resolution(100.0), 4))
    3.1953
    """
    return elementwise(muon_energy_resolution_kernel, energy)


def photon_energy_resolution(energy: Any) -> Any:
    r"""Absolute energy resolution of photons (cascade-decays paper, eq. 4.3).

    .. math::
        \sigma(E) / E = 9.84 \times 10^{-3} \oplus \frac{9.41 \times 10^{-2}}{\sqrt{E / \mathrm{GeV}}}
        \oplus \frac{1.19\,\mathrm{GeV}}{E}

    Parameters
    ----------
    energy
        GeV.

    Returns
    -------
    float or array
        Standard deviation, GeV; 1.19 GeV at zero, NaN for negative energies.

    Examples
    --------
    >>> print(round(photon_energy_resolution(100.0), 4))
    1.8083
    """
    return elementwise(photon_energy_resolution_kernel, energy)
