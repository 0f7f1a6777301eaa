"""The slices in missing momentum: what decides when all partons are there."""

from __future__ import annotations

import pytest

pytest.importorskip("pythia8mc", reason="the generator extra is not installed")

from massgap.samples.errors import GenerationError
from massgap.samples.processes.catalogue import PROCESSES
from massgap.samples.processes.filters import DimuonFilter
from massgap.samples.pythia.met_slices import MetSlices

OPTIONS = {"tau_to": {13: 0.17}, "force_taus": lambda _: None, "uniform": lambda: 0.5}


@pytest.mark.parametrize(("value", "index"), [(25.0, 0), (60.0, 1)])
def test_several_jets_set_the_recorded_value_to_0_in_every_slice(value, index):
    """Only above the lowest edge it did: the spectrum of top pairs had a step there of a factor 1.5."""
    decides = MetSlices(PROCESSES["WW"].filter, 0, **OPTIONS)
    decides.index, decides.value = index, value
    decides._jets.are_in = lambda event: True
    assert not decides.drops_partons(None)
    assert (decides.index, decides.value, decides.counters.accepted) == (0, 0.0, 1)


def test_only_events_that_come_out_leave_a_value():
    decides = MetSlices(PROCESSES["WW"].filter, 0, **OPTIONS)
    for value, status in ((1.0, "COMPLETE"), (2.0, "CHECK_FAILED"), (3.0, "COMPLETE")):
        decides.value = value
        decides.end(status)
    assert decides.values == [1.0, 3.0]


def test_slices_need_edges_and_an_acceptance():
    with pytest.raises(GenerationError, match="need edges, and the acceptance"):
        MetSlices(DimuonFilter(muon_pt=8.0, edges=(0.0, 40.0)), 0, **OPTIONS)
