"""Decays to chosen leptons: settings, fractions of decay tables, and the account of weights."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from massgap.samples.errors import GenerationError
from massgap.samples.pythia.leptonic import (
    BranchingWeights,
    check_leptons,
    force_new,
    leptonic_lines,
    product_of,
)


class Channel:
    def __init__(self, ratio, *products, secondary=1.0):
        self.ratio, self.mode, self.products, self.secondary = ratio, 1, products, secondary

    def bRatio(self, value=None):
        self.ratio = self.ratio if value is None else value
        return self.ratio

    def onMode(self, value=None):
        self.mode = self.mode if value is None else value
        return self.mode

    def openSec(self, _):
        return self.secondary

    def multiplicity(self):
        return len(self.products)

    def product(self, k):
        return self.products[k]


class Data:
    """Decay tables as Pythia shows them; W, Z and top have the fractions 0.2, 0.1, 0.2 left."""

    def __init__(self, tables):
        self.tables = tables

    def resOpenFrac(self, kind):
        return {6: 0.2, 23: 0.1, 24: 0.2}[kind]

    def nextId(self, kind):
        return min((other for other in self.tables if other > kind), default=0)

    def particleDataEntryPtr(self, kind):
        channels = self.tables.get(kind, [])
        return SimpleNamespace(sizeChannels=lambda: len(channels), channel=lambda k: channels[k])


def forced(tables, leptons=("e", "mu")):
    return force_new(SimpleNamespace(particleData=Data(tables)), leptons)


def test_fractions_follow_the_whole_chain():
    through_z, to_smuon = Channel(0.5, 1000022, 23, secondary=0.1), Channel(0.3, 1000013, -13)
    quarks, photon = Channel(0.2, 1000022, 1, -1), Channel(1.0, 1000022, 22)
    smuon = Channel(1.0, 1000022, 13)
    squark = [Channel(0.4, 1, 1000022), Channel(0.6, 1, 1000023)]
    found = forced(
        {
            1000001: squark,
            1000013: [smuon],
            1000022: [],
            1000023: [through_z, to_smuon, quarks],
            1000025: [photon],
        }
    )
    assert found[1000013] == 1.0
    assert found[1000023] == pytest.approx(0.5 * 0.1 + 0.3)
    assert found[1000001] == pytest.approx(0.6 * found[1000023])
    # the LSP, and what gives no lepton in any way, stay as they are
    assert 1000022 not in found
    assert 1000025 not in found
    assert photon.mode == 1
    assert [channel.mode for channel in (through_z, to_smuon, quarks, *squark)] == [1, 1, 0, 0, 1]
    # Pythia multiplies the ratios by what was open of the products when it started
    assert [through_z.ratio * 0.1, to_smuon.ratio] == pytest.approx([0.05, 0.3])


def test_unwanted_leptons_and_circles_are_closed():
    tau, mu, both = Channel(0.5, 1000022, 15, -15), Channel(0.3, 1000022, 13, -13), Channel(0.2, 1000024, 15)
    found = forced({1000023: [tau, mu, both], 1000024: [Channel(1.0, 1000023, 24)]})
    assert found[1000023] == pytest.approx(0.3)
    assert found[1000024] == pytest.approx(0.3 * 0.2)
    assert [tau.mode, mu.mode, both.mode] == [0, 1, 0]
    assert forced({1000023: [Channel(1.0, 1000022, 15, -15)]}, ("tau",))[1000023] == 1.0


def test_leptons_are_checked():
    assert check_leptons(["mu", "e", "mu"]) == ("e", "mu")
    for wrong in (["muon"], ["e", ""], []):
        with pytest.raises(GenerationError, match="--leptonic e,mu"):
            check_leptons(wrong)
    assert leptonic_lines(()) == []
    assert leptonic_lines(("e", "mu", "tau"))[0].split()[-1] == "8"


def particle(kind, mother):
    return SimpleNamespace(id=lambda: kind, mother1=lambda: mother)


class Event(list):
    def size(self):
        return len(self)


def test_only_new_particles_of_the_hard_process_weigh_and_only_of_events_that_come_out():
    weights = BranchingWeights()
    weights.fractions = {23: 0.1, 1000023: 0.5, 1000024: 0.4}
    beams = [particle(0, 0)] * 5
    first = Event([*beams, particle(1000023, 3), particle(-1000024, 3), particle(23, 5)])
    second = Event([*beams, particle(23, 3), particle(1, 3)])
    for event, status in ((first, "COMPLETE"), (second, "PROCESSLEVEL_USERVETO"), (second, "COMPLETE")):
        assert not weights.drops_process(event)
        weights.end(status)
    assert weights.take(2) == pytest.approx([0.2, 1.0])
    assert weights.tried == 3
    assert weights.sum_tried == pytest.approx(2.2)
    with pytest.raises(GenerationError, match="0 events come out where there are 1"):
        weights.take(1)
    assert product_of({24: 0.2}, (24, -24, 22)) == pytest.approx(math.prod((0.2, 0.2)))
