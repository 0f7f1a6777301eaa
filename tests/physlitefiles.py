"""Small synthetic ATLAS PHYSLITE files for tests: flat ones as TTree, ones with the association map of MET as RNTuple.

uproot writes no vectors of vectors into a TTree.  Events are those of ``eventfiles``, in MeV, so that a file of the same
events in NanoAOD's layout tells what must come out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

if TYPE_CHECKING:
    import random
    from pathlib import Path

MEV = 1000.0
KEYS = {"electrons": 956497600, "photons": 902907695, "taus": 518718875, "muons": 980095599}

Event = dict[str, Any]


def _jagged(lists: list[list[Any]], kind: str) -> ak.Array:
    counts = np.array([len(x) for x in lists], dtype=np.int64)
    return ak.unflatten(np.array([x for xs in lists for x in xs], dtype=kind), counts)


def _column(events: list[Event], name: str, value: Any, kind: str = "f4") -> ak.Array:
    return _jagged([[value(x) for x in event[name]] for event in events], kind)


def _kinematics(events: list[Event], name: str, container: str, *, mass: bool = True) -> dict[str, ak.Array]:
    out = {
        f"{container}AuxDyn.pt": _column(events, name, lambda x: x["pt"] * MEV),
        f"{container}AuxDyn.eta": _column(events, name, lambda x: x["eta"]),
        f"{container}AuxDyn.phi": _column(events, name, lambda x: x["phi"]),
    }
    if mass:
        out[f"{container}AuxDyn.m"] = _column(events, name, lambda x: x["mass"] * MEV)
    return out


def columns(events: list[Event], *, data: bool = False) -> dict[str, Any]:
    """Branch name -> array, as in a DAOD_PHYSLITE; MET is finished (the term Final)."""
    muons, electrons = "AnalysisMuonsAuxDyn.", "AnalysisElectronsAuxDyn."
    taus, jets = "AnalysisTauJetsAuxDyn.", "AnalysisJetsAuxDyn."
    tags = "BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_"
    out: dict[str, Any] = {
        "EventInfoAuxDyn.runNumber": np.array([e["run"] for e in events], np.uint32),
        "EventInfoAuxDyn.lumiBlock": np.array([e["lumi"] for e in events], np.uint32),
        "EventInfoAuxDyn.eventNumber": np.array([e["number"] for e in events], np.uint64),
        **_kinematics(events, "muons", "AnalysisMuons", mass=False),
        muons + "charge": _column(events, "muons", lambda x: x["charge"]),
        # The lowest two bits of the quality: 1 is Medium, 2 is Loose; bit 8: the cuts on the inner track.
        muons + "quality": _column(events, "muons", lambda x: 8 + (1 if x["good"] else 2), "u1"),
        muons + "ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt500": _column(
            events, "muons", lambda x: 0.6 * x["iso"] * x["pt"] * MEV
        ),
        muons + "neflowisol20": _column(events, "muons", lambda x: x["iso"] * x["pt"] * MEV),
        **_kinematics(events, "electrons", "AnalysisElectrons"),
        electrons + "charge": _column(events, "electrons", lambda x: x["charge"]),
        electrons + "DFCommonElectronsLHMedium": _column(events, "electrons", lambda x: x["good"], "i1"),
        electrons + "ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000": _column(
            events, "electrons", lambda x: x["iso"] * x["pt"] * MEV
        ),
        electrons + "topoetcone20": _column(events, "electrons", lambda x: 0.5 * x["iso"] * x["pt"] * MEV),
        **_kinematics(events, "taus", "AnalysisTauJets"),
        taus + "charge": _column(events, "taus", lambda x: x["charge"]),
        taus + "isTauFlags": _column(events, "taus", lambda x: (1 << 29) | (x["good"] << 30), "u4"),
        taus + "EleRNNLoose_v1": _column(events, "taus", lambda _: 1, "i1"),
        **_kinematics(events, "jets", "AnalysisJets"),
        jets + "NNJvtPass": _column(events, "jets", lambda x: x["tight"], "i1"),
        tags + "pb": _column(events, "jets", lambda x: 0.9 if x["b"] else 0.05),
        tags + "pc": _column(events, "jets", lambda x: 0.05 if x["b"] else 0.1),
        tags + "pu": _column(events, "jets", lambda x: 0.05 if x["b"] else 0.85),
        "MET_Core_AnalysisMETAuxDyn.mpx": _jagged(
            [[e["met"][0] * math.cos(e["met"][1]) * MEV] for e in events], "f4"
        ),
        "MET_Core_AnalysisMETAuxDyn.mpy": _jagged(
            [[e["met"][0] * math.sin(e["met"][1]) * MEV] for e in events], "f4"
        ),
    }
    if not data:
        out["EventInfoAuxDyn.mcEventWeights"] = _jagged([[e["weight"], 7.0] for e in events], "f4")
    return out


def write_tree(path: Path, arrays: dict[str, Any], *, tree: str = "CollectionTree", **more: Any) -> Path:
    """Write columns as a TTree; ``more`` are further trees, for instance ``MetaData``."""
    import uproot

    with uproot.recreate(path) as file:
        types = {name: a.type.content if isinstance(a, ak.Array) else a.dtype for name, a in arrays.items()}
        file.mktree(tree, types).extend(arrays)
        for name, content in more.items():
            file.mkrntuple(name, content)
    return path


def write_rntuple(path: Path, arrays: dict[str, Any]) -> Path:
    """Write columns as ATLAS does since 2024: an RNTuple, in whose names a colon stands for the dot."""
    import uproot

    with uproot.recreate(path) as file:
        file.mkrntuple("EventData", {name.replace(".", ":"): array for name, array in arrays.items()})
    return path


def association_event(rng: random.Random) -> Event:
    """One event with objects that share constituents with jets and with one another."""

    def one(low: float, high: float, **more: Any) -> dict[str, Any]:
        return {
            "pt": rng.uniform(low, high),
            "eta": rng.uniform(-2.4, 2.4),
            "phi": rng.uniform(-math.pi, math.pi),
            **more,
        }

    event: Event = {
        "electrons": [one(5, 60, good=rng.random() < 0.8) for _ in range(rng.randrange(3))],
        "photons": [one(15, 60, good=rng.random() < 0.8) for _ in range(rng.randrange(3))],
        "taus": [one(15, 60, good=rng.random() < 0.8) for _ in range(rng.randrange(3))],
        "muons": [
            one(5, 60, good=rng.random() < 0.8, inner=rng.uniform(5, 60)) for _ in range(rng.randrange(3))
        ],
        "jets": [
            one(10, 80, good=rng.random() < 0.8, tracks=rng.randrange(9), track_pt=rng.uniform(0, 30))
            for _ in range(rng.randrange(4))
        ],
        "soft": (rng.uniform(-15, 15), rng.uniform(-15, 15)),
    }
    for jet in event["jets"]:
        jet["eta"] *= 1.8  # also forward ones
        scale = rng.uniform(0.7, 1.1)
        jet["raw"] = {"pt": jet["pt"] * scale, "eta": jet["eta"], "phi": jet["phi"], "m": 3.0}
    everything = [(kind, k) for kind in KEYS for k in range(len(event[kind]))]
    event["map"] = [] if rng.random() < 0.05 else _map(rng, event, everything)
    return event


def _map(rng: random.Random, event: Event, everything: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Associations of all jets and of the rest: which objects are in it, and constituents by the objects that use them."""
    out = []
    left = [one for one in everything if rng.random() < 0.95]
    rng.shuffle(left)
    for number in range(len(event["jets"]) + 1):
        misc = number == len(event["jets"])
        mine = left if misc else [left.pop() for _ in range(min(len(left), rng.randrange(4)))]
        calorimeter, tracks = {}, {}
        for _ in range(rng.randrange(4) if mine else 0):
            users = frozenset(k for k in range(len(mine)) if rng.random() < 0.6)
            if users:
                momentum = (rng.uniform(-25, 25), rng.uniform(-25, 25))
                calorimeter[users] = (*momentum, math.hypot(*momentum) * 1.2)
                if rng.random() < 0.6:
                    tracks[users] = (0.5 * momentum[0], 0.5 * momentum[1])
        out.append(
            {
                "objects": list(mine),
                "calorimeter": calorimeter,
                "tracks": tracks,
                "jet_tracks": (rng.uniform(-9, 9), rng.uniform(-9, 9), rng.choice([0.0, 12.0])),
            }
        )
    return out


def _overlaps(association: dict[str, Any]) -> list[list[int]]:
    n = len(association["objects"])
    return [
        [j for j in range(n) if j != i and any({i, j} <= users for users in association["calorimeter"])]
        for i in range(n)
    ]


def association_columns(events: list[Event]) -> dict[str, Any]:
    """Branch name -> array of events of :func:`association_event`, as an RNTuple holds them."""
    out: dict[str, Any] = {
        "EventInfoAuxDyn.runNumber": np.ones(len(events), np.uint32),
        "EventInfoAuxDyn.lumiBlock": np.ones(len(events), np.uint32),
        "EventInfoAuxDyn.eventNumber": np.arange(len(events), dtype=np.uint64),
        "EventInfoAuxDyn.mcEventWeights": _jagged([[1.0] for _ in events], "f4"),
    }
    for kind, container in (
        ("electrons", "AnalysisElectrons"),
        ("photons", "AnalysisPhotons"),
        ("taus", "AnalysisTauJets"),
        ("muons", "AnalysisMuons"),
        ("jets", "AnalysisJets"),
    ):
        out |= _kinematics(
            [{kind: [{**x, "mass": 3.0} for x in e[kind]]} for e in events],
            kind,
            container,
            mass=kind != "muons",
        )
    good: Any = lambda x: x["good"]
    out |= {
        "AnalysisElectronsAuxDyn.DFCommonElectronsLHMedium": _column(events, "electrons", good, "i1"),
        "AnalysisPhotonsAuxDyn.DFCommonPhotonsIsEMTight": _column(events, "photons", good, "i1"),
        "AnalysisTauJetsAuxDyn.GNTauMedium_v0": _column(events, "taus", good, "i1"),
        "AnalysisTauJetsAuxDyn.charge": _column(events, "taus", lambda _: -1.0),
        "AnalysisMuonsAuxDyn.quality": _column(events, "muons", lambda x: 8 if x["good"] else 3, "u1"),
        "AnalysisMuonsAuxDyn.InnerDetectorPt": _column(events, "muons", lambda x: x["inner"] * MEV),
        "AnalysisJetsAuxDyn.NNJvtPass": _column(events, "jets", good, "i1"),
        "AnalysisJetsAuxDyn.SumPtTrkPt500": ak.Array(
            [[[x["track_pt"] * MEV, 1.0] for x in e["jets"]] for e in [*events, {"jets": [{"track_pt": 0}]}]]
        )[:-1],
        "AnalysisJetsAuxDyn.NumTrkPt500": ak.Array(
            [[[x["tracks"], 99] for x in e["jets"]] for e in [*events, {"jets": [{"tracks": 0}]}]]
        )[:-1],
        "MET_Core_AnalysisMETAuxDyn.mpx": _jagged([[1e6, e["soft"][0] * MEV] for e in events], "f4"),
        "MET_Core_AnalysisMETAuxDyn.mpy": _jagged([[1e6, e["soft"][1] * MEV] for e in events], "f4"),
        "MET_Core_AnalysisMETAuxDyn.name": ak.Array([["SoftClusCore", "PVSoftTrkCore"] for _ in events]),
    }
    for key in ("pt", "eta", "phi", "m"):
        unit = MEV if key in ("pt", "m") else 1.0
        out[f"AnalysisJetsAuxDyn.JetConstitScaleMomentum_{key}"] = _column(
            events, "jets", lambda x, key=key, unit=unit: x["raw"][key] * unit
        )
    return out | _map_columns(events)


def _map_columns(events: list[Event]) -> dict[str, Any]:
    maps = [e["map"] for e in events]

    def nested(value: Any, kind: type) -> ak.Array:
        # One more event gives the type where all lists are empty.
        rows = [[[kind(x) for x in value(a)] for a in m] for m in maps]
        return ak.Array([*rows, [[kind(0)]]])[:-1]

    def mask(users: frozenset[int]) -> int:
        return sum(1 << k for k in users)

    out: dict[str, Any] = {
        "objectLinks": ak.zip(
            {
                "m_persKey": ak.values_astype(
                    nested(lambda a: [KEYS[kind] for kind, _ in a["objects"]], int), np.uint32
                ),
                "m_persIndex": ak.values_astype(
                    nested(lambda a: [k for _, k in a["objects"]], int), np.uint32
                ),
            }
        ),
        "overlapIndices": ak.Array([*[[_overlaps(a) for a in m] for m in maps], [[[1]]]])[:-1],
        "overlapTypes": ak.values_astype(
            ak.Array([*[[[[8] * len(x) for x in _overlaps(a)] for a in m] for m in maps], [[[1]]]])[:-1],
            np.uint8,
        ),
    }
    for short, name in (("cal", "calorimeter"), ("trk", "tracks")):
        out[f"{short}key"] = nested(lambda a, name=name: [mask(users) for users in a[name]], int)
        for k, component in enumerate(("px", "py", "e")[: 3 if short == "cal" else 2]):
            out[f"{short}{component}"] = nested(
                lambda a, name=name, k=k: [p[k] * MEV for p in a[name].values()], float
            )
    for k, component in enumerate(("px", "py", "e")):
        out[f"jettrk{component}"] = _jagged([[a["jet_tracks"][k] * MEV for a in m] for m in maps], "f4")
    return {f"METAssoc_AnalysisMETAux.{name}": array for name, array in out.items()}
