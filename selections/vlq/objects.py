"""Which leptons and jets take part in the reconstruction of T -> t Z (mass-unspecific paper)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.kernels.formulas import delta_r_kernel
from massgap.selections.observables.invariant_mass import momentum_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.jagged.collection import Collection
    from massgap.arrays.kernels.selecting import Bools

__all__ = [
    "fat_jet_kernel",
    "passes_lepton_cuts",
    "selected_leptons",
    "slim_jets_away_from",
    "third_lepton_kernel",
]

FAT_RADIUS = 0.8
SLIM_RADIUS = 0.4


def selected_leptons(leptons: Collection, everything: bool = False) -> Collection:
    """The leptons with pT >= 25 GeV and |eta| < 2.5, with the field ``position``: the index within their event.

    Parameters
    ----------
    leptons
        With pt and eta.
    everything
        Keep all leptons.

    Returns
    -------
    Collection

    Examples
    --------
    >>> from massgap.arrays import Collection
    >>> leptons = Collection(np.array([0, 3]), {"pt": np.array([20.0, 25.0, 50.0]), "eta": np.array([0.0, 1.0, -2.5])})
    >>> kept = selected_leptons(leptons)
    >>> kept.columns("pt", "eta", "position").tolist(), kept.offsets.tolist()
    ([[25.0], [1.0], [1.0]], [0, 1])
    """
    placed = leptons.with_fields(position=np.arange(leptons.size) - leptons.per_event(leptons.offsets[:-1]))
    return placed if everything else placed.where((placed.pt >= 25.0) & (abs(placed.eta) < 2.5))


def passes_lepton_cuts(leptons: Collection) -> Bools:
    """Cut 1: at least 3 leptons with pT >= 25 GeV and |eta| < 2.5, the leading of them above 40 GeV."""
    selected = selected_leptons(leptons)
    return (selected.counts >= 3) & (selected.max("pt", 0.0) > 40.0)


def slim_jets_away_from(jets: Collection, leptons: Collection) -> Collection:
    """The jets with pT > 25 GeV, |eta| < 5 and no lepton inside (dR < 0.4)."""
    return jets.where((jets.pt > 25.0) & (abs(jets.eta) < 5.0)).away_from(leptons, SLIM_RADIUS)


@compiled
def third_lepton_kernel(leptons: Floats, start: int, stop: int, z_i: int, z_j: int) -> int:
    """Column of the leading lepton that is not from the Z; -1 without Z or further lepton."""
    best = -1
    if z_i >= 0:
        for k in range(start, stop):
            if k not in (z_i, z_j) and (best < 0 or leptons[0, k] > leptons[0, best]):
                best = k
    return best


@compiled
def within_kernel(radius: float, jets: Floats, jet: int, leptons: Floats, lepton: int) -> bool:
    """Whether a lepton lies inside a jet: dR < radius."""
    return delta_r_kernel(jets[1, jet], jets[2, jet], leptons[1, lepton], leptons[2, lepton]) < radius


@compiled
def beside_lepton_kernel(jets: Floats, jet: int, leptons: Floats, lepton: int, min_pt: float) -> bool:
    """Whether what a jet holds beside a lepton has pT > min_pt, and the lepton lies inside of that.

    Detectors and generators cluster leptons, too: without this a lepton is its own jet.
    """
    px, py, pz = momentum_kernel(jets[0, jet], jets[1, jet], jets[2, jet])
    qx, qy, qz = momentum_kernel(leptons[0, lepton], leptons[1, lepton], leptons[2, lepton])
    pt = math.hypot(px - qx, py - qy)
    if not pt > min_pt:
        return False
    eta, phi = math.asinh((pz - qz) / pt), math.atan2(py - qy, px - qx)
    return delta_r_kernel(eta, phi, leptons[1, lepton], leptons[2, lepton]) < FAT_RADIUS


@compiled
def fat_jet_kernel(
    jets: Floats, start: int, stop: int, leptons: Floats, z_i: int, z_j: int, l3: int, min_pt_beside: float
) -> tuple[int, int]:
    """Column of the leading fat jet with l3 inside and the Z leptons outside, -1 without; number with them outside.

    Where ``min_pt_beside`` is above 0, l3 must also lie inside of what the jet holds beside it, with that pT at least.
    """
    best, n_away = -1, 0
    if z_i < 0:
        return best, n_away
    for k in range(start, stop):
        if not (jets[0, k] > 80.0 and abs(jets[1, k]) < 2.5):
            continue
        if within_kernel(FAT_RADIUS, jets, k, leptons, z_i) or within_kernel(
            FAT_RADIUS, jets, k, leptons, z_j
        ):
            continue
        n_away += 1
        inside = l3 >= 0 and within_kernel(FAT_RADIUS, jets, k, leptons, l3)
        if inside and min_pt_beside > 0.0:
            inside = beside_lepton_kernel(jets, k, leptons, l3, min_pt_beside)
        if inside and (best < 0 or jets[0, k] > jets[0, best]):
            best = k
    return best, n_away
