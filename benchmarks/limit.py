"""What no program can beat by much: decompressing the values, and a compiled loop over arrays that are in memory.

The loop makes the same cuts, computes the same observables with the same compiled formulas, and fills the same
histograms into one flat array of doubles, with nothing around it: no checks, no exact sums, no objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Arrays", "Result", "arrays_in_memory", "compiled_loop", "decompression"]

COLUMNS = (
    "nMuon", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge", "Muon_pfRelIso04_all", "Muon_mediumId",
    "nElectron", "Electron_pt", "Electron_eta", "Electron_phi", "Electron_pfRelIso03_all", "Electron_cutBased",
    "nJet", "Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_btagDeepFlavB", "Jet_jetId", "Jet_puId",
    "nTau", "Tau_pt", "Tau_eta", "Tau_phi", "Tau_idDeepTau2018v2p5VSjet",
    "MET_pt", "MET_phi", "genWeight",
)  # fmt: skip
"""The columns that the slepton processor reads."""


@dataclass
class Result:
    """What every implementation must agree on."""

    counts: tuple[int, ...]
    histograms: dict[str, np.ndarray]

    def checksum(self) -> str:
        """Digest of counts and contents."""
        import hashlib

        digest = hashlib.sha256(repr(self.counts).encode())
        for name in sorted(self.histograms):
            digest.update(name.encode() + np.ascontiguousarray(self.histograms[name]).tobytes())
        return digest.hexdigest()[:16]


def decompression(
    path: Path, columns: tuple[str, ...] = COLUMNS, *, tables: bool = False
) -> Callable[[], int]:
    """Function that reads and decompresses the values of the columns and does nothing with them.

    Parameters
    ----------
    path
        The events.
    columns
        Names of the branches.
    tables
        Decompress also the tables of offsets that end the baskets of lists: nobody needs them who reads the counts.
    """
    import uproot
    import zstandard

    content = path.read_bytes()
    blocks = []
    with uproot.open(path) as file:
        tree = file["Events"]
        for name in columns:
            branch = tree[name]
            seeks, sizes = branch.member("fBasketSeek"), branch.member("fBasketBytes")
            for k in range(branch.num_baskets):
                raw = content[seeks[k] : seeks[k] + sizes[k]]
                at = int.from_bytes(raw[14:16], "big")
                left = (
                    int.from_bytes(raw[6:10], "big")
                    if tables
                    else int.from_bytes(raw[at - 5 : at - 1], "big") - at
                )
                while at < len(raw) and left > 0:
                    if raw[at : at + 2] != b"ZS":
                        msg = f"{path}: branch {name} is not compressed with ZSTD"
                        raise ValueError(msg)
                    packed = int.from_bytes(raw[at + 3 : at + 6], "little")
                    size = min(int.from_bytes(raw[at + 6 : at + 9], "little"), left)
                    blocks.append((np.frombuffer(raw[at + 9 : at + 9 + packed], np.uint8), size))
                    at += 9 + packed
                    left -= size
    # The fastest of those that are at hand; pyarrow takes 5 % longer, cramjam 15 %.
    read = zstandard.ZstdDecompressor().stream_reader
    place = np.empty(max(size for _, size in blocks), np.uint8)

    def work() -> int:
        return sum(read(packed).readinto(place[:size]) for packed, size in blocks)

    return work


@dataclass
class Arrays:
    """The events as a loop in C would like to have them."""

    muons: tuple[Any, ...]
    electrons: tuple[Any, ...]
    jets: tuple[Any, ...]
    taus: tuple[Any, ...]
    met: np.ndarray
    met_phi: np.ndarray
    weight: np.ndarray
    muon_mass: np.ndarray
    jet_mass: np.ndarray


def arrays_in_memory(path: Path) -> Arrays:
    """Read the columns with uproot and lay them out flat."""
    import awkward as ak
    import uproot

    with uproot.open(path) as file:
        data = {name: file["Events"][name].array() for name in COLUMNS}

    def flat(name: str) -> np.ndarray:
        return np.asarray(ak.to_numpy(ak.flatten(data[name], axis=None)))

    def offsets(name: str) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(flat(f"n{name}"))]).astype(np.int64)

    def momenta(name: str) -> tuple[np.ndarray, ...]:
        return tuple(flat(f"{name}_{key}") for key in ("pt", "eta", "phi"))

    soft = flat("Jet_pt") <= 50
    identified = ((flat("Jet_jetId") & 2) != 0) & (~soft | ((flat("Jet_puId") & 4) != 0))
    return Arrays(
        (
            offsets("Muon"),
            *momenta("Muon"),
            flat("Muon_pfRelIso04_all"),
            flat("Muon_mediumId"),
            flat("Muon_charge").astype(np.int64),
        ),
        (
            offsets("Electron"),
            *momenta("Electron"),
            flat("Electron_pfRelIso03_all"),
            flat("Electron_cutBased") >= 2,
        ),
        (offsets("Jet"), *momenta("Jet"), identified, flat("Jet_btagDeepFlavB") > np.float32(0.2783)),
        (offsets("Tau"), *momenta("Tau"), flat("Tau_idDeepTau2018v2p5VSjet") >= 5),
        flat("MET_pt").astype(np.float64),
        flat("MET_phi").astype(np.float64),
        flat("genWeight").astype(np.float64),
        flat("Muon_mass"),
        flat("Jet_mass"),
    )


@numba.njit(nogil=True, error_model="numpy")
def _gather(indices, n, muons, jets, muon_mass, jet_mass, met, met_phi, l1, l2, jet, missing):
    for i in range(n):
        event, a, b, k = indices[0, i], indices[1, i], indices[2, i], indices[3, i]
        l1[0, i], l1[1, i], l1[2, i], l1[3, i] = muons[1][a], muons[2][a], muons[3][a], muon_mass[a]
        l2[0, i], l2[1, i], l2[2, i], l2[3, i] = muons[1][b], muons[2][b], muons[3][b], muon_mass[b]
        jet[0, i], jet[1, i], jet[2, i], jet[3, i] = jets[1][k], jets[2][k], jets[3][k], jet_mass[k]
        missing[0, i], missing[1, i] = met[event], met_phi[event]


@numba.njit(nogil=True, error_model="numpy")
def _fill(x, weight, indices, low, high, bins, start, cut, sumw, sumw2, counts):
    """Histograms of all observables before and after the cuts, and of the cut ones with the other cuts."""
    z, met, cosine = cut
    for i in range(x.shape[1]):
        w = weight[indices[0, i]]
        a = x[z, i] < 81.0 or x[z, i] > 101.0
        b = x[met, i] > 110.0
        c = x[cosine, i] < 0.5
        passed = a and b and c
        counts[0] += a
        counts[1] += a and b
        counts[2] += passed
        for k in range(x.shape[0]):
            value = x[k, i]
            if np.isnan(value):
                continue
            position = (value - low[k]) / (high[k] - low[k]) * bins[k]
            place = 0 if position < 0.0 else bins[k] + 1
            if 0.0 <= position < bins[k]:
                place = int(position) + 1
            at = start[k] + place
            sumw[at] += w
            sumw2[at] += w * w
            if passed:
                at += bins[k] + 2
                sumw[at] += w
                sumw2[at] += w * w
            only = (k == z and b and c) or (k == met and a and c) or (k == cosine and a and b)
            if only:
                at = start[k] + 2 * (bins[k] + 2) + place
                sumw[at] += w
                sumw2[at] += w * w


def compiled_loop(arrays: Arrays) -> Callable[[], Result]:
    """Function that goes through the events once, from arrays to histograms."""
    from benchmarks.fused_topology import Cuts, fused_topology
    from massgap.selections.slepton.features import FEATURES
    from massgap.selections.slepton.features import _loop as observables

    names = [feature.name for feature in FEATURES]
    cut = tuple(names.index(name) for name in ("m_ll", "met", "cos_theta_star"))
    low = np.array([f.low for f in FEATURES], dtype=np.float64)
    high = np.array([f.high for f in FEATURES], dtype=np.float64)
    bins = np.array([f.bins for f in FEATURES], dtype=np.int64)
    sizes = 3 * (bins + 2)
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = len(arrays.met)
    reached, indices, ht = np.empty(n, np.int8), np.empty((4, n), np.int64), np.empty(n)

    def work() -> Result:
        passed = fused_topology(
            arrays.muons, arrays.electrons, arrays.jets, arrays.taus, arrays.met, Cuts(), reached, indices, ht
        )
        l1, l2, jet, missing = (np.empty((rows, passed)) for rows in (4, 4, 4, 2))
        _gather(
            indices,
            passed,
            arrays.muons,
            arrays.jets,
            arrays.muon_mass,
            arrays.jet_mass,
            arrays.met,
            arrays.met_phi,
            l1,
            l2,
            jet,
            missing,
        )
        x = np.empty((len(FEATURES), passed))
        observables(l1, l2, jet, missing, ht[:passed], x)
        sumw, sumw2, counts = np.zeros(start[-1]), np.zeros(start[-1]), np.zeros(3, np.int64)
        _fill(x, arrays.weight, indices, low, high, bins, start, cut, sumw, sumw2, counts)
        histograms = {}
        for k, name in enumerate(names):
            block = slice(start[k], start[k + 1])
            content = np.stack([sumw[block], sumw2[block]]).reshape(2, 3, -1)
            histograms[name] = content[:, :2]
            if k in cut:
                step = {"m_ll": "z_window"}.get(name, name)
                histograms[f"nminus1_{step}"] = content[:, 2]
        return Result((passed, *(int(c) for c in counts)), histograms)

    return work
