"""Missing transverse momentum from the association map of ATLAS, which tells who uses which constituents.

The map has one association for each jet and one for all that is in no jet.  An association holds the objects that share
constituents with its jet, a mask bit for each; the sums of constituents by the mask of objects that use them (once of
all, once of charged ones); and the sum of the jet's tracks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

__all__ = ["ELECTRON", "MUON", "Associations", "Jets", "Objects", "momentum_of_objects"]

ELECTRON, PHOTON, TAU, MUON = range(4)

PARTICLE_FLOW = 8
"""Bit of an overlap's type: particle-flow constituents are shared."""


class Objects(NamedTuple):
    """Electrons, photons, taus and muons, in this order.

    Attributes
    ----------
    offsets
        Where the objects of each kind and event begin in the flat arrays, shape (4, events + 1).
    px, py
        MeV, or any other unit that all have.
    selected
        Whether they count.
    inner_pt
        pT of the inner track, of muons.
    """

    offsets: npt.NDArray[np.int64]
    px: npt.NDArray[np.float64]
    py: npt.NDArray[np.float64]
    selected: npt.NDArray[np.bool_]
    inner_pt: npt.NDArray[np.float64]


class Jets(NamedTuple):
    """All jets.

    Attributes
    ----------
    offsets
        Where those of each event begin, shape (events + 1,).
    px, py, eta
        Of the calibrated jet.
    selected
        Whether it is hard enough and of the primary vertex.
    raw_px, raw_py, raw_e
        At the scale of its constituents.
    track_pt, tracks
        Sum of pT and number of its tracks from the primary vertex; a negative number if it is not known.
    """

    offsets: npt.NDArray[np.int64]
    px: npt.NDArray[np.float64]
    py: npt.NDArray[np.float64]
    eta: npt.NDArray[np.float64]
    selected: npt.NDArray[np.bool_]
    raw_px: npt.NDArray[np.float64]
    raw_py: npt.NDArray[np.float64]
    raw_e: npt.NDArray[np.float64]
    track_pt: npt.NDArray[np.float64]
    tracks: npt.NDArray[np.float64]


class Associations(NamedTuple):
    """The association map.

    Attributes
    ----------
    offsets
        Where the associations of each event begin: one for each jet, in its order, and the one of the rest last.
    track_px, track_py, track_e
        Sum of the jet's tracks.
    link_offsets, kind, place
        Where the objects of each association begin; the kind of each (0 to 3, -1 for others) and its place in the event.
    overlap_offsets, overlap, overlap_type
        Where the overlaps of each such object begin; the number of the other object in the association, and what they share.
    cal_offsets, cal_key, cal_px, cal_py, cal_e
        Where the sums of constituents of each association begin, the mask of objects, and the sums.
    trk_offsets, trk_key, trk_px, trk_py
        The same of charged constituents.
    """

    offsets: npt.NDArray[np.int64]
    track_px: npt.NDArray[np.float64]
    track_py: npt.NDArray[np.float64]
    track_e: npt.NDArray[np.float64]
    link_offsets: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    overlap_offsets: npt.NDArray[np.int64]
    overlap: npt.NDArray[np.int64]
    overlap_type: npt.NDArray[np.int64]
    cal_offsets: npt.NDArray[np.int64]
    cal_key: npt.NDArray[np.int64]
    cal_px: npt.NDArray[np.float64]
    cal_py: npt.NDArray[np.float64]
    cal_e: npt.NDArray[np.float64]
    trk_offsets: npt.NDArray[np.int64]
    trk_key: npt.NDArray[np.int64]
    trk_px: npt.NDArray[np.float64]
    trk_py: npt.NDArray[np.float64]


@compiled
def _is_free(a: int, used: Any, kind: int, place: int, m: Any) -> tuple[bool, bool]:
    """Whether an object is in an association, and whether it shares nothing with one that is used already."""
    found = False
    for link in range(m.link_offsets[a], m.link_offsets[a + 1]):
        if m.kind[link] == kind and m.place[link] == place:
            found = True
            for k in range(m.overlap_offsets[link], m.overlap_offsets[link + 1]):
                if m.overlap_type[k] & PARTICLE_FLOW and (used[a] >> m.overlap[k]) & 1:
                    return True, False
    return found, True


@compiled
def _add_objects(event: int, used: Any, objects: Any, m: Any) -> tuple[float, float]:
    """Sum of the objects that share nothing with one before them; muons count in any case."""
    px = py = 0.0
    first, last = m.offsets[event], m.offsets[event + 1]
    for kind in range(4):
        start = objects.offsets[kind, event]
        for k in range(start, objects.offsets[kind, event + 1]):
            if not objects.selected[k]:
                continue
            found, free = False, True
            for a in range(first, last):
                here, untouched = _is_free(a, used, kind, k - start, m)
                found |= here
                free &= untouched
            if kind == ELECTRON and not found and last > first:
                continue  # a soft one, which is a track in the soft term
            if free:
                for a in range(first, last):
                    for link in range(m.link_offsets[a], m.link_offsets[a + 1]):
                        if m.kind[link] == kind and m.place[link] == k - start:
                            used[a] |= np.int64(1) << (link - m.link_offsets[a])
            if free or kind == MUON:
                px += objects.px[k]
                py += objects.py[k]
    return px, py


@compiled
def _is_a_muon(
    jet: int, jet_pt: float, a: int, event: int, mask: int, objects: Any, jets: Any, m: Any
) -> bool:
    """Whether a jet is little more than the energy loss of a selected muon in it."""
    for link in range(m.link_offsets[a], m.link_offsets[a + 1]):
        if not (mask >> (link - m.link_offsets[a])) & 1:
            continue
        inner = objects.inner_pt[objects.offsets[MUON, event] + m.place[link]]
        tracks = jets.track_pt[jet]
        if tracks < 0 or inner <= 0:
            continue
        if 0.9999 * inner > tracks:
            tracks += inner
        if jet_pt < 2.0 * inner and inner > 0.8 * tracks and jets.tracks[jet] < 5:
            return True
    return False


@compiled
def _used_muons(a: int, used: Any, m: Any) -> Any:
    mask = np.int64(0)
    for link in range(m.link_offsets[a], m.link_offsets[a + 1]):
        if m.kind[link] == MUON:
            mask |= np.int64(1) << (link - m.link_offsets[a])
    return mask & used[a]


@compiled
def _add_jet(
    jet: int, a: int, event: int, used: Any, objects: Any, jets: Any, m: Any, least_pt: float
) -> tuple[float, float]:
    """What a jet and its tracks add: all of it, the part that no object uses, or its tracks that no object uses."""
    muons = _used_muons(a, used, m)
    px = py = e = muon_px = muon_py = muon_e = 0.0
    for k in range(m.cal_offsets[a], m.cal_offsets[a + 1]):
        if m.cal_key[k] & used[a]:
            px += m.cal_px[k]
            py += m.cal_py[k]
            e += m.cal_e[k]
        if m.cal_key[k] & muons:
            muon_px += m.cal_px[k]
            muon_py += m.cal_py[k]
            muon_e += m.cal_e[k]
    jet_pt = np.hypot(jets.px[jet], jets.py[jet])
    if jets.selected[jet] and not (muons and _is_a_muon(jet, jet_pt, a, event, muons, objects, jets, m)):
        if e <= 0:
            return jets.px[jet], jets.py[jet]
        # What a muon leaves in the calorimeter stays in the jet.
        left = np.hypot(jets.raw_px[jet] - px + muon_px, jets.raw_py[jet] - py + muon_py)
        part = 1.0 - (e - muon_e) / jets.raw_e[jet]
        if part > 0 and left > least_pt:
            return part * jets.px[jet], part * jets.py[jet]
    if m.track_e[a] <= 1e-9 or abs(jets.eta[jet]) >= 2.5:
        return 0.0, 0.0
    px, py = m.track_px[a], m.track_py[a]
    for k in range(m.trk_offsets[a], m.trk_offsets[a + 1]):
        if m.trk_key[k] & used[a]:
            px -= m.trk_px[k]
            py -= m.trk_py[k]
    return px, py


@compiled
def momentum_of_objects(
    objects: Objects, jets: Jets, m: Associations, least_pt: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum of all objects, each constituent counted once, and of tracks of the primary vertex that are in none.

    Follows ``rebuildMET`` for electrons, photons, taus and muons and then ``rebuildJetMET`` of athena's METUtilities, with
    its particle-flow settings.  ``DoSetMuonJetEMScale`` has no effect on PHYSLITE: it asks for more than 2.5 GeV in the
    presampler, and compares with ``PSFrac``, which is a fraction.

    Parameters
    ----------
    objects, jets, m
        See there.
    least_pt
        pT that the part of a jet must have that no object uses.

    Returns
    -------
    tuple of numpy.ndarray
        px and py, shape (events,), to which the core of the soft term is to be added.
    """
    n = len(m.offsets) - 1
    px, py = np.zeros(n), np.zeros(n)
    used = np.zeros(m.offsets[n], np.int64)
    for event in range(n):
        px[event], py[event] = _add_objects(event, used, objects, m)
        for jet in range(jets.offsets[event], jets.offsets[event + 1]):
            # Events without a primary vertex have an empty map.
            if m.offsets[event + 1] == m.offsets[event]:
                if jets.selected[jet]:
                    px[event] += jets.px[jet]
                    py[event] += jets.py[jet]
                continue
            a = m.offsets[event] + jet - jets.offsets[event]
            x, y = _add_jet(jet, a, event, used, objects, jets, m, least_pt)
            px[event] += x
            py[event] += y
        if m.offsets[event + 1] > m.offsets[event]:
            a = m.offsets[event + 1] - 1
            for k in range(m.trk_offsets[a], m.trk_offsets[a + 1]):
                # In no jet: tracks that no object uses belong to the soft term.
                if not m.trk_key[k] & used[a]:
                    px[event] += m.trk_px[k]
                    py[event] += m.trk_py[k]
    return px, py
