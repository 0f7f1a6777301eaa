"""From awkward records and back: against the records themselves."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import vector

from massgap.arrays import Collection
from massgap.arrays.errors import SelectionError

RECORDS = ak.Array([[{"pt": 20.0, "n": 1}, {"pt": 5.0, "n": 2}], [], [{"pt": 7.0, "n": 3}]])


@pytest.mark.parametrize(
    "records",
    [
        RECORDS,
        RECORDS[::-1],
        RECORDS[1:2],
        RECORDS[1:],
        RECORDS[:0],
        RECORDS[RECORDS.pt > 6],
        RECORDS[[2, 0]],
        RECORDS[:, :1],
        RECORDS[[0]][:, [1, 0]],
        ak.to_regular(RECORDS[[2, 2]]),
        ak.drop_none(ak.Array([[{"pt": 1.0, "n": 2}, None]])),
    ],
)
def test_there_and_back(records) -> None:
    jets = Collection.of(records)
    assert jets.counts.tolist() == ak.num(records).tolist()
    assert jets.pt.tolist() == ak.flatten(records.pt).tolist()
    assert jets.awkward.tolist() == records.tolist()
    assert jets.to_awkward(["n"]).tolist() == records[["n"]].tolist()
    assert jets.awkward.fields == records.fields
    assert Collection.of(jets) is jets


@pytest.mark.parametrize(
    "objects",
    [
        RECORDS.tolist(),
        {"pt": RECORDS.pt.tolist(), "n": RECORDS.n},
        ak.Array({"pt": RECORDS.pt, "n": RECORDS.n}),
        ak.zip({"pt": RECORDS.pt, "n": RECORDS.n}, depth_limit=1),
    ],
)
def test_other_forms(objects) -> None:
    assert Collection.of(objects).awkward.tolist() == RECORDS.tolist()


def test_nothing_is_copied() -> None:
    jets = Collection.of(RECORDS)
    assert np.shares_memory(jets.pt, ak.to_numpy(ak.flatten(RECORDS.pt)))
    assert np.shares_memory(jets.pt, ak.to_numpy(ak.flatten(jets.awkward.pt)))
    assert np.shares_memory(jets.pt, Collection.of(jets.awkward).pt)


def test_single_precision_becomes_double() -> None:
    jets = Collection.of(ak.zip({"pt": ak.values_astype(RECORDS.pt, "float32"), "good": RECORDS.n > 1}))
    assert jets.stored("pt").dtype == "f4"
    assert str(jets.awkward.type) == "3 * var * {pt: float64, good: bool}"


def test_vectors() -> None:
    one = {"pt": [[30.0, 40.0], []], "eta": [[0.0, 1.0], []], "phi": [[0.0, 1.5], []]}
    jets = Collection.of({**one, "mass": [[1.0, 2.0], []]}).awkward
    assert isinstance(jets, vector.Momentum)
    a, b = vector.obj(pt=30.0, eta=0.0, phi=0.0, mass=1.0), vector.obj(pt=40.0, eta=1.0, phi=1.5, mass=2.0)
    two = jets[:1]
    assert (two[:, 0] + two[:, 1]).mass[0] == pytest.approx((a + b).mass)
    assert two[:, 0].deltaR(two[:, 1])[0] == pytest.approx(a.deltaR(b))
    three = Collection.of(one).awkward
    assert three.pz[0, 1] == pytest.approx(b.pz)
    # Vectors of the library compute attributes such as pt anew; the fields are what counts.
    again = Collection.of(jets)
    assert again.fields == ("pt", "eta", "phi", "mass")
    assert again.mass.tolist() == [1.0, 2.0]


class Loud(ak.Array):
    """Records whose behaviour gives another pt than the field."""

    @property
    def pt(self) -> ak.Array:
        return self["pt"] * 1000


def test_fields_are_not_what_behaviours_make_of_them() -> None:
    records = ak.Array(RECORDS.layout, with_name="Loud", behavior={("*", "Loud"): Loud})
    assert records.pt[0, 0] == 20000.0
    assert Collection.of(records).pt.tolist() == [20.0, 5.0, 7.0]


def test_events_without_a_single_record() -> None:
    for empty in ([[], []], ak.Array([[], []]), ak.Array([[1], [], []])[1:]):
        jets = Collection.of(empty)
        assert (len(jets), jets.size, jets.fields) == (2, 0, ())
        assert (jets.anything.dtype, jets.anything.tolist()) == ("f8", [])
        assert jets.where(jets.pt > 5)[[True, False]].by_pt().counts.tolist() == [0]
        assert jets.awkward.tolist() == [[], []]
    assert Collection.of([]).pt.tolist() == []
    merged = Collection.merged({11: Collection.of([[], []]), 13: Collection.of([[{"pt": 1.0}], []])})
    assert (merged.fields, merged.pt.tolist(), merged.flavour.tolist()) == (("pt", "flavour"), [1.0], [13])
    assert Collection.merged({11: Collection.of([[]]), 13: Collection.of([[]])}).pt.tolist() == []


BAD = {
    "missing values": ([[{"pt": 1.0}, {"pt": None}]], "field pt of the jets may be missing"),
    "missing objects": ([[{"pt": 1.0}, None]], "field pt of the jets may be missing"),
    "words": ([[{"pt": "high"}]], "field pt of the jets is not one number per object"),
    "lists": ([[{"pt": [1.0, 2.0]}]], "field pt of the jets is not one number per object"),
    "records": ([[{"pt": {"x": 1.0}}]], "field pt of the jets is not one number per object"),
    "mixtures": ([[{"pt": 1.0}, {"pt": "high"}]], "field pt of the jets mixes several types"),
    "complex numbers": ([[{"pt": 1j}]], "field pt of the jets is not numeric"),
    "missing events": ([[{"pt": 1.0}], None], "Some events have no list of jets"),
    "no events": ([{"pt": 1.0}], "field pt of the jets is 1 . float64"),
    "no fields": ([[1.0]], "The jets have no fields"),
    "other counts": (
        {"n": [[1], []], "pt": [[1.0], [2.0]]},
        "fields n and pt of the jets have different numbers",
    ),
    "flat": ({"pt": [1.0]}, "field pt of the jets is 1 . float64"),
    "nothing": ({}, "The jets have no fields"),
    "a number": (3, "The jets are a int"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_collection(case: str) -> None:
    objects, message = BAD[case]
    with pytest.raises(SelectionError, match=message):
        Collection.of(objects, "jets").pt  # noqa: B018


def test_a_field_that_nobody_needs_may_be_anything() -> None:
    jets = Collection.of([[{"pt": 1.0, "links": [1, 2]}]])
    assert jets.pt.tolist() == [1.0]
    with pytest.raises(SelectionError, match="links"):
        jets.awkward  # noqa: B018


def test_nanoevents_are_read_on_first_use(nano_files) -> None:
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    NanoAODSchema.warn_missing_crossrefs = False
    path = next(iter(nano_files.values()))
    access: list[str] = []
    events = NanoEventsFactory.from_root(
        {str(path): "Events"}, schemaclass=NanoAODSchema, mode="virtual", access_log=access
    ).events()
    jets = Collection.of(events.Jet, "jets")
    assert "not read yet" in repr(jets)
    assert not any("Jet" in str(name) for name in access)
    assert jets.counts.tolist() == ak.num(events.Jet.pt).tolist()
    assert jets.pt.tolist() == ak.flatten(events.Jet.pt).tolist()
    assert any("Jet_pt" in str(name) for name in access)
    assert not any("Jet_eta" in str(name) for name in access)
