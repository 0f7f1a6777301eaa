"""Spin of taus: states of pairs against closed forms, turns that keep what they must, and spectra of known polarisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from massgap.samples.physics.tau_spin import pair_state, with_tau_spin

M_TAU, N = 1.77686, 6000


def two_body(parent, mass, light, rng):
    """Momenta (n, 4) of a product of a mass, and the rest, of parents (n, 4), isotropic in their rest frames."""
    m = np.sqrt(parent[:, 0] ** 2 - (parent[:, 1:] ** 2).sum(axis=1))
    p = np.sqrt((m**2 - (mass + light) ** 2) * (m**2 - (mass - light) ** 2)) / (2 * m)
    cos, phi = rng.uniform(-1, 1, len(m)), rng.uniform(-np.pi, np.pi, len(m))
    sin = np.sqrt(1 - cos**2)
    rest = np.stack([np.hypot(p, mass), p * sin * np.cos(phi), p * sin * np.sin(phi), p * cos], axis=1)
    u, gamma = parent[:, 1:] / m[:, None], parent[:, :1] / m[:, None]
    along = (u * rest[:, 1:]).sum(axis=1, keepdims=True)
    lab = np.concatenate(
        (gamma * rest[:, :1] + along, rest[:, 1:] + u * (rest[:, :1] + along / (gamma + 1))), axis=1
    )
    return lab, parent - lab


def decays(guns, boson, kinds, mass, seed=1):
    """Bosons at rest along the beam or not, to two leptons of which taus decay to pion and neutrino."""
    rng = np.random.default_rng(seed)
    start = np.zeros((N, 4))
    start[:, 1:] = rng.normal(0, 30, (N, 3))
    start[:, 0] = np.sqrt(mass**2 + (start[:, 1:] ** 2).sum(axis=1))
    masses = [M_TAU if abs(kind) == 15 else 0.0 for kind in kinds]
    products = two_body(start, *masses, rng)
    rows = [(boson, -22, -1, start)]
    for kind, p in zip(kinds, products, strict=True):
        place = len(rows)
        rows.append((kind, -23 if abs(kind) == 15 else 1, 0, p))
        if abs(kind) == 15:
            pion, neutrino = two_body(p, 0.13957, 0.0, rng)
            sign = np.sign(kind)
            rows += [(-211 * sign, 1, place, pion), (16 * sign, 1, place, neutrino)]
    each = len(rows)
    p = np.stack([row[3] for row in rows], axis=1).reshape(-1, 4)
    first = np.repeat(np.arange(N), each) * each
    mother = np.tile([row[2] for row in rows], N)
    record = guns.record_of(
        N,
        np.repeat(np.arange(N), each),
        np.tile([row[0] for row in rows], N),
        np.tile([row[1] for row in rows], N),
        np.where(mother >= 0, mother + first, -1),
        1.0,
        0.0,
        0.0,
    )
    for name, column in zip(("energy", "px", "py", "pz"), p.T, strict=True):
        setattr(record, name, column.copy())
    record.info |= {"id1": np.full(N, 2), "id2": np.full(N, 21)}
    return record


def shares(record):
    """Share of the pion's energy in its tau, in the rest frame of the boson; those of tau- and tau+."""
    pions = np.flatnonzero(np.abs(record.pdg) == 211)
    boson = record.mother[record.mother[pions]]
    product = record.energy[pions] * record.energy[boson]
    product -= sum(getattr(record, name)[pions] * getattr(record, name)[boson] for name in ("px", "py", "pz"))
    mass2 = record.energy[boson] ** 2 - record.px[boson] ** 2 - record.py[boson] ** 2 - record.pz[boson] ** 2
    x = 2 * product / mass2
    return x[record.pdg[pions] < 0], x[record.pdg[pions] > 0]


def linear(x, slope):
    """Distribution function of 1 + slope (2 x - 1) on (0, 1): a pion of a tau of this helicity, masses apart."""
    x = np.clip(x, 0, 1)
    return x + slope * (x**2 - x)


@pytest.mark.parametrize("kinds", [(15, -16), (-15, 16)])
def test_taus_of_w_have_one_helicity(guns, kinds):
    record = decays(guns, -24 * np.sign(kinds[0]), kinds, 80.4)
    (before,) = (x for x in shares(record) if len(x))
    (after,) = (x for x in shares(with_tau_spin(record, np.random.default_rng(2))) if len(x))
    assert stats.kstest(before, lambda x: linear(x, 0.0)).pvalue > 1e-3
    # left-handed tau- and right-handed tau+ send the pion backwards (the mass of the pion moves it by a per cent)
    assert stats.kstest(after, lambda x: linear((x - 0.0035) / 0.9965, -1.0)).pvalue > 1e-3


def test_taus_of_z_have_the_polarisation_of_its_couplings_and_are_correlated(guns):
    record = decays(guns, 23, (15, -15), 91.19)
    right, across = pair_state(np.array([2]), np.array([91.19]), np.array([np.nan]))
    assert across[0] == 0
    minus, plus = shares(with_tau_spin(record, np.random.default_rng(2)))
    polarisation = 2 * right[0] - 1
    for x in (minus, plus):
        assert abs((6 * x - 3).mean() - polarisation) < 4 * (6 * x).std() / np.sqrt(N)
    # <(6 x1 - 3)(6 x2 - 3)> is 1: opposite helicities, always
    both = (6 * minus - 3) * (6 * plus - 3)
    assert abs(both.mean() - 1) < 4 * both.std() / np.sqrt(N)
    unpolarised, _ = shares(record)
    assert abs(unpolarised.mean() - 0.5) < 4 * unpolarised.std() / np.sqrt(N)


def test_turns_keep_momenta_and_all_else(guns):
    record = decays(guns, 23, (15, -15), 91.19)
    after = with_tau_spin(record, np.random.default_rng(2))
    changed = np.isin(np.abs(record.pdg), (211, 16))
    for name in ("px", "py", "pz", "energy"):
        before, now = (np.bincount(r.event, np.where(r.final, getattr(r, name), 0)) for r in (record, after))
        assert now == pytest.approx(before, abs=1e-6)
        assert (getattr(record, name)[~changed] == getattr(after, name)[~changed]).all()
    assert (after.px[changed] != record.px[changed]).all()
    mass2 = after.energy**2 - after.px**2 - after.py**2 - after.pz**2
    assert mass2[np.abs(after.pdg) == 211] == pytest.approx(np.full(2 * N, 0.13957**2), abs=1e-6)
    # of other mothers nothing is known
    other = decays(guns, 25, (15, -15), 125.0)
    assert with_tau_spin(other, np.random.default_rng(2)).px.tolist() == pytest.approx(
        other.px.tolist(), abs=1e-9
    )


def test_states_of_pairs():
    cos = np.linspace(-1, 1, 2001)
    mass = np.full(2001, 91.19)
    right, across = pair_state(np.full(2001, 1), mass, cos)
    # on the peak: P = -A_tau without angle (Particle Data Group 2024: A_tau from sin2 = 0.23155 is 0.147)
    mean = pair_state(np.array([1]), np.array([91.19]), np.array([np.nan]))[0][0]
    assert 2 * mean - 1 == pytest.approx(-0.147, abs=0.01)
    # forwards and backwards: -2 (A_q + A_tau) / (1 + ...) with A_d = 0.936, A_tau = 0.147
    forwards = -(0.147 + 0.936) / (1 + 0.147 * 0.936)
    assert 2 * right[-1] - 1 == pytest.approx(forwards, abs=0.02)
    assert across[[0, -1]] == pytest.approx([0.0, 0.0])
    # a state is at most pure
    assert ((2 * right - 1) ** 2 + across**2 <= 1 + 1e-9).all()
    # a photon knows no left and right
    right, across = pair_state(np.array([2]), np.array([1.0]), np.array([0.0]))
    assert right[0] == pytest.approx(0.5, abs=1e-3)
    assert across[0] == pytest.approx(1.0, abs=1e-3)
