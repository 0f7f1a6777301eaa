"""The filters: what they keep, and that the cross section of what they keep does not depend on them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from massgap.samples.processes.filters import FILTERS, ObjectFilter

pytest.importorskip("pythia8mc")

from massgap.samples.pythia.driver import COMMON, new, start
from massgap.samples.pythia.hooks import user_hook
from massgap.samples.pythia.lepton_in_jet import LeptonsBesidePartons
from massgap.samples.pythia.object_filter import WantedObjects


class Particle:
    """A row of an event record."""

    def __init__(self, pdg, pt=50.0, eta=0.0, status=23):
        self._values = (pdg, pt, eta, status)

    def id(self):
        return self._values[0]

    def pT(self):
        return self._values[1]

    def eta(self):
        return self._values[2]

    def status(self):
        return self._values[3]


class Event(list):
    """The five rows that Pythia puts first, then the given ones."""

    def __init__(self, *particles):
        super().__init__([Particle(90)] * 5 + list(particles))

    def size(self):
        return len(self)


MUONS = (Particle(13), Particle(-13))


@pytest.mark.parametrize(
    ("wanted", "particles", "kept"),
    [
        (ObjectFilter(leptons=1), (), False),
        (ObjectFilter(leptons=1), (Particle(11),), True),
        (ObjectFilter(leptons=1), (Particle(11, pt=2.9),), False),
        (ObjectFilter(leptons=1), (Particle(11, eta=-2.9),), False),
        (ObjectFilter(leptons=1), (Particle(11, status=-23),), False),
        (ObjectFilter(leptons=1), (Particle(15, pt=1.0, eta=5.0),), True),
        (ObjectFilter(leptons=1), (Particle(12), Particle(2)), False),
        (ObjectFilter(leptons=3), (*MUONS, Particle(11)), True),
        (ObjectFilter(leptons=3), MUONS, False),
        (ObjectFilter(leptons=2, muon_pair=True), MUONS, True),
        (ObjectFilter(leptons=2, muon_pair=True), (Particle(13), Particle(13)), False),
        (ObjectFilter(leptons=2, muon_pair=True), (Particle(13), Particle(-11)), False),
        (ObjectFilter(leptons=2, muon_pair=True), (Particle(13), Particle(-15)), True),
    ],
)
def test_leptons_of_the_hard_process(wanted, particles, kept):
    decides = WantedObjects(wanted)
    counters = decides.counters
    assert decides.drops_process(Event(*particles)) is not kept
    assert (counters.tried, counters.dropped, counters.accepted) == (1, int(not kept), int(kept))


@pytest.mark.parametrize(
    ("photon", "kept"),
    [
        (Particle(22, pt=4.0), True),
        (Particle(22, pt=3.0), False),
        (Particle(22, eta=2.8), False),
        (Particle(22, status=-51), False),
        (Particle(21), False),
    ],
)
def test_photons_after_the_shower(photon, kept):
    decides = WantedObjects(ObjectFilter(photons=1))
    counters = decides.counters
    assert decides.drops_process(Event()) is False
    assert counters.accepted == 0
    assert decides.drops_partons(Event(photon)) is not kept
    assert counters.accepted == int(kept)


def run(settings, wanted, n):
    decides = WantedObjects(wanted)
    hook, counters = user_hook(decides), decides.counters
    pythia = new()
    start([*COMMON, "Beams:eCM = 13000", "PartonLevel:MPI = off", *settings], 7, None, hook, pythia)
    assert len(pythia.nextBatch(n, errorMode="skip")) == n
    info = pythia.infoPython()
    return info.sigmaGen() * counters.tried / counters.accepted, info.sigmaErr() / info.sigmaGen(), counters


def test_the_cross_section_before_the_filter_is_found_again():
    """What the generator counts after the filter, divided by the counted efficiency, is what it counts without."""
    settings = ("WeakDoubleBoson:ffbar2WW = on",)
    inclusive, error, counters = run(settings, None, 400)
    assert (counters.tried, counters.dropped) == (400, 0)
    filtered, other, counters = run(settings, FILTERS["vbf"], 100)
    assert counters.tried > 3 * counters.accepted
    assert filtered / inclusive == pytest.approx(1.0, abs=4 * (error**2 + other**2) ** 0.5)
    # BR(WW to at least one electron, muon or tau) = 1 - 0.676^2; some leave the acceptance
    assert counters.dropped / counters.tried == pytest.approx(0.51, abs=0.1)


def test_the_cross_section_with_a_lepton_among_partons():
    """What is dropped half way down the shower would have been dropped at its end, too."""
    settings = (
        "WeakDoubleBoson:ffbar2ZW = on", "PhaseSpace:mHatMin = 1000.", "23:onMode = off", "23:onIfAny = 11 13",
        "24:onMode = off", "24:onIfAny = 11 13",
    )  # fmt: skip
    wanted = ObjectFilter(leptons=3, lepton_pt=20.0, lepton_eta=2.6, beside_pt=60.0)
    assert "60 GeV" in wanted.describe()

    class Late(WantedObjects):
        """Decides only when all partons are there, and compares with what was said half way."""

        def __init__(self):
            super().__init__(wanted)
            self.early, self.spared, self.wrong = False, 0, 0

        def drops_at_scale(self, position, event):
            self.early = super().drops_at_scale(position, event)
            self.spared += self.early
            return False

        def drops_process(self, event):
            self.early = False
            return super().drops_process(event)

        def drops_partons(self, event):
            dropped = super().drops_partons(event)
            self.wrong += self.early and not dropped
            return dropped

    decides = Late()
    pythia = new()
    hook = user_hook(decides)
    start([*COMMON, "Beams:eCM = 13000", "PartonLevel:MPI = off", *settings], 7, None, hook, pythia)
    assert len(pythia.nextBatch(60, errorMode="skip")) == 60
    counters = decides.counters
    assert decides.wrong <= 2
    assert decides.spared > 0.3 * (counters.tried - counters.dropped)
    assert 0.005 < counters.accepted / counters.tried < 0.05


def test_the_lepton_among_partons_is_not_of_the_z():
    """Of two muons with the mass of the Z and an electron, the electron must have the partons around it."""
    wanted = ObjectFilter(leptons=3, lepton_pt=20.0, lepton_eta=2.6, beside_pt=60.0, beside_third=True)
    assert "not of the Z" in wanted.describe()
    # m^2 = 2 pT pT (cosh d_eta - cos d_phi) = 91.2^2 back to back
    leptons = [(45.6, 0.0, 0.0, 13), (45.6, 0.0, math.pi, -13), (50.0, 1.0, 1.5, 11)]
    bounds = (20.0, 2.6, 60.0, 1.2)
    among = {
        name: [(80.0, eta, phi)] for name, (_, eta, phi, _) in zip(("mu", "mu+", "e"), leptons, strict=True)
    }
    third = LeptonsBesidePartons(wanted)
    found = {name: third._found(leptons, partons, *bounds) for name, partons in among.items()}
    assert found == {"mu": False, "mu+": False, "e": True}
    any_lepton = LeptonsBesidePartons(replace(wanted, beside_third=False))
    assert all(any_lepton._found(leptons, partons, *bounds) for partons in among.values())
    # Of equal flavours the pair with the mass nearest to the Z's is taken.
    three = [(45.6, 0.0, 0.0, 13), (45.6, 0.0, math.pi, -13), (25.0, 1.0, 1.5, 13)]
    assert [third._found(three, [(80.0, eta, phi)], *bounds) for _, eta, phi, _ in three] == [
        False,
        False,
        True,
    ]
    # Three of one charge have no pair: any of them may be the one.
    same = [(pt, eta, phi, 13) for pt, eta, phi, _ in leptons]
    assert third._found(same, among["mu"], *bounds)


def test_every_filter_says_what_it_does():
    for name, wanted in FILTERS.items():
        assert wanted is None or ("pT >" in wanted.describe()), name
