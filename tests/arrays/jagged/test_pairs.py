"""Pairs against plain loops, awkward's combinations and the formulas of the selections."""

from __future__ import annotations

import itertools
import math
import pickle

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays import Collection, Pairs, PerEvent
from massgap.arrays.errors import SelectionError
from massgap.selections.observables.angles import delta_phi, delta_r
from massgap.selections.observables.four_vector_sum import four_vector_sum

lepton = st.fixed_dictionaries(
    {
        "pt": st.floats(0, 500, width=32),
        "eta": st.floats(-3, 3, width=32),
        "phi": st.floats(-math.pi, math.pi),
        "mass": st.floats(0, 10, width=32),
        "charge": st.sampled_from([-1, 1]),
    }
)
chunks = st.lists(st.lists(lepton, max_size=5), max_size=6)
KINEMATICS = ("pt", "eta", "phi", "mass")


def collection(events, name: str = "leptons") -> Collection:
    offsets = np.array([0, *np.cumsum([len(event) for event in events])], dtype=np.int64)
    flat = [x for event in events for x in event]
    kinds = {"pt": "f4", "eta": "f4", "phi": "f8", "mass": "f4", "charge": "i4"}
    fields = {key: np.array([x[key] for x in flat], dtype=kind) for key, kind in kinds.items()}
    return Collection(offsets, fields, where=name)


def check(pairs: Pairs, expected: list[list[tuple[dict, dict]]]) -> None:
    """All fields of the pairs, against those of the expected objects."""
    assert pairs.counts.tolist() == [len(event) for event in expected]
    flat = [x for event in expected for x in event]
    for side, objects in enumerate((pairs.first, pairs.second)):
        assert objects.counts.tolist() == pairs.counts.tolist()
        for name in (*KINEMATICS, "charge"):
            assert objects[name].tolist() == [x[side][name] for x in flat]
    for k, (a, b) in enumerate(flat):
        total = four_vector_sum(*(a[x] for x in KINEMATICS), *(b[x] for x in KINEMATICS))
        for name in KINEMATICS:
            np.testing.assert_array_equal(pairs[name][k], getattr(total, name))
        assert pairs.charge[k] == a["charge"] + b["charge"]
        assert pairs.delta_eta[k] == a["eta"] - b["eta"]
        assert pairs.delta_phi[k] == delta_phi(a["phi"], b["phi"])
        assert pairs.delta_r[k] == delta_r(a["eta"], a["phi"], b["eta"], b["phi"])


@given(chunks)
def test_within_events(events) -> None:
    pairs = collection(events).pairs()
    check(pairs, [list(itertools.combinations(event, 2)) for event in events])
    assert pairs.fields == ("mass", "pt", "eta", "phi", "delta_r", "delta_eta", "delta_phi", "charge")


@given(chunks, chunks, st.integers(0, 400))
def test_between_selected_collections(one, two, cut) -> None:
    n = min(len(one), len(two))
    one, two = one[:n], two[:n]
    a, b = collection(one), collection(two)
    pairs = a.where(a.pt > cut).pairs(b.by_pt())
    left = [[x for x in event if x["pt"] > cut] for event in one]
    right = [sorted(event, key=lambda x: -x["pt"]) for event in two]
    check(pairs, [list(itertools.product(x, y)) for x, y in zip(left, right, strict=True)])


@given(chunks, st.booleans(), st.data())
def test_selections_of_pairs(events, first, data) -> None:
    pairs = collection(events).pairs()
    if first:
        pairs.mass, pairs.pt  # noqa: B018 (computed for all, then gathered)
    expected = [list(itertools.combinations(event, 2)) for event in events]
    opposite = pairs.where(pairs.charge == 0)
    expected = [[(a, b) for a, b in event if a["charge"] + b["charge"] == 0] for event in expected]
    check(opposite, expected)
    keep = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    check(opposite[np.array(keep, dtype=bool)], [x for x, k in zip(expected, keep, strict=True) if k])
    check(opposite.leading(1), [event[:1] for event in expected])


def test_same_pairs_as_awkward_and_vector() -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(2.0, 50)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    fields = {"pt": rng.exponential(40, offsets[-1]), "eta": rng.normal(0, 1, offsets[-1])}
    fields |= {"phi": rng.uniform(-3, 3, offsets[-1]), "mass": np.full(offsets[-1], 0.1)}
    leptons = Collection(offsets, fields)
    one, two = ak.unzip(ak.combinations(leptons.awkward, 2))
    pairs = leptons.pairs()
    assert pairs.counts.tolist() == ak.num(one).tolist()
    for name, values in {"mass": (one + two).mass, "pt": (one + two).pt, "delta_r": one.deltaR(two)}.items():
        np.testing.assert_allclose(pairs[name], ak.flatten(values), rtol=1e-9, atol=1e-9)
    assert "charge" not in pairs.fields
    np.testing.assert_allclose(ak.flatten(pairs.awkward.energy), ak.flatten((one + two).energy), rtol=1e-9)


@given(chunks)
def test_best_of_each_event(events) -> None:
    pairs = collection(events).pairs()
    z = pairs.best(abs(pairs.mass - 91.19))
    assert z.exists.tolist() == [len(event) > 1 for event in events]
    for i, event in enumerate(events):
        if len(event) < 2:
            assert math.isnan(z.mass[i])
            assert math.isnan(z.first.pt[i])
            assert math.isnan(z.delta_r[i])
            assert (z.charge[i], z.second.charge[i]) == (0, 0)
            continue
        masses = pairs.mass[pairs.offsets[i] : pairs.offsets[i + 1]].tolist()
        k = min(range(len(masses)), key=lambda k: abs(masses[k] - 91.19))
        a, b = list(itertools.combinations(event, 2))[k]
        assert z.mass[i] == masses[k]
        assert (z.first.pt[i], z.second.pt[i]) == (a["pt"], b["pt"])
        assert z.delta_phi[i] == delta_phi(a["phi"], b["phi"])


FOUR = [
    {"pt": pt, "eta": 0.0, "phi": phi, "mass": 0.0, "charge": q}
    for pt, phi, q in [(45.0, 0.0, 1), (46.0, math.pi, -1), (10.0, 1.0, 1), (9.0, -1.0, -1)]
]


def test_one_pair_per_event_before_its_fields_are_computed() -> None:
    pairs = collection([FOUR, FOUR[:1], FOUR[2:]]).pairs()
    one = pairs.at(0)
    assert isinstance(one, PerEvent)
    np.testing.assert_allclose(
        one.mass, [2 * math.sqrt(45 * 46), math.nan, 2 * math.sqrt(90) * math.sin(1.0)]
    )
    np.testing.assert_allclose(one.pt, [1.0, math.nan, four_vector_sum(10, 0, 1, 0, 9, 0, -1, 0).pt])
    assert one[one.exists].second.pt.tolist() == [46.0, 9.0]
    marked = one.with_fields(weight=np.array([1.0, 2.0, 3.0]))[[2, 1]]
    assert marked.weight.tolist() == [3.0, 2.0]
    assert marked.exists.tolist() == [True, False]
    np.testing.assert_array_equal(marked.first.pt, [10.0, math.nan])
    np.testing.assert_array_equal(marked.mass, one.mass[[2, 1]])
    again = pickle.loads(pickle.dumps(marked))
    np.testing.assert_array_equal(again.mass, marked.mass)
    assert again.weight.tolist() == [3.0, 2.0]
    assert again.exists.tolist() == [True, False]


def test_pairs_of_pairs() -> None:
    pairs = collection([FOUR, FOUR[:2], FOUR[:3]]).pairs()
    z = pairs.where(pairs.charge == 0)
    both = z.pairs()
    assert both.counts.tolist() == [6, 0, 1]
    assert both.first.second.pt[:3].tolist() == [46.0, 46.0, 46.0]
    assert both.second.first.pt[:3].tolist() == [45.0, 46.0, 10.0]
    assert both.charge.tolist() == [0] * 7
    assert both.at(1).first.second.pt.tolist()[0] == 46.0
    total = four_vector_sum(z.pt[0], z.eta[0], z.phi[0], z.mass[0], z.pt[1], z.eta[1], z.phi[1], z.mass[1])
    assert both.mass[0] == total.mass


def test_replaced_fields_stay() -> None:
    pairs = collection([FOUR]).pairs()
    shifted = pairs.where(pairs.charge == 0).with_fields(mass=np.arange(4.0), weight=np.arange(4.0))
    left = shifted.where(shifted.weight > 2)
    assert left.mass.tolist() == [3.0]
    assert (left.first.pt.tolist(), left.second.pt.tolist()) == ([10.0], [9.0])
    assert left.pt.tolist() == [four_vector_sum(10, 0, 1, 0, 9, 0, -1, 0).pt]
    again = pickle.loads(pickle.dumps(left))
    assert (again.mass.tolist(), again.pt.tolist(), repr(again)) == ([3.0], left.pt.tolist(), repr(left))


def test_fields_that_the_objects_do_not_allow() -> None:
    tracks = Collection(
        np.array([0, 2]), {"eta": np.zeros(2), "phi": np.ones(2), "charge": np.ones(2)}, where="tracks"
    )
    assert tracks.pairs().fields == ("delta_r", "delta_eta", "delta_phi", "charge")
    with pytest.raises(SelectionError, match="pairs of tracks: there is no field 'mass'; they have delta_r"):
        tracks.pairs().mass  # noqa: B018
    assert repr(tracks.pairs(tracks)).startswith("<Pairs pairs of tracks and tracks: 1 events, 4 objects")


def test_events_without_objects() -> None:
    pairs = Collection.of([[], []]).pairs()
    assert pairs.mass.tolist() == []
    assert pairs.first.pt.tolist() == []
    assert np.isnan(pairs.best("mass").first.pt).tolist() == [True, True]
