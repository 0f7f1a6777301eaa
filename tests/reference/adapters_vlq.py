"""The vlq observables in the form of the reference files: case["in"] -> case["out"]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.arrays import PerEvent
from massgap.selections.observables.neutrino import neutrino_pz
from massgap.selections.observables.z_candidate import z_candidate
from massgap.selections.vlq.features import Masses, vlq_features

if TYPE_CHECKING:
    from collections.abc import Callable

Case = dict[str, Any]

FLAVOUR = {"e": 11, "mu": 13, "tau": 15}


def lepton(given: Case) -> Case:
    return {
        "pt": given["pt"],
        "eta": given["eta"],
        "phi": given["phi"],
        "mass": given["m"],
        "charge": given["q"],
        "flavour": FLAVOUR[given["fl"]],
    }


def jet(given: Case) -> Case:
    return {"pt": given["pt"], "eta": given["eta"], "phi": given["phi"], "mass": given["m"]}


def index(value: Any) -> int | None:
    return int(value) if value >= 0 else None


def of_neutrino(given: Case) -> Case:
    lep = given["lep"]
    met, phi_met = math.hypot(given["metx"], given["mety"]), math.atan2(given["mety"], given["metx"])
    roots = neutrino_pz(lep["pt"], lep["eta"], lep["phi"], lep["m"], met, phi_met, given["mW"])
    if math.isnan(roots.discriminant):
        return dict.fromkeys(("disc", "complex", "pz", "pz_real", "scale_k", "pz_scaled"))
    is_complex = bool(roots.is_complex)
    return {
        "disc": roots.discriminant,
        "complex": is_complex,
        "pz": [roots.pz1] if is_complex else [roots.pz1, roots.pz2],
        "pz_real": roots.pz_real,
        "scale_k": roots.scale,
        "pz_scaled": roots.pz_scaled,
    }


def of_z(given: Case) -> Case:
    z = z_candidate([[lepton(item) for item in given["leptons"]]], given["mZ"])
    return {"i": index(z.i[0]), "j": index(z.j[0]), "m": z.mass[0], "pT": z.pt[0]}


def of_reconstruct(given: Case) -> Case:
    leptons = [[lepton(item) for item in given["leptons"]]]
    fat_jets, slim_jets = ([[jet(item) for item in given[name]]] for name in ("fatjets", "slimjets"))
    met = PerEvent({"pt": [given["met"]], "phi": [given["met_phi"]]})
    masses = Masses(given["mZ"], given["mW"], given["mt"])
    # The examples reconstruct with all leptons, but preselect with those that pass the first cut.
    events = vlq_features(leptons, fat_jets, slim_jets, met, select_leptons=False, masses=masses)
    selected = vlq_features(leptons, fat_jets, slim_jets, met, masses=masses)
    values = {name: column[0] for name, column in events.quantities.items()}
    places = {name: index(column[0]) for name, column in events.indices.items()}
    is_complex = None if math.isnan(values["complex_roots"]) else bool(values["complex_roots"])
    roots = [values["nu_pz1"]] if is_complex else [values["nu_pz1"], values["nu_pz2"]]
    cuts = [bool(flag[0]) for name, flag in selected.cutflow.items() if name != "fat_jet_away"]
    return {
        "reco": {
            "z_i": places["z_i"],
            "z_j": places["z_j"],
            "l3": places["l3"],
            "J": places["fat_jet"],
            "m_Z_rec": values["m_z"],
            "pT_Z": values["pt_z"],
            "pT_Zl1": values["pt_z_l1"],
            "pT_Zl2": values["pt_z_l2"],
            "disc": values["discriminant"],
            "complex": is_complex,
            "nu_pz": values["nu_pz"],
            "nu_pz_all": None if is_complex is None else roots,
            "m_t_rec": values["m_top"],
            "m_T_rec": values["m_t_prime"],
            "dphi_Z_l3": values["dphi_z_l3"],
            "dR_Z_J": values["dr_z_j"],
            "N_fwd": int(values["n_forward"]),
            "N_slim": int(values["n_slim"]),
        },
        "presel": {f"cut{k}": passed for k, passed in enumerate(cuts, start=1)},
    }


ADAPTERS: dict[str, Callable[[Case], Case]] = {
    "vlq_neutrino": of_neutrino,
    "vlq_reconstruct": of_reconstruct,
    "vlq_z": of_z,
}
