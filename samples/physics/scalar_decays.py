"""Decays of scalars to two bodies after the shower: as often as wanted for one production.

A scalar decays isotropically, and what was made before does not know the masses of its products. Photons that the charged
product would radiate are left out: of a muon of 100 GeV they carry away about a per cent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.errors import GenerationError
from massgap.samples.physics.offshell import kallen

if TYPE_CHECKING:
    from massgap.samples.record import Record

__all__ = ["TwoBody", "decayed", "keep_stable"]

#: Pythia's status of products of decays after the shower.
_DECAYED, _PRODUCT = -2, 91
_VECTOR = ("px", "py", "pz", "energy")


@dataclass(frozen=True)
class TwoBody:
    """The only decay of a scalar.

    Attributes
    ----------
    parent : int
        PDG number, positive.
    products : tuple of int
        PDG numbers of what the particle decays to; the antiparticle decays to the antiparticles but for ``own``.
    masses : tuple of float
        Of the products (GeV).
    charges : tuple of float
        Of the particle's products.
    own : tuple of int
        Products that are their own antiparticles.
    """

    parent: int
    products: tuple[int, int]
    masses: tuple[float, float]
    charges: tuple[float, float]
    own: tuple[int, ...] = ()


def keep_stable(pythia: Any, decay: TwoBody) -> None:
    """Tell Pythia, which has started, to leave the scalar undecayed."""
    pythia.readString(f"{decay.parent}:mayDecay = off", False)


def decayed(record: Record, decay: TwoBody, rng: np.random.Generator) -> Record:
    """The events with each scalar decayed, isotropically in its rest frame.

    Parameters
    ----------
    record : Record
        Complete events with stable scalars.
    decay : TwoBody
        How they decay.
    rng : numpy Generator
        Directions.

    Raises
    ------
    GenerationError
        If there is no such scalar, or one is lighter than its products.
    """
    rows = np.flatnonzero((np.abs(record.pdg) == decay.parent) & record.final)
    if not len(rows):
        msg = f"no stable particle {decay.parent} to decay after the shower"
        raise GenerationError(msg)
    one, two = _products(record, rows, decay, rng)
    sign = np.sign(record.pdg[rows])
    n, old = len(rows), len(record.pdg)
    status = record.status.copy()
    status[rows] = _DECAYED
    columns: dict[str, Any] = {name: getattr(record, name) for name in _VECTOR}
    for k, name in enumerate(_VECTOR):
        columns[name] = np.concatenate((columns[name], one[k], two[k]))
    kinds = [np.where(kind in decay.own, kind, sign * kind) for kind in decay.products]
    columns["pdg"] = np.concatenate((record.pdg, *kinds))
    columns["charge"] = np.concatenate((record.charge, *(sign * charge for charge in decay.charges)))
    columns["mass"] = np.concatenate((record.mass, *(np.full(n, mass) for mass in decay.masses)))
    columns["status"] = np.concatenate((status, np.full(2 * n, _PRODUCT)))
    event, mother = (
        np.concatenate((values, added, added))
        for values, added in ((record.event, record.event[rows]), (record.mother, rows))
    )
    order = np.argsort(event, kind="stable")
    place = np.empty(old + 2 * n, dtype=np.int64)
    place[order] = np.arange(old + 2 * n)
    mother = np.where(mother >= 0, place[mother], -1)
    return replace(
        record,
        event=event[order],
        mother=mother[order],
        info=dict(record.info),
        **{name: values[order] for name, values in columns.items()},
    )


def _products(
    record: Record, rows: np.ndarray, decay: TwoBody, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Momenta of both products in the laboratory, shape (4, n): px, py, pz, E."""
    parent = np.stack([getattr(record, name)[rows] for name in _VECTOR])
    mass = np.sqrt(np.maximum(parent[3] ** 2 - (parent[:3] ** 2).sum(axis=0), 0.0))
    if (mass <= sum(decay.masses)).any():
        msg = f"a particle {decay.parent} of {mass.min():g} GeV cannot decay to {decay.products} of {decay.masses} GeV"
        raise GenerationError(msg)
    p = kallen(mass**2, decay.masses[0] ** 2, decay.masses[1] ** 2) / (2 * mass)
    cos, phi = rng.uniform(-1, 1, len(rows)), rng.uniform(-np.pi, np.pi, len(rows))
    sin = np.sqrt(1 - cos**2)
    along = p * np.stack([sin * np.cos(phi), sin * np.sin(phi), cos])
    energy = np.sqrt(p**2 + decay.masses[0] ** 2)
    # boost by the parent's velocity
    gamma = parent[3] / mass
    product = (parent[:3] * along).sum(axis=0) / mass
    moved = along + parent[:3] / mass * (product / (gamma + 1) + energy)
    one = np.concatenate((moved, [gamma * energy + product]))
    return one, parent - one
