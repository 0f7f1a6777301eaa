"""Events at the edges of the slepton selection: as columns of NanoAOD, flat, and as plain Python."""

from __future__ import annotations

import itertools
import math
from typing import Any

import awkward as ak
import numpy as np

N = 20_000
F4 = np.float32


def above(x: float) -> np.float32:
    return np.nextafter(F4(x), F4(np.inf))


def below(x: float) -> np.float32:
    return np.nextafter(F4(x), F4(0))


def nasty(seed: int, n: int = N) -> dict[str, Any]:
    """Columns of NanoAOD in single precision: ordinary values mixed with thresholds, ties and the seam of phi."""
    rng = np.random.default_rng(seed)

    def mixed(size: int, odd: list[Any], share: float, ordinary: Any) -> np.ndarray:
        return np.where(rng.random(size) < share, rng.choice(F4(odd), size), F4(ordinary)).astype(F4)

    def collection(
        counts: np.ndarray, pts: list[Any], scale: float, etas: list[Any]
    ) -> dict[str, np.ndarray]:
        k = int(counts.sum())
        return {
            "pt": mixed(k, pts, 0.3, 9 + rng.exponential(scale, k)),
            "eta": mixed(k, etas, 0.15, rng.normal(0, 1.2, k)),
            "phi": mixed(
                k, [math.pi, -math.pi, 3.14, -3.14, 0.0, 6.28], 0.2, rng.uniform(-math.pi, math.pi, k)
            ),
        }

    def edges(*xs: float) -> list[Any]:
        return [y for x in xs for y in (F4(x), above(x), below(x))]

    counts = {
        "Muon": rng.choice([0, 1, 2, 3, 4], n, p=[0.03, 0.03, 0.8, 0.12, 0.02]),
        "Electron": rng.choice([0, 1, 2], n, p=[0.75, 0.2, 0.05]),
        "Jet": rng.choice([0, 1, 2, 3, 4], n, p=[0.08, 0.5, 0.25, 0.12, 0.05]),
        "Tau": rng.choice([0, 1, 2], n, p=[0.75, 0.2, 0.05]),
    }
    lepton_eta = [0.0, *edges(2.5), *(-x for x in edges(2.5))]
    flat = {
        "Muon": collection(counts["Muon"], [40.0, *edges(10)], 30, lepton_eta),
        "Electron": collection(counts["Electron"], edges(10), 20, lepton_eta),
        "Jet": collection(counts["Jet"], [50.0, *edges(20, 30)], 20, [*lepton_eta, *edges(4.5)]),
        "Tau": collection(counts["Tau"], edges(20), 25, lepton_eta),
    }
    size = {name: len(x["pt"]) for name, x in flat.items()}
    flat["Muon"] |= {
        "charge": rng.choice([-1, 1], size["Muon"]),
        "pfRelIso04_all": mixed(
            size["Muon"], [*edges(0.25), np.inf], 0.1, rng.exponential(0.05, size["Muon"])
        ),
        "mediumId": rng.random(size["Muon"]) < 0.97,
    }
    flat["Electron"] |= {
        "charge": rng.choice([-1, 1], size["Electron"]),
        "pfRelIso03_all": mixed(
            size["Electron"], [*edges(0.15), np.inf], 0.2, rng.exponential(0.06, size["Electron"])
        ),
        "cutBased": rng.choice([0, 1, 2, 3], size["Electron"]),
    }
    flat["Jet"] |= {
        "btagDeepFlavB": mixed(
            size["Jet"], [*edges(0.2783), np.nan, -1.0], 0.1, rng.beta(0.3, 3.0, size["Jet"])
        ),
        "jetId": rng.choice([0, 2, 6], size["Jet"], p=[0.05, 0.05, 0.9]),
    }
    flat["Tau"] |= {"idDeepTau2018v2p5VSjet": rng.choice([4, 5, 6], size["Tau"])}
    flat["Tau"]["charge"] = rng.choice([-1, 1], size["Tau"])
    for name in ("Jet", "Tau"):
        flat[name]["mass"] = np.ones(size[name], dtype=F4)
    offsets = {name: np.concatenate([[0], np.cumsum(c)]) for name, c in counts.items()}
    # Jets and taus on top of leptons, also across the seam of phi, at distances about 0.4.
    for name, other in itertools.product(("Jet", "Tau"), ("Muon", "Electron")):
        for i in np.flatnonzero((counts[name] > 0) & (counts[other] > 0) & (rng.random(n) < 0.25)):
            k = rng.integers(offsets[name][i], offsets[name][i + 1])
            m = rng.integers(offsets[other][i], offsets[other][i + 1])
            flat[name]["eta"][k] = flat[other]["eta"][m] + rng.choice(F4([0, 0.4, -0.4, 0.39, -0.39]))
            phi = flat[other]["phi"][m]
            flat[name]["phi"][k] = -phi if abs(phi) > 3.14 else phi + F4(rng.choice([0, 0.05]))
    columns: dict[str, Any] = {
        f"{name}_{field}": ak.unflatten(values, counts[name])
        for name, fields in flat.items()
        for field, values in fields.items()
    }
    columns["MET_pt"] = mixed(n, edges(30), 0.2, rng.exponential(60, n))
    columns["MET_phi"] = rng.uniform(-math.pi, math.pi, n).astype(F4)
    columns |= {name: np.arange(n) for name in ("run", "luminosityBlock", "event")}
    return columns


def as_double(columns: dict[str, Any]) -> dict[str, Any]:
    single = {
        k: "float32" in str(v.type) if isinstance(v, ak.Array) else v.dtype == F4 for k, v in columns.items()
    }
    return {k: (ak.values_astype(v, np.float64) if single[k] else v) for k, v in columns.items()}


def record_array(columns: dict[str, Any]) -> ak.Array:
    """Columns as coffea gives a chunk to a processor."""
    return ak.zip(columns, depth_limit=1)


def plain_events(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The same events for ``slepton_reference``; the weight of each is its number."""
    lists = {name: values.tolist() for name, values in as_double(columns).items()}
    keys = {"pfRelIso04_all": "iso", "pfRelIso03_all": "iso", "mediumId": "id", "charge": "charge"}
    keys |= {name: name for name in ("pt", "eta", "phi")}

    def objects(i: int, name: str) -> list[dict[str, Any]]:
        fields = {
            c.removeprefix(f"{name}_"): values[i] for c, values in lists.items() if c.startswith(f"{name}_")
        }
        out = []
        for k in range(len(fields["pt"])):
            x = {keys[f]: values[k] for f, values in fields.items() if f in keys}
            x["mass"] = fields["mass"][k] if "mass" in fields else 0.1
            if name == "Electron":
                x["id"] = fields["cutBased"][k] >= 2
            elif name == "Jet":
                x["id"], x["b"] = bool(int(fields["jetId"][k]) & 2), fields["btagDeepFlavB"][k] > 0.2783
            elif name == "Tau":
                x["id"] = fields["idDeepTau2018v2p5VSjet"][k] >= 5
            out.append(x)
        return out

    names = {"muons": "Muon", "electrons": "Electron", "taus": "Tau", "jets": "Jet"}
    return [
        {
            "weight": float(i),
            "key": i,
            "met": (lists["MET_pt"][i], lists["MET_phi"][i]),
            **{key: objects(i, name) for key, name in names.items()},
        }
        for i in range(len(lists["MET_pt"]))
    ]


class InFileOrder:
    """The collections of NanoAOD columns just as they lie in the file, read by nothing of massgap."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = as_double(columns)
        for name, kind, more in (
            ("muons", "Muon", {"isolation": "pfRelIso04_all", "identified": "mediumId", "charge": "charge"}),
            ("electrons", "Electron", {"isolation": "pfRelIso03_all"}),
            ("jets", "Jet", {}),
            ("taus", "Tau", {}),
        ):
            fields = {"pt": "pt", "eta": "eta", "phi": "phi"} | more
            setattr(self, name, Plain({key: self._flat(f"{kind}_{x}") for key, x in fields.items()}))
            getattr(self, name).offsets = np.cumsum([0, *ak.num(columns[f"{kind}_pt"])])
        self.muons["identified"] = self.muons["identified"].astype(bool)
        self.electrons["identified"] = self._flat("Electron_cutBased") >= 2
        self.jets["identified"] = (self._flat("Jet_jetId").astype(np.int64) & 2) != 0
        self.jets["b_tagged"] = self._flat("Jet_btagDeepFlavB") > 0.2783
        self.taus["identified"] = self._flat("Tau_idDeepTau2018v2p5VSjet") >= 5
        self.met = Plain()
        self.met.pt = np.asarray(self._columns["MET_pt"], dtype=np.float64)

    def _flat(self, name: str) -> np.ndarray:
        return ak.to_numpy(ak.flatten(self._columns[name]))


class Plain(dict):
    """Flat arrays by name."""
