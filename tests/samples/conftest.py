"""Synthetic generated events for the tests of the detector: no generator needed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from massgap.samples.record import Record

CHARGE = {11: -1, 13: -1, 15: -1, 211: 1, 321: 1, 2212: 1, 521: 1, 411: 1}


def record_of(n_events, event, pdg, status, mother, pt, eta, phi, mass=0.0, weight=None):
    """A record of particles given by pt, eta, phi and mass; the arrays are broadcast."""
    event, pdg, status, mother, pt, eta, phi, mass = (
        np.array(x)
        for x in np.broadcast_arrays(
            event, pdg, status, mother, *(np.asarray(y, float) for y in (pt, eta, phi, mass))
        )
    )
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    charge = np.array([np.sign(kind) * CHARGE.get(abs(kind), 0) for kind in pdg.tolist()], float)
    numbers = np.ones(n_events)
    info = dict.fromkeys(("id1", "id2", "x1", "x2", "pdf1", "pdf2", "Q2Fac", "pT2Hat"), numbers)
    info["weight"] = numbers if weight is None else weight
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    return Record(
        n_events,
        event.astype(np.int64),
        pdg.astype(np.int64),
        status.astype(np.int64),
        mother.astype(np.int64),
        px,
        py,
        pz,
        energy,
        mass,
        charge,
        info,
    )


def shots(pdg, pt, eta, n, seed=1, mass=0.0):
    """n events of one stable particle each, at random azimuth."""
    phi = np.random.default_rng(seed).uniform(-np.pi, np.pi, n)
    return record_of(n, np.arange(n), pdg, 1, -1, pt, eta, phi, mass)


def crowd(n_events, seed=1, per_event=60):
    """Events full of stable particles of all kinds, some of them clustered, with a decayed tau and B meson in each."""
    rng = np.random.default_rng(seed)
    kinds = np.array([211, -211, 22, 130, 310, 2212, 321, 11, -13, 13, 12, 22, 1000022])
    rows = []
    for event in range(n_events):
        number = int(rng.integers(2, per_event))
        axis_eta, axis_phi = rng.normal(0, 1.2, 3), rng.uniform(-np.pi, np.pi, 3)
        rows.append((event, 511, -2, -1, 60.0, axis_eta[0], axis_phi[0], 5.28))
        tau = len(rows)
        rows.append((event, 15, -2, -1, 50.0, axis_eta[1], axis_phi[1], 1.78))
        rows += [
            (event, -211, 1, tau, 30.0, axis_eta[1], axis_phi[1], 0.1396),
            (event, 16, 1, tau, 20.0, axis_eta[1], axis_phi[1], 0.0),
        ]
        for jet, kind in zip(rng.integers(0, 3, number), rng.choice(kinds, number), strict=True):
            eta, phi = axis_eta[jet] + rng.normal(0, 0.3), axis_phi[jet] + rng.normal(0, 0.3)
            rows.append((event, int(kind), 1, -1, 2.0 + rng.exponential(12.0), eta, phi, 0.0))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    record = record_of(n_events, *columns)
    record.info["weight"] = rng.normal(1.0, 0.2, n_events)
    return record


@pytest.fixture(scope="session")
def guns():
    """The functions of this file."""
    return SimpleNamespace(record_of=record_of, shots=shots, crowd=crowd)
