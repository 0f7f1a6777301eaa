"""The generated event record as flat arrays, and questions about ancestry.

Everything works on all events of a batch at once: particles stand one after the other, ``event`` tells which
event a row belongs to, ``mother`` is the row of the first mother (-1 without one).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: Particles that no detector sees: neutrinos, sneutrinos, neutralino, gravitino.
INVISIBLE = (12, 14, 16, 1000012, 1000014, 1000016, 1000022, 1000039)
_COLUMNS = ("pdg", "status", "px", "py", "pz", "energy", "mass", "charge")
_INFO = ("id1", "id2", "x1", "x2", "pdf1", "pdf2", "Q2Fac", "Q2Ren", "alphaS", "pT2Hat", "mHat")
#: PDG numbers up to here have their charge in a table.
_TABLE = 6000


def invisible(pdg: np.ndarray) -> np.ndarray:
    """Whether PDG numbers are of particles that no detector sees."""
    kind = np.abs(pdg)
    found = (kind == 12) | (kind == 14) | (kind == 16)
    heavy = np.flatnonzero(kind > 1000000)
    found[heavy] = np.isin(kind[heavy], INVISIBLE)
    return found


#: Status of the beams in Pythia's record, but for its sign.
_BEAM = 12


@dataclass
class Record:
    """Particles of a batch of generated events (GeV), and the events' own numbers. Not to be changed."""

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

    @cached_property
    def pt(self) -> np.ndarray:
        """Transverse momentum in GeV."""
        return np.sqrt(self.px**2 + self.py**2)

    @cached_property
    def eta(self) -> np.ndarray:
        """Pseudorapidity; +-20000 along the beam, as in NanoAOD a large number."""
        on_beam = self.pt < 1e-6
        return np.where(
            on_beam, np.sign(self.pz) * 2e4, np.arcsinh(self.pz / np.where(on_beam, 1.0, self.pt))
        )

    @property
    def phi(self) -> np.ndarray:
        """Azimuth in (-pi, pi]."""
        return np.arctan2(self.py, self.px)

    @property
    def final(self) -> np.ndarray:
        """Mask of stable particles."""
        return self.status > 0

    @cached_property
    def visible(self) -> np.ndarray:
        """Rows of stable particles that a detector may see."""
        rows = np.flatnonzero(self.final)
        return rows[~invisible(self.pdg[rows])]

    @cached_property
    def heaviest_quark(self) -> np.ndarray:
        """Heaviest quark of each hadron (1 to 5); 0 for what is not a hadron, and for the beams."""
        # everything descends from the beam protons, but nothing was made in them
        return np.where(np.abs(self.status) == _BEAM, 0, _heaviest_quark(self.pdg)).astype(np.int8)

    @cached_property
    def repeated(self) -> np.ndarray:
        """Mask of particles with a direct descendant of the same PDG number: not their last copy."""
        child = np.flatnonzero(self.mother >= 0)
        mother = self.mother[child]
        found = np.zeros(len(self.pdg), dtype=bool)
        found[mother[self.pdg[mother] == self.pdg[child]]] = True
        return found

    def pt_eta_phi(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Momenta of some rows."""
        px, py, pz = self.px[rows], self.py[rows], self.pz[rows]
        pt = np.sqrt(px**2 + py**2)
        on_beam = pt < 1e-6
        eta = np.where(on_beam, np.sign(pz) * 2e4, np.arcsinh(pz / np.where(on_beam, 1.0, pt)))
        return pt, eta, np.arctan2(py, px)

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
    counts = np.asarray(ak.to_numpy(ak.num(particles.id)))
    starts = np.concatenate(([0], np.cumsum(counts)))[:-1]

    def flat(values: Any, kind: type) -> np.ndarray:
        return np.asarray(ak.to_numpy(ak.flatten(values)), dtype=kind)

    pdg = flat(particles.id, np.int64)
    event = np.repeat(np.arange(len(counts)), counts)
    mother = flat(particles.mother1, np.int64)
    mother = np.where(mother > 0, mother + starts[event], -1)
    info = {name: np.asarray(ak.to_numpy(batch.info[name])) for name in _INFO if name in batch.info.fields}
    info["weight"] = np.asarray(ak.to_numpy(batch.info.weights[:, 0]), dtype=np.float64)
    return Record(
        n_events=len(counts),
        event=event,
        pdg=pdg,
        status=flat(particles.status, np.int64),
        mother=mother,
        px=flat(particles.p.px, np.float64),
        py=flat(particles.p.py, np.float64),
        pz=flat(particles.p.pz, np.float64),
        energy=flat(particles.p.e, np.float64),
        mass=flat(particles.m, np.float64),
        charge=_charges(pdg, charge_of, lookup),
        info=info,
    )


def _charges(pdg: np.ndarray, charge_of: dict[int, float], lookup: Any) -> np.ndarray:
    """Charges by PDG number: from a table for the usual particles, since sorting all numbers takes longer."""
    usual = np.abs(pdg) <= _TABLE
    present = np.zeros(2 * _TABLE + 1, dtype=bool)
    place = np.where(usual, pdg + _TABLE, 0)
    present[place[usual]] = True
    others, where = np.unique(pdg[~usual], return_inverse=True)
    kinds = np.flatnonzero(present) - _TABLE
    for kind in [*kinds.tolist(), *others.tolist()]:
        if kind not in charge_of:
            charge_of[kind] = lookup(kind)
    table = np.zeros(2 * _TABLE + 1)
    table[kinds + _TABLE] = [charge_of[kind] for kind in kinds.tolist()]
    charge = table[place]
    charge[~usual] = np.array([charge_of[kind] for kind in others.tolist()])[where]
    return charge


def _heaviest_quark(pdg: np.ndarray) -> np.ndarray:
    kind = np.abs(pdg)
    found = np.zeros(len(kind), dtype=np.int8)
    rows = np.flatnonzero((kind > 100) & (kind < 1000000))
    digits = kind[rows].astype(np.int32) % 10000
    found[rows] = np.where(digits >= 1000, digits // 1000, digits // 100)
    return found


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
    return rows[~record.repeated[rows]]


def tau_decays(record: Record) -> dict[str, np.ndarray]:
    """Visible products of the taus: ``row`` of each last tau copy, ``hadronic``, visible momentum, tracks."""
    taus = last_copies(record, (np.abs(record.pdg) == 15) & ~record.final)
    position = np.full(len(record.pdg), -1)
    position[taus] = np.arange(len(taus))
    with_tau = np.zeros(record.n_events, dtype=bool)
    with_tau[record.event[taus]] = True
    stable = record.visible[with_tau[record.event[record.visible]]]
    kind = np.abs(record.pdg)
    lepton = np.flatnonzero(((kind == 11) | (kind == 13)) & (record.mother >= 0))
    from_tau = position[record.mother[lepton]]
    hadronic = np.ones(len(taus), dtype=bool)
    hadronic[from_tau[from_tau >= 0]] = False
    ancestor = nearest_ancestor(record, stable, position >= 0)
    stable, owner = stable[ancestor >= 0], position[ancestor[ancestor >= 0]]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=values, minlength=len(taus))

    px, py, pz, energy = (total(getattr(record, name)[stable]) for name in ("px", "py", "pz", "energy"))
    return {
        "row": taus,
        "hadronic": hadronic,
        "pt": np.hypot(px, py),
        "eta": np.arcsinh(pz / np.maximum(np.hypot(px, py), 1e-9)),
        "phi": np.arctan2(py, px),
        "mass": np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0)),
        "prongs": total((record.charge[stable] != 0).astype(float)),
        "neutral": total((record.pdg[stable] == 22).astype(float)),
    }


def decay_mode(decays: dict[str, np.ndarray], which: np.ndarray) -> np.ndarray:
    """NanoAOD's decay mode: 0, 1 (one prong without, with photons), 10, 11 (three prongs)."""
    return np.where(decays["prongs"][which] > 1, 10, 0) + (decays["neutral"][which] > 0)


def lepton_origin(record: Record, rows: np.ndarray) -> np.ndarray:
    """NanoAOD's genPartFlav of leptons: 1 prompt, 15 from a prompt tau, 5 and 4 from b and c hadrons, 3 other."""
    found = np.ones(len(rows), dtype=np.uint8)
    found[nearest_ancestor(record, rows, np.abs(record.pdg) == 15) >= 0] = 15
    inside = np.flatnonzero(nearest_ancestor(record, rows, record.heaviest_quark > 0) >= 0)
    found[inside] = 3
    for flavour in (4, 5):
        found[inside[nearest_ancestor(record, rows[inside], record.heaviest_quark == flavour) >= 0]] = flavour
    return found


def starts(event: np.ndarray, n: int) -> np.ndarray:
    """First row of each event, and the number of rows."""
    return np.concatenate(([0], np.cumsum(np.bincount(event, minlength=n))))


def local_index(event: np.ndarray, n: int) -> np.ndarray:
    """Index of each row within its event."""
    return np.arange(len(event)) - starts(event, n)[event]


def in_order(objects: dict[str, Any]) -> dict[str, Any]:
    """Sort a collection by event and falling pt."""
    order = np.lexsort((-objects["pt"], objects["_event"]))
    return {name: values[order] for name, values in objects.items()}
