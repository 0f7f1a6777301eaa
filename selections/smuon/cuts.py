"""The cuts of the smuon search and its jet vetoes."""

from __future__ import annotations

from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import comparable, elementwise
from massgap.physical_constants import Z_MASS

__all__ = [
    "CUTFLOW",
    "VETOES",
    "JetVetoes",
    "jet_vetoes",
    "opposite_charge",
    "outside_of_z",
]

CUTFLOW = ("basic", "two_muons", "opposite_charge", "m_mumu", "m_t2", "lepton_pt")
"""Table I of the smuon paper: E_T^miss > 100 GeV, >= 2 muons, opposite charge, m_mumu > 20 GeV and more than
15 GeV from the Z mass, M_T2 > 90 GeV, and for comparison only pT > 50 and 20 GeV."""

VETOES = ("static25", "a", "b", "c", "d", "e", "f")
"""The static jet veto and the six dynamic ones, equation (3) of the smuon paper."""


class JetVetoes(NamedTuple):
    """Whether an event is kept by each veto."""

    static25: Any
    a: Any
    b: Any
    c: Any
    d: Any
    e: Any
    f: Any


@compiled
def cutflow_kernel(
    met: float, n_mu: float, charges: float, m_mumu: float, mt2: float, pt1: float, pt2: float
) -> tuple[bool, bool, bool, bool, bool, bool]:
    """Whether an event passes each cut and all before; charges is the product of the muons' charges."""
    basic = met > 100.0
    two_muons = basic and n_mu >= 2.0
    opposite = two_muons and charges < 0.0
    mass = opposite and m_mumu > 20.0 and abs(m_mumu - Z_MASS) > 15.0
    transverse = mass and mt2 > 90.0
    return basic, two_muons, opposite, mass, transverse, transverse and pt1 > 50.0 and pt2 > 20.0


@compiled
def jet_vetoes_kernel(
    pt_mu1: float, pt_mu2: float, pt_j1: float, ht: float
) -> tuple[bool, bool, bool, bool, bool, bool, bool]:
    """Kept unless hadrons have more; comparisons with NaN (no jet, no muon) are false, and keep the event."""
    st = pt_mu1 + pt_mu2
    return (
        not pt_j1 > 25.0,
        not pt_j1 > pt_mu1,
        not ht > pt_mu1,
        not pt_j1 > st,
        not ht > st,
        not pt_j1 > pt_mu2,
        not ht > pt_mu2,
    )


def jet_vetoes(pt_mu1: Any, pt_mu2: Any, pt_j1: Any, ht: Any) -> JetVetoes:
    """The static jet veto and the six dynamic ones of the smuon paper, equation (3).

    Events are vetoed for: static25 pT(j1) > 25 GeV; (a) pT(j1) > pT(mu1); (b) H_T > pT(mu1);
    (c) pT(j1) > S_T; (d) H_T > S_T; (e) pT(j1) > pT(mu2); (f) H_T > pT(mu2), with
    S_T = pT(mu1) + pT(mu2).  The muons are ordered in pT; the numbers that the paper prints for (e) and (f)
    are those of muons that were not.

    Parameters
    ----------
    pt_mu1, pt_mu2
        Transverse momenta of the leading and the second muon, GeV.
    pt_j1
        That of the leading jet, GeV; NaN without a jet.
    ht
        H_T, GeV.  All inputs broadcast.

    Returns
    -------
    JetVetoes
        True where the event is kept; equality keeps it, and so does NaN.

    Examples
    --------
    >>> [bool(kept) for kept in jet_vetoes(80.0, 60.0, 70.0, 90.0)]
    [False, True, False, True, True, False, False]
    """
    return JetVetoes(
        *(kept != 0.0 for kept in elementwise(jet_vetoes_kernel, pt_mu1, pt_mu2, pt_j1, ht, outputs=7))
    )


def opposite_charge(charge_mu1: Any, charge_mu2: Any) -> Any:
    """Whether the two leading muons have opposite charges; not where one of them is missing (NaN).

    Examples
    --------
    >>> opposite_charge([1.0, 1.0, float("nan")], [-1.0, 1.0, 1.0]).tolist()
    [True, False, False]
    """
    return comparable(charge_mu1) * comparable(charge_mu2) < 0.0


def outside_of_z(m_mumu: Any, minimum: float = 20.0, half_width: float = 15.0) -> Any:
    """Whether the mass of the muons exceeds a minimum and is farther from the Z mass than ``half_width``.

    Parameters
    ----------
    m_mumu
        GeV.
    minimum, half_width
        GeV; the values themselves fail.

    Returns
    -------
    bool or array of bool
        False where the mass is undefined.

    Examples
    --------
    >>> outside_of_z([20.0, 70.0, 91.0, 110.0]).tolist()
    [False, True, False, True]
    """
    values = comparable(m_mumu)
    return (values > minimum) & (abs(values - Z_MASS) > half_width)
