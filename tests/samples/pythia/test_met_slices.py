"""The slices in missing momentum: what decides when all partons are there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("pythia8mc", reason="the generator extra is not installed")

from massgap.samples.errors import GenerationError
from massgap.samples.processes.catalogue import PROCESSES
from massgap.samples.processes.filters import DimuonFilter
from massgap.samples.pythia.met_slices import MetSlices

OPTIONS = {"tau_to": {13: 0.17}, "force_taus": lambda _: None, "uniform": lambda: 0.5}


@pytest.mark.parametrize(("value", "index"), [(25.0, 1), (60.0, 1), (94.0, 1), (120.0, 0)])
def test_several_jets_turn_the_recorded_value_in_every_slice(value, index):
    """Only above the lowest edge it was changed: the spectrum of top pairs had a step there of a factor 1.5."""
    for slice_ in range(4):
        decides = MetSlices(PROCESSES["WW"].filter, slice_, **OPTIONS)
        decides.index, decides.value = decides._slice_of(value), value
        decides._jets.are_in = lambda event: True
        assert decides.drops_partons(None) == (slice_ != index)
        assert (decides.index, decides.value) == (index, -value)
        assert decides.counters.accepted == (slice_ == index)


@pytest.mark.parametrize(
    ("value", "kept"), [(0.0, {1}), (25.0, {1}), (60.0, {1, 2}), (120.0, {0, 3}), (-60.0, {1}), (-120.0, {0})]
)
def test_after_the_first_emission_each_event_stays_where_it_may_still_end(monkeypatch, value, kept):
    """Those above zero may turn out to hold several jets."""
    monkeypatch.setattr("massgap.samples.pythia.met_slices.met_hard", lambda *_: value)
    for slice_ in range(4):
        decides = MetSlices(PROCESSES["WW"].filter, slice_, **OPTIONS)
        decides._hard = SimpleNamespace(after_emission=lambda _: ([], [], []))
        decides._pending = True
        assert decides._classify(None) == (slice_ not in kept)


def test_only_events_that_come_out_leave_a_value():
    decides = MetSlices(PROCESSES["WW"].filter, 0, **OPTIONS)
    for value, status in ((1.0, "COMPLETE"), (2.0, "CHECK_FAILED"), (3.0, "COMPLETE")):
        decides.value = value
        decides.end(status)
    assert decides.values == [1.0, 3.0]


def test_slices_need_edges_and_an_acceptance():
    with pytest.raises(GenerationError, match="need edges, and the acceptance"):
        MetSlices(DimuonFilter(muon_pt=8.0, edges=(0.0, 40.0)), 0, **OPTIONS)
