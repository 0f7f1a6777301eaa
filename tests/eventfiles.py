"""Small synthetic event files for tests: NanoAOD of several versions, data, and Delphes-like records.

Events are made as plain Python first (one dict per event), so that a test can also change them, and are
written with uproot.  Every 20th event or so is an edge case: empty collections, equal pT, a jet at
exactly 30 GeV, MET at exactly 110 GeV, azimuths at the seam, same-sign pairs, third leptons, tags.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("v9", "v12", "v15", "data")

_LEPTON = {"pt": "f4", "eta": "f4", "phi": "f4", "mass": "f4", "charge": "i4"}
_JET = {"pt": "f4", "eta": "f4", "phi": "f4", "mass": "f4"}


def layout(version: str) -> dict[str, dict[str, str]]:
    """Collection -> field -> type, as NanoAOD of that version stores it."""
    old = version in ("v9", "data")
    tau_id = "idDeepTau2017v2p1VSjet" if old else "idDeepTau2018v2p5VSjet"
    jet: dict[str, str] = dict(_JET)
    if version == "v15":
        jet |= {"btagPNetB": "f4", "btagUParTAK4B": "f4"}
    else:
        jet |= {"btagDeepFlavB": "f4", "jetId": "i4" if old else "u1"}
    if old:
        jet["puId"] = "i4"
    return {
        "Muon": _LEPTON | {"pfRelIso04_all": "f4", "mediumId": "?"},
        "Electron": _LEPTON | {"pfRelIso03_all": "f4", "cutBased": "i4" if old else "u1"},
        "Tau": _LEPTON | {tau_id: "u1"},
        "Jet": jet,
    }


def _lepton(rng: random.Random, mass: float, charge: int) -> dict[str, Any]:
    return {
        "pt": 8 + rng.expovariate(1 / 30),
        "eta": rng.uniform(-2.7, 2.7),
        "phi": rng.uniform(-math.pi, math.pi),
        "mass": mass,
        "charge": charge,
        "iso": rng.choice([0.0, 0.02, 0.1, 0.2, 0.3]),
        "good": rng.random() < 0.95,
    }


def _jet(rng: random.Random, scale: float) -> dict[str, Any]:
    return {
        "pt": 15 + rng.expovariate(1 / scale),
        "eta": rng.uniform(-4.8, 4.8) if rng.random() < 0.3 else rng.uniform(-2.6, 2.6),
        "phi": rng.uniform(-math.pi, math.pi),
        "mass": rng.uniform(0, 25),
        "b": rng.random() < 0.08,
        "tight": rng.random() < 0.97,
        "pileup": rng.random() < 0.05,
    }


def make_event(rng: random.Random, number: int, *, negative: bool = True) -> dict[str, Any]:
    """One event; about a third of them pass the topology of the slepton analysis."""
    kind = number % 40
    muons = [_lepton(rng, 0.1056583755, 1), _lepton(rng, 0.1056583755, -1)]
    jets = [_jet(rng, 60.0)]
    event: dict[str, Any] = {
        "run": 1 + number // 1000,
        "lumi": 1 + number // 100,
        "number": number,
        "weight": rng.uniform(0.1, 2.0) * (-1 if negative and rng.random() < 0.1 else 1),
        "muons": muons,
        "electrons": [_lepton(rng, 0.000511, 1)] if rng.random() < 0.08 else [],
        "taus": [_lepton(rng, 1.1, -1)] if rng.random() < 0.08 else [],
        "jets": jets,
        "met": (rng.expovariate(1 / 120), rng.uniform(-math.pi, math.pi)),
    }
    if rng.random() < 0.4:
        jets.append(_jet(rng, 4.0))
    if rng.random() < 0.1:
        # A jet on top of a muon, to be removed.
        jets.append({**_jet(rng, 30.0), "eta": muons[0]["eta"] + 0.1, "phi": muons[0]["phi"]})
    if kind == 0:
        muons.clear()
        jets.clear()
        event["electrons"], event["taus"] = [], []
    elif kind == 1:
        muons[1]["pt"] = muons[0]["pt"]
    elif kind == 2:
        jets[0]["pt"] = 30.0
    elif kind == 3:
        event["met"] = (110.0, 0.5)
    elif kind == 4:
        # The seam as NanoAOD stores it: pi in single precision, slightly above pi itself.
        muons[0]["phi"], muons[1]["phi"] = math.pi, -math.pi
        jets[0]["phi"] = -3.1415
    elif kind == 5:
        muons[1]["charge"] = 1
    elif kind == 6:
        muons.append(_lepton(rng, 0.1056583755, -1))
    elif kind == 7:
        jets[0]["pt"], jets[0]["eta"] = 80.0, 2.5
    elif kind == 8:
        jets.append({**jets[0], "phi": -jets[0]["phi"]})
    elif kind == 9:
        muons[0]["pt"] = 10.0
    elif kind == 10:
        event["met"] = (0.0, 0.0)
    elif kind == 11:
        muons.reverse()
        muons.append({**_lepton(rng, 0.1056583755, 1), "pt": 3.5})
    elif kind == 12:
        muons[1] = {**muons[0], "charge": -1}
    return event


def make_events(n: int, seed: int = 1, *, first: int = 0, negative: bool = True) -> list[dict[str, Any]]:
    """``n`` events; the same seed gives the same ones."""
    rng = random.Random(seed)
    return [make_event(rng, first + i, negative=negative) for i in range(n)]


def _column(events: list[dict[str, Any]], collection: str, field: str, kind: str, version: str) -> ak.Array:
    def value(x: dict[str, Any]) -> Any:
        if field in x:
            return x[field]
        if field.startswith("pfRelIso"):
            return x["iso"]
        if field == "mediumId":
            return x["good"]
        if field == "cutBased":
            return 3 if x["good"] else 1
        if field == "idDeepTau2017v2p1VSjet":
            return 0b11111 if x["good"] else 0b01111
        if field == "idDeepTau2018v2p5VSjet":
            return 5 if x["good"] else 4
        if field.startswith("btag"):
            return 0.9 if x["b"] else 0.01
        if field == "jetId":
            return 6 if x["tight"] else 0
        if field == "puId":
            return 0 if x["pileup"] else 7
        raise KeyError(field)

    lists = [[value(x) for x in event[collection]] for event in events]
    counts = np.array([len(x) for x in lists])
    flat = np.array([x for xs in lists for x in xs], dtype=kind)
    return ak.unflatten(flat, counts)


def columns(events: list[dict[str, Any]], version: str = "v12") -> dict[str, Any]:
    """Branch (or collection) name -> array."""
    names = {"Muon": "muons", "Electron": "electrons", "Tau": "taus", "Jet": "jets"}
    out: dict[str, Any] = {
        "run": np.array([e["run"] for e in events], dtype=np.uint32),
        "luminosityBlock": np.array([e["lumi"] for e in events], dtype=np.uint32),
        "event": np.array([e["number"] for e in events], dtype=np.uint64),
    }
    if version != "data":
        out["genWeight"] = np.array([e["weight"] for e in events], dtype=np.float32)
        out["PSWeight"] = ak.from_regular(
            np.array([[1.1, 0.9, 0.8, 1.3]] * len(events), dtype=np.float32).reshape(-1, 4)
        )
    for collection, fields in layout(version).items():
        parts = {f: _column(events, names[collection], f, kind, version) for f, kind in fields.items()}
        out[collection] = ak.zip(parts)
    met = "PFMET" if version == "v15" else "MET"
    out[f"{met}_pt"] = np.array([e["met"][0] for e in events], dtype=np.float32)
    out[f"{met}_phi"] = np.array([e["met"][1] for e in events], dtype=np.float32)
    return out


def write_columns(
    path: Path,
    arrays: dict[str, Any],
    *,
    tree: str = "Events",
    compression: Any = "zstd",
    baskets: int = 2,
    runs: dict[str, Any] | None = None,
) -> Path:
    """Write columns as a TTree in several baskets, and a tree ``Runs`` where its columns are given."""
    import uproot

    level = {
        "zstd": uproot.ZSTD(5),
        "zlib": uproot.ZLIB(4),
        "lz4": uproot.LZ4(4),
        None: None,
    }[compression]
    with uproot.recreate(path, compression=level) as file:
        n = len(next(iter(arrays.values())))
        types = {name: a.type.content if isinstance(a, ak.Array) else a.dtype for name, a in arrays.items()}
        made = file.mktree(tree, types)
        edges = [n * i // baskets for i in range(baskets + 1)]
        for a, b in itertools.pairwise(edges):
            if b > a:
                made.extend({name: array[a:b] for name, array in arrays.items()})
        if runs is not None:
            file.mktree("Runs", {k: np.asarray(v).dtype for k, v in runs.items()}).extend(
                {k: np.asarray(v) for k, v in runs.items()}
            )
    return path


def write_nano(
    path: Path,
    events: list[dict[str, Any]],
    version: str = "v12",
    *,
    drop: tuple[str, ...] = (),
    change: dict[str, Any] | None = None,
    **how: Any,
) -> Path:
    """A NanoAOD file; ``drop`` leaves branches out (``Jet_pt``, ``genWeight``), ``change`` replaces columns."""
    arrays = columns(events, version)
    for name in drop:
        collection, _, field = name.partition("_")
        if name in arrays:
            del arrays[name]
        else:
            kept = {f: arrays[collection][f] for f in ak.fields(arrays[collection]) if f != field}
            arrays[collection] = ak.zip(kept)
    for name, function in (change or {}).items():
        collection, _, field = name.partition("_")
        if name in arrays:
            arrays[name] = function(arrays[name])
        else:
            old = arrays[collection]
            parts = {f: old[f] for f in ak.fields(old)}
            flat, counts = ak.to_numpy(ak.flatten(parts[field])).copy(), ak.num(parts[field])
            parts[field] = ak.unflatten(function(flat), counts)
            arrays[collection] = ak.zip(parts)
    return write_columns(path, arrays, **how)


def delphes_columns(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns named as Delphes' branches (``Muon.PT``): only good objects, as its cards store them."""

    def jagged(lists: list[list[Any]], kind: str) -> ak.Array:
        counts = np.array([len(x) for x in lists], dtype=np.int64)
        return ak.unflatten(np.array([x for xs in lists for x in xs], dtype=kind), counts)

    keys = {"PT": "pt", "Eta": "eta", "Phi": "phi"}
    out: dict[str, Any] = {
        "Event.Number": jagged([[e["number"]] for e in events], "i8"),
        "Event.Weight": jagged([[e["weight"]] for e in events], "f4"),
        "MissingET.MET": jagged([[e["met"][0]] for e in events], "f4"),
        "MissingET.Phi": jagged([[e["met"][1]] for e in events], "f4"),
    }
    for collection, name in (("Muon", "muons"), ("Electron", "electrons")):
        good = [[x for x in e[name] if x["good"]] for e in events]
        for branch, key in keys.items():
            out[f"{collection}.{branch}"] = jagged([[x[key] for x in xs] for xs in good], "f4")
        out[f"{collection}.Charge"] = jagged([[x["charge"] for x in xs] for xs in good], "i4")
        out[f"{collection}.IsolationVar"] = jagged([[x["iso"] for x in xs] for xs in good], "f4")
    jets = [
        [{**x, "tau": 0, "charge": 0} for x in e["jets"] if x["tight"]]
        + [{**x, "b": False, "tau": 1} for x in e["taus"] if x["good"]]
        for e in events
    ]
    for branch, key in {**keys, "Mass": "mass"}.items():
        out[f"Jet.{branch}"] = jagged([[x[key] for x in xs] for xs in jets], "f4")
    out["Jet.BTag"] = jagged([[int(x["b"]) for x in xs] for xs in jets], "u4")
    out["Jet.TauTag"] = jagged([[x["tau"] for x in xs] for xs in jets], "u4")
    out["Jet.Charge"] = jagged([[x["charge"] for x in xs] for xs in jets], "i4")
    return out
