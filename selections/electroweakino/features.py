"""The features of the vbf-electroweakino classifiers, 10 to 14 by channel, from collections of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.columns import same_events
from massgap.arrays.jagged.per_event import PerEvent
from massgap.contracts.description import Feature
from massgap.selections.observables.vbf_pair import largest_mass_pair

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["FEATURES", "FEATURES_OF_CHANNEL", "FEATURE_NAMES", "electroweakino_features"]

# fmt: off
FEATURES: tuple[Feature, ...] = (
    Feature("pt_j1", r"$p_{T}^{j_1}$", "GeV", 0, 1000, 50, "Transverse momentum of the leading jet"),
    Feature("eta_j1", r"$\eta^{j_1}$", "", -5, 5, 50, "Pseudorapidity of the leading jet"),
    Feature("pt_j2", r"$p_{T}^{j_2}$", "GeV", 0, 500, 50, "Transverse momentum of the second jet"),
    Feature("eta_j2", r"$\eta^{j_2}$", "", -5, 5, 50, "Pseudorapidity of the second jet"),
    Feature("met", r"$E_{T}^{miss}$", "GeV", 0, 1600, 80, "Missing transverse momentum"),
    Feature("m_jj", r"$m_{jj}$", "GeV", 0, 8000, 80, "Largest invariant mass of two jets"),
    Feature("pt_jj", r"$p_{T}^{jj}$", "GeV", 0, 1600, 80, "Transverse momentum of the pair with the largest mass"),
    Feature("abs_deta_jj", r"$|\Delta\eta_{jj}|$", "", 0, 10, 50, "Distance in eta of the pair with the largest mass"),
    Feature("pt_l1", r"$p_{T}^{\ell_1}$", "GeV", 0, 200, 50, "Transverse momentum of the leading lepton"),
    Feature("eta_l1", r"$\eta^{\ell_1}$", "", -2.5, 2.5, 50, "Pseudorapidity of the leading lepton"),
    Feature("pt_l2", r"$p_{T}^{\ell_2}$", "GeV", 0, 100, 50, "Transverse momentum of the second lepton"),
    Feature("eta_l2", r"$\eta^{\ell_2}$", "", -2.5, 2.5, 50, "Pseudorapidity of the second lepton"),
    Feature("pt_l3", r"$p_{T}^{\ell_3}$", "GeV", 0, 50, 50, "Transverse momentum of the third lepton"),
    Feature("eta_l3", r"$\eta^{\ell_3}$", "", -2.5, 2.5, 50, "Pseudorapidity of the third lepton"),
)
# fmt: on
"""Section V of the vbf-electroweakino paper: momenta of jets and leptons, MET, and the dijet quantities."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

FEATURES_OF_CHANNEL: dict[str, tuple[Feature, ...]] = {
    "1l": FEATURES[:10],
    "2l": FEATURES[:12],
    "3l": FEATURES[:14],
}
"""The 10, 12 and 14 features of each channel: those of its leptons and all others."""


def electroweakino_features(
    jets: Any,
    leptons: Any,
    met: Any,
    pt_min: float = 20.0,
    *,
    jet_pt: float = 30.0,
    lepton_pt: float = 5.0,
) -> dict[str, Floats]:
    """All features of the three channels, each computed once per event.

    The paper names the momenta of jets and light leptons, MET, and mass, pT and |deta| of the pair of jets
    with the largest mass; with pT and eta as momenta these are the 10, 12 and 14 numbers that it counts.

    Parameters
    ----------
    jets
        Jets of each event in any order, with the fields pt, eta, phi, mass (GeV, radians).  Leading jets are
        those with pT > ``jet_pt`` and |eta| < 5.
    leptons
        Electrons and muons together, with the fields pt and eta; those with pT > ``lepton_pt`` and |eta| < 2.4 count.
        Both are collections, or anything else that :meth:`massgap.arrays.Collection.of` takes.
    met
        Missing transverse momentum, GeV: one object per event, or anything else with a flat array ``pt``, or that array.
    pt_min
        For the pair with the largest mass, jets count above this transverse momentum, GeV.  It is not the pair
        of the preselection: see :mod:`massgap.selections.observables.vbf_pair`.
    jet_pt, lepton_pt
        Thresholds of the leading jets and of leptons, GeV: those of the preselection.

    Returns
    -------
    dict of str to numpy.ndarray
        The features in the order of :data:`FEATURES`; NaN for jets and leptons that do not exist, and for the
        pair with fewer than two jets.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per object, or the numbers of events differ.

    Examples
    --------
    >>> def jet(eta): return {"pt": 80.0, "eta": eta, "phi": eta, "mass": 10.0}
    >>> features = electroweakino_features([[jet(3.0), jet(-3.0)]], [[{"pt": 10.0, "eta": 0.3}]], [120.0])
    >>> round(float(features["m_jj"][0]), 2), float(features["pt_l1"][0]), float(features["pt_l2"][0])
    (1603.14, 10.0, nan)
    >>> [len(features) for features in FEATURES_OF_CHANNEL.values()]
    [10, 12, 14]
    """
    jets, leptons = Collection.of(jets, "jets"), Collection.of(leptons, "leptons")
    met = PerEvent.of(met, ("pt",), "met")
    same_events(jets=jets, leptons=leptons, met=met)
    pair = largest_mass_pair(jets, pt_min)
    good_jets = jets.where((jets.pt > jet_pt) & (abs(jets.eta) < 5.0)).by_pt()
    good_leptons = leptons.where((leptons.pt > lepton_pt) & (abs(leptons.eta) < 2.4)).by_pt()
    (met_pt,) = met.columns("pt")
    values = [
        *(row for k in range(2) for row in good_jets.at(k).columns("pt", "eta")),
        *(met_pt, pair.m_jj, pair.pt_jj, pair.abs_deta_jj),
        *(row for k in range(3) for row in good_leptons.at(k).columns("pt", "eta")),
    ]
    return dict(zip(FEATURE_NAMES, values, strict=True))
