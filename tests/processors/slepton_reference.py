"""The slepton selection once more, as a loop over events in plain Python: no line of it from massgap.

Thresholds and observables are written down from the paper and the authors' public card.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

if TYPE_CHECKING:
    from collections.abc import Sequence

MUON_MASS, ELECTRON_MASS = 0.1056583755, 0.00051099895
MT2_FEATURES = ("mt2_0", "mt2_100", "ratio_mt2")


@dataclass
class Selected:
    """What the loop finds: counts and weights of each step, and the features of each selected event."""

    steps: dict[str, list[float]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def reach(self, step: str, weight: float) -> None:
        self.steps.setdefault(step, []).append(weight)


def read_nano(path: str) -> list[dict[str, Any]]:
    """Events of a NanoAOD file as plain Python, with identification decided here."""
    with uproot.open(path) as file:
        tree = file["Events"]
        keys = set(tree.keys())

        def pick(*names: str) -> str:
            return next(n for n in names if n in keys)

        met = pick("MET_pt", "PFMET_pt").removesuffix("_pt")
        btag, cut = next(
            (n, c)
            for n, c in (
                ("Jet_btagDeepFlavB", 0.2783),
                ("Jet_btagPNetB", 0.245),
                ("Jet_btagUParTAK4B", 0.1272),
                ("Jet_btagDeepB", 0.4168),
                ("Jet_btagCSVV2", 0.8484),
            )
            if n in keys
        )
        tau = next(
            n
            for n in (
                "Tau_idDeepTau2018v2p5VSjet",
                "Tau_idDeepTau2017v2p1VSjet",
                "Tau_idMVAoldDM2017v2",
                "Tau_idMVAoldDM",
            )
            if n in keys
        )
        title = tree[tau].title
        isolation = {c: pick(f"{c}_pfRelIso04_all", f"{c}_pfRelIso03_all") for c in ("Muon", "Electron")}
        muon_id = pick("Muon_mediumId", "Muon_tightId")
        wanted = [
            f"{c}_{f}" for c in ("Muon", "Electron", "Tau", "Jet") for f in ("pt", "eta", "phi", "mass")
        ]
        wanted += ["Muon_charge", "Electron_charge", *isolation.values(), muon_id, "Electron_cutBased"]
        wanted += [tau, btag, f"{met}_pt", f"{met}_phi", "run", "luminosityBlock", "event"]
        wanted += [n for n in ("Jet_jetId", "Jet_puId", "genWeight") if n in keys]
        columns = {n: tree[n].array(library="np") for n in wanted}

    def is_tau(value: int) -> bool:
        for part in title.split(","):
            if part.strip().endswith("= Medium"):
                n = int(part.split("=")[0].split()[-1])
                return bool(value & n) if "bitmask" in title else value >= n
        return bool(value & 16) if "2017v2p1" in tau else value >= 5

    def objects(i: int, name: str) -> list[dict[str, Any]]:
        out = []
        for k in range(len(columns[f"{name}_pt"][i])):
            x = {f: float(columns[f"{name}_{f}"][i][k]) for f in ("pt", "eta", "phi", "mass")}
            if name in ("Muon", "Electron"):
                x["charge"] = int(columns[f"{name}_charge"][i][k])
                x["iso"] = float(columns[isolation[name]][i][k])
            if name == "Muon":
                x["id"] = bool(columns[muon_id][i][k])
            if name == "Electron":
                x["id"] = int(columns["Electron_cutBased"][i][k]) >= 2
            if name == "Tau":
                x["id"] = is_tau(int(columns[tau][i][k]))
            if name == "Jet":
                x["b"] = float(columns[btag][i][k]) > cut
                x["id"] = "Jet_jetId" not in columns or bool(int(columns["Jet_jetId"][i][k]) & 2)
                if "Jet_puId" in columns and not x["pt"] > 50:
                    x["id"] = x["id"] and bool(int(columns["Jet_puId"][i][k]) & 4)
            out.append(x)
        return out

    return [
        {
            "weight": float(columns["genWeight"][i]) if "genWeight" in columns else 1.0,
            "key": tuple(int(columns[n][i]) for n in ("run", "luminosityBlock", "event")),
            "muons": objects(i, "Muon"),
            "electrons": objects(i, "Electron"),
            "taus": objects(i, "Tau"),
            "jets": objects(i, "Jet"),
            "met": (float(columns[f"{met}_pt"][i]), float(columns[f"{met}_phi"][i])),
        }
        for i in range(len(columns["run"]))
    ]


def read_delphes(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Events from Delphes columns (``Muon.PT``) as plain Python."""
    lists = {name: array.tolist() for name, array in columns.items()}
    n = len(next(iter(lists.values())))

    def objects(i: int, name: str, mass: float | None) -> list[dict[str, Any]]:
        out = []
        for k in range(len(lists[f"{name}.PT"][i])):
            x = {f.lower(): lists[f"{name}.{f}"][i][k] for f in ("PT", "Eta", "Phi")}
            x["mass"] = lists[f"{name}.Mass"][i][k] if mass is None else mass
            x["id"] = True
            if mass is None:
                x["b"] = bool(lists["Jet.BTag"][i][k] & 1)
                x["tau"] = lists["Jet.TauTag"][i][k] > 0
            else:
                x["charge"] = lists[f"{name}.Charge"][i][k]
                isolation = lists.get(f"{name}.IsolationVar")
                x["iso"] = 0.0 if isolation is None else isolation[i][k]
            out.append(x)
        return out

    events = []
    for i in range(n):
        jets = objects(i, "Jet", None)
        events.append(
            {
                "weight": lists["Event.Weight"][i][0] if "Event.Weight" in lists else 1.0,
                "key": (0, 0, lists["Event.Number"][i][0]),
                "muons": objects(i, "Muon", MUON_MASS),
                "electrons": objects(i, "Electron", ELECTRON_MASS),
                "taus": [{**j, "id": True} for j in jets if j["tau"]],
                "jets": jets,
                "met": (lists["MissingET.MET"][i][0], lists["MissingET.Phi"][i][0]),
            }
        )
    return events


def _delta_phi(a: float, b: float) -> float:
    d = abs(a - b) % (2 * math.pi)
    return min(d, 2 * math.pi - d)


def _near(x: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    return any((x["eta"] - o["eta"]) ** 2 + _delta_phi(x["phi"], o["phi"]) ** 2 < 0.16 for o in others)


def _by_pt(xs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(xs, key=lambda x: -x["pt"])


def scaled(event: dict[str, Any], factor: float) -> dict[str, Any]:
    """All jets' energies times a factor; MET takes up the difference of jets above 15 GeV."""
    px = event["met"][0] * math.cos(event["met"][1])
    py = event["met"][0] * math.sin(event["met"][1])
    for j in event["jets"]:
        if j["pt"] > 15:
            px -= (factor - 1) * j["pt"] * math.cos(j["phi"])
            py -= (factor - 1) * j["pt"] * math.sin(j["phi"])
    jets = [{**j, "pt": j["pt"] * factor, "mass": j["mass"] * factor} for j in event["jets"]]
    return {**event, "jets": jets, "met": (math.hypot(px, py), math.atan2(py, px))}


def select(
    events: list[dict[str, Any]],
    *,
    without: Sequence[str] = (),
    muon_pt: float = 10.0,
    jet_pt: float = 20.0,
    hard_jet_pt: float = 30.0,
    topology_met: float = 30.0,
) -> Selected:
    """The topology of the paper, with the thresholds of the authors' card, and the three pre-cuts."""
    out = Selected()
    for e in events:
        w = e["weight"]
        out.reach("all events", w)

        def leptons(xs: list[dict[str, Any]], pt: float, isolation: float) -> list[dict[str, Any]]:
            return [
                x for x in xs if x["pt"] > pt and abs(x["eta"]) < 2.5 and x["iso"] < isolation and x["id"]
            ]

        muons = _by_pt(leptons(e["muons"], muon_pt, 0.25))
        if len(muons) != 2 or muons[0]["charge"] + muons[1]["charge"] != 0:
            continue
        out.reach("two opposite-sign muons", w)
        electrons = leptons(e["electrons"], 10, 0.15)
        if "no_electron" not in without:
            if electrons:
                continue
            out.reach("no electron", w)
        jets = [j for j in e["jets"] if j["pt"] > jet_pt and abs(j["eta"]) < 4.5 and j["id"]]
        jets = _by_pt([j for j in jets if not _near(j, muons + electrons)])
        hard = [j for j in jets if j["pt"] > hard_jet_pt]
        if len(hard) != 1 or not abs(hard[0]["eta"]) < 2.5:
            continue
        out.reach("exactly one hard jet", w)
        if "no_b_jet" not in without:
            if any(j["b"] for j in jets if abs(j["eta"]) < 2.5):
                continue
            out.reach("no b jet", w)
        if "no_tau" not in without:
            taus = [t for t in e["taus"] if t["pt"] > 20 and abs(t["eta"]) < 2.5 and t["id"]]
            if any(not _near(t, muons) for t in taus):
                continue
            out.reach("no hadronic tau", w)
        if "met_30" not in without:
            if not e["met"][0] > topology_met:
                continue
            out.reach(f"MET > {topology_met:g}", w)
        row = observables(muons[0], muons[1], jets[0], e["met"], math.fsum(j["pt"] for j in jets))
        cuts = {
            "z_window": row["m_ll"] < 81 or row["m_ll"] > 101,
            "met": row["met"] > 110,
            "cos_theta_star": row["cos_theta_star"] < 0.5,
        }
        for last in range(1, 4):
            if all(list(cuts.values())[:last]):
                out.reach(list(cuts)[last - 1], w)
        out.rows.append({**row, "cuts": cuts, "precuts": all(cuts.values()), "weight": w, "key": e["key"]})
    return out


def _p4(x: dict[str, Any]) -> tuple[float, float, float, float]:
    px, py, pz = (x["pt"] * f for f in (math.cos(x["phi"]), math.sin(x["phi"]), math.sinh(x["eta"])))
    return math.sqrt(px * px + py * py + pz * pz + x["mass"] ** 2), px, py, pz


def observables(
    l1: dict[str, Any], l2: dict[str, Any], j: dict[str, Any], met: tuple[float, float], ht: float
) -> dict[str, float]:
    """Table II without the three that need M_T2."""
    a, b = _p4(l1), _p4(l2)
    e, x, y, z = (p + q for p, q in zip(a, b, strict=True))
    m_ll = math.sqrt(max(e * e - x * x - y * y - z * z, 0.0))
    # Ditau mass, equation (1): the lepton pair and the neutrinos along it balance the jet.
    cross = a[1] * b[2] - a[2] * b[1]
    jx, jy = j["pt"] * math.cos(j["phi"]), j["pt"] * math.sin(j["phi"])
    if cross == 0.0:
        m_tautau = math.nan
    else:
        x1 = -(jx * b[2] - jy * b[1]) / cross
        x2 = -(a[1] * jy - a[2] * jx) / cross
        square = m_ll**2 * x1 * x2
        m_tautau = math.copysign(math.sqrt(abs(square)), square)
    pt, phi = met
    ratio = lambda v: v / pt if pt > 0 else math.nan
    return {
        "m_ll": m_ll,
        "m_j": j["mass"],
        "m_tautau": m_tautau,
        "met": pt,
        "ht": ht,
        "meff": pt + ht,
        "pt_l1": l1["pt"],
        "pt_l2": l2["pt"],
        "pt_j": j["pt"],
        "pt_l1_over_met": ratio(l1["pt"]),
        "pt_l2_over_met": ratio(l2["pt"]),
        "pt_j_over_met": ratio(j["pt"]),
        "dphi_l1_met": _delta_phi(l1["phi"], phi),
        "dphi_l2_met": _delta_phi(l2["phi"], phi),
        "dphi_j_met": _delta_phi(j["phi"], phi),
        "dphi_l1_l2": _delta_phi(l1["phi"], l2["phi"]),
        "dphi_l1_j": _delta_phi(l1["phi"], j["phi"]),
        "dphi_l2_j": _delta_phi(l2["phi"], j["phi"]),
        "cos_theta_star": math.tanh(abs(l1["eta"] - l2["eta"]) / 2),
        "tanh_deta_l1_j": math.tanh(abs(l1["eta"] - j["eta"])),
        "tanh_deta_l2_j": math.tanh(abs(l2["eta"] - j["eta"])),
        "eta_l1": l1["eta"],
        "eta_l2": l2["eta"],
        "eta_j": j["eta"],
        # For the check of M_T2 in its own package.
        "_mt2": (l1["mass"], a[1], a[2], l2["mass"], b[1], b[2], pt * math.cos(phi), pt * math.sin(phi)),
    }


def sums(weights: list[float]) -> tuple[int, float, float]:
    """Number, sum of weights and of their squares (each square rounded), both sums exact."""
    return len(weights), math.fsum(weights), math.fsum(w * w for w in weights)


def as_columns(rows: list[dict[str, Any]], names: list[str]) -> dict[str, np.ndarray]:
    return {n: np.array([r[n] for r in rows]) for n in names}
