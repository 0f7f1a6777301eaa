"""The electroweakino observables in the form of the reference files: case["in"] -> case["out"]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.selections.electroweakino.interference import expected_events, relative_kinematic_interference
from massgap.selections.electroweakino.lepton_identification import (
    lepton_efficiency,
    lepton_misidentification,
)
from massgap.selections.electroweakino.preselection import channel_names, electroweakino_preselection
from massgap.selections.observables.vbf_pair import largest_mass_pair, vbf_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.selections.observables.vbf_pair import JetPair

Case = dict[str, Any]


def jet(given: Case) -> Case:
    return {"pt": given["pt"], "eta": given["eta"], "phi": given["phi"], "mass": given["m"]}


def pair(result: JetPair) -> Case:
    return {
        "i": int(result.i[0]) if result.i[0] >= 0 else None,
        "j": int(result.j[0]) if result.j[0] >= 0 else None,
        "m_jj": result.m_jj[0],
        "abs_deta_jj": result.abs_deta_jj[0],
        "pT_jj": result.pt_jj[0],
        "n_candidates": int(result.n_candidates[0]),
    }


def of_detector(given: Case) -> Case:
    rki = relative_kinematic_interference(given["incl"], given["ew"], given["qcd"], given["widths"])
    return {
        "eff": lepton_efficiency(given["pt"], given["eta"]),
        "misid": lepton_misidentification(given["pt"], given["eta"]),
        "rki": None if np.isnan(rki).all() else rki,
        "N": expected_events(given["lumi"], given["sigma"], given["eff"]),
    }


def of_vbf(given: Case) -> Case:
    jets = [[jet(item) for item in given["jets"]]]
    return {"vbf": pair(vbf_pair(jets)), "maxmjj_pt20": pair(largest_mass_pair(jets))}


def of_preselection(given: Case) -> Case:
    # A jet with a tau tag is a tau and a jet at once, as in Delphes.
    jets = [[{**jet(item), "b_tagged": item["btag"]} for item in given["jets"]]]
    taus = [[jet(item) for item in given["jets"] if item["tautag"]]]
    leptons = [[jet(item) for item in given["leptons"]]]
    result = electroweakino_preselection(jets, taus, leptons)
    return {
        "N_b": int(result.n_b[0]),
        "N_tau": int(result.n_tau[0]),
        "N_j": int(result.n_jets[0]),
        "N_l": int(result.n_leptons[0]),
        "vbf": pair(result.vbf),
        "pass_vbf_veto": bool(result.passes_vetoes_and_vbf[0]),
        "channel": str(channel_names(result.channel)[0]),
    }


ADAPTERS: dict[str, Callable[[Case], Case]] = {
    "vbf_detector": of_detector,
    "vbf_preselection": of_preselection,
    "vbf_vbf": of_vbf,
}
