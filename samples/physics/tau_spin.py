r"""Spin of taus from W and Z, given to decays that Pythia has made without: ten times as fast as its own correlations.

The decay of an unpolarised tau looks the same from all sides. With the polarimeter vector :math:`\vec h` of what it has
decayed to, the chance of a spin :math:`\vec s` is :math:`1 + \vec s \cdot \vec h`, so turning each decay as a whole in the
rest frame of its tau, and keeping the turn with that chance, gives exactly the decays of polarised taus, without weights
(Jadach, Was, Decker, Kuehn, CPC 76 (1993) 361; Kuehn, hep-ph/9505303 for the vectors):

* leptons: the direction of the neutrino of the lepton's kind,
* one meson, or two in a vector current J: :math:`\vec h \propto 2 (J N) \vec J - J^2 \vec N` with the neutrino's N,
* anything else (three mesons and more, 19 % of the decays): none is used, these stay unpolarised.

Taus of a W have one helicity. Those of a photon or Z have parallel spins, along the flight of the tau- with probability
:math:`p_R` and against it otherwise, as the couplings say for the quark's kind, the mass and the angle; the interference of
both gives the correlation across. Other mothers leave taus unpolarised.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from massgap.physical_constants import PYTHIA_Z_MASS
from massgap.samples.record import nearest_ancestor

if TYPE_CHECKING:
    from massgap.samples.record import Record

__all__ = ["FAST_TAUS", "pair_state", "with_tau_spin"]

#: Settings of Pythia for unpolarised decays with the matrix elements of the hadronic currents.
FAST_TAUS = ("TauDecays:mode = 3", "TauDecays:tauPolarization = 0.")
#: Effective weak mixing angle and width of the Z (GeV), of the Particle Data Group 2024.
_SIN2, _Z_WIDTH = 0.23155, 2.4955
_TAU, _Z, _W = 15, 23, 24
_MESONS = (111, 211, 311, 321, 310, 130)


def pair_state(quark: np.ndarray, mass: np.ndarray, cos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Polarisation and transverse correlation of taus from a photon or Z of quarks.

    Parameters
    ----------
    quark : array
        PDG number of the quark, from 1 to 5.
    mass : array
        Of the pair (GeV).
    cos : array
        Of the angle between quark and tau- in their rest frame; NaN where it is unknown: then its mean is taken.

    Returns
    -------
    right, across : arrays
        Probability that the tau- is right-handed, and the coefficient of :math:`h^-_x h^+_x - h^-_y h^+_y`, 0 without angle.
    """
    up = np.abs(quark) % 2 == 0
    charge, isospin = np.where(up, 2 / 3, -1 / 3), np.where(up, 0.5, -0.5)
    scale = 1.0 / (_SIN2 * (1 - _SIN2))
    z = scale * mass**2 / (mass**2 - PYTHIA_Z_MASS**2 + 1j * PYTHIA_Z_MASS * _Z_WIDTH)
    # couplings to the Z in units of e / (sin cos), left and right
    of_quark = (isospin - charge * _SIN2, -charge * _SIN2)
    of_tau = (-0.5 + _SIN2, _SIN2)
    amplitude = [[-charge + a * b * z for b in of_tau] for a in of_quark]
    known = np.isfinite(cos)
    c = np.where(known, cos, 0.0)
    # (1 + cos)^2 for equal helicities; the mean over the sphere of both is the same
    same, other = (np.where(known, (1 + sign * c) ** 2, 4 / 3) for sign in (1, -1))
    left = same * abs(amplitude[0][0]) ** 2 + other * abs(amplitude[1][0]) ** 2
    right = other * abs(amplitude[0][1]) ** 2 + same * abs(amplitude[1][1]) ** 2
    both = sum((row[1] * np.conj(row[0])).real for row in amplitude)
    across = np.where(known, 2 * (1 - c**2) * both / (left + right), 0.0)
    return right / (left + right), across


def with_tau_spin(record: Record, rng: np.random.Generator) -> Record:
    """The events with their tau decays turned as the spins of the taus want it.

    Parameters
    ----------
    record : Record
        Generated events, made with :data:`FAST_TAUS`.
    rng : numpy Generator
        Turns.
    """
    kind = np.abs(record.pdg)
    taus = np.flatnonzero((kind == _TAU) & ~record.final & ~record.repeated)
    mother = nearest_ancestor(record, taus, kind != _TAU)
    known = mother >= 0
    taus, mother = taus[known], mother[known]
    momenta = np.stack([record.energy, record.px, record.py, record.pz], axis=1)
    vectors = _polarimeters(record, taus, momenta)
    turns = np.tile(np.eye(3), (len(taus), 1, 1))
    turned = np.zeros(len(taus), dtype=bool)
    for rows, turn in (
        _of_w(record, taus, mother, momenta, vectors, rng),
        _of_z(record, taus, mother, momenta, vectors, rng),
    ):
        turns[rows], turned[rows] = turn, True
    where = np.full(len(record.pdg), -1)
    where[taus[turned]] = np.flatnonzero(turned)
    # all that descends from a turned tau
    below = np.flatnonzero(record.mother >= 0)
    owner = nearest_ancestor(record, below, where >= 0)
    below, owner = below[owner >= 0], owner[owner >= 0]
    frame = momenta[owner]
    inside = _to_rest(momenta[below], frame)
    inside[:, 1:] = np.einsum("nij,nj->ni", turns[where[owner]], inside[:, 1:])
    momenta[below] = _from_rest(inside, frame)
    energy, px, py, pz = (np.ascontiguousarray(column) for column in momenta.T)
    return replace(record, px=px, py=py, pz=pz, energy=energy, info=dict(record.info))


def _of_w(
    record: Record,
    taus: np.ndarray,
    mother: np.ndarray,
    momenta: np.ndarray,
    vectors: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Taus of W, by their places, and how they turn: tau- are left-handed, tau+ right-handed."""
    rows = np.flatnonzero(np.abs(record.pdg[mother]) == _W)
    flight = -_unit(_to_rest(momenta[mother[rows]], momenta[taus[rows]])[:, 1:])
    sign = -np.sign(record.pdg[taus[rows]])

    def chance(some: np.ndarray, turns: np.ndarray) -> np.ndarray:
        h = np.einsum("nij,nj->ni", turns, vectors[rows[some]])
        return np.asarray((1 + sign[some] * (h * flight[some]).sum(axis=1)) / 2)

    return rows, _accepted(len(rows), chance, rng)


def _of_z(
    record: Record,
    taus: np.ndarray,
    mother: np.ndarray,
    momenta: np.ndarray,
    vectors: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of taus of a photon or Z, by their places, and how they turn."""
    candidates = np.flatnonzero(record.pdg[mother] == _Z)
    order = candidates[np.lexsort((record.pdg[taus[candidates]], mother[candidates]))]
    pair = np.flatnonzero(
        (mother[order[1:]] == mother[order[:-1]])
        & (record.pdg[taus[order[1:]]] == _TAU)
        & (record.pdg[taus[order[:-1]]] == -_TAU)
    )
    plus, minus = order[pair], order[pair + 1]
    boson = momenta[mother[minus]]
    right, across, beam = _states(record, mother[minus], boson, momenta[taus[minus]])
    axes = [
        _axes(
            sign * _unit(_to_rest(boson, momenta[taus[rows]])[:, 1:]),
            _to_rest(beam, momenta[taus[rows]])[:, 1:],
        )
        for sign, rows in ((-1, minus), (1, plus))
    ]

    def chance(some: np.ndarray, turns: np.ndarray) -> np.ndarray:
        h = [
            np.einsum("nai,nij,nj->na", axes[k][some], turns[:, k], vectors[rows[some]])
            for k, rows in ((0, minus), (1, plus))
        ]
        first, second = h
        r = right[some]
        weight = r * (1 + first[:, 2]) * (1 + second[:, 2]) + (1 - r) * (1 - first[:, 2]) * (1 - second[:, 2])
        weight += across[some] * (first[:, 0] * second[:, 0] - first[:, 1] * second[:, 1])
        return np.asarray(weight / 4)

    turns = _accepted(len(minus), chance, rng, 2)
    return np.concatenate((minus, plus)), np.concatenate((turns[:, 0], turns[:, 1]))


def _states(
    record: Record, boson_rows: np.ndarray, boson: np.ndarray, minus: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States of the pairs, and the momentum of the proton that the quark comes from."""
    event = record.event[boson_rows]
    one, two = (record.info[name][event].astype(np.int64) for name in ("id1", "id2"))
    quark = np.where((np.abs(one) <= 5) & (one != 0), one, two)
    # a quark of the second proton flies backwards
    direction = np.where(quark == one, np.sign(one), -np.sign(two)).astype(float)
    beam = np.zeros_like(boson)
    beam[:, 0], beam[:, 3] = 1.0, direction
    mass = np.sqrt(np.maximum(_product(boson, boson), 1e-9))
    pt2 = boson[:, 1] ** 2 + boson[:, 2] ** 2
    plus = boson - minus
    # Collins and Soper, PRD 16 (1977) 2219
    light = (minus[:, 0] + minus[:, 3]) * (plus[:, 0] - plus[:, 3]) - (minus[:, 0] - minus[:, 3]) * (
        plus[:, 0] + plus[:, 3]
    )
    cos = direction * light / (mass * np.sqrt(mass**2 + pt2))
    pairs = (one == -two) & (np.abs(one) <= 5) & (one != 0)
    flavour = np.where((np.abs(quark) >= 1) & (np.abs(quark) <= 5), np.abs(quark), 1)
    right, across = pair_state(flavour, mass, np.where(pairs, np.clip(cos, -1, 1), np.nan))
    return right, across, beam


def _accepted(n: int, chance: object, rng: np.random.Generator, each: int = 1) -> np.ndarray:
    """Random turns, accepted with a chance that depends on them; shape (n, 3, 3), or (n, each, 3, 3)."""
    found = np.zeros((n, each, 3, 3))
    left = np.arange(n)
    while len(left):
        turns = _turns(len(left) * each, rng).reshape(len(left), each, 3, 3)
        given = turns[:, 0] if each == 1 else turns
        good = rng.uniform(size=len(left)) < chance(left, given)  # type: ignore[operator]
        found[left[good]] = turns[good]
        left = left[~good]
    return found[:, 0] if each == 1 else found


def _polarimeters(record: Record, taus: np.ndarray, momenta: np.ndarray) -> np.ndarray:
    """Polarimeter vector of each tau's decay in its rest frame, shape (n, 3); 0 for decays whose vector is not known."""
    position = np.full(len(record.pdg), -1)
    position[taus] = np.arange(len(taus))
    child = np.flatnonzero(record.mother >= 0)
    child = child[position[record.mother[child]] >= 0]
    owner, kind = position[record.mother[child]], np.abs(record.pdg[child])
    photon = kind == 22
    child, owner, kind = child[~photon], owner[~photon], kind[~photon]
    inside = _to_rest(momenta[child], momenta[record.mother[child]])
    n = len(taus)

    def total(mask: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(owner[mask], inside[mask, k], n) for k in range(4)], axis=1)

    count = np.bincount(owner, minlength=n)
    meson, neutrino = np.isin(kind, _MESONS), kind == 16
    n_mesons = np.bincount(owner[meson], minlength=n)
    leptonic = np.bincount(owner[(kind == 11) | (kind == 13)], minlength=n) > 0
    found = np.zeros((n, 3))
    light = _unit(total((kind == 12) | (kind == 14))[:, 1:])
    found[leptonic & (count == 3)] = light[leptonic & (count == 3)]
    # one meson, or the difference of two: charged minus neutral, either sign will do
    first = np.zeros(len(child), dtype=bool)
    first[np.unique(np.where(meson, owner, n), return_index=True)[1]] = True
    current = total(meson & first) - total(meson & ~first)
    hadronic = (n_mesons > 0) & (n_mesons <= 2) & (count == n_mesons + 1) & ~leptonic
    invisible = total(neutrino)
    jn, jj = _product(current, invisible), _product(current, current)
    vector = 2 * jn[:, None] * current[:, 1:] - jj[:, None] * invisible[:, 1:]
    scalar = 2 * jn * current[:, 0] - jj * invisible[:, 0]
    found[hadronic] = vector[hadronic] / scalar[hadronic, None]
    return found * np.sign(record.pdg[taus])[:, None]


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[:, 0] * b[:, 0] - (a[:, 1:] * b[:, 1:]).sum(axis=1))


def _unit(v: np.ndarray) -> np.ndarray:
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12))


def _axes(z: np.ndarray, beam: np.ndarray) -> np.ndarray:
    """Rows x, y, z with x towards the beam, shape (n, 3, 3)."""
    x = _unit(beam - (beam * z).sum(axis=1, keepdims=True) * z)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _boosted(p: np.ndarray, frame: np.ndarray, sign: float) -> np.ndarray:
    mass = np.sqrt(np.maximum(_product(frame, frame), 1e-12))[:, None]
    u, gamma = sign * frame[:, 1:] / mass, frame[:, :1] / mass
    along = (u * p[:, 1:]).sum(axis=1, keepdims=True)
    return np.concatenate((gamma * p[:, :1] + along, p[:, 1:] + u * (p[:, :1] + along / (gamma + 1))), axis=1)


def _to_rest(p: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return _boosted(p, frame, -1.0)


def _from_rest(p: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return _boosted(p, frame, 1.0)


def _turns(n: int, rng: np.random.Generator) -> np.ndarray:
    """Rotations, uniform over all, from quaternions; shape (n, 3, 3)."""
    q = rng.normal(size=(n, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)
