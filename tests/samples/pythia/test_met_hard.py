"""The missing momentum that an event is heading for, as the slepton and the smuon search see it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from massgap.samples.processes.filters import MassWindow
from massgap.samples.processes.slepton import SLEPTON_BACKGROUNDS
from massgap.samples.processes.smuon import SMUON_BACKGROUNDS
from massgap.samples.pythia.met_hard import HardLepton, met_hard


def acceptance_of(backgrounds, name):
    return next(part.filter.acceptance for part in backgrounds if part.name == name)


ONE_JET = acceptance_of(SLEPTON_BACKGROUNDS, "WW")
ANY_JETS = acceptance_of(SMUON_BACKGROUNDS, "WW_2mu")


def particle(pt, eta, phi, mass=0.0):
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
    return (px, py, pz, math.sqrt(px**2 + py**2 + pz**2 + mass**2))


MU, ANTI = HardLepton(13, particle(40.0, 0.2, 0.0)), HardLepton(-13, particle(30.0, -0.3, 2.0))
ESCAPES = [particle(60.0, 0.0, 3.0), particle(50.0, 0.0, 3.0)]


def test_met_is_the_vector_sum_of_what_escapes():
    assert met_hard([MU, ANTI], ESCAPES, [100.0], ONE_JET) == pytest.approx(110.0)


@pytest.mark.parametrize(
    ("leptons", "jets"),
    [
        ([MU, ANTI], []),
        ([MU, ANTI], [15.0]),
        ([MU], [100.0]),
        ([MU, HardLepton(13, ANTI.momentum)], [100.0]),
        ([HardLepton(13, particle(40.0, 2.2, 0.0)), HardLepton(-13, particle(30.0, -2.1, 2.0))], [100.0]),
        ([MU, HardLepton(-13, particle(5.0, -0.3, 2.0))], [100.0]),
        ([MU, ANTI, HardLepton(13, particle(50.0, 0.0, 1.0))], [100.0]),
    ],
)
def test_what_cannot_be_a_dimuon_with_a_jet_is_0(leptons, jets):
    assert met_hard(leptons, ESCAPES, jets, ONE_JET) == 0.0


def test_a_pair_at_the_z_mass_is_0_where_both_come_from_the_z():
    pair = [MU, HardLepton(-13, particle(91.19**2 / 4 / 40.0, 0.2, math.pi))]
    assert met_hard(pair, ESCAPES, [100.0], acceptance_of(SLEPTON_BACKGROUNDS, "WZ")) == 0.0
    # of two W bosons, later emissions move the mass
    assert met_hard(pair, ESCAPES, [100.0], ONE_JET) == pytest.approx(110.0)


def test_a_tau_pair_at_the_z_mass_counts_and_its_neutrinos_add():
    taus = [
        HardLepton(15, particle(45.6, 0.2, 0.0)),
        HardLepton(-15, particle(45.6, 0.2, 1.0)),
    ]
    assert met_hard(taus, [], [100.0], ONE_JET) == pytest.approx(
        0.7 * math.hypot(45.6 * (1 + math.cos(1)), 45.6 * math.sin(1))
    )


def test_the_second_jet_of_a_top_pair():
    tops = replace(ONE_JET, jet=replace(ONE_JET.jet, second_pt=50.0))
    assert met_hard([MU, ANTI], ESCAPES, [100.0, 60.0], tops) == pytest.approx(-110.0)
    assert met_hard([MU, ANTI], ESCAPES, [100.0, 40.0], tops) == pytest.approx(110.0)
    # what is not seen at all stays 0
    assert met_hard([MU, MU], ESCAPES, [100.0, 60.0], tops) == 0.0


def test_what_top_pairs_declare():
    for backgrounds, name in ((SLEPTON_BACKGROUNDS, "tt"), (SMUON_BACKGROUNDS, "tt_2mu")):
        tops = acceptance_of(backgrounds, name)
        assert tops.veto.half_width == 0.0
        assert tops.jet is None or tops.jet.second_pt == 65.0


def test_a_third_muon_that_gets_lost_may_be_missing_momentum():
    lost = HardLepton(13, particle(30.0, 2.4, 3.0))
    assert met_hard([MU, ANTI, lost], ESCAPES, [100.0], ONE_JET) == pytest.approx(140.0)


def test_a_search_without_jets_sees_what_the_one_jet_search_does_not():
    apart = HardLepton(-13, particle(30.0, -1.9, 2.0))
    assert met_hard([MU, apart], ESCAPES, [], ANY_JETS) == pytest.approx(110.0)
    near_z = HardLepton(-13, particle(91.19**2 / 4 / 40.0, 0.2, math.pi))
    assert met_hard([MU, near_z], ESCAPES, [], ANY_JETS) == 0.0
    no_veto = replace(ANY_JETS, veto=MassWindow(0.0))
    assert met_hard([MU, near_z], ESCAPES, [], no_veto) == pytest.approx(110.0)
