"""How the worked examples of the observables are put to the package: one function per file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays import PerEvent
from massgap.selections.observables import angles, ratios, transverse_sums
from massgap.selections.observables.cos_theta_star import abs_cos_theta_star, cos_theta_star
from massgap.selections.observables.ditau import ditau_from_met, ditau_mass_squared
from massgap.selections.observables.four_vector_sum import four_vector_sum
from massgap.selections.observables.invariant_mass import invariant_mass
from massgap.selections.observables.mct import mct
from massgap.selections.observables.mt2.mt2 import mt2
from massgap.selections.slepton.features import FEATURES, slepton_features
from massgap.selections.slepton.precuts import (
    passes_cos_theta_star,
    passes_met,
    passes_precuts,
    passes_z_window,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# The reference's names for the observables of Table II, in the order of the table.
TABLE_II = (
    "M_ll", "M_j", "MT2_0", "MT2_100", "M_tautau", "MET", "HT", "Meff", "pT_l1", "pT_l2", "pT_j", "ratio_MT2",
    "pT_l1/MET", "pT_l2/MET", "pT_j/MET", "dphi_l1_MET", "dphi_l2_MET", "dphi_j_MET", "dphi_l1_l2", "dphi_l1_j",
    "dphi_l2_j", "cos_theta_star", "tanh_abs_deta_l1_j", "tanh_abs_deta_l2_j", "eta_l1", "eta_l2", "eta_j",
)  # fmt: skip


def four_vector(given: dict[str, float]) -> tuple[float, float, float, float]:
    return given["pt"], given["eta"], given["phi"], given["m"]


def by_pt(objects: list[dict[str, float]]) -> list[dict[str, float]]:
    return sorted(objects, key=lambda item: -item["pt"])


def of_cos_theta_star(given: dict[str, Any]) -> dict[str, Any]:
    etas = given["a"]["eta"], given["b"]["eta"]
    return {"signed": cos_theta_star(*etas), "abs": abs_cos_theta_star(*etas)}


def of_ditau(given: dict[str, Any]) -> dict[str, Any]:
    leptons = (*four_vector(given["l1"]), *four_vector(given["l2"]))
    out: dict[str, Any] = {}
    if "jet" in given:
        out["jet"] = ditau_mass_squared(*leptons, given["jet"]["pt"], given["jet"]["phi"])._asdict()
    if "met" in given:
        result = ditau_from_met(*leptons, given["met"]["pt"], given["met"]["phi"])._asdict()
        result["physical"] = None if np.isnan(result["physical"]) else bool(result["physical"])
        out["met"] = result
    return out


def of_kinematics(given: dict[str, Any]) -> dict[str, Any]:
    a, b = four_vector(given["a"]), four_vector(given["b"])
    total = four_vector_sum(*a, *b)
    return {
        "dphi_signed": angles.delta_phi(a[2], b[2]),
        "dphi_abs": angles.abs_delta_phi(a[2], b[2]),
        "deta_abs": angles.abs_delta_eta(a[1], b[1]),
        "dR": angles.delta_r(a[1], a[2], b[1], b[2]),
        "m": invariant_mass(*a, *b),
        "pt": total.pt,
        "phi": total.phi,
        "eta": total.eta,
        "px": total.px,
        "py": total.py,
        "pz": total.pz,
        "E": total.energy,
    }


def of_mct(given: dict[str, Any]) -> dict[str, Any]:
    a, b = given["a"], given["b"]
    return {"mct": mct(a["pt"], a["phi"], a["m"], b["pt"], b["phi"], b["m"])}


def of_mt2(given: dict[str, Any]) -> dict[str, Any]:
    names = ("m1", "px1", "py1", "m2", "px2", "py2", "pxmiss", "pymiss", "mchi1", "mchi2")
    return {
        "mt2": mt2(*(given[name] for name in names)),
        "lower_bound": max(given["m1"] + given["mchi1"], given["m2"] + given["mchi2"]),
    }


def of_sums(given: dict[str, Any]) -> dict[str, Any]:
    ht = transverse_sums.ht([jet["pt"] for jet in given["jets"]])
    return {
        "HT": ht,
        "Meff": transverse_sums.effective_mass(given["met"], ht),
        "ST": transverse_sums.st([lepton["pt"] for lepton in given["leptons"]]),
    }


def of_slepton_table2(given: dict[str, Any]) -> dict[str, Any]:
    nothing = {"pt": np.nan, "eta": np.nan, "phi": np.nan, "m": np.nan}
    l1, l2 = by_pt(given["leptons"])[:2]
    jet = [*by_pt(given["jets"]), nothing][0]

    def flat(item: dict[str, float]) -> PerEvent:
        return PerEvent(
            dict(
                zip(
                    ("pt", "eta", "phi", "mass"),
                    (np.array([value]) for value in four_vector(item)),
                    strict=True,
                )
            )
        )

    ht = transverse_sums.ht([item["pt"] for item in given["jets"]])
    met = PerEvent({"pt": np.array([given["met"]]), "phi": np.array([given["met_phi"]])})
    columns = slepton_features(flat(l1), flat(l2), flat(jet), met, np.array([ht]))
    values = {name: columns[feature.name][0] for name, feature in zip(TABLE_II, FEATURES, strict=True)}
    # The stand-alone functions must say the same as the compiled pass.
    np.testing.assert_array_equal(values["ratio_MT2"], ratios.ratio_mt2(values["MT2_100"], values["MT2_0"]))
    m_ll, met_value, cos = values["M_ll"], values["MET"], values["cos_theta_star"]
    precuts = {
        "z_window": bool(passes_z_window(m_ll)),
        "met": bool(passes_met(met_value)),
        "cos": bool(passes_cos_theta_star(cos)),
        "all": bool(passes_precuts(m_ll, met_value, cos)),
    }
    return {"features": values, "precuts": precuts}


ADAPTERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "cos_theta_star": of_cos_theta_star,
    "ditau": of_ditau,
    "kinematics": of_kinematics,
    "mct": of_mct,
    "mt2": of_mt2,
    "slepton_table2": of_slepton_table2,
    "sums": of_sums,
}
