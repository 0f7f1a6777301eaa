"""Scalars that decay to two bodies after the shower: kinematics, ancestry, distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from massgap.samples.errors import GenerationError
from massgap.samples.physics.scalar_decays import TwoBody, decayed
from massgap.samples.record import nearest_ancestor

DECAY = TwoBody(2000013, (13, 1000022), (0.10566, 100.0), (-1.0, 0.0), own=(1000022,))
N = 4000


@pytest.fixture(scope="module")
def pairs(guns):
    """Events with a jet, a pair of smuons of 300 GeV and a hadron."""
    rng = np.random.default_rng(3)
    kinds = np.tile([21, 2000013, -2000013, 211], N)
    return guns.record_of(
        N,
        np.repeat(np.arange(N), 4),
        kinds,
        np.tile([-23, 62, 62, 84], N),
        np.where(np.abs(kinds) == 2000013, np.arange(4 * N) // 4 * 4, -1),
        rng.exponential(150.0, 4 * N) + 1.0,
        rng.normal(0, 1.5, 4 * N),
        rng.uniform(-np.pi, np.pi, 4 * N),
        np.where(np.abs(kinds) == 2000013, 300.0, 0.0),
    )


@pytest.fixture(scope="module")
def after(pairs):
    return decayed(pairs, DECAY, np.random.default_rng(1))


def test_momentum_and_masses_are_kept_and_all_is_in_order(pairs, after):
    assert len(after.pdg) == 8 * N
    assert (np.diff(after.event) >= 0).all()
    for name in ("px", "py", "pz", "energy"):
        before, now = (np.bincount(r.event[r.final], getattr(r, name)[r.final], N) for r in (pairs, after))
        assert now == pytest.approx(before, abs=1e-6)
    made = np.flatnonzero(after.status == 91)
    p2 = after.px**2 + after.py**2 + after.pz**2
    assert np.sqrt(np.maximum(after.energy**2 - p2, 0))[made[after.pdg[made] == 1000022]] == pytest.approx(
        100.0, rel=1e-6
    )
    # each muon has the charge of its smuon, which is there once and no longer stable
    muons = made[np.abs(after.pdg[made]) == 13]
    assert len(muons) == 2 * N
    mothers = after.mother[muons]
    assert (after.pdg[mothers] == np.sign(after.pdg[muons]) * 2000013).all()
    assert (after.charge[muons] == -np.sign(after.pdg[muons])).all()
    assert not after.final[mothers].any()
    assert (after.pdg[nearest_ancestor(after, muons, after.pdg == 21)] == 21).all()
    assert (after.event[mothers] == after.event[muons]).all()
    # the records that were put in are as they were
    assert pairs.final[np.abs(pairs.pdg) == 2000013].all()


def test_directions_are_isotropic_in_the_rest_frame(after):
    muons = np.flatnonzero((np.abs(after.pdg) == 13) & (after.status == 91))
    mother = after.mother[muons]
    product = after.energy[muons] * after.energy[mother] - sum(
        getattr(after, axis)[muons] * getattr(after, axis)[mother] for axis in ("px", "py", "pz")
    )
    energy = (300.0**2 + 0.10566**2 - 100.0**2) / 600.0
    assert product / 300.0 == pytest.approx(energy, rel=1e-6)
    # isotropic: the energy in the laboratory is flat between its ends
    p, gamma = np.sqrt(energy**2 - 0.10566**2), after.energy[mother] / 300.0
    speed = np.sqrt(1 - 1 / gamma**2)
    cos = (after.energy[muons] / gamma - energy) / (speed * p)
    assert stats.kstest(cos[speed > 0.05], stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_impossible_decays_are_named(pairs):
    with pytest.raises(GenerationError, match="of 300 GeV cannot decay"):
        decayed(pairs, TwoBody(2000013, (13, 1000022), (0.1, 300.0), (-1.0, 0.0)), np.random.default_rng(1))
    with pytest.raises(GenerationError, match="no stable particle 1000013"):
        decayed(pairs, TwoBody(1000013, (13, 1000022), (0.1, 100.0), (-1.0, 0.0)), np.random.default_rng(1))
