"""Which leptons and jets take part in the reconstruction of T -> t Z (mass-unspecific paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.flat import FlatObjects
from massgap.arrays.momentum_formulas import delta_r_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = [
    "fat_jet_kernel",
    "lepton_cuts_kernel",
    "selected_leptons",
    "slim_jets_kernel",
    "third_lepton_kernel",
]

FAT_RADIUS = 0.8
SLIM_RADIUS = 0.4


def selected_leptons(leptons: FlatObjects, everything: bool = False) -> FlatObjects:
    """The leptons with pT >= 25 GeV and |eta| < 2.5, with one more column: the index within their event.

    Parameters
    ----------
    leptons
        Columns pt, eta and others.
    everything
        Keep all leptons.

    Returns
    -------
    FlatObjects

    Examples
    --------
    >>> kept = selected_leptons(FlatObjects(np.array([[20.0, 25.0, 50.0], [0.0, 1.0, -2.5]]), np.array([0, 3])))
    >>> kept.columns.tolist(), kept.offsets.tolist()
    ([[25.0], [1.0], [1.0]], [0, 1])
    """
    columns, offsets = leptons
    n = columns.shape[1]
    index = np.arange(n) - np.repeat(offsets[:-1], np.diff(offsets))
    if everything:
        return FlatObjects(np.vstack((columns, index)), offsets)
    keep = (columns[0] >= 25.0) & (np.abs(columns[1]) < 2.5)
    kept_before = np.zeros(n + 1, np.int64)
    np.cumsum(keep, out=kept_before[1:])
    return FlatObjects(np.vstack((columns[:, keep], index[keep])), kept_before[offsets])


@compiled
def lepton_cuts_kernel(leptons: Floats, start: int, stop: int) -> bool:
    """Cut 1: at least 3 leptons with pT >= 25 GeV and |eta| < 2.5, the leading of them above 40 GeV."""
    n, leading = 0, 0.0
    for k in range(start, stop):
        if leptons[0, k] >= 25.0 and abs(leptons[1, k]) < 2.5:
            n += 1
            leading = max(leading, leptons[0, k])
    return n >= 3 and leading > 40.0


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
def fat_jet_kernel(
    jets: Floats, start: int, stop: int, leptons: Floats, z_i: int, z_j: int, l3: int
) -> tuple[int, int]:
    """Column of the leading fat jet with l3 inside and the Z leptons outside, -1 without; number with them outside."""
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
        if inside and (best < 0 or jets[0, k] > jets[0, best]):
            best = k
    return best, n_away


@compiled
def slim_jets_kernel(
    jets: Floats, start: int, stop: int, leptons: Floats, lepton_start: int, lepton_stop: int
) -> tuple[int, int]:
    """Number of slim jets (pT > 25 GeV, |eta| < 5, no lepton inside), and of those with |eta| >= 2.5."""
    n_slim, n_forward = 0, 0
    for k in range(start, stop):
        if not (jets[0, k] > 25.0 and abs(jets[1, k]) < 5.0):
            continue
        clean = True
        for lepton in range(lepton_start, lepton_stop):
            if within_kernel(SLIM_RADIUS, jets, k, leptons, lepton):
                clean = False
                break
        if clean:
            n_slim += 1
            if abs(jets[1, k]) >= 2.5:
                n_forward += 1
    return n_slim, n_forward
