"""The smuon observables in the form of the reference files: case["in"] -> case["out"]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.arrays import PerEvent
from massgap.selections.smuon.features import LOW_LEVEL, fill_undefined, smuon_features

if TYPE_CHECKING:
    from collections.abc import Callable

Case = dict[str, Any]

# The reference's names for the features of Table II and the cuts, in the order of the tables.
FEATURES = (
    "n_e", "n_mu", "n_j", "pT_e1", "pT_e2", "pT_mu1", "pT_mu2", "eta_e1", "eta_e2", "eta_mu1", "eta_mu2", "phi_e1",
    "phi_e2", "phi_mu1", "phi_mu2", "pT_j1", "pT_j2", "eta_j1", "eta_j2", "phi_j1", "phi_j2", "m_mumu", "m_CT",
    "m_T2", "MET", "phi_MET", "H_T", "S_T", "abs_deta_mumu", "abs_dphi_mumu", "pT_mu1/pT_mu2", "pT_mu1/pT_j1",
    "pT_mu1/H_T", "S_T/H_T", "pT_mu2/pT_j1", "S_T/pT_j1", "pT_mu2/H_T",
)  # fmt: skip
CUTS = ("basic", "two_muons", "opposite_charge", "m_mumu", "m_T2", "lepton_pT")


def item(given: Case) -> Case:
    out = {"pt": given["pt"], "eta": given["eta"], "phi": given["phi"], "mass": given["m"]}
    if "q" in given:
        out["charge"] = given["q"]
    return out


def of_features(given: Case) -> Case:
    electrons, muons, jets = ([[item(x) for x in given[name]]] for name in ("electrons", "muons", "jets"))
    events = smuon_features(
        electrons, muons, jets, PerEvent({"pt": [given["met"]], "phi": [given["met_phi"]]})
    )
    features = fill_undefined(events.features, names=LOW_LEVEL)
    return {
        "features": {name: values[0] for name, values in zip(FEATURES, features.values(), strict=True)},
        "cutflow": {name: bool(flag[0]) for name, flag in zip(CUTS, events.cutflow.values(), strict=True)},
        "vetoes": {name: bool(flag[0]) for name, flag in events.vetoes.items()},
    }


ADAPTERS: dict[str, Callable[[Case], Case]] = {"smuon_features": of_features}
