"""The vector-like-quark analysis as one compiled loop over arrays that are in memory: what is hard to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from benchmarks.limit import Result
from massgap.arrays.kernels.formulas import delta_r_kernel
from massgap.physical_constants import TOP_MASS, W_MASS_2018, Z_MASS
from massgap.selections.observables.angles import abs_delta_phi_kernel
from massgap.selections.observables.z_candidate import z_pair_kernel
from massgap.selections.vlq.features import FEATURES
from massgap.selections.vlq.objects import fat_jet_kernel, third_lepton_kernel
from massgap.selections.vlq.reconstruction import Masses, t_prime_kernel, z_kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["COLUMNS", "arrays_in_memory", "compiled_loop"]

COLUMNS = (
    "nMuon", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge", "Muon_mediumId",
    "nElectron", "Electron_pt", "Electron_eta", "Electron_phi", "Electron_mass", "Electron_charge", "Electron_cutBased",
    "nFatJet", "FatJet_pt", "FatJet_eta", "FatJet_phi", "FatJet_mass",
    "nJet", "Jet_pt", "Jet_eta", "Jet_phi", "Jet_jetId", "Jet_puId",
    "MET_pt", "MET_phi", "genWeight",
)  # fmt: skip
"""The columns that decide."""
_MOST = 16
_MASSES = Masses(Z_MASS, W_MASS_2018, TOP_MASS)


def arrays_in_memory(path: Path) -> dict[str, Any]:
    """Offsets and flat columns of each collection, read with uproot."""
    import awkward as ak
    import uproot

    with uproot.open(path) as file:
        data = {name: file["Events"][name].array() for name in COLUMNS}

    def flat(name: str) -> np.ndarray:
        return np.asarray(ak.to_numpy(ak.flatten(data[name], axis=None)))

    def offsets(name: str) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(flat(f"n{name}"))]).astype(np.int64)

    def leptons(name: str, good: np.ndarray) -> tuple[Any, ...]:
        keys = ("pt", "eta", "phi", "mass", "charge")
        return offsets(name), *(flat(f"{name}_{key}") for key in keys), good

    fat = np.array([flat(f"FatJet_{key}") for key in ("pt", "eta", "phi", "mass")], dtype=np.float64)
    tight = ((flat("Jet_jetId") & 2) != 0) & ((flat("Jet_pt") > 50) | ((flat("Jet_puId") & 4) != 0))
    return {
        "electrons": leptons("Electron", flat("Electron_cutBased") >= 2),
        "muons": leptons("Muon", flat("Muon_mediumId")),
        "fat": fat,
        "fat_offsets": offsets("FatJet"),
        "slim": (offsets("Jet"), *(flat(f"Jet_{key}") for key in ("pt", "eta", "phi")), tight),
        "met": flat("MET_pt").astype(np.float64),
        "phi": flat("MET_phi").astype(np.float64),
        "weight": flat("genWeight").astype(np.float64),
    }


@numba.njit(nogil=True, error_model="numpy")
def _insert(chosen, n, source, i, flavour):
    """Good leptons of an event into columns by falling pT."""
    for k in range(source[0][i], source[0][i + 1]):
        pt, eta = np.float64(source[1][k]), np.float64(source[2][k])
        if not (source[6][k] and pt >= 25.0 and abs(eta) < 2.5):
            continue
        at = n
        while at > 0 and chosen[0, at - 1] < pt:
            chosen[:, at] = chosen[:, at - 1]
            at -= 1
        chosen[0, at], chosen[1, at], chosen[2, at] = pt, eta, source[3][k]
        chosen[3, at], chosen[4, at], chosen[5, at] = source[4][k], source[5][k], flavour
        n += 1
    return n


@numba.njit(nogil=True, error_model="numpy")
def _loop(electrons, muons, fat, fat_offsets, slim, met, phi, weight, masses, axes, sums, counts):
    low, high, bins, start = axes
    chosen = np.empty((6, _MOST))
    x = np.empty(6)
    for i in range(met.size):
        n = _insert(chosen, 0, electrons, i, 11.0)
        n = _insert(chosen, n, muons, i, 13.0)
        if n < 3 or not chosen[0, 0] > 40.0:
            continue
        counts[0] += 1
        a, b, m_z = z_pair_kernel(chosen, 0, n, masses.z)
        if a < 0:
            continue
        z, pt_z, eta_z, phi_z, pt_1, pt_2 = z_kernel(chosen, a, b)
        if not pt_z > 60.0:
            continue
        counts[1] += 1
        third = third_lepton_kernel(chosen, 0, n, a, b)
        big, away = fat_jet_kernel(fat, fat_offsets[i], fat_offsets[i + 1], chosen, a, b, third, 80.0)
        if away == 0:
            continue
        counts[2] += 1
        if big < 0:
            continue
        counts[3] += 1
        n_slim, n_forward = 0, 0
        for k in range(slim[0][i], slim[0][i + 1]):
            eta, azimuth = np.float64(slim[2][k]), np.float64(slim[3][k])
            good = slim[4][k] and slim[1][k] > 25.0 and abs(eta) < 5.0
            for lep in range(n):
                good = good and not delta_r_kernel(eta, azimuth, chosen[1, lep], chosen[2, lep]) < 0.4
            if good:
                n_slim += 1
                n_forward += abs(eta) >= 2.5
        if n_slim == 0:
            continue
        counts[4] += 1
        if not delta_r_kernel(eta_z, phi_z, fat[1, big], fat[2, big]) >= 1.0:
            continue
        counts[5] += 1
        found = t_prime_kernel(z, m_z, fat, big, chosen, third, met[i], phi[i], masses, False)
        x[0], x[1], x[2], x[3] = found[0], pt_1, pt_2, found[1]
        x[4], x[5] = abs_delta_phi_kernel(phi_z, chosen[2, third]), n_forward
        for f in range(6):
            value = x[f]
            if np.isnan(value):
                continue
            position = (value - low[f]) / (high[f] - low[f]) * bins[f]
            place = 0 if position < 0.0 else bins[f] + 1
            if 0.0 <= position < bins[f]:
                place = np.int64(position) + 1
            sums[0, start[f] + place] += weight[i]
            sums[1, start[f] + place] += weight[i] * weight[i]


def compiled_loop(arrays: dict[str, Any]) -> Callable[[], Result]:
    """Function that goes through the events once, from arrays to histograms."""
    low, high = (np.array([getattr(f, k) for f in FEATURES], np.float64) for k in ("low", "high"))
    bins = np.array([f.bins for f in FEATURES], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(bins + 2)]).astype(np.int64)

    def work() -> Result:
        sums, counts = np.zeros((2, start[-1])), np.zeros(6, np.int64)
        _loop(*arrays.values(), _MASSES, (low, high, bins, start), sums, counts)
        blocks = {f.name: sums[:, start[k] : start[k + 1]] for k, f in enumerate(FEATURES)}
        return Result(tuple(int(c) for c in counts), blocks)

    return work
