"""The vlq observables in the form of the reference files: case["in"] -> case["out"]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.selections.neutrino import neutrino_pz
from massgap.selections.z_candidate import z_candidate

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


ADAPTERS: dict[str, Callable[[Case], Case]] = {"vlq_neutrino": of_neutrino, "vlq_z": of_z}
