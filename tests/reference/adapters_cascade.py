"""How the worked examples of the cascade-decays analysis are put to the package: one function per file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays import PerEvent
from massgap.fits.counting.signal_fraction import signal_over_background
from massgap.models.measures.decision_ordering import decision_ordering
from massgap.models.measures.ensembles import ensemble_score
from massgap.selections.cascade import cuts
from massgap.selections.cascade.energy_resolution import muon_energy_resolution, photon_energy_resolution
from massgap.selections.cascade.features import CASCADE_FEATURE_NAMES, cascade_features
from massgap.selections.cascade.maps import delta4_pixel
from massgap.selections.cascade.spectrum import shifted_spectrum
from massgap.selections.observables.cascades.delta4 import delta4, deltas
from massgap.selections.observables.cascades.endpoints import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable

# The reference's names for the observables, in the order of the columns.
NAMES = (
    "pT+", "pT-", "pTg", "MET", "m+-", "dR+-", "m+g", "dR+g", "m-g", "dR-g", "m+-g", "D4_+-", "D4_-+",
)  # fmt: skip


def four_vector(given: dict[str, float]) -> tuple[float, float, float, float]:
    return given["pt"], given["eta"], given["phi"], given["m"]


def of_ado(given: dict[str, Any]) -> dict[str, Any]:
    result = decision_ordering(given["fA"], given["gA"], given["fB"], given["gB"])
    return {"ado": result.ado, "sym": result.symmetric}


def of_delta4(given: dict[str, Any]) -> dict[str, Any]:
    p1, p2, p3 = (four_vector(given[name]) for name in ("p1", "p2", "p3"))
    coefficients, products = deltas(*p1, *p2, *p3, *given["spec"])
    # The fast function must say the same as the one with twice the digits throughout.
    fast = delta4(*p1, *p2, *p3, *given["spec"])
    np.testing.assert_allclose(fast, coefficients.delta4, rtol=1e-11)
    return {
        **{f"D{k}": value for k, value in enumerate(coefficients, 1)},
        "D4": fast,
        "D4_swapped": delta4(*p2, *p1, *p3, *given["spec"]),
        "z14": products.z14,
        "z24": products.z24,
        "z34": products.z34,
    }


def of_endpoints(given: dict[str, Any]) -> dict[str, Any]:
    out = endpoints(*given["spec"])._asdict()
    return {**out, "region": None if np.isnan(out["region"]) else int(out["region"])}


def of_ensemble(given: dict[str, Any]) -> dict[str, Any]:
    result = ensemble_score(given["y"])
    # The file prints values below 1e-300 as 0.
    return {"yN": 0.0 if result.score < 1e-300 else result.score, "logit": result.logit}


def of_hl(given: dict[str, Any]) -> dict[str, Any]:
    names = ("mup", "mum", "gamma")
    plus, minus, gamma = (
        PerEvent(
            dict(
                zip(
                    ("pt", "eta", "phi", "mass"),
                    (np.array([x]) for x in four_vector(given[name])),
                    strict=True,
                )
            )
        )
        for name in names
    )
    columns = cascade_features(plus, minus, gamma, given["spec"])
    values = {name: columns[own][0] for name, own in zip(NAMES, CASCADE_FEATURE_NAMES, strict=True)}
    momenta = tuple(given[name]["pt"] for name in names)
    etas = tuple(given[name]["eta"] for name in names)
    mass = values["m+-"]
    everything = cuts.passes_cascade_selection(
        momenta[0], etas[0], momenta[1], etas[1], momenta[2], etas[2], mass
    )
    flags = {
        "acceptance": bool(cuts.passes_acceptance(*etas, momenta[2])),
        "trig_mumu": bool(cuts.passes_dimuon_trigger(*momenta[:2])),
        "trig_mumug": bool(cuts.passes_dimuon_photon_trigger(*momenta)),
        "mass": bool(cuts.passes_dimuon_mass(mass)),
        "all": bool(everything),
    }
    return {"hl": values, "sel": flags}


def of_misc(given: dict[str, Any]) -> dict[str, Any]:
    pixel = [delta4_pixel(value, given["d4max"]) for value in given["d4"]]
    return {
        "sigma_mu": muon_energy_resolution(given["E"]),
        "sigma_gamma": photon_energy_resolution(given["E"]),
        "spectrum": list(shifted_spectrum(*given["abgd"])),
        "pixel": None if any(map(math.isnan, pixel)) else [int(value) for value in pixel],
    }


def of_sb(given: dict[str, Any]) -> dict[str, Any]:
    return {"sb": signal_over_background(given["eps_S"], given["eps_B"], given["eps_SB"])}


ADAPTERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "cascade_ado": of_ado,
    "cascade_delta4": of_delta4,
    "cascade_endpoints": of_endpoints,
    "cascade_ensemble": of_ensemble,
    "cascade_hl": of_hl,
    "cascade_misc": of_misc,
    "cascade_sb": of_sb,
}
