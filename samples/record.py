"""The generated event record as flat arrays, and questions about ancestry.

Everything works on all events of a batch at once: particles stand one after the other, ``event`` tells which
event a row belongs to, ``mother`` is the row of the first mother (-1 without one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from massgap.samples.detector import INVISIBLE

_COLUMNS = ("pdg", "status", "px", "py", "pz", "energy", "mass", "charge")


@dataclass
class Record:
    """Particles of a batch of generated events (GeV), and the events' own numbers."""

    n_events: int
    event: np.ndarray
    pdg: np.ndarray
    status: np.ndarray
    mother: np.ndarray
    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    energy: np.ndarray
    mass: np.ndarray
    charge: np.ndarray
    info: dict[str, np.ndarray]

    @property
    def pt(self) -> np.ndarray:
        """Transverse momentum in GeV."""
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> np.ndarray:
        """Pseudorapidity; +-20000 along the beam, as in NanoAOD a large number."""
        pt = self.pt
        on_beam = pt < 1e-6
        return np.where(on_beam, np.sign(self.pz) * 2e4, np.arcsinh(self.pz / np.where(on_beam, 1.0, pt)))

    @property
    def phi(self) -> np.ndarray:
        """Azimuth in (-pi, pi]."""
        return np.arctan2(self.py, self.px)

    @property
    def final(self) -> np.ndarray:
        """Mask of stable particles."""
        return self.status > 0

    def select(self, keep: np.ndarray) -> Record:
        """Only the events of a mask, renumbered."""
        if keep.all():
            return self
        rows = keep[self.event]
        new_row = np.cumsum(rows) - 1
        mother = self.mother[rows]
        return Record(
            int(keep.sum()),
            (np.cumsum(keep) - 1)[self.event[rows]],
            mother=np.where(mother >= 0, new_row[mother], -1),
            info={name: values[keep] for name, values in self.info.items()},
            **{name: getattr(self, name)[rows] for name in _COLUMNS},
        )


def from_batch(batch: Any, charge_of: dict[int, float], lookup: Any) -> Record:
    """Flatten one batch of ``pythia8mc.Pythia.nextBatch``.

    Parameters
    ----------
    batch : awkward array
        As returned by ``nextBatch``.
    charge_of : dict
        Cache of charges by PDG number, filled here.
    lookup : callable
        Charge in units of e of a PDG number.
    """
    import awkward as ak

    particles = batch.prt
    counts = ak.to_numpy(ak.num(particles.id))
    starts = np.concatenate(([0], np.cumsum(counts)))[:-1]

    def flat(values: Any) -> np.ndarray:
        return np.asarray(ak.to_numpy(ak.flatten(values)))

    pdg = flat(particles.id).astype(np.int64)
    kinds, where = np.unique(pdg, return_inverse=True)
    for kind in kinds.tolist():
        if kind not in charge_of:
            charge_of[kind] = lookup(kind)
    event = np.repeat(np.arange(len(counts)), counts)
    mother = flat(particles.mother1).astype(np.int64)
    info = {
        name: np.asarray(ak.to_numpy(batch.info[name]))
        for name in ("id1", "id2", "x1", "x2", "pdf1", "pdf2", "Q2Fac", "alphaS", "pT2Hat", "mHat")
    }
    info["weight"] = np.asarray(ak.to_numpy(batch.info.weights[:, 0]), dtype=np.float64)
    momenta = {
        name: flat(particles.p[key]).astype(np.float64)
        for name, key in (("px", "px"), ("py", "py"), ("pz", "pz"), ("energy", "e"))
    }
    return Record(
        n_events=len(counts),
        event=event,
        pdg=pdg,
        status=flat(particles.status).astype(np.int64),
        mother=np.where(mother > 0, mother + starts[event], -1),
        mass=flat(particles.m).astype(np.float64),
        charge=np.array([charge_of[kind] for kind in kinds.tolist()])[where],
        info=info,
        **momenta,
    )


def is_heavy_hadron(pdg: np.ndarray, flavour: int) -> np.ndarray:
    """Whether PDG numbers are hadrons whose heaviest quark is the given one (4 or 5)."""
    digits = np.abs(pdg) % 10000
    leading = np.where(digits >= 1000, digits // 1000, digits // 100)
    hadron = (np.abs(pdg) > 100) & (np.abs(pdg) < 1000000)
    return hadron & (leading == flavour)


def is_hadron(pdg: np.ndarray) -> np.ndarray:
    """Whether PDG numbers are hadrons."""
    kind = np.abs(pdg)
    return (kind > 100) & (kind < 1000000)


def nearest_ancestor(record: Record, rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Row of each given row's nearest wanted ancestor, not itself; -1 without one."""
    current = record.mother[rows]
    # walk all open chains one step at a time; a chain closes on a wanted particle or at the beam
    open_ = np.flatnonzero((current >= 0) & ~wanted[current])
    while len(open_):
        current[open_] = record.mother[current[open_]]
        here = current[open_]
        open_ = open_[(here >= 0) & ~wanted[np.maximum(here, 0)]]
    return current


def last_copies(record: Record, wanted: np.ndarray) -> np.ndarray:
    """Rows of wanted particles that no particle of the same PDG number descends from directly."""
    rows = np.flatnonzero(wanted)
    child = np.flatnonzero(record.mother >= 0)
    same = child[record.pdg[record.mother[child]] == record.pdg[child]]
    repeated = np.zeros(len(record.pdg), dtype=bool)
    repeated[record.mother[same]] = True
    return rows[~repeated[rows]]


def tau_decays(record: Record) -> dict[str, np.ndarray]:
    """Visible products of the taus: ``row`` of each last tau copy, ``hadronic``, visible momentum, tracks."""
    taus = last_copies(record, (np.abs(record.pdg) == 15) & ~record.final)
    position = np.full(len(record.pdg), -1)
    position[taus] = np.arange(len(taus))
    tau_mask = position >= 0
    leptons = np.flatnonzero(np.isin(np.abs(record.pdg), (11, 13)) & (record.mother >= 0))
    from_tau = position[record.mother[leptons]]
    hadronic = np.ones(len(taus), dtype=bool)
    hadronic[from_tau[from_tau >= 0]] = False
    stable = np.flatnonzero(record.final & ~np.isin(np.abs(record.pdg), INVISIBLE))
    stable = stable[np.isin(record.event[stable], record.event[taus])] if len(taus) else stable[:0]
    ancestor = nearest_ancestor(record, stable, tau_mask)
    stable, owner = stable[ancestor >= 0], position[ancestor[ancestor >= 0]]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=values[stable], minlength=len(taus))

    px, py, pz, energy = (total(getattr(record, name)) for name in ("px", "py", "pz", "energy"))
    return {
        "row": taus,
        "hadronic": hadronic,
        "pt": np.hypot(px, py),
        "eta": np.arcsinh(pz / np.maximum(np.hypot(px, py), 1e-9)),
        "phi": np.arctan2(py, px),
        "mass": np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0)),
        "prongs": np.bincount(owner, weights=(record.charge[stable] != 0).astype(float), minlength=len(taus)),
        "neutral": np.bincount(owner, weights=(record.pdg[stable] == 22).astype(float), minlength=len(taus)),
    }


def lepton_origin(record: Record, rows: np.ndarray) -> np.ndarray:
    """NanoAOD's genPartFlav of leptons: 1 prompt, 15 from a prompt tau, 5 and 4 from b and c hadrons, 3 other."""
    hadron = is_hadron(record.pdg)
    origin = nearest_ancestor(record, rows, hadron)
    found = np.ones(len(rows), dtype=np.uint8)
    found[nearest_ancestor(record, rows, np.abs(record.pdg) == 15) >= 0] = 15
    inside = origin >= 0
    found[inside] = 3
    found[nearest_ancestor(record, rows, is_heavy_hadron(record.pdg, 4)) >= 0] = 4
    found[nearest_ancestor(record, rows, is_heavy_hadron(record.pdg, 5)) >= 0] = 5
    return found
