"""Acceptance, triggers and mass window of the cascade-decays paper, as pure functions.

Section IV A.  An undefined (NaN) observable never passes, a value on a threshold fails.  The veto on hadronic
activity is not here: the paper gives it no threshold.
"""

from __future__ import annotations

from typing import Any

from massgap.arrays.elementwise import comparable

__all__ = [
    "passes_acceptance",
    "passes_cascade_selection",
    "passes_dimuon_mass",
    "passes_dimuon_photon_trigger",
    "passes_dimuon_trigger",
]


def passes_acceptance(
    eta_plus: Any,
    eta_minus: Any,
    eta_gamma: Any,
    pt_gamma: Any,
    eta_max: float = 2.5,
    pt_gamma_min: float = 4.0,
) -> Any:
    """Whether the muons and the photon are inside the tracker and the photon is hard enough.

    Parameters
    ----------
    eta_plus, eta_minus, eta_gamma
        Pseudorapidities of the positive muon, the negative muon and the photon.
    pt_gamma
        Transverse momentum of the photon, GeV.
    eta_max
        Limit of all three.
    pt_gamma_min
        GeV.

    Returns
    -------
    bool or array of bool
        False where any of them is undefined.

    Examples
    --------
    >>> passes_acceptance([0.0, 0.0], [-2.4, -2.5], [1.0, 1.0], [5.0, 5.0]).tolist()
    [True, False]
    """
    inside = (abs(comparable(eta_plus)) < eta_max) & (abs(comparable(eta_minus)) < eta_max)
    return inside & (abs(comparable(eta_gamma)) < eta_max) & (comparable(pt_gamma) > pt_gamma_min)


def passes_dimuon_trigger(pt_plus: Any, pt_minus: Any, minimum: float = 14.0) -> Any:
    """Whether both muons are above the threshold of the dimuon trigger.

    Parameters
    ----------
    pt_plus, pt_minus
        Transverse momenta of the muons, GeV.
    minimum
        GeV.

    Returns
    -------
    bool or array of bool
        False where a momentum is undefined.

    Examples
    --------
    >>> passes_dimuon_trigger([14.1, 30.0], [20.0, 14.0]).tolist()
    [True, False]
    """
    return (comparable(pt_plus) > minimum) & (comparable(pt_minus) > minimum)


def passes_dimuon_photon_trigger(
    pt_plus: Any, pt_minus: Any, pt_gamma: Any, muon_minimum: float = 10.0, photon_minimum: float = 15.0
) -> Any:
    """Whether both muons and the photon are above the thresholds of the trigger for the three together.

    Parameters
    ----------
    pt_plus, pt_minus, pt_gamma
        Transverse momenta, GeV.
    muon_minimum, photon_minimum
        GeV.

    Returns
    -------
    bool or array of bool
        False where a momentum is undefined.

    Examples
    --------
    >>> passes_dimuon_photon_trigger([10.1, 30.0], [20.0, 30.0], [15.1, 15.0]).tolist()
    [True, False]
    """
    return passes_dimuon_trigger(pt_plus, pt_minus, muon_minimum) & (comparable(pt_gamma) > photon_minimum)


def passes_dimuon_mass(m_mumu: Any, low: float = 15.0, high: float = 65.0) -> Any:
    """Whether the dimuon mass is above photon conversions and below the Z boson (eq. 4.4).

    Parameters
    ----------
    m_mumu
        GeV.
    low, high
        The window, GeV.

    Returns
    -------
    bool or array of bool
        False where the mass is undefined.

    Examples
    --------
    >>> passes_dimuon_mass([15.0, 15.1, 64.9, 65.0]).tolist()
    [False, True, True, False]
    """
    values = comparable(m_mumu)
    return (values > low) & (values < high)


def passes_cascade_selection(
    pt_plus: Any, eta_plus: Any, pt_minus: Any, eta_minus: Any, pt_gamma: Any, eta_gamma: Any, m_mumu: Any
) -> Any:
    """Acceptance, one of the two triggers, and the mass window, with the paper's values.

    Parameters
    ----------
    pt_plus, eta_plus, pt_minus, eta_minus, pt_gamma, eta_gamma
        Transverse momenta (GeV) and pseudorapidities of the positive muon, the negative muon and the photon.
    m_mumu
        Dimuon mass, GeV.

    Returns
    -------
    bool or array of bool
        False where any of them is undefined.

    Examples
    --------
    >>> bool(passes_cascade_selection(20.0, 0.5, 11.0, -0.5, 16.0, 1.0, 40.0))
    True
    """
    trigger = passes_dimuon_trigger(pt_plus, pt_minus) | passes_dimuon_photon_trigger(
        pt_plus, pt_minus, pt_gamma
    )
    acceptance = passes_acceptance(eta_plus, eta_minus, eta_gamma, pt_gamma)
    return acceptance & trigger & passes_dimuon_mass(m_mumu)
