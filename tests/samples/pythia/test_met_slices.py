"""The slices in missing momentum: what decides when all partons are there."""

from __future__ import annotations

import pytest

pytest.importorskip("pythia8mc", reason="the generator extra is not installed")

from massgap.samples.errors import GenerationError
from massgap.samples.processes.catalogue import PROCESSES, processes_of
from massgap.samples.processes.filters import DimuonFilter
from massgap.samples.pythia.driver import Generated, generate_block
from massgap.samples.pythia.met_hard import met_hard
from massgap.samples.pythia.met_slices import MetSlices, _hardest_parton, _HardProcess

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
    for slice_ in range(4):
        decides = MetSlices(PROCESSES["WW"].filter, slice_, **OPTIONS)
        monkeypatch.setattr(decides, "_heading_for", lambda _: value)
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


@pytest.mark.parametrize("name", ["WW", "slepton_110_80"])
def test_what_is_decided_by_the_emission_alone_is_what_all_momenta_say(monkeypatch, name):
    """The hard process is read for events with a jet; without one met_hard is 0, whatever the momenta."""
    short = MetSlices._heading_for
    seen = []

    def both(decides, event):
        value, wanted = short(decides, event), decides.wanted
        hard = _HardProcess.read(decides._process, decides._leptons, wanted.jets_from)
        leptons, invisible, jets = hard.after_emission(event)
        assert value == met_hard(leptons, invisible, [*jets, _hardest_parton(event)], decides._acceptance)
        seen.append(value)
        return value

    monkeypatch.setattr(MetSlices, "_heading_for", both)
    records = list(generate_block(processes_of(name)[0], 2, 20, 1, 0, Generated()))
    assert sum(record.n_events for record in records) == 20
    assert sum(value == 0.0 for value in seen) > 20
    assert sum(value > 0.0 for value in seen) >= 20


@pytest.mark.parametrize("kept", [True, False])
def test_taus_are_forced_for_events_that_stay_alone(monkeypatch, kept):
    """Telling Pythia takes as long as a hard process does."""
    forced = []
    decides = MetSlices(PROCESSES["WW"].filter, 2, **OPTIONS | {"force_taus": forced.append})
    for taus in ((13,), (), (13,), (13,)):
        decides._forced, decides.value, decides.index = taus, 60.0, 2 if kept else 3
        monkeypatch.setattr(decides._jets, "are_in", lambda _: False)
        assert decides.drops_partons(None) == (not kept)
    assert forced == ([(13,), (), (13,)] if kept else [])
