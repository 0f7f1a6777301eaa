"""The smuon analysis as one compiled loop over arrays that are in memory, with nothing around it: what is hard to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from benchmarks.limit import Result
from massgap.arrays.kernels.formulas import invariant_mass_kernel
from massgap.selections.smuon.features import FEATURES, smuon_features_kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["COLUMNS", "REGIONS", "arrays_in_memory", "compiled_loop"]

COLUMNS = (
    "nMuon", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge", "Muon_pfRelIso04_all", "Muon_mediumId",
    "nElectron", "Electron_pt", "Electron_eta", "Electron_phi", "Electron_pfRelIso03_all", "Electron_cutBased",
    "nPhoton", "Photon_pt", "Photon_eta", "Photon_phi", "Photon_pfRelIso03_all", "Photon_cutBased",
    "nTau", "Tau_pt", "Tau_eta", "Tau_phi", "Tau_idDeepTau2018v2p5VSjet",
    "nWideJet", "WideJet_pt", "WideJet_eta", "WideJet_phi",
    "MET_pt", "MET_phi", "genWeight",
)  # fmt: skip
"""The columns that decide."""

REGIONS = 8
MET = [f.name for f in FEATURES].index("met")
"""Filled in all regions, the others in the first alone."""
_NAN = np.nan


def arrays_in_memory(path: Path) -> dict[str, Any]:
    """Offsets and flat columns of each collection, read with uproot."""
    import awkward as ak
    import uproot

    with uproot.open(path) as file:
        data = {name: file["Events"][name].array() for name in COLUMNS}

    def flat(name: str) -> np.ndarray:
        return np.asarray(ak.to_numpy(ak.flatten(data[name], axis=None)))

    def objects(name: str, good: np.ndarray, isolation: np.ndarray | None = None) -> tuple[Any, ...]:
        offsets = np.concatenate([[0], np.cumsum(flat(f"n{name}"))]).astype(np.int64)
        around = np.zeros(len(good), np.float32) if isolation is None else isolation
        return offsets, *(flat(f"{name}_{key}") for key in ("pt", "eta", "phi")), good, around

    return {
        "muons": objects("Muon", flat("Muon_mediumId"), flat("Muon_pfRelIso04_all")),
        "charge": flat("Muon_charge").astype(np.int64),
        "mass": flat("Muon_mass"),
        "electrons": objects("Electron", flat("Electron_cutBased") >= 2, flat("Electron_pfRelIso03_all")),
        "photons": objects("Photon", flat("Photon_cutBased") >= 1, flat("Photon_pfRelIso03_all")),
        "taus": objects("Tau", flat("Tau_idDeepTau2018v2p5VSjet") >= 5),
        "jets": objects("WideJet", np.ones(len(flat("WideJet_pt")), bool)),
        "met": flat("MET_pt").astype(np.float64),
        "phi": flat("MET_phi").astype(np.float64),
        "weight": flat("genWeight").astype(np.float64),
    }


@numba.njit(nogil=True, error_model="numpy")
def _good(objects, k, pt, eta):
    return objects[1][k] > pt and abs(objects[2][k]) < eta and objects[4][k] and objects[5][k] < 0.2


@numba.njit(nogil=True, error_model="numpy")
def _near(objects, i, pt, eta, at_eta, at_phi, least):
    """Whether a good object of the event is closer than ``least``."""
    for k in range(objects[0][i], objects[0][i + 1]):
        if _good(objects, k, pt, eta):
            deta = np.float64(objects[2][k]) - at_eta
            dphi = abs(np.float64(objects[3][k]) - at_phi)
            dphi = min(dphi, 2 * np.pi - dphi)
            if deta * deta + dphi * dphi < least * least:
                return True
    return False


@numba.njit(nogil=True, error_model="numpy")
def _leading(objects, i, keep, mass):
    """Number and momenta of the two leading ones of those kept, and the sum of pT in the order of falling pT."""
    first, second, n, total = -1, -1, 0, 0.0
    for k in range(objects[0][i], objects[0][i + 1]):
        if not keep[k - objects[0][i]]:
            continue
        n += 1
        total += np.float64(objects[1][k])
        if first < 0 or objects[1][k] > objects[1][first]:
            first, second = k, first
        elif second < 0 or objects[1][k] > objects[1][second]:
            second = k
    one = (_NAN, _NAN, _NAN, _NAN)
    two = (_NAN, _NAN, _NAN, _NAN)
    if first >= 0:
        m = np.float64(mass[first]) if mass.size else 0.0
        one = (np.float64(objects[1][first]), np.float64(objects[2][first]), np.float64(objects[3][first]), m)
    if second >= 0:
        m = np.float64(mass[second]) if mass.size else 0.0
        two = (
            np.float64(objects[1][second]),
            np.float64(objects[2][second]),
            np.float64(objects[3][second]),
            m,
        )
    return n, one, two, total, first, second


@numba.njit(nogil=True, error_model="numpy")
def _loop(muons, charge, mass, electrons, photons, taus, jets, met, phi, weight, axes, sums, counts):
    low, high, bins, start = axes
    keep, massless = np.empty(64, np.bool_), np.empty(0, np.float32)
    inside = np.empty(REGIONS, np.bool_)
    for i in range(met.size):
        if not met[i] > 100.0:
            continue
        counts[0] += 1
        for k in range(muons[0][i], muons[0][i + 1]):
            keep[k - muons[0][i]] = _good(muons, k, 7.0, 2.5)
        n_mu, mu1, mu2, _, a, b = _leading(muons, i, keep, mass)
        if n_mu < 2:
            continue
        counts[1] += 1
        if charge[a] * charge[b] >= 0:
            continue
        counts[2] += 1
        m = invariant_mass_kernel(mu1[0], mu1[1], mu1[2], mu1[3], mu2[0], mu2[1], mu2[2], mu2[3])
        if not (m > 20.0 and abs(m - 91.1876) > 15.0):
            continue
        counts[3] += 1
        for k in range(jets[0][i], jets[0][i + 1]):
            eta, azimuth = np.float64(jets[2][k]), np.float64(jets[3][k])
            keep[k - jets[0][i]] = (
                _good(jets, k, 15.0, 2.8)
                and not _near(muons, i, 7.0, 2.5, eta, azimuth, 0.4)
                and not _near(photons, i, 10.0, 2.37, eta, azimuth, 0.4)
                and not _near(electrons, i, 7.0, 2.47, eta, azimuth, 0.2)
                and not _near(taus, i, 20.0, 2.5, eta, azimuth, 0.2)
            )
        n_j, j1, j2, ht, _, _ = _leading(jets, i, keep, massless)
        left = keep.copy()
        for k in range(electrons[0][i], electrons[0][i + 1]):
            fine = _good(electrons, k, 7.0, 2.47)
            for j in range(jets[0][i], jets[0][i + 1]):
                if fine and left[j - jets[0][i]]:
                    deta = np.float64(electrons[2][k]) - np.float64(jets[2][j])
                    dphi = abs(np.float64(electrons[3][k]) - np.float64(jets[3][j]))
                    dphi = min(dphi, 2 * np.pi - dphi)
                    fine = deta * deta + dphi * dphi >= 0.4 * 0.4
            keep[k - electrons[0][i]] = fine
        n_e, e1, e2, _, _, _ = _leading(electrons, i, keep, massless)
        counted = (np.float64(n_e), np.float64(n_mu), np.float64(n_j))
        x = smuon_features_kernel(counted, e1, e2, mu1, mu2, j1, j2, ht, met[i], phi[i])
        if not x[23] > 90.0:
            continue
        counts[4] += 1
        hard = mu1[0] > 50.0 and mu2[0] > 20.0
        counts[5] += hard
        st = mu1[0] + mu2[0]
        inside[0], inside[1] = True, hard and not j1[0] > 25.0
        inside[2], inside[3] = not j1[0] > mu1[0], not ht > mu1[0]
        inside[4], inside[5] = not j1[0] > st, not ht > st
        inside[6], inside[7] = not j1[0] > mu2[0], not ht > mu2[0]
        w = weight[i]
        for f in range(low.size):
            value = x[f]
            if np.isnan(value):
                continue
            position = (value - low[f]) / (high[f] - low[f]) * bins[f]
            place = 0 if position < 0.0 else bins[f] + 1
            if 0.0 <= position < bins[f]:
                place = np.int64(position) + 1
            for r in range(REGIONS if f == MET else 1):
                if inside[r]:
                    at = start[f] + r * (bins[f] + 2) + place
                    sums[0, at] += w
                    sums[1, at] += w * w


def compiled_loop(arrays: dict[str, Any]) -> Callable[[], Result]:
    """Function that goes through the events once, from arrays to histograms."""
    low = np.array([f.low for f in FEATURES], dtype=np.float64)
    high = np.array([f.high for f in FEATURES], dtype=np.float64)
    bins = np.array([f.bins for f in FEATURES], dtype=np.int64)
    filled = np.where(np.arange(len(bins)) == MET, REGIONS, 1)
    start = np.concatenate([[0], np.cumsum(filled * (bins + 2))]).astype(np.int64)

    def work() -> Result:
        sums, counts = np.zeros((2, start[-1])), np.zeros(6, np.int64)
        _loop(*arrays.values(), (low, high, bins, start), sums, counts)
        blocks = {f.name: sums[:, start[k] : start[k + 1]] for k, f in enumerate(FEATURES)}
        return Result(tuple(int(c) for c in counts), blocks)

    return work
