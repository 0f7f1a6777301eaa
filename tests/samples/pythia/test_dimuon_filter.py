"""The early decisions: kinematics of the recoil and of the slicing variable."""

from __future__ import annotations

import math

import pytest

from massgap.samples.pythia.dimuon_filter import HardLepton, boost_along, met_hard


def particle(pt, eta, phi, mass=0.0):
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
    return (px, py, pz, math.sqrt(px**2 + py**2 + pz**2 + mass**2))


def test_boost_along_carries_the_ancestor_to_its_new_momentum():
    old, new = particle(20.0, 0.5, 1.0, 80.0), particle(90.0, -1.0, 2.0, 80.0)
    assert boost_along(old, old, new) == pytest.approx(new)


def test_boost_along_keeps_masses_and_products():
    old, new = particle(20.0, 0.5, 1.0, 80.0), particle(90.0, -1.0, 2.0, 80.0)
    a, b = particle(30.0, 0.1, 0.3), particle(25.0, 1.1, -2.0)

    def dot(p, q):
        return p[3] * q[3] - sum(p[k] * q[k] for k in range(3))

    moved_a, moved_b = boost_along(a, old, new), boost_along(b, old, new)
    assert dot(moved_a, moved_b) == pytest.approx(dot(a, b))
    assert dot(moved_a, new) == pytest.approx(dot(a, old))


MU, ANTI = HardLepton(13, particle(40.0, 0.2, 0.0)), HardLepton(-13, particle(30.0, -0.3, 2.0))
ESCAPES = [particle(60.0, 0.0, 3.0), particle(50.0, 0.0, 3.0)]


def test_met_is_the_vector_sum_of_what_escapes():
    assert met_hard([MU, ANTI], ESCAPES, [100.0]) == pytest.approx(110.0)


@pytest.mark.parametrize(
    ("leptons", "jets"),
    [
        ([MU, ANTI], []),
        ([MU, ANTI], [15.0]),
        ([MU], [100.0]),
        ([MU, HardLepton(13, ANTI.momentum)], [100.0]),
        ([MU, HardLepton(-13, particle(30.0, -1.9, 2.0))], [100.0]),
        ([MU, HardLepton(-13, particle(5.0, -0.3, 2.0))], [100.0]),
        ([MU, HardLepton(-13, particle(91.19**2 / 4 / 40.0, 0.2, math.pi))], [100.0]),
        ([MU, ANTI, HardLepton(13, particle(50.0, 0.0, 1.0))], [100.0]),
    ],
)
def test_what_cannot_be_a_dimuon_with_a_jet_is_0(leptons, jets):
    assert met_hard(leptons, ESCAPES, jets) == 0.0


def test_a_tau_pair_at_the_z_mass_counts_and_its_neutrinos_add():
    taus = [
        HardLepton(15, particle(45.6, 0.2, 0.0)),
        HardLepton(-15, particle(45.6, 0.2, 1.0)),
    ]
    assert met_hard(taus, [], [100.0]) == pytest.approx(
        0.7 * math.hypot(45.6 * (1 + math.cos(1)), 45.6 * math.sin(1))
    )


def test_the_second_jet_of_a_top_pair():
    assert met_hard([MU, ANTI], ESCAPES, [100.0, 60.0], second=50.0) == 0.0
    assert met_hard([MU, ANTI], ESCAPES, [100.0, 40.0], second=50.0) > 0.0


def test_a_third_muon_that_gets_lost_may_be_missing_momentum():
    lost = HardLepton(13, particle(30.0, 2.4, 3.0))
    assert met_hard([MU, ANTI, lost], ESCAPES, [100.0]) == pytest.approx(140.0)


def test_a_search_without_jets_sees_what_the_one_jet_search_does_not():
    apart = HardLepton(-13, particle(30.0, -1.9, 2.0))
    assert met_hard([MU, apart], ESCAPES, [], one_jet=False) == pytest.approx(110.0)
    near_z = HardLepton(-13, particle(91.19**2 / 4 / 40.0, 0.2, math.pi))
    assert met_hard([MU, near_z], ESCAPES, [], one_jet=False) == 0.0
    assert met_hard([MU, near_z], ESCAPES, [], one_jet=False, z_window=0.0) == pytest.approx(110.0)


@pytest.mark.parametrize(("value", "index"), [(25.0, 0), (60.0, 1)])
def test_several_jets_set_the_recorded_value_to_0_in_every_slice(value, index):
    """Only above the lowest edge it did: the spectrum of top pairs had a step there of a factor 1.5."""
    pytest.importorskip("pythia8mc", reason="the generator extra is not installed")
    from massgap.samples.processes.process import DimuonFilter
    from massgap.samples.pythia.dimuon_filter import make_hook

    hook, counters = make_hook(
        DimuonFilter(edges=(0.0, 40.0, 95.0)),
        0,
        tau_to_mu=0.17,
        force_taus=lambda _: None,
        uniform=lambda: 0.5,
    )
    hook.index, hook.value = index, value
    hook._several_jets = lambda event: True
    assert not hook.doVetoPartonLevel(None)
    assert (hook.index, hook.value, counters.accepted) == (0, 0.0, 1)
