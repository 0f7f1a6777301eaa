"""What is read before changes no answer, and nothing is read that is not asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import awkward as ak
import eventfiles
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays import PerEvent
from massgap.events.columns import Columns
from massgap.events.event import Event

EVENTS = eventfiles.make_events(60, seed=5)[11:35]  # with edge cases: ties, unsorted and empty collections
NANO = eventfiles.columns(EVENTS)
NANO["GenPart"] = ak.zip(
    {
        "pt": ak.Array([[5.0, 40.0, 20.0]] * len(EVENTS)),
        "eta": ak.Array([[0.0, 1.0, 2.0]] * len(EVENTS)),
        "phi": ak.Array([[0.0, 1.0, 2.0]] * len(EVENTS)),
        "pdgId": ak.Array([[23, 13, -13]] * len(EVENTS)),
    }
)
DELPHES = eventfiles.delphes_columns(EVENTS)
FIELDS = {
    "muons": ("pt", "phi", "charge", "isolation", "identified"),
    "electrons": ("pt", "eta", "identified"),
    "leptons": ("pt", "flavour", "charge"),
    "jets": ("pt", "mass", "b_tagged", "tau_tagged"),
    "taus": ("pt", "charge"),
    "met": ("pt", "phi"),
    "good": ("pt", "eta"),
}


def fresh(source: str, met: str) -> Event:
    return Event(ak.zip(NANO if source == "nano" else DELPHES, depth_limit=1), met=met)


def changed(event: Event, how: tuple[Any, ...]) -> Event:
    """One step that gives other events: a cut, or another collection."""
    kind, number = how
    if kind == "cut":
        return event[np.random.default_rng(number).random(len(event)) < 0.6]
    if kind == "muons":
        return event.with_(muons=event.muons.where(event.muons.pt > 5.0 * number))
    if kind == "jets":
        jets = event.jets
        return event.with_(jets=jets.with_fields(pt=lambda: jets.pt * (1 + 0.1 * number)).by_pt())
    if kind == "met":
        return event.with_(met=PerEvent({"pt": event.met.pt + number, "phi": event.met.phi}))
    return event.with_(good=event.jets.leading(number))


def answer(event: Event, name: str, field: str) -> Any:
    if name == "good" and "good" not in event.collections:
        return None
    found = event[name]
    numbers = found[field]
    return (getattr(found, "offsets", np.zeros(0)).tobytes(), numbers.dtype.str, numbers.tobytes())


read = st.sampled_from([(name, field) for name, fields in FIELDS.items() for field in fields])
step = st.one_of(
    st.tuples(st.just("read"), read),
    st.tuples(st.sampled_from(["cut", "muons", "jets", "met", "good"]), st.integers(0, 5)),
)


@settings(max_examples=150)
@given(
    st.sampled_from(["nano", "delphes"]),
    st.sampled_from(["detector", "objects"]),
    st.lists(step, max_size=8),
    read,
)
def test_what_is_read_before_changes_no_answer(source, met, steps, asked) -> None:
    curious, silent = fresh(source, met), fresh(source, met)
    for kind, what in steps:
        if kind == "read":
            answer(curious, *what)
        else:
            before = {key: answer(curious, *key) for key in (asked, ("muons", "pt"), ("jets", "pt"))}
            following = changed(curious, (kind, what))
            # An event never changes: the one that was cut or given other objects answers as it did.
            assert before == {key: answer(curious, *key) for key in before}
            curious, silent = following, changed(silent, (kind, what))
    assert answer(curious, *asked) == answer(silent, *asked)
    for name, fields in FIELDS.items():
        for field in fields:
            assert answer(curious, name, field) == answer(silent, name, field)


@pytest.mark.parametrize("first", [None, "phi", "pt", "awkward", "leptons", "counts"])
def test_flat_arrays_are_by_falling_pt_whatever_is_read_first(first) -> None:
    """Flat arrays once were in the order of the file until somebody had read the collection."""
    event = fresh("nano", "detector")
    if first == "leptons":
        event.leptons.pt  # noqa: B018
    elif first is not None:
        getattr(event.muons, first)
    true = [m["phi"] for e in EVENTS for m in sorted(e["muons"], key=lambda m: -np.float32(m["pt"]))]
    np.testing.assert_array_equal(event.muons.phi, np.array(true, dtype=np.float32).astype(np.float64))
    assert any(e["muons"] != sorted(e["muons"], key=lambda m: -np.float32(m["pt"])) for e in EVENTS)


class Counting(Columns):
    """Counts how often each column is read from the file."""

    def __init__(self, events: Any) -> None:
        super().__init__(events)
        self.reads: Counter[str] = Counter()

    def read(self, collection: str, field: str) -> Any:
        self.reads[self.branch_name(collection, field)] += 1
        return super().read(collection, field)


@pytest.fixture
def counting() -> Counting:
    return Counting(ak.zip(NANO, depth_limit=1))


def test_fields_are_read_when_they_are_asked_for(counting) -> None:
    event = Event(counting)
    muons = event.muons
    assert not counting.reads
    muons.charge  # noqa: B018
    # The order needs pt; offsets come with any column.
    assert set(counting.reads) == {"Muon_pt", "Muon_charge"}
    event.met.phi  # noqa: B018
    assert {name for name in counting.reads if name.startswith("MET")} <= {"MET_pt", "MET_phi"}
    part = event[muons.counts == 2]
    part.muons.leading(1).eta  # noqa: B018
    assert set(counting.reads) - {"MET_pt", "MET_phi"} == {"Muon_pt", "Muon_charge", "Muon_eta"}
    assert not [name for name in counting.reads if name.startswith(("Jet", "Electron", "Tau", "GenPart"))]


def test_each_field_is_read_once_for_all_cuts_and_variations(counting) -> None:
    event = Event(counting)
    for part in (event, event[np.arange(len(event)) % 2 == 0], event.with_(jets=event.jets.leading(1))):
        for name in ("muons", "jets"):
            for field in ("pt", "eta", "phi"):
                part[name][field]
            part[name].counts  # noqa: B018
    once = {f"{c}_{f}" for c in ("Muon", "Jet") for f in ("eta", "phi")}
    assert {name: counting.reads[name] for name in once} == dict.fromkeys(once, 1)
    # pt also tells where the events begin.
    assert max(counting.reads.values()) <= 2


def test_a_missing_branch_is_an_error_of_the_field_alone() -> None:
    from massgap.events.errors import MissingBranchError

    without = {name: values for name, values in NANO.items() if name != "Jet"}
    jets = NANO["Jet"]
    without["Jet"] = ak.zip({name: jets[name] for name in ("pt", "eta", "phi")})
    event = Event(ak.zip(without, depth_limit=1))
    assert event.jets.where(event.jets.pt > 30).counts.sum() > 0
    for field in ("mass", "b_tagged"):
        with pytest.raises(MissingBranchError, match="Jet_"):
            event.jets[field]
