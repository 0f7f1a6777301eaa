"""Synthetic dimuon events in the NanoAOD layout: enough of them to time a processor, made in seconds.

The spectra are those of a dimuon skim in shape only (falling momenta, one or two jets, MET of resolution size);
about 6 % of the events pass the slepton topology.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["BASKET", "columns", "write_events"]

BASKET = 50_000
"""Entries per basket of each branch."""


def _collection(
    rng: np.random.Generator, counts: np.ndarray, pt: float, floor: float, eta: float
) -> dict[str, Any]:
    n = int(counts.sum())
    return {
        "pt": (floor + rng.exponential(pt, n)).astype(np.float32),
        "eta": np.clip(rng.normal(0.0, 0.45 * eta, n), -eta, eta).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
    }


def columns(n: int, seed: int) -> dict[str, Any]:
    """Flat arrays of ``n`` events: collection -> (counts, fields), and event-level branches."""
    rng = np.random.default_rng([seed, n])
    muons = 2 + (rng.random(n) < 0.04)
    electrons = (rng.random(n) < 0.06).astype(np.int64)
    jets = rng.poisson(1.3, n)
    taus = (rng.random(n) < 0.08).astype(np.int64)
    out: dict[str, Any] = {}
    muon = _collection(rng, muons, 35.0, 8.0, 2.4)
    k = int(muons.sum())
    charge = np.where(rng.random(k) < 0.5, 1, -1).astype(np.int32)
    first = np.concatenate([[0], np.cumsum(muons)[:-1]])
    charge[first + 1] = np.where(rng.random(n) < 0.9, -charge[first], charge[first])
    muon |= {
        "mass": np.full(k, 0.1056583755, dtype=np.float32),
        "charge": charge,
        "pfRelIso04_all": rng.exponential(0.06, k).astype(np.float32),
        "mediumId": rng.random(k) < 0.97,
    }
    out["Muon"] = (muons, muon)
    electron = _collection(rng, electrons, 25.0, 7.0, 2.5)
    k = int(electrons.sum())
    electron |= {
        "mass": np.full(k, 0.000511, dtype=np.float32),
        "charge": np.where(rng.random(k) < 0.5, 1, -1).astype(np.int32),
        "pfRelIso03_all": rng.exponential(0.1, k).astype(np.float32),
        "cutBased": rng.integers(0, 5, k).astype(np.int32),
    }
    out["Electron"] = (electrons, electron)
    jet = _collection(rng, jets, 30.0, 15.0, 4.7)
    k = int(jets.sum())
    jet |= {
        "mass": (jet["pt"] * rng.uniform(0.05, 0.2, k)).astype(np.float32),
        "btagDeepFlavB": rng.beta(0.3, 3.0, k).astype(np.float32),
        "jetId": np.where(rng.random(k) < 0.98, 6, 0).astype(np.int32),
        "puId": np.where(rng.random(k) < 0.95, 7, 0).astype(np.int32),
    }
    out["Jet"] = (jets, jet)
    tau = _collection(rng, taus, 20.0, 18.0, 2.3)
    k = int(taus.sum())
    tau |= {
        "mass": rng.uniform(0.1, 1.5, k).astype(np.float32),
        "charge": np.where(rng.random(k) < 0.5, 1, -1).astype(np.int32),
        "idDeepTau2018v2p5VSjet": rng.integers(0, 9, k).astype(np.uint8),
    }
    out["Tau"] = (taus, tau)
    out[""] = {
        "MET_pt": rng.exponential(32.0, n).astype(np.float32),
        "MET_phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        "genWeight": np.where(rng.random(n) < 0.9, 1.0, -1.0).astype(np.float32)
        * rng.choice(np.array([0.5, 1.0, 3.0], dtype=np.float32), n),
        "run": np.ones(n, dtype=np.uint32),
        "luminosityBlock": np.full(n, seed + 1, dtype=np.uint32),
        "event": np.arange(n, dtype=np.uint64),
    }
    return out


def write_events(
    path: Path,
    n: int,
    *,
    compression: str = "ZSTD",
    seed: int = 1,
    triggers: int = 200,
    basket: int = BASKET,
    form: str = "ttree",
    content: Callable[[int, int], dict[str, Any]] | None = None,
) -> Path:
    """Write ``n`` events to ``path`` with ``triggers`` trigger bits, which no analysis reads, and 37 other branches.

    Parameters
    ----------
    path
        Where to; an existing file is kept.
    n
        Number of events.
    compression
        ``ZSTD``, ``LZ4``, ``ZLIB``, ``LZMA`` or ``none``.
    seed
        Random seed.
    triggers
        Number of further branches, which no analysis reads: real files have hundreds.
    basket
        Entries per basket of each branch, or per cluster.
    form
        ``ttree`` or ``rntuple``.
    content
        What the events hold, by the number of events and a seed; by default :func:`columns`.

    Returns
    -------
    pathlib.Path
        The file.
    """
    import awkward as ak
    import uproot

    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = {
        "ZSTD": uproot.ZSTD(5),
        "LZ4": uproot.LZ4(4),
        "ZLIB": uproot.ZLIB(1),
        "LZMA": uproot.LZMA(1),
        "none": None,
    }[compression]
    unfinished = path.with_suffix(".part")
    with uproot.recreate(unfinished, compression=codec) as file:
        tree: Any = None
        total = 0.0
        for part, start in enumerate(range(0, n, basket)):
            size = min(basket, n - start)
            given = (content or columns)(size, 1000 * seed + part)
            flat = given.pop("")
            total += float(flat["genWeight"].sum(dtype=np.float64))
            data: dict[str, Any] = dict(flat)
            for name, (counts, fields) in given.items():
                if form == "ttree":
                    data[name] = ak.unflatten(ak.zip(fields), counts)
                    continue
                data[f"n{name}"] = counts.astype(np.int32)
                data |= {f"{name}_{field}": ak.unflatten(x, counts) for field, x in fields.items()}
            rng = np.random.default_rng([7, seed, part])
            data |= {f"HLT_path{i}": rng.random(size) < 0.01 for i in range(triggers)}
            if tree is None:
                types = {
                    k: ak.type(v).content if isinstance(v, ak.Array) else v.dtype for k, v in data.items()
                }
                if form == "ttree":
                    tree = file.mktree("Events", types, title="Events")
                else:
                    tree = file.mkrntuple("Events", types, description="Events")
            tree.extend(data)
        runs = file.mktree("Runs", {"genEventSumw": np.float64, "genEventCount": np.int64})
        runs.extend({"genEventSumw": np.array([total]), "genEventCount": np.array([n])})
    unfinished.rename(path)
    return path
