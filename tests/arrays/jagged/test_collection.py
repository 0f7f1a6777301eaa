"""Collections against plain loops over lists of events and against awkward."""

from __future__ import annotations

import copy
import math
import pickle

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays import Collection, PerEvent
from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import same_events

finite = st.floats(-1e6, 1e6, width=32)
objects = st.fixed_dictionaries({"pt": finite, "eta": finite, "n": st.integers(-5, 5), "good": st.booleans()})
chunks = st.lists(st.lists(objects, max_size=7), max_size=9)


def collection(events: list[list[dict]], **types: str) -> Collection:
    """A collection by its constructor; ``types`` are those of the fields."""
    types = {"pt": "f4", "eta": "f8", "n": "i4", "good": "?"} | types
    offsets = np.array([0, *np.cumsum([len(event) for event in events])], dtype=np.int64)
    flat = [x for event in events for x in event]
    return Collection(
        offsets,
        {name: np.array([x[name] for x in flat], dtype=kind) for name, kind in types.items()},
        where="jets",
    )


def lists(jets: Collection, name: str = "pt") -> list[list]:
    """A field as nested lists, by the offsets."""
    return [jets[name][a:b].tolist() for a, b in zip(jets.offsets[:-1], jets.offsets[1:], strict=True)]


def plain(events: list[list[dict]], name: str = "pt") -> list[list]:
    return [[x[name] for x in event] for event in events]


def same(found, expected) -> bool:
    return np.array_equal(np.asarray(found), np.asarray(expected), equal_nan=True)


@given(chunks)
def test_fields_and_counts(events) -> None:
    jets = collection(events)
    assert len(jets) == len(events)
    assert jets.counts.tolist() == [len(event) for event in events]
    assert jets.size == sum(len(event) for event in events)
    assert jets.events_of_objects.tolist() == [i for i, event in enumerate(events) for _ in event]
    for name in jets.fields:
        assert lists(jets, name) == plain(events, name)
    assert (jets.pt.dtype, jets.stored("pt").dtype, jets.n.dtype, jets.good.dtype) == ("f8", "f4", "i4", "?")
    assert jets.counts.dtype == jets.offsets.dtype == np.int64


@given(chunks, st.data())
def test_selections_one_after_the_other(events, data) -> None:
    jets, left = collection(events), events
    for _ in range(3):
        kind = data.draw(st.sampled_from(["where", "events", "indices", "slice", "leading", "by_pt", "with"]))
        if kind == "where":
            mask = data.draw(st.lists(st.booleans(), min_size=jets.size, max_size=jets.size))
            jets, bits = jets.where(np.array(mask, dtype=bool)), iter(mask)
            left = [[x for x in event if next(bits)] for event in left]
        elif kind == "events":
            keep = data.draw(st.lists(st.booleans(), min_size=len(left), max_size=len(left)))
            jets, left = jets[np.array(keep, dtype=bool)], [e for e, k in zip(left, keep, strict=True) if k]
        elif kind == "indices" and left:
            index = data.draw(st.lists(st.integers(-len(left), len(left) - 1), max_size=6))
            jets, left = jets[index], [left[i] for i in index]
        elif kind == "slice":
            part = slice(data.draw(st.integers(-9, 9)), None, data.draw(st.sampled_from([None, 1, 2, -1])))
            jets, left = jets[part], left[part]
        elif kind == "leading":
            n = data.draw(st.integers(0, 4))
            jets, left = jets.leading(n), [event[:n] for event in left]
        elif kind == "by_pt":
            jets, left = jets.by_pt(), [sorted(event, key=lambda x: -x["pt"]) for event in left]
        else:
            more = [[{**x, "eta": x["eta"] + 1.0} for x in event] for event in left]
            jets, left = jets.with_fields(eta=jets.eta + 1.0), more
        for name in ("pt", "eta", "n", "good"):
            assert lists(jets, name) == plain(left, name)
    assert jets.fields == ("pt", "eta", "n", "good")
    assert repr(jets).startswith(
        f"<Collection jets: {len(left)} events, {sum(map(len, left))} objects, fields pt"
    )


@given(chunks, st.data())
def test_sums_per_event(events, data) -> None:
    jets = collection(events)
    bits = data.draw(st.lists(st.booleans(), min_size=jets.size, max_size=jets.size))
    mask, stream = np.array(bits, dtype=bool), iter(bits)
    per = [[next(stream) for _ in event] for event in events]
    assert jets.count(mask).tolist() == [sum(m) for m in per]
    assert jets.any(mask).tolist() == [any(m) for m in per]
    assert jets.all(mask).tolist() == [all(m) for m in per]
    jagged = ak.Array(ak.unflatten(mask, jets.counts))
    assert jets.count(jagged).tolist() == jets.count(mask).tolist()
    assert lists(jets.where(jagged)) == lists(jets.where(mask))
    half = ak.unflatten(jets.eta, jets.counts) / 2
    assert jets.sum(half).tolist() == jets.sum(jets.eta / 2).tolist()
    assert jets.with_fields(eta=half).eta.tolist() == (jets.eta / 2).tolist()
    sums, some = [], []
    for event, m in zip(events, per, strict=True):
        a = b = 0.0
        for x, good in zip(event, m, strict=True):
            a += x["eta"]
            b += x["eta"] if good else 0.0
        sums.append(a)
        some.append(b)
    assert jets.sum("eta").tolist() == sums == jets.sum(jets.eta).tolist()
    assert jets.sum("eta", mask).tolist() == some
    assert jets.sum("n").tolist() == [float(sum(x["n"] for x in event)) for event in events]
    assert same(jets.max("eta"), [max((x["eta"] for x in event), default=math.nan) for event in events])
    assert same(jets.min("n", default=9), [min((x["n"] for x in event), default=9) for event in events])


def test_sum_of_more_objects_than_are_unrolled_with_undefined_ones() -> None:
    values = np.array([1e16, 1.0, -1e16, 1.0, 0.1, 0.2, 0.3, np.nan, np.inf])
    jets = Collection(np.array([0, 0, 9, 9]), {"x": values})
    assert jets.sum("x", np.isfinite(values)).tolist() == [
        0.0,
        1e16 + 1.0 - 1e16 + 1.0 + 0.1 + 0.2 + 0.3,
        0.0,
    ]
    assert same(jets.sum("x"), [0.0, math.nan, 0.0])
    assert same(jets.max("x", default=-1.0), [-1.0, math.nan, -1.0])


@pytest.mark.parametrize("events", [1, 2, 257, 1287])
def test_many_events(events: int) -> None:
    rng = np.random.default_rng(events)
    counts = rng.poisson(1.5, events) * (rng.random(events) < 0.8)
    counts[events // 2] = 500
    offsets = np.concatenate([[0], np.cumsum(counts)])
    jets = Collection(offsets, {"pt": rng.random(offsets[-1])})
    mask = rng.random(offsets[-1]) < 0.4
    jagged = ak.unflatten(jets.pt, counts)
    expected = jagged[ak.unflatten(mask, counts)]
    assert lists(jets.where(mask)) == expected.tolist()
    assert jets.count(mask).tolist() == ak.num(expected).tolist()
    again = jets.where(mask)
    other = rng.random(again.size) < 0.5
    assert lists(again.where(other)) == expected[ak.unflatten(other, ak.num(expected))].tolist()
    assert lists(jets.by_pt()) == ak.sort(jagged, ascending=False).tolist()


numbers = st.sampled_from([math.nan, 1.0, 2.0, 2.0, 3.0, math.inf])


@given(st.lists(st.lists(numbers, max_size=6), max_size=6), st.booleans())
def test_order_by_pt_is_stable_with_nan_last(events, many) -> None:
    if many:
        events = [*events, [float(k % 7) for k in range(100)]]
    tagged = [[{"pt": pt, "n": k} for k, pt in enumerate(event)] for event in events]
    jets = _tagged(tagged)
    expected = [sorted(e, key=lambda x: (math.isnan(x["pt"]), -x["pt"])) for e in tagged]
    ordered = jets.by_pt()
    assert lists(ordered, "n") == plain(expected, "n")
    assert ordered.by_pt() is ordered
    if jets.size:  # without a copy where that is their order already
        assert np.shares_memory(ordered.pt, jets.pt) == (expected == tagged)
    mask = jets.n != 1
    left = [[x for x in e if x["n"] != 1] for e in expected]
    assert lists(jets.where(mask).by_pt(), "n") == plain(left, "n")


def _tagged(events) -> Collection:
    offsets = np.array([0, *np.cumsum([len(event) for event in events])], dtype=np.int64)
    flat = [x for event in events for x in event]
    fields = {"pt": np.array([x["pt"] for x in flat], float), "n": np.array([x["n"] for x in flat], int)}
    return Collection(offsets, fields)


@given(chunks, st.integers(-3, 3))
def test_one_object_per_event(events, k) -> None:
    one = collection(events).at(k)
    there = [-len(e) <= k < len(e) for e in events]
    chosen = [
        e[k] if ok else {"pt": math.nan, "n": 0, "good": False} for e, ok in zip(events, there, strict=True)
    ]
    assert isinstance(one, PerEvent)
    assert one.exists.tolist() == there
    for name in ("pt", "n", "good"):
        assert same(one[name], [x[name] for x in chosen])
    assert (one.pt.dtype, one.n.dtype, one.good.dtype) == ("f8", "i4", "?")


@given(chunks)
def test_best(events) -> None:
    one = collection(events).best(abs(collection(events).n))
    chosen = [min(e, key=lambda x: abs(x["n"])) if e else {"eta": math.nan} for e in events]
    assert same(one.eta, [x["eta"] for x in chosen])


def test_best_is_never_undefined() -> None:
    jets = Collection(np.array([0, 3, 4]), {"x": np.array([np.nan, 5.0, 4.0, np.nan]), "n": np.arange(4)})
    assert jets.best("x").n.tolist() == [2, 0]
    assert jets.best("x").exists.tolist() == [True, False]


@given(chunks)
def test_values_per_event_for_each_object(events) -> None:
    values = np.arange(len(events), dtype="f4")
    repeated = collection(events).per_event(values)
    assert repeated.tolist() == [float(i) for i, event in enumerate(events) for _ in event]
    assert repeated.dtype == "f4"


@given(chunks, chunks)
def test_merged(one, two) -> None:
    n = min(len(one), len(two))
    one, two = one[:n], two[:n]
    merged = Collection.merged(
        {11: collection(one), 13: collection(two, pt="f8").with_fields(x=lambda: None)}
    )
    both = [
        sorted(
            [*({**x, "flavour": 11} for x in a), *({**x, "flavour": 13} for x in b)], key=lambda x: -x["pt"]
        )
        for a, b in zip(one, two, strict=True)
    ]
    assert merged.fields == ("pt", "eta", "n", "good", "flavour")
    for name in merged.fields:
        assert lists(merged, name) == plain(both, name)
    assert merged.flavour.dtype == np.int64
    assert lists(merged.where(merged.flavour == 11)) == lists(collection(one).by_pt())


def test_merged_needs_the_same_events() -> None:
    with pytest.raises(SelectionError, match=r"leptons.*'muons': 2, 'jets': 1"):
        Collection.merged({13: Collection.of([[], []], "muons"), 11: collection([[]])})


def test_only_what_is_asked_for_is_read_and_only_once() -> None:
    read = []

    def reader(name, values):
        def field():
            read.append(name)
            return np.array(values)

        return field

    fields = {
        "pt": reader("pt", [5.0, 6.0, 7.0]),
        "eta": reader("eta", [0.0, 1.0, 2.0]),
        "no": reader("no", [1]),
    }
    keep = reader("keep", [True, False, True])
    jets = Collection(reader("offsets", [0, 2, 3]), fields, keep, "f.root, jets")
    assert repr(jets) == "<Collection f.root, jets: not read yet, fields pt eta no>"
    assert "eta" in jets.fields
    assert read == []
    assert jets.offsets.tolist() == [0, 1, 2]
    assert jets.pt.tolist() == [5.0, 7.0]
    second = jets[[1]]
    assert second.eta.tolist() == [2.0]
    assert jets.eta.tolist() == [0.0, 2.0]
    assert second.with_fields(pt=[1.0]).where([True]).eta.tolist() == [2.0]
    assert sorted(read) == ["eta", "keep", "offsets", "pt"]
    with pytest.raises(
        SelectionError, match=r"f\.root, jets: no has 1 values, but the events have 3 objects"
    ):
        second.no  # noqa: B018


def test_fields_of_a_new_level_are_read_for_what_is_left_alone() -> None:
    jets = collection(
        [[{"pt": 1.0, "eta": 2.0, "n": 0, "good": True}, {"pt": 3.0, "eta": 4.0, "n": 1, "good": True}]]
    )
    last = jets.where(jets.n == 1).with_fields(double=lambda: np.array([6.0]), pt=np.array([9.0]))
    assert (last.double.tolist(), last.pt.tolist(), last.eta.tolist()) == ([6.0], [9.0], [4.0])
    with pytest.raises(SelectionError, match="new has 2 values, but the events have 1 objects"):
        last.with_fields(new=np.zeros(2))


def test_what_is_handed_out_cannot_be_changed() -> None:
    mine = np.array([1.0, 2.0])
    jets = Collection(np.array([0, 2]), {"pt": mine, "n": np.array([1, 2])})
    left = jets.where([False, True])
    for array in (
        jets.pt,
        jets.n,
        jets.stored("pt"),
        jets.offsets,
        left.pt,
        left.n,
        left.offsets,
        jets.at(0).pt,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    assert mine.flags.writeable
    with pytest.raises(SelectionError, match=r"with_fields\(pt=\.\.\.\)"):
        jets.pt = mine


@pytest.mark.parametrize("kind", ["f2", ">f4", ">i8", "f8", "u1"])
def test_any_type_of_number(kind: str) -> None:
    strided = np.array([3, 0, 1, 0, 2, 0], dtype=kind)[::2]
    jets = Collection(np.array([0, 2, 3]), {"pt": strided})
    assert lists(jets.by_pt().where(jets.by_pt().pt > 1)) == [[3], [2]]
    assert jets.pt.dtype == (np.float64 if "f" in kind else np.dtype(kind).newbyteorder("="))


def test_thresholds_are_those_of_double_precision() -> None:
    jets = Collection(np.array([0, 1]), {"pt": np.array([0.1], dtype="f4")})
    assert (jets.pt > 0.1).tolist() == [True]  # 0.1 in single precision is larger than 0.1


BAD = {
    "a mask of other objects": (lambda c: c.where([True]), "jets: the mask has 1 values, but .* 2 objects"),
    "a mask of numbers": (lambda c: c.where([1, 0]), "the mask holds int64"),
    "a mask of other counts": (
        lambda c: c.where(ak.Array([[True], [True]])),
        "the jagged array has 2 values in 2 events",
    ),
    "a count of other objects": (lambda c: c.count(np.ones(3, bool)), "the mask has 3 values"),
    "events of others": (lambda c: c[[True]], "jets: the mask has 1 values, but there are 2 events"),
    "an event that is not there": (lambda c: c[[2]], "the indices go from 2 to 2, but there are 2 events"),
    "a negative one": (lambda c: c[[-3, 0]], "the indices go from -3 to 0"),
    "one event": (lambda c: c[0], "a mask, a list of indices or a slice"),
    "floating-point indices": (lambda c: c[[0.5]], "a mask, a list of indices or a slice"),
    "numbers of others": (lambda c: c.sum(np.ones(3)), "a flat array of 2 numbers"),
    "words": (lambda c: c.max(["a", "b"]), "a flat array of 2 numbers"),
    "values of other events": (lambda c: c.per_event([1.0]), "one value for each of the 2 events"),
    "a field": (lambda c: c.mass, "jets: there is no field 'mass'; they have pt, eta, n, good"),
    "a field by name": (lambda c: c["mass"], "there is no field 'mass'"),
    "fewer than none": (lambda c: c.leading(-1), "not -1"),
    "numpy on all": (lambda c: np.abs(np.asarray(c)), "one field at a time"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_named(case: str) -> None:
    act, message = BAD[case]
    one = {"pt": 1.0, "eta": 2.0, "n": 0, "good": True}
    with pytest.raises(SelectionError, match=message):
        act(collection([[one, one], []]))


@pytest.mark.parametrize("offsets", [[], [1, 2], [0, 3, 2], [[0, 2]]])
def test_offsets_that_point_elsewhere(offsets) -> None:
    with pytest.raises(SelectionError, match="muons: the offsets do not rise"):
        Collection(np.array(offsets, dtype=np.int64), {"pt": np.zeros(2)}, where="muons")


class Broken(Collection):
    @property
    def awkward(self):
        msg = "the error of the property"
        raise AttributeError(msg)


def test_questions_of_python() -> None:
    jets = collection([[{"pt": 1.0, "eta": 2.0, "n": 0, "good": True}], []])
    assert hasattr(jets, "pt")
    assert not hasattr(jets, "mass")
    assert not hasattr(jets, "__array_interface__")
    with pytest.raises(TypeError, match="not a loop over events"):
        list(jets)
    assert "pt" in dir(jets)
    with pytest.raises(AttributeError, match="the error of the property"):
        Broken(jets.offsets, {}).awkward  # noqa: B018
    assert copy.copy(jets).pt.tolist() == copy.deepcopy(jets).pt.tolist() == [1.0]
    turned = jets[[1, 0]]
    again = pickle.loads(pickle.dumps(turned))
    assert (lists(again), again.stored("pt").dtype, repr(again)) == ([[], [1.0]], "f4", repr(turned))


def test_whole_selections_are_the_collection_itself() -> None:
    jets = collection([[{"pt": 1.0, "eta": 2.0, "n": 0, "good": True}], []])
    assert jets.where(jets.good) is jets
    assert jets[[True, True]] is jets
    assert jets[:] is jets


QUESTIONS = {
    "pt": lambda jets: jets.pt,
    "n": lambda jets: jets.n,
    "counts": lambda jets: jets.counts,
    "sum": lambda jets: jets.sum("n"),
    "offsets": lambda jets: jets.offsets,
    "len": len,
}


@given(st.lists(st.lists(numbers, max_size=6), max_size=6), st.data())
def test_what_is_put_off_changes_no_answer(events, data) -> None:
    """Events are picked and objects put in order when needed: any order of questions gives the same answers."""
    tagged = [[{"pt": pt, "n": k} for k, pt in enumerate(event)] for event in events]
    kept = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    steps = data.draw(st.permutations(["events", "by_pt", "filter"]))
    asked = data.draw(st.lists(st.sampled_from(sorted(QUESTIONS)), max_size=4))
    jets, expected = _tagged(tagged), tagged
    for step in steps:
        for question in asked:
            QUESTIONS[question](jets)
        if step == "events":
            jets, expected = (
                jets[np.array(kept, dtype=bool)],
                [e for e, keep in zip(expected, kept, strict=True) if keep],
            )
        elif step == "by_pt":
            jets = jets.by_pt()
            expected = [sorted(e, key=lambda x: (math.isnan(x["pt"]), -x["pt"])) for e in expected]
        else:
            jets = jets.filter(lambda n: n != 1, "n")
            expected = [[x for x in e if x["n"] != 1] for e in expected]
    assert jets.counts.tolist() == [len(e) for e in expected]
    assert jets.sum("n").tolist() == [sum(x["n"] for x in e) for e in expected]
    assert lists(jets, "n") == plain(expected, "n")
    assert len(jets) == len(expected)


def test_columns_are_one_matrix_in_double_precision() -> None:
    jets = Collection(
        np.array([0, 2, 2, 3]),
        {"pt": np.float32([1, 2, 3]), "n": np.array([1, 2, 3]), "tagged": np.array([True, False, True])},
        where="jets",
    )
    columns = jets.columns("tagged", "pt", "n")
    assert columns.tolist() == [[1.0, 0.0, 1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    assert (columns.dtype, columns.flags.c_contiguous, columns.flags.writeable) == (np.float64, True, True)
    columns[:] = 0.0
    assert jets.n.tolist() == [1, 2, 3]
    some = jets[[2, 0]].where([True, True, False])
    assert (some.columns("pt").tolist(), some.offsets.tolist()) == ([[3.0, 1.0]], [0, 1, 2])
    for empty in (jets[:0], Collection.of([], "jets"), Collection.of([[], []], "jets")):
        assert empty.columns("pt", "n").shape == (2, 0)


def test_columns_that_are_no_numbers_are_named() -> None:
    jets = Collection(np.array([0, 1]), {"pt": np.array([1.0]), "name": np.array(["a"])}, where="jets")
    with pytest.raises(SelectionError, match="jets: there is no field 'mass'; they have pt, name"):
        jets.columns("pt", "mass")
    with pytest.raises(SelectionError, match="jets: the field name is not numeric"):
        jets.columns("pt", "name")


def test_same_events() -> None:
    assert same_events(a=[1, 2], b=Collection.of([[], []])) == 2
    with pytest.raises(SelectionError, match=r"numbers of events differ: \{'a': 2, 'b': 3\}"):
        same_events(a=[1, 2], b=[1, 2, 3])


def test_nothing_is_held_in_circles() -> None:
    """Arrays of a chunk go with its collections, and do not wait for Python's search for circles."""
    import gc
    import weakref

    from massgap.arrays import PerEvent

    class Tracked(np.ndarray):
        """An array that can be watched."""

    gc.collect()
    gc.disable()
    try:
        watched = []
        for read in (False, True):
            pt = np.arange(4.0).view(Tracked)
            watched.append(weakref.ref(pt))
            jets = Collection(np.array([0, 2, 4]), {"pt": lambda pt=pt: pt, "n": lambda pt=pt: pt})
            met = PerEvent({"pt": lambda pt=pt: pt[:2], "phi": lambda pt=pt: pt[:2]})
            shifted = jets.with_fields(pt=lambda jets=jets: jets.pt * 2.0)
            chosen = shifted.by_pt()[np.array([True, False])]
            if read:
                assert chosen.pt.tolist() == [2.0, 0.0]
                assert met[np.array([True, False])].phi.tolist() == [0.0]
                assert met.with_fields(pt=np.zeros(2)).pt.tolist() == [0.0, 0.0]
            del pt, jets, met, shifted, chosen
        assert [reference() for reference in watched] == [None, None]
    finally:
        gc.enable()
