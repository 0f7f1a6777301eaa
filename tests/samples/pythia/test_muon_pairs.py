"""Pairs of muons and taus of the hard process: which are kept, and when taus are forced to become muons."""

from __future__ import annotations

import math

import pytest

from massgap.samples.processes.filters import DimuonFilter, MassWindow
from massgap.samples.pythia.muon_pairs import MuonPairs


class Particle:
    """A row of an event record."""

    def __init__(self, pdg, pt=50.0, eta=0.0, phi=0.0, status=23):
        self.pdg, self.pt, self.eta_, self.phi, self.state = pdg, pt, eta, phi, status

    def id(self):
        return self.pdg

    def status(self):
        return self.state

    def pT(self):
        return self.pt

    def eta(self):
        return self.eta_

    def px(self):
        return self.pt * math.cos(self.phi)

    def py(self):
        return self.pt * math.sin(self.phi)

    def pz(self):
        return self.pt * math.sinh(self.eta_)

    def idAbs(self):
        return abs(self.pdg)

    def e(self):
        return self.pt * math.cosh(self.eta_)


class Event(list):
    """The five rows that Pythia puts first, then the given ones."""

    def __init__(self, *particles):
        super().__init__([Particle(90)] * 5 + list(particles))

    def size(self):
        return len(self)


MU, ANTI, TAU, ANTITAU = Particle(13), Particle(-13, phi=3.0), Particle(15), Particle(-15, phi=3.0)
WINDOW = MassWindow(8.0)
ON_PEAK = (Particle(13, pt=45.6), Particle(-13, pt=45.6, phi=math.pi))


def decide(particles, *, chance=0.5, **options):
    forced = []
    decides = MuonPairs(
        DimuonFilter(muon_pt=8.0, **options),
        tau_to={11: 0.3, 13: 0.6},
        force_taus=forced.append,
        uniform=lambda: chance,
    )
    dropped = decides.drops_process(Event(*particles))
    counted = decides.counters
    assert (counted.tried, counted.dropped, counted.accepted) == (1, int(dropped), int(not dropped))
    return not dropped, forced


@pytest.mark.parametrize(
    ("particles", "options", "kept"),
    [
        ((MU, ANTI), {}, True),
        ((MU, MU), {}, False),
        ((MU,), {}, False),
        ((MU, Particle(-13, status=-23)), {}, False),
        ((MU, Particle(-13, pt=3.9)), {}, False),
        ((MU, Particle(-13, eta=-3.1)), {}, False),
        # with slices the acceptance is decided after the shower
        ((MU, Particle(-13, pt=3.9)), {"edges": (0.0, 40.0)}, True),
        ((MU, ANTI), {"drop_leptonic": True}, False),
        ((MU, ANTI, Particle(1)), {"drop_leptonic": True}, True),
        ((MU, ANTI, Particle(12)), {"drop_leptonic": True}, False),
        (ON_PEAK, {"mass": WINDOW}, True),
        (ON_PEAK, {"mass": WINDOW, "inside": False}, False),
        ((MU, Particle(-13)), {"mass": WINDOW}, False),
        ((MU, Particle(-13)), {"mass": WINDOW, "inside": False}, True),
        # a third muon may be one of the two that are measured: outside, wherever the pair lies
        ((*ON_PEAK, MU), {"mass": WINDOW, "inside": False}, True),
        ((*ON_PEAK, MU), {"mass": WINDOW}, False),
        ((*ON_PEAK, TAU), {"mass": WINDOW, "inside": False}, True),
    ],
)
def test_which_pairs_are_kept(particles, options, kept):
    assert decide(particles, **options) == (kept, [])


@pytest.mark.parametrize(
    ("particles", "chance", "kept", "forced"),
    [
        # one tau of two leptons: 0.6; two taus: 0.36; with a third lepton taus decay as they like
        ((MU, ANTITAU), 0.59, True, [(13,)]),
        ((MU, ANTITAU), 0.61, False, []),
        ((TAU, ANTITAU), 0.35, True, [(13,)]),
        ((TAU, ANTITAU), 0.37, False, []),
        ((MU, ANTI, TAU), 0.99, True, []),
    ],
)
def test_forced_decays_of_taus(particles, chance, kept, forced):
    assert decide(particles, chance=chance) == (kept, forced)


E, POSITRON = Particle(11), Particle(-11, phi=3.0)


@pytest.mark.parametrize(
    ("particles", "chance", "kept", "forced"),
    [
        ((E, ANTI), 0.99, True, []),
        ((MU, POSITRON), 0.99, True, []),
        ((MU, ANTI), 0.0, False, []),
        ((E, POSITRON), 0.0, False, []),
        ((E, MU), 0.0, False, []),
        # beside an electron a tau becomes a muon (0.6), beside a muon an electron (0.3), two of them either: 0.9^2
        ((E, ANTITAU), 0.59, True, [(13,)]),
        ((E, ANTITAU), 0.61, False, []),
        ((TAU, ANTI), 0.29, True, [(11,)]),
        ((TAU, ANTI), 0.31, False, []),
        ((TAU, ANTITAU), 0.80, True, [(11, 13)]),
        ((TAU, ANTITAU), 0.82, False, []),
        ((E, ANTI, TAU), 0.0, False, []),
    ],
)
def test_an_electron_and_a_muon(particles, chance, kept, forced):
    assert decide(particles, chance=chance, mixed=True, edges=(0.0, 40.0)) == (kept, forced)
