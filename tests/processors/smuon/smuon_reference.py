"""The smuon selection once more, as a loop over events in plain Python: no line of it from massgap.

Made-up events are dicts of lists of objects; Table I, Table II and equation (3) are written down from the paper.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

Z = 91.1876
COLLECTIONS = ("Muon", "Electron", "Photon", "Tau", "WideJet")
ISOLATION = {"Muon": "pfRelIso04_all", "Electron": "pfRelIso03_all", "Photon": "pfRelIso03_all"}


def make_events(n: int, seed: int = 1) -> list[dict[str, Any]]:
    """Events of which about a fifth pass M_T2 > 90; jets and electrons often lie on other objects."""
    rng = random.Random(seed)
    f = lambda value: float(np.float32(value))
    events = []
    for number in range(n):

        def thing(scale: float, least: float, eta: float, charge: int = 0) -> dict[str, Any]:
            return {
                "pt": f(least + rng.expovariate(1 / scale)),
                "eta": f(rng.uniform(-eta, eta)),
                "phi": f(rng.uniform(-math.pi, math.pi)),
                "mass": f(rng.uniform(0, 20)),
                "charge": charge or rng.choice((-1, 1)),
                "isolation": f(rng.choice((0.0, 0.1, 0.19, 0.2, 0.3))),
                "good": rng.random() < 0.95,
            }

        first = rng.choice((-1, 1))
        event: dict[str, Any] = {
            "number": number,
            "weight": f(rng.uniform(0.5, 2.0) * rng.choice((1, 1, 1, -1))),
            "met": (f(60 + rng.expovariate(1 / 150)), f(rng.uniform(-math.pi, math.pi))),
            "Muon": [thing(80, 4, 2.6, first), thing(80, 4, 2.6, first if rng.random() < 0.1 else -first)],
            "Electron": [thing(20, 4, 2.6) for _ in range(rng.choice((0, 0, 1, 2, 3)))],
            "Photon": [thing(15, 5, 2.5) for _ in range(rng.choice((0, 0, 1, 2)))],
            "Tau": [thing(30, 10, 2.6) for _ in range(rng.choice((0, 0, 1)))],
            "WideJet": [thing(25, 8, 3.0) for _ in range(rng.choice((0, 1, 2, 3)))],
        }
        event["Muon"] += [thing(30, 4, 2.6) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        for name in ("Muon", "Electron", "Photon", "Tau"):
            for one in event[name]:
                if rng.random() < 0.3:  # a jet near it, on both sides of the distances that count
                    near = {"eta": f(one["eta"] + rng.uniform(-0.5, 0.5)), "phi": one["phi"]}
                    event["WideJet"].append({**thing(25, 8, 3.0), **near})
        rng.shuffle(event["WideJet"])
        events.append(event)
    return events


def write(path: Path, events: list[dict[str, Any]]) -> Path:
    """As NanoAOD of version 12, with the collection of wide jets."""
    import uproot

    def column(name: str, key: str, kind: str) -> ak.Array:
        lists = [[one[key] for one in event[name]] for event in events]
        flat = np.array([value for values in lists for value in values])
        return ak.unflatten(flat.astype(kind), [len(values) for values in lists])

    arrays: dict[str, Any] = {}
    for name in COLLECTIONS:
        fields = {key: column(name, key, "f4") for key in ("pt", "eta", "phi")}
        if name != "Photon":
            fields["mass"] = column(name, "mass", "f4")
        if name in ISOLATION:
            fields[ISOLATION[name]] = column(name, "isolation", "f4")
        if name in ("Muon", "Electron", "Tau"):
            fields["charge"] = column(name, "charge", "i4")
        good = column(name, "good", "i4")
        match name:
            case "Muon":
                fields["mediumId"] = good == 1
            case "Electron" | "Photon":
                fields["cutBased"] = good * 2
            case "Tau":
                fields["idDeepTau2018v2p5VSjet"] = good * 5
        arrays[name] = ak.zip(fields)
    arrays["MET_pt"], arrays["MET_phi"] = (
        np.array([event["met"][k] for event in events], "f4") for k in (0, 1)
    )
    # All that is seen: what the muons and jets have, and a soft rest.
    seen = [sum(x["pt"] for kind in ("Muon", "WideJet") for x in event[kind]) + 7.0 for event in events]
    arrays["MET_sumEt"] = np.array(seen, "f4")
    arrays["genWeight"] = np.array([event["weight"] for event in events], "f4")
    for name, kind in (("run", "u4"), ("luminosityBlock", "u4"), ("event", "u8")):
        arrays[name] = np.array([1 if name != "event" else event["number"] for event in events], kind)
    with uproot.recreate(path) as file:
        types = {k: a.type.content if isinstance(a, ak.Array) else a.dtype for k, a in arrays.items()}
        file.mktree("Events", types).extend(arrays)
    return path


def read_v15(path: Path) -> list[dict[str, Any]]:
    """Events of a NanoAOD file of version 15, with AK8 jets in place of wide ones."""
    import uproot

    good = {
        "Muon": ("mediumId", bool),
        "Electron": ("cutBased", lambda value: value >= 2),
        "Photon": ("cutBased", lambda value: value >= 1),
        "Tau": ("idDeepTau2018v2p5VSjet", lambda value: value >= 5),
        "FatJet": ("pt", lambda value: True),
    }
    isolation = {**ISOLATION, "Photon": "pfRelIso03_all_quadratic"}  # as this version calls it
    with uproot.open(path) as file:
        tree = file["Events"]
        columns = {
            f"{name}_{key}": tree[f"{name}_{key}"].array(library="np")
            for name, (identification, _) in good.items()
            for key in ("pt", "eta", "phi", "mass", "charge", isolation.get(name, "pt"), identification)
            if f"{name}_{key}" in tree
        }
        met = [tree[f"PFMET_{key}"].array(library="np") for key in ("pt", "phi")]
        weights = tree["genWeight"].array(library="np")
    events = []
    for i, weight in enumerate(weights):
        event: dict[str, Any] = {"weight": float(weight), "met": tuple(float(part[i]) for part in met)}
        for name, (identification, passes) in good.items():
            keys = ("pt", "eta", "phi", "mass", "charge")
            event["WideJet" if name == "FatJet" else name] = [
                {key: float(columns[f"{name}_{key}"][i][k]) for key in keys if f"{name}_{key}" in columns}
                | {"isolation": float(columns[f"{name}_{isolation.get(name, 'pt')}"][i][k])}
                | {"good": passes(columns[f"{name}_{identification}"][i][k])}
                for k in range(len(columns[f"{name}_pt"][i]))
            ]
        events.append(event)
    return events


def _distance(a: dict[str, Any], b: dict[str, Any]) -> float:
    return math.hypot(a["eta"] - b["eta"], math.remainder(a["phi"] - b["phi"], 2 * math.pi))


def _good(
    event: dict[str, Any], name: str, pt: float, eta: float, isolation: float = 0.2
) -> list[dict[str, Any]]:
    return [
        one
        for one in sorted(event[name], key=lambda one: -one["pt"])
        if one["pt"] > pt
        and abs(one["eta"]) < eta
        and (name == "WideJet" or one["good"])
        and (name not in ISOLATION or one["isolation"] < isolation)
    ]


def select(
    event: dict[str, Any], least_met: float = 100, least_mt2: float = 90, isolation: float = 0.2
) -> tuple[list[str], dict[str, Any] | None]:
    """The steps that an event reaches, and if it passes M_T2 its features and regions."""
    steps = ["all events"]
    met = event["met"][0]
    if not met > least_met:
        return steps, None
    steps.append(f"MET > {least_met:g}")
    muons = _good(event, "Muon", 7, 2.5, isolation)
    if len(muons) < 2:
        return steps, None
    steps.append("two muons")
    one, two = muons[:2]
    if one["charge"] * two["charge"] > 0:
        return steps, None
    steps.append("opposite charge")
    p1, p2 = (_momentum(muon, muon["mass"]) for muon in (one, two))
    mass = math.sqrt(
        max(0.0, (p1[0] + p2[0]) ** 2 - sum((a + b) ** 2 for a, b in zip(p1[1:], p2[1:], strict=True)))
    )
    if not (mass > 20 and abs(mass - Z) > 15):
        return steps, None
    steps.append("m_mumu")
    x = _features(event, muons, mass, isolation)
    if not x["m_t2"] > least_mt2:
        return steps, None
    steps.append(f"M_T2 > {least_mt2:g}")
    hard = one["pt"] > 50 and two["pt"] > 20
    if hard:
        steps.append("muons above 50, 20")
    # Vetoed if the hadrons have more; without jets nothing vetoes.
    j1, ht, st = x["pt_j1"], x["ht"], x["st"]
    j1 = -1.0 if math.isnan(j1) else j1
    x |= {
        "region_static_veto": hard and j1 <= 25,
        "region_veto_a": j1 <= one["pt"],
        "region_veto_b": ht <= one["pt"],
        "region_veto_c": j1 <= st,
        "region_veto_d": ht <= st,
        "region_veto_e": j1 <= two["pt"],
        "region_veto_f": ht <= two["pt"],
        "weight": event["weight"],
    }
    return steps, x


def _momentum(one: dict[str, Any], mass: float) -> tuple[float, float, float, float]:
    x, y = one["pt"] * math.cos(one["phi"]), one["pt"] * math.sin(one["phi"])
    z = one["pt"] * math.sinh(one["eta"])
    return math.sqrt(x * x + y * y + z * z + mass * mass), x, y, z


def _features(
    event: dict[str, Any], muons: list[dict[str, Any]], mass: float, isolation: float
) -> dict[str, float]:
    from mt2 import mt2

    met, phi_met = event["met"]
    electrons, jets = _good(event, "Electron", 7, 2.47, isolation), _good(event, "WideJet", 15, 2.8)
    jets = [j for j in jets if all(_distance(j, muon) >= 0.4 for muon in muons)]
    photons, taus = _good(event, "Photon", 10, 2.37, isolation), _good(event, "Tau", 20, 2.5)
    jets = [j for j in jets if all(_distance(j, photon) >= 0.4 for photon in photons)]
    jets = [j for j in jets if all(_distance(j, other) >= 0.2 for other in [*electrons, *taus])]
    electrons = [e for e in electrons if all(_distance(e, j) >= 0.4 for j in jets)]

    nan = math.nan
    out: dict[str, float] = {"n_e": len(electrons), "n_mu": len(muons), "n_j": len(jets)}
    for key in ("pt", "eta", "phi"):
        for name, found in (("e", electrons), ("mu", muons), ("j", jets)):
            for k in (0, 1):
                out[f"{key}_{name}{k + 1}"] = found[k][key] if len(found) > k else nan
    one, two = muons[:2]
    dphi = abs(math.remainder(one["phi"] - two["phi"], 2 * math.pi))
    e1, e2 = (math.hypot(muon["pt"], muon["mass"]) for muon in (one, two))
    legs = [
        v for m in (one, two) for v in (m["mass"], m["pt"] * math.cos(m["phi"]), m["pt"] * math.sin(m["phi"]))
    ]
    ratio = lambda a, b: a / b if b else nan
    st, ht, j1 = one["pt"] + two["pt"], math.fsum(j["pt"] for j in jets), jets[0]["pt"] if jets else nan
    m2_ct = one["mass"] ** 2 + two["mass"] ** 2 + 2 * (e1 * e2 + one["pt"] * two["pt"] * math.cos(dphi))
    return out | {
        "m_mumu": mass,
        "m_ct": math.sqrt(max(0.0, m2_ct)),
        "m_t2": float(mt2(*legs, met * math.cos(phi_met), met * math.sin(phi_met), 0.0, 0.0)),
        "met": met,
        "phi_met": phi_met,
        "ht": ht,
        "st": st,
        "abs_deta_mumu": abs(one["eta"] - two["eta"]),
        "abs_dphi_mumu": dphi,
        "pt_mu1_over_pt_mu2": one["pt"] / two["pt"],
        "pt_mu1_over_pt_j1": ratio(one["pt"], j1),
        "pt_mu1_over_ht": ratio(one["pt"], ht),
        "st_over_ht": ratio(st, ht),
        "pt_mu2_over_pt_j1": ratio(two["pt"], j1),
        "st_over_pt_j1": ratio(st, j1),
        "pt_mu2_over_ht": ratio(two["pt"], ht),
    }
