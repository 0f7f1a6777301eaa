"""The slepton paper's pre-cuts, and the optional cuts of its variants, as pure functions.

An undefined (NaN) observable never passes.
"""

from __future__ import annotations

from typing import Any

from massgap.arrays.elementwise import comparable
from massgap.contracts.description import Cut

__all__ = [
    "PRECUTS",
    "passes_cos_theta_star",
    "passes_ditau_veto",
    "passes_met",
    "passes_met_veto",
    "passes_mt2_100",
    "passes_precuts",
    "passes_z_window",
]


def passes_z_window(m_ll: Any, low: float = 81.0, high: float = 101.0) -> Any:
    """Whether the dilepton mass is outside the Z window, both edges vetoed (section IV C).

    Parameters
    ----------
    m_ll
        Dilepton mass, GeV.
    low, high
        Edges of the vetoed window, GeV.

    Returns
    -------
    bool or array of bool
        False where m_ll is undefined.

    Examples
    --------
    >>> passes_z_window([80.9, 81.0, 101.0, 101.1]).tolist()
    [True, False, False, True]
    """
    values = comparable(m_ll)
    return (values < low) | (values > high)


def passes_met(met: Any, minimum: float = 110.0) -> Any:
    """Whether MET exceeds the minimum (section IV C).

    Parameters
    ----------
    met
        Missing transverse momentum, GeV.
    minimum
        GeV; this value itself fails.

    Returns
    -------
    bool or array of bool
        False where MET is undefined.

    Examples
    --------
    >>> passes_met([110.0, 110.1]).tolist()
    [False, True]
    """
    return comparable(met) > minimum


def passes_cos_theta_star(cos_theta_star: Any, maximum: float = 0.5) -> Any:
    """Whether |cos theta*| is below the maximum (section IV C).

    Parameters
    ----------
    cos_theta_star
        cos theta* of the leptons, signed or not.
    maximum
        This value itself fails.

    Returns
    -------
    bool or array of bool
        False where cos theta* is undefined.

    Examples
    --------
    >>> passes_cos_theta_star([-0.4, 0.5, -0.6]).tolist()
    [True, False, False]
    """
    return abs(comparable(cos_theta_star)) < maximum


def passes_precuts(m_ll: Any, met: Any, cos_theta_star: Any) -> Any:
    """All three pre-cuts of section IV C with the paper's values.

    Parameters
    ----------
    m_ll, met, cos_theta_star
        Dilepton mass (GeV), MET (GeV), cos theta*.

    Returns
    -------
    bool or array of bool
        False where any of them is undefined.

    Examples
    --------
    >>> bool(passes_precuts(60.0, 150.0, 0.2))
    True
    """
    return passes_z_window(m_ll) & passes_met(met) & passes_cos_theta_star(cos_theta_star)


def passes_mt2_100(mt2_100: Any, maximum: float = 130.0) -> Any:
    """Whether M_T2^100 is below the maximum: the additional cut of Table III's second selection.

    Parameters
    ----------
    mt2_100
        M_T2 for a trial mass of 100 GeV, GeV.
    maximum
        GeV; this value itself fails.

    Returns
    -------
    bool or array of bool
        False where M_T2 is undefined.

    Examples
    --------
    >>> passes_mt2_100([120.0, 130.0]).tolist()
    [True, False]
    """
    return comparable(mt2_100) < maximum


def passes_ditau_veto(m_tautau: Any, minimum: float = 125.0) -> Any:
    """Whether the ditau mass survives the veto of the earlier, cut-based study (m_tautau < 125 GeV vetoed).

    Of that study's secondary cuts only this one, the veto on MET < 125 GeV and the Z window are known.

    Parameters
    ----------
    m_tautau
        Signed ditau mass, GeV.
    minimum
        GeV; this value itself passes.

    Returns
    -------
    bool or array of bool
        False where the ditau mass is undefined.

    Examples
    --------
    >>> passes_ditau_veto([-300.0, 100.0, 125.0]).tolist()
    [False, False, True]
    """
    return comparable(m_tautau) >= minimum


def passes_met_veto(met: Any, minimum: float = 125.0) -> Any:
    """Whether MET survives the veto of the earlier, cut-based study (MET < 125 GeV vetoed).

    Parameters
    ----------
    met
        Missing transverse momentum, GeV.
    minimum
        GeV; this value itself passes.

    Returns
    -------
    bool or array of bool
        False where MET is undefined.

    Examples
    --------
    >>> passes_met_veto([124.9, 125.0]).tolist()
    [False, True]
    """
    return comparable(met) >= minimum


PRECUTS: dict[str, Cut] = {
    cut.name: cut
    for cut in (
        Cut("z_window", "m_ll", passes_z_window, (81.0, 101.0)),
        Cut("met", "met", passes_met, (110.0,)),
        Cut("cos_theta_star", "cos_theta_star", passes_cos_theta_star, (0.5,)),
        Cut("mt2_100", "mt2_100", passes_mt2_100, (130.0,)),
        Cut("m_tautau", "m_tautau", passes_ditau_veto, (125.0,)),
        Cut("met_125", "met", passes_met_veto, (125.0,)),
    )
}
"""The pre-cuts of section IV.C and Table III, and those of the earlier cut-based study, by name."""
