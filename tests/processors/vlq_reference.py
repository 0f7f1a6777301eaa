"""The vector-like-quark selection once more, as a loop over events in plain Python, and events to try it on.

No line of the selection is from massgap: cuts and reconstruction are written down from the paper.  The events are toy decays
T -> t Z with smeared jets, thresholds, second candidates and lone leptons that are fat jets of their own.
"""

from __future__ import annotations

import math
import random
from typing import Any

import awkward as ak
import numpy as np

M_Z, M_W, M_TOP = 91.1880, 80.379, 172.5
STEPS = (
    "three leptons",
    "pT(Z) > 60",
    "fat jet away from the Z leptons",
    "third lepton in the fat jet",
    "slim jet",
    "dR(Z, J) >= 1",
)
_OF_LEPTON = {"muons": 0.1057, "electrons": 0.000511}
_F4 = np.float32


def _single(value: float) -> float:
    """As single precision stores it."""
    return float(_F4(value))


def _object(pt: float, eta: float, phi: float, mass: float, **more: Any) -> dict[str, Any]:
    phi = math.remainder(phi, 2 * math.pi)
    return {"pt": _single(pt), "eta": _single(eta), "phi": _single(phi), "mass": _single(mass), **more}


def make_event(rng: random.Random, number: int) -> dict[str, Any]:
    """A toy event: a Z and, on the other side, a lepton in a jet with a neutrino."""
    flavour = rng.choice(("muons", "electrons"))
    other = rng.choice(("muons", "electrons"))
    pt, eta, phi = rng.uniform(40, 900), rng.uniform(-1.8, 1.8), rng.uniform(-math.pi, math.pi)
    apart = M_Z / max(pt, 60) * rng.uniform(0.9, 1.1)
    charge = rng.choice((1, -1))
    leptons: dict[str, list[dict[str, Any]]] = {"muons": [], "electrons": []}

    def lepton(kind: str, pt: float, eta: float, phi: float, charge: int) -> dict[str, Any]:
        pt = rng.choice((25.0, 40.0)) if rng.random() < 0.05 else pt
        made = _object(pt, eta, phi, _OF_LEPTON[kind], charge=charge, good=rng.random() < 0.93)
        leptons[kind].append(made)
        return made

    lepton(flavour, pt * rng.uniform(0.3, 0.7), eta + apart / 2, phi, charge)
    lepton(flavour, pt * rng.uniform(0.2, 0.6), eta, phi + apart, -charge)
    away, eta_3 = phi + math.pi + rng.gauss(0, 0.4), rng.uniform(-2.0, 2.0)
    third = lepton(other, 10 + rng.expovariate(1 / 120), eta_3, away, rng.choice((1, -1)))
    if rng.random() < 0.2:
        lepton(rng.choice(("muons", "electrons")), 10 + rng.expovariate(1 / 30), 0.1, 1.0, 1)
    fat = []
    if rng.random() < 0.85:
        beside = rng.choice((0.0, 0.0, 60.0, 85.0, rng.expovariate(1 / 200)))
        spread = rng.uniform(-0.6, 0.6) if beside else 0.0
        fat.append(_object(third["pt"] + beside, eta_3 + spread, away + spread / 2, 10 + beside / 4))
    if rng.random() < 0.5:
        fat.append(
            _object(60 + rng.expovariate(1 / 100), rng.uniform(-3, 3), rng.uniform(-math.pi, math.pi), 30.0)
        )
    slim = [
        _object(
            18 + rng.expovariate(1 / 40),
            rng.uniform(-5.2, 5.2),
            rng.uniform(-math.pi, math.pi),
            6.0,
            good=rng.random() < 0.95,
        )
        for _ in range(rng.randrange(5))
    ]
    return {
        "number": number,
        "weight": _single(rng.choice((1.0, 0.5, 2.0))),
        **leptons,
        "fat": fat,
        "slim": slim,
        "met": (
            _single(rng.expovariate(1 / 120)),
            _single(math.remainder(away + rng.gauss(0, 0.5), 2 * math.pi)),
        ),
    }


def make_events(n: int, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [make_event(rng, number) for number in range(n)]


def _jagged(lists: list[list[Any]], kind: str) -> ak.Array:
    counts = np.array([len(x) for x in lists], dtype=np.int64)
    return ak.unflatten(np.array([x for xs in lists for x in xs], dtype=kind), counts)


def nano_columns(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Branches of NanoAOD version 12."""
    out: dict[str, Any] = {
        "run": np.ones(len(events), "u4"),
        "luminosityBlock": np.ones(len(events), "u4"),
        "event": np.array([e["number"] for e in events], "u8"),
        "genWeight": np.array([e["weight"] for e in events], "f4"),
        "MET_pt": np.array([e["met"][0] for e in events], "f4"),
        "MET_phi": np.array([e["met"][1] for e in events], "f4"),
    }
    names = {"Muon": "muons", "Electron": "electrons", "FatJet": "fat", "Jet": "slim"}
    for name, own in names.items():
        for field in ("pt", "eta", "phi", "mass"):
            out[f"{name}_{field}"] = _jagged([[x[field] for x in e[own]] for e in events], "f4")
    for name, own in (("Muon", "muons"), ("Electron", "electrons")):
        out[f"{name}_charge"] = _jagged([[x["charge"] for x in e[own]] for e in events], "i4")
    good = {own: [[x["good"] for x in e[own]] for e in events] for own in ("muons", "electrons", "slim")}
    out["Muon_mediumId"] = _jagged(good["muons"], "?")
    out["Electron_cutBased"] = _jagged([[4 if x else 1 for x in xs] for xs in good["electrons"]], "u1")
    out["Jet_jetId"] = _jagged([[6 if x else 0 for x in xs] for xs in good["slim"]], "u1")
    return out


def delphes_columns(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Branches as Delphes calls them; only good objects, and masses of leptons are the particles' own."""
    out: dict[str, Any] = {
        "Event.Number": _jagged([[e["number"]] for e in events], "i8"),
        "Event.Weight": _jagged([[e["weight"]] for e in events], "f4"),
        "MissingET.MET": _jagged([[e["met"][0]] for e in events], "f4"),
        "MissingET.Phi": _jagged([[e["met"][1]] for e in events], "f4"),
    }
    for name, own in {"Muon": "muons", "Electron": "electrons", "FatJet": "fat", "Jet": "slim"}.items():
        kept = [[x for x in e[own] if x.get("good", True)] for e in events]
        fields = {"PT": "pt", "Eta": "eta", "Phi": "phi", "Mass": "mass"}
        for branch, field in fields.items():
            if branch != "Mass" or own in ("fat", "slim"):
                out[f"{name}.{branch}"] = _jagged([[x[field] for x in xs] for xs in kept], "f4")
        if own in _OF_LEPTON:
            out[f"{name}.Charge"] = _jagged([[x["charge"] for x in xs] for xs in kept], "i4")
    return out


# The selection


def _p4(x: dict[str, Any]) -> np.ndarray:
    pt, eta, phi, mass = (float(x[k]) for k in ("pt", "eta", "phi", "mass"))
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.array([np.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz])


def _mass(p: np.ndarray) -> float:
    return float(np.sqrt(max(p[0] ** 2 - p[1] ** 2 - p[2] ** 2 - p[3] ** 2, float(0))))


def _direction(p: np.ndarray) -> tuple[float, float]:
    return float(np.arcsinh(p[3] / np.hypot(p[1], p[2]))), float(np.arctan2(p[2], p[1]))


def _d_phi(a: float, b: float) -> float:
    return abs(math.remainder(a - b, 2 * math.pi))


def _d_r(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.hypot(a[0] - b[0], _d_phi(a[1], b[1]))


def _place(x: dict[str, Any]) -> tuple[float, float]:
    return x["eta"], x["phi"]


def neutrinos(lepton: np.ndarray, px: float, py: float) -> list[np.ndarray]:
    """Massless momenta with this transverse momentum and m(lepton + neutrino) = m_W; one with the real part of complex roots."""
    e, lx, ly, lz = lepton
    m2 = e**2 - lx**2 - ly**2 - lz**2
    a = (float(M_W) ** 2 - m2) / 2 + lx * px + ly * py
    pt2 = float(px) ** 2 + float(py) ** 2
    # (e^2 - lz^2) pz^2 - 2 a lz pz + e^2 pt^2 - a^2 = 0
    c2, c1, c0 = e**2 - lz**2, -2 * a * lz, e**2 * pt2 - a**2
    disc = c1**2 - 4 * c2 * c0
    roots = [-c1 / (2 * c2)] if disc < 0 else [(-c1 + s * np.sqrt(disc)) / (2 * c2) for s in (-1, 1)]
    return [np.array([np.sqrt(pt2 + z**2), px, py, z]) for z in roots]


def select(events: list[dict[str, Any]], *, beside: float = 80.0, own_masses: bool = False) -> dict[str, Any]:
    """Weights of the events that reach each step, and the six variables of each selected event."""
    reached: dict[str, list[float]] = {"all events": [e["weight"] for e in events], **{s: [] for s in STEPS}}
    rows = []
    for e in events:
        passed, row = one(e, beside, own_masses=own_masses)
        for step in STEPS[:passed]:
            reached[step].append(e["weight"])
        if row is not None:
            rows.append({**row, "weight": e["weight"], "number": e["number"]})
    return {"steps": reached, "rows": rows}


def one(e: dict[str, Any], beside: float, *, own_masses: bool) -> tuple[int, dict[str, float] | None]:
    """How many cuts an event passes, and its variables if all."""
    leptons = []
    for kind, mass in (("electrons", 0.00051099895), ("muons", 0.1056583755)):
        leptons += [{**x, "kind": kind, **({"mass": mass} if own_masses else {})} for x in e[kind]]
    leptons = [x for x in leptons if x["good"] and x["pt"] >= 25 and abs(x["eta"]) < 2.5]
    leptons.sort(key=lambda x: -x["pt"])
    if len(leptons) < 3 or not leptons[0]["pt"] > 40:
        return 0, None
    pairs = [
        (abs(_mass(_p4(a) + _p4(b)) - M_Z), i, j)
        for i, a in enumerate(leptons)
        for j, b in enumerate(leptons)
        if i < j and a["kind"] == b["kind"] and a["charge"] == -b["charge"]
    ]
    if not pairs:
        return 1, None
    _, i, j = min(pairs)
    z = _p4(leptons[i]) + _p4(leptons[j])
    if not math.hypot(z[1], z[2]) > 60:
        return 1, None
    third = next(x for k, x in enumerate(leptons) if k not in (i, j))
    fat = [x for x in e["fat"] if x["pt"] > 80 and abs(x["eta"]) < 2.5]
    fat = [x for x in fat if all(_d_r(_place(x), _place(leptons[k])) >= 0.8 for k in (i, j))]
    if not fat:
        return 2, None
    fat = [x for x in fat if _d_r(_place(x), _place(third)) < 0.8 and _holds_more(x, third, beside)]
    if not fat:
        return 3, None
    big = max(fat, key=lambda x: x["pt"])
    slim = [x for x in e["slim"] if x["good"] and x["pt"] > 25 and abs(x["eta"]) < 5]
    slim = [x for x in slim if all(_d_r(_place(x), _place(lep)) >= 0.4 for lep in leptons)]
    if not slim:
        return 4, None
    z_place = _direction(z)
    if not _d_r(z_place, _place(big)) >= 1:
        return 5, None
    met, phi = e["met"]
    tops = [_p4(big) + nu for nu in neutrinos(_p4(third), met * math.cos(phi), met * math.sin(phi))]
    top = min(tops, key=lambda p: abs(_mass(p) - M_TOP))
    return 6, {
        "m_t_prime": _mass(top + z),
        "pt_z_l1": leptons[i]["pt"],
        "pt_z_l2": leptons[j]["pt"],
        "m_top": _mass(top),
        "dphi_z_l3": _d_phi(z_place[1], third["phi"]),
        "n_forward": float(sum(abs(x["eta"]) >= 2.5 for x in slim)),
    }


def _holds_more(big: dict[str, Any], lepton: dict[str, Any], beside: float) -> bool:
    if beside == 0:
        return True
    rest = _p4(big) - _p4(lepton)
    return bool(np.hypot(rest[1], rest[2]) > beside) and _d_r(_direction(rest), _place(lepton)) < 0.8
