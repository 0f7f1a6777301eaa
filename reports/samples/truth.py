"""Decays in GenPart: who came from whom, with repeated copies of a particle taken together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from massgap.reports.samples.inputs import Chunk

GEN = tuple(f"GenPart_{name}" for name in ("pt", "eta", "phi", "mass", "pdgId", "genPartIdxMother"))
LEPTON_PARTNERS = (1000011, 1000013, 2000011, 2000013)


def is_new(pdg: np.ndarray) -> np.ndarray:
    """Tell whether PDG numbers are of superpartners or new heavy quarks."""
    kind = np.abs(pdg)
    return ((kind > 1000000) & (kind < 3000000)) | np.isin(kind, (7, 8)) | ((kind // 1000) == 6000)


class Decays:
    """GenPart of a chunk.

    Attributes
    ----------
    pdg, event
        PDG number and event of each row.
    first
        Row of the first copy of each row's particle: momenta there are those at the decay that made it.
    parent
        Row of the first copy of the particle that it came from; -1 for none.
    last
        Whether no copy of it follows.
    """

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self.pdg = chunk.flat("GenPart_pdgId").astype(np.int64)
        self.event = chunk.event("GenPart")
        mother = chunk.rows("GenPart", "genPartIdxMother", "GenPart")
        own = np.arange(len(mother))
        copy = (mother >= 0) & (self.pdg[mother] == self.pdg)
        self.last = np.ones(len(mother), dtype=bool)
        self.last[mother[copy]] = False
        first = np.where(copy, mother, own)
        while True:
            further = first[first]
            if (further == first).all():
                break
            first = further
        self.first = first
        above = mother[first]
        self.parent = np.where(above >= 0, first[above], -1)
        self.is_first = first == own

    def momentum(self, rows: np.ndarray) -> np.ndarray:
        """Return E, px, py, pz (GeV) in the last axis."""
        pt, eta, phi, mass = (
            self._chunk.flat(f"GenPart_{name}")[rows] for name in ("pt", "eta", "phi", "mass")
        )
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        return np.stack([np.sqrt(mass**2 + px**2 + py**2 + pz**2), px, py, pz], axis=-1)

    def mass(self, rows: np.ndarray) -> np.ndarray:
        """Return masses (GeV)."""
        return self._chunk.flat("GenPart_mass")[rows]

    def child(self, rows: np.ndarray) -> np.ndarray:
        """For every row, the one among `rows` that came from it; -1 where there is none."""
        found = np.full(len(self.pdg), -1)
        with_parent = rows[self.parent[rows] >= 0]
        found[self.parent[with_parent]] = with_parent
        return found


def invariant_mass(*momenta: np.ndarray) -> np.ndarray:
    """Return the mass of a sum of four-momenta (E, px, py, pz)."""
    total = np.sum(momenta, axis=0)
    squared = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1)
    return np.sqrt(np.maximum(squared, 0.0))


@dataclass
class Found:
    """A mass-like quantity of some events: value and endpoint in GeV, and the event of each."""

    value: np.ndarray
    end: np.ndarray
    event: np.ndarray


def _two_body_edge(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Largest mass of the two massless particles in A -> 1 B, B -> 2 C."""
    squared = (a**2 - b**2) * (b**2 - c**2) / b**2
    return np.sqrt(np.maximum(squared, 0.0))


def pair_mt2(decays: Decays) -> Found | None:
    """Return M_T2 of lepton-partner pairs that decay to a lepton and a stable particle, with its true mass as trial mass."""
    from massgap.selections.observables.mt2.mt2 import mt2

    kind = np.abs(decays.pdg)
    lepton = decays.child(np.flatnonzero(decays.is_first & np.isin(kind, (11, 13))))
    lsp = decays.child(np.flatnonzero(decays.is_first & is_new(decays.pdg) & ~np.isin(kind, LEPTON_PARTNERS)))
    parent_new = (decays.parent >= 0) & is_new(decays.pdg[decays.parent])
    rows = np.flatnonzero(
        decays.is_first & np.isin(kind, LEPTON_PARTNERS) & ~parent_new & (lepton >= 0) & (lsp >= 0)
    )
    # The stable one must be the end of the chain: it has no lepton or photon of its own.
    ends = decays.child(np.flatnonzero(decays.is_first & np.isin(kind, (11, 13, 22, 23))))
    rows = rows[ends[lsp[rows]] < 0]
    pairs = np.flatnonzero(np.bincount(decays.event[rows], minlength=decays.event.max(initial=0) + 1) == 2)
    rows = rows[np.isin(decays.event[rows], pairs)]
    if not len(rows):
        return None
    one, two = rows[::2], rows[1::2]
    p1, p2 = decays.momentum(lepton[one]), decays.momentum(lepton[two])
    k1, k2 = decays.momentum(lsp[one]), decays.momentum(lsp[two])
    missing = k1 + k2
    value = mt2(
        decays.mass(lepton[one]),
        p1[:, 1],
        p1[:, 2],
        decays.mass(lepton[two]),
        p2[:, 1],
        p2[:, 2],
        missing[:, 1],
        missing[:, 2],
        decays.mass(lsp[one]),
        decays.mass(lsp[two]),
    )
    return Found(np.asarray(value), np.maximum(decays.mass(one), decays.mass(two)), decays.event[one])


def three_body_mll(decays: Decays) -> Found | None:
    """Return m(ll) of A -> l l B, also through an off-shell or real Z: it ends at m(A) - m(B)."""
    kind = np.abs(decays.pdg)
    new = is_new(decays.pdg)
    first = decays.is_first
    above = decays.parent
    # a Z between A and the leptons counts as part of the decay of A
    through_z = (above >= 0) & (kind[above] == 23) & (decays.parent[above] >= 0)
    owner = np.where(through_z, decays.parent[above], above)
    lepton = (
        first & np.isin(kind, (11, 13)) & (owner >= 0) & new[owner] & ~np.isin(kind[owner], LEPTON_PARTNERS)
    )
    minus, plus = np.full(len(kind), -1), np.full(len(kind), -1)
    for sign, store in ((1, minus), (-1, plus)):
        rows = np.flatnonzero(lepton & (np.sign(decays.pdg) == sign))
        store[owner[rows]] = rows
    child = decays.child(np.flatnonzero(first & new))
    rows = np.flatnonzero((minus >= 0) & (plus >= 0) & (child >= 0))
    rows = rows[kind[minus[rows]] == kind[plus[rows]]]
    if not len(rows):
        return None
    value = invariant_mass(decays.momentum(minus[rows]), decays.momentum(plus[rows]))
    return Found(value, decays.mass(rows) - decays.mass(child[rows]), decays.event[rows])


def decay_chains(decays: Decays) -> dict[str, Found]:
    """Return the masses of A -> l Y, Y -> l Z and, where Z -> photon C follows, those with the photon.

    The endpoints are those of two-body decays with the masses of each event. The photon's three:
    nearer and farther lepton, and all three particles (its endpoint has four cases).
    """
    kind = np.abs(decays.pdg)
    new, first = is_new(decays.pdg), decays.is_first
    lepton = decays.child(np.flatnonzero(first & np.isin(kind, (11, 13))))
    child = decays.child(np.flatnonzero(first & new))
    rows = np.flatnonzero(first & new & (lepton >= 0) & (child >= 0))
    y = child[rows]
    keep = np.isin(kind[y], LEPTON_PARTNERS) & (lepton[y] >= 0) & (child[y] >= 0)
    x, y = rows[keep], y[keep]
    if not len(x):
        return {}
    z = child[y]
    mx, my, mz = decays.mass(x), decays.mass(y), decays.mass(z)
    near, far = decays.momentum(lepton[x]), decays.momentum(lepton[y])
    found = {"m(ll)": Found(invariant_mass(near, far), _two_body_edge(mx, my, mz), decays.event[x])}
    photon = decays.child(np.flatnonzero(first & (kind == 22)))[z]
    c = child[z]
    with_photon = (photon >= 0) & (c >= 0)
    if not with_photon.any():
        return found
    near, far, event = near[with_photon], far[with_photon], decays.event[x][with_photon]
    mx, my, mz = mx[with_photon], my[with_photon], mz[with_photon]
    mc, gamma = decays.mass(c[with_photon]), decays.momentum(photon[with_photon])
    found["m(l photon), second lepton"] = Found(invariant_mass(far, gamma), _two_body_edge(my, mz, mc), event)
    squared = (mx**2 - my**2) * (mz**2 - mc**2) / mz**2
    found["m(l photon), first lepton"] = Found(
        invariant_mass(near, gamma), np.sqrt(np.maximum(squared, 0.0)), event
    )
    found["m(ll photon)"] = Found(invariant_mass(near, far, gamma), _three_edge(mx, my, mz, mc), event)
    return found


def _three_edge(x: np.ndarray, y: np.ndarray, z: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Largest mass of all three massless particles in X -> 1 Y, Y -> 2 Z, Z -> 3 C."""
    a, b, d = x / y, y / z, z / c
    first = (x**2 - y**2) * (y**2 - c**2) / y**2
    second = (x**2 * z**2 - y**2 * c**2) * (y**2 - z**2) / (y**2 * z**2)
    third = (x**2 - z**2) * (z**2 - c**2) / z**2
    cases = [a > b * d, b > d * a, d > a * b]
    squared = np.select(cases, [first, second, third], default=(x - c) ** 2)
    return np.sqrt(np.maximum(squared, 0.0))
