"""The 37 observables of Table II of the smuon paper, in one compiled pass over the leading objects.

The tenth derived feature is printed as a second pT(mu1)/pT(j1).  It is pT(mu2)/H_T: the six ratios with jets
are then the six comparisons of the dynamic vetoes, equation (3).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.columns import same_events
from massgap.arrays.jagged.per_event import PerEvent
from massgap.arrays.kernels.formulas import invariant_mass_kernel, wrap_phi_kernel
from massgap.contracts.description import Feature
from massgap.selections.observables.angles import abs_delta_phi_kernel
from massgap.selections.observables.mct import mct_kernel
from massgap.selections.observables.mt2.kernels import mt2_kernel
from massgap.selections.smuon.cuts import CUTFLOW, VETOES, cutflow_kernel, jet_vetoes_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = [
    "FEATURES",
    "FEATURE_NAMES",
    "HIGH_AND_DERIVED",
    "LOW_LEVEL",
    "NULL",
    "SmuonEvents",
    "fill_undefined",
    "smuon_features",
]

# fmt: off
FEATURES: tuple[Feature, ...] = (
    Feature("n_e", "$n_{e}$", "", 0, 5, 5, "Number of electrons"),
    Feature("n_mu", r"$n_{\mu}$", "", 0, 5, 5, "Number of muons"),
    Feature("n_j", "$n_{j}$", "", 0, 10, 10, "Number of jets"),
    Feature("pt_e1", "$p_{T}^{e_1}$", "GeV", 0, 500, 50, "Transverse momentum of the leading electron"),
    Feature("pt_e2", "$p_{T}^{e_2}$", "GeV", 0, 300, 50, "Transverse momentum of the second electron"),
    Feature("pt_mu1", r"$p_{T}^{\mu_1}$", "GeV", 0, 500, 50, "Transverse momentum of the leading muon"),
    Feature("pt_mu2", r"$p_{T}^{\mu_2}$", "GeV", 0, 300, 50, "Transverse momentum of the second muon"),
    Feature("eta_e1", r"$\eta^{e_1}$", "", -2.5, 2.5, 50, "Pseudorapidity of the leading electron"),
    Feature("eta_e2", r"$\eta^{e_2}$", "", -2.5, 2.5, 50, "Pseudorapidity of the second electron"),
    Feature("eta_mu1", r"$\eta^{\mu_1}$", "", -2.5, 2.5, 50, "Pseudorapidity of the leading muon"),
    Feature("eta_mu2", r"$\eta^{\mu_2}$", "", -2.5, 2.5, 50, "Pseudorapidity of the second muon"),
    Feature("phi_e1", r"$\phi^{e_1}$", "rad", -math.pi, math.pi, 32, "Azimuth of the leading electron"),
    Feature("phi_e2", r"$\phi^{e_2}$", "rad", -math.pi, math.pi, 32, "Azimuth of the second electron"),
    Feature("phi_mu1", r"$\phi^{\mu_1}$", "rad", -math.pi, math.pi, 32, "Azimuth of the leading muon"),
    Feature("phi_mu2", r"$\phi^{\mu_2}$", "rad", -math.pi, math.pi, 32, "Azimuth of the second muon"),
    Feature("pt_j1", "$p_{T}^{j_1}$", "GeV", 0, 500, 50, "Transverse momentum of the leading jet"),
    Feature("pt_j2", "$p_{T}^{j_2}$", "GeV", 0, 300, 50, "Transverse momentum of the second jet"),
    Feature("eta_j1", r"$\eta^{j_1}$", "", -2.8, 2.8, 50, "Pseudorapidity of the leading jet"),
    Feature("eta_j2", r"$\eta^{j_2}$", "", -2.8, 2.8, 50, "Pseudorapidity of the second jet"),
    Feature("phi_j1", r"$\phi^{j_1}$", "rad", -math.pi, math.pi, 32, "Azimuth of the leading jet"),
    Feature("phi_j2", r"$\phi^{j_2}$", "rad", -math.pi, math.pi, 32, "Azimuth of the second jet"),
    Feature("m_mumu", r"$m_{\mu\mu}$", "GeV", 0, 1000, 50, "Invariant mass of the muons"),
    Feature("m_ct", "$m_{CT}$", "GeV", 0, 500, 50, "Contransverse mass of the muons"),
    Feature("m_t2", "$M_{T2}$", "GeV", 0, 500, 50, "Stransverse mass for massless invisible particles"),
    Feature("met", "$E_{T}^{miss}$", "GeV", 0, 1000, 50, "Missing transverse momentum"),
    Feature("phi_met", r"$\phi(p_{T}^{miss})$", "rad", -math.pi, math.pi, 32, "Azimuth of the missing transverse momentum"),
    Feature("ht", "$H_{T}$", "GeV", 0, 1000, 50, "Scalar sum of the jets' transverse momenta"),
    Feature("st", "$S_{T}$", "GeV", 0, 1000, 50, "Scalar sum of the muons' transverse momenta"),
    Feature("abs_deta_mumu", r"$|\Delta\eta(\mu_1, \mu_2)|$", "", 0, 5, 50, "Distance of the muons in pseudorapidity"),
    Feature("abs_dphi_mumu", r"$|\Delta\phi(\mu_1, \mu_2)|$", "rad", 0, math.pi, 32, "Distance of the muons in azimuth"),
    Feature("pt_mu1_over_pt_mu2", r"$p_{T}^{\mu_1} / p_{T}^{\mu_2}$", "", 0, 10, 50, "Leading muon over second muon"),
    Feature("pt_mu1_over_pt_j1", r"$p_{T}^{\mu_1} / p_{T}^{j_1}$", "", 0, 10, 50, "Leading muon over leading jet"),
    Feature("pt_mu1_over_ht", r"$p_{T}^{\mu_1} / H_{T}$", "", 0, 10, 50, "Leading muon over all jets"),
    Feature("st_over_ht", "$S_{T} / H_{T}$", "", 0, 10, 50, "Both muons over all jets"),
    Feature("pt_mu2_over_pt_j1", r"$p_{T}^{\mu_2} / p_{T}^{j_1}$", "", 0, 10, 50, "Second muon over leading jet"),
    Feature("st_over_pt_j1", "$S_{T} / p_{T}^{j_1}$", "", 0, 10, 50, "Both muons over leading jet"),
    Feature("pt_mu2_over_ht", r"$p_{T}^{\mu_2} / H_{T}$", "", 0, 10, 50, "Second muon over all jets"),
)
# fmt: on
"""21 low-level features, 6 high-level ones, 10 derived ones."""

KINEMATICS = ("pt", "eta", "phi", "mass")

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

LOW_LEVEL = FEATURE_NAMES[:21]
"""The features of which the paper writes null entries as :data:`NULL`."""

HIGH_AND_DERIVED = FEATURE_NAMES[21:]
"""The six high-level and the ten derived features."""

NULL = -10000.0
"""What the paper writes for an object that does not exist (footnote 2)."""


Momentum: TypeAlias = tuple[float, float, float, float]
"""pt, eta, phi, mass of one object; all NaN for an object that does not exist."""


class SmuonEvents(NamedTuple):
    """Features, cuts and vetoes of each event, each a dict of arrays in the order of the paper.

    ``features`` by :data:`FEATURE_NAMES`; ``cutflow`` by :data:`massgap.selections.smuon.cuts.CUTFLOW`, true
    where the event passes the cut and all before; ``vetoes`` by
    :data:`massgap.selections.smuon.cuts.VETOES`, true where the event is kept.
    """

    features: dict[str, Floats]
    cutflow: dict[str, npt.NDArray[np.bool_]]
    vetoes: dict[str, npt.NDArray[np.bool_]]


@compiled
def _ratio(value: float, to: float) -> float:
    return value / to if to != 0.0 else math.nan


@compiled
def smuon_features_kernel(
    counts: tuple[float, float, float],
    e1: Momentum,
    e2: Momentum,
    mu1: Momentum,
    mu2: Momentum,
    j1: Momentum,
    j2: Momentum,
    ht: float,
    met: float,
    phi_met: float,
) -> tuple[float, ...]:
    """Table II from pT-ordered objects; what has NaN as pt does not exist."""
    pt1, eta1, phi1, m1 = mu1
    pt2, eta2, phi2, m2 = mu2
    st = pt1 + pt2
    m_mumu, m_ct, m_t2, phim = math.nan, math.nan, math.nan, math.nan
    mx, my = 0.0, 0.0
    # Missing transverse momentum of zero length has no direction.
    if met != 0.0:
        phim = wrap_phi_kernel(phi_met)
        mx, my = met * math.cos(phi_met), met * math.sin(phi_met)
    if not math.isnan(pt2):
        m_mumu = invariant_mass_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)
        m_ct = mct_kernel(pt1, phi1, m1, pt2, phi2, m2)
        x1, y1 = pt1 * math.cos(phi1), pt1 * math.sin(phi1)
        x2, y2 = pt2 * math.cos(phi2), pt2 * math.sin(phi2)
        m_t2 = mt2_kernel(m1, x1, y1, m2, x2, y2, mx, my, 0.0, 0.0)
    return (
        *counts,
        e1[0], e2[0], pt1, pt2,
        e1[1], e2[1], eta1, eta2,
        e1[2], e2[2], phi1, phi2,
        j1[0], j2[0],
        j1[1], j2[1],
        j1[2], j2[2],
        m_mumu, m_ct, m_t2,
        met, phim,
        ht,
        st,
        abs(eta1 - eta2), abs_delta_phi_kernel(phi1, phi2),
        _ratio(pt1, pt2),
        _ratio(pt1, j1[0]), _ratio(pt1, ht), _ratio(st, ht),
        _ratio(pt2, j1[0]), _ratio(st, j1[0]), _ratio(pt2, ht),
    )  # fmt: skip


@compiled
def _loop(
    counts: Floats,
    electrons: tuple[Floats, Floats],
    muons: tuple[Floats, Floats],
    jets: tuple[Floats, Floats],
    ht: Floats,
    met: Floats,
    features: Floats,
    cutflow: npt.NDArray[np.bool_],
    vetoes: npt.NDArray[np.bool_],
) -> None:
    (e1, e2), (mu1, mu2), (j1, j2) = electrons, muons, jets
    for i in range(ht.size):
        row = smuon_features_kernel(
            (counts[0, i], counts[1, i], counts[2, i]),
            (e1[0, i], e1[1, i], e1[2, i], e1[3, i]),
            (e2[0, i], e2[1, i], e2[2, i], e2[3, i]),
            (mu1[0, i], mu1[1, i], mu1[2, i], mu1[3, i]),
            (mu2[0, i], mu2[1, i], mu2[2, i], mu2[3, i]),
            (j1[0, i], j1[1, i], j1[2, i], j1[3, i]),
            (j2[0, i], j2[1, i], j2[2, i], j2[3, i]),
            ht[i],
            met[0, i],
            met[1, i],
        )
        for k in range(features.shape[0]):
            features[k, i] = row[k]
        pt_mu1, pt_mu2, pt_j1, m_mumu, m_t2 = row[5], row[6], row[15], row[21], row[23]
        charges = mu1[4, i] * mu2[4, i]
        passed = cutflow_kernel(met[0, i], counts[1, i], charges, m_mumu, m_t2, pt_mu1, pt_mu2)
        for k in range(cutflow.shape[0]):
            cutflow[k, i] = passed[k]
        kept = jet_vetoes_kernel(pt_mu1, pt_mu2, pt_j1, ht[i])
        for k in range(vetoes.shape[0]):
            vetoes[k, i] = kept[k]


def _leading_two(objects: Collection, *fields: str) -> tuple[Floats, Floats]:
    """Fields of the two objects of each event with the largest pT, NaN where there are fewer."""
    ordered = objects.by_pt()
    return ordered.at(0).columns(*fields), ordered.at(1).columns(*fields)


def smuon_features(electrons: Any, muons: Any, jets: Any, met: Any) -> SmuonEvents:
    """All 37 observables of Table II, the cuts and the jet vetoes, each computed once per event.

    Parameters
    ----------
    electrons, muons, jets
        Selected objects of each event in any order, with the fields pt, eta, phi, mass (GeV, radians), muons
        with charge, too: collections, or anything else that :meth:`massgap.arrays.Collection.of` takes.
    met
        Missing transverse momentum: one object per event, or anything else with flat arrays ``pt`` (GeV) and ``phi``
        (radians).

    Returns
    -------
    SmuonEvents
        NaN means undefined: pt, eta, phi of objects that do not exist; everything of the muon pair with fewer
        than two muons; ratios to a zero; the azimuth of MET = 0.  :func:`fill_undefined` writes the paper's
        null values.  H_T is 0 without jets.  M_T2 is for massless invisible particles; S_T is the sum of the
        two leading muons; m_CT is not corrected for recoil.  The charges are those of the two leading muons.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per object, or the numbers of events differ.

    Examples
    --------
    >>> from massgap.arrays import PerEvent
    >>> def muon(pt, eta, phi, charge):
    ...     return {"pt": pt, "eta": eta, "phi": phi, "mass": 0.1056583755, "charge": charge}
    >>> events = smuon_features(
    ...     [[]], [[muon(60.0, -0.5, 2.9, -1), muon(80.0, 0.5, 0.3, 1)]], [[]], PerEvent({"pt": [130.0], "phi": [-1.2]}))
    >>> len(events.features), round(float(events.features["m_t2"][0]), 4), float(events.features["pt_j1"][0])
    (37, 67.4896, nan)
    >>> bool(events.cutflow["m_mumu"][0]), bool(events.cutflow["m_t2"][0]), bool(events.vetoes["static25"][0])
    (True, False, True)
    """
    electrons, muons, jets = (
        Collection.of(objects, name)
        for name, objects in (("electrons", electrons), ("muons", muons), ("jets", jets))
    )
    met = PerEvent.of(met, ("pt", "phi"), "met")
    n_events = same_events(electrons=electrons, muons=muons, jets=jets, met=met)
    features = np.empty((len(FEATURES), n_events))
    cutflow = np.empty((len(CUTFLOW), n_events), bool)
    vetoes = np.empty((len(VETOES), n_events), bool)
    _loop(
        np.array([objects.counts for objects in (electrons, muons, jets)], dtype=np.float64),
        _leading_two(electrons, *KINEMATICS),
        _leading_two(muons, *KINEMATICS, "charge"),
        _leading_two(jets, *KINEMATICS),
        jets.sum("pt"),
        met.columns("pt", "phi"),
        features,
        cutflow,
        vetoes,
    )
    return SmuonEvents(
        dict(zip(FEATURE_NAMES, features, strict=True)),
        dict(zip(CUTFLOW, cutflow, strict=True)),
        dict(zip(VETOES, vetoes, strict=True)),
    )


def fill_undefined(
    features: dict[str, Floats], value: float = NULL, names: tuple[str, ...] = FEATURE_NAMES
) -> dict[str, Floats]:
    """The same features with a number in place of NaN.

    Parameters
    ----------
    features
        As :func:`smuon_features` gives them.
    value
        The number.
    names
        The features to fill; the paper speaks of those in :data:`LOW_LEVEL`, but ratios without jets need a
        value, too.

    Returns
    -------
    dict of str to numpy.ndarray
        New arrays where something was filled; the given ones are not changed.

    Raises
    ------
    SelectionError
        If a name is not among the features.

    Examples
    --------
    >>> fill_undefined({"pt_j1": np.array([np.nan, 30.0])}, names=("pt_j1",))["pt_j1"].tolist()
    [-10000.0, 30.0]
    """
    unknown = [name for name in names if name not in features]
    if unknown:
        msg = f"There is no feature {', '.join(unknown)} to fill; there are {', '.join(features)}."
        raise SelectionError(msg)
    return {
        name: np.where(np.isnan(values), value, values) if name in names else values
        for name, values in features.items()
    }
