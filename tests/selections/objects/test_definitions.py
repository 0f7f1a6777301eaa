"""Object definitions against loops in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays import Collection
from massgap.selections.objects.definitions import (
    select_electrons,
    select_jets,
    select_leptons,
    select_muons,
    select_photons,
    select_taus,
)

angle = st.one_of(st.floats(-math.pi, math.pi), st.sampled_from([math.pi, -math.pi, 0.0, 3.1415927410125732]))
point = st.fixed_dictionaries({"eta": st.floats(-5, 5), "phi": angle})
events = st.lists(st.tuples(st.lists(point, max_size=4), st.lists(point, max_size=4)), min_size=1, max_size=6)


@given(events)
def test_overlap_removal(pairs) -> None:
    objects_, others_ = (Collection.of([pair[k] for pair in pairs]) for k in (0, 1))
    kept = objects_.away_from(others_, 0.4).to_awkward(["eta", "phi"])

    def distance(a, b) -> float:
        return math.hypot(a["eta"] - b["eta"], math.remainder(a["phi"] - b["phi"], 2 * math.pi))

    for (objects, others), found in zip(pairs, kept.tolist(), strict=True):
        for x in objects:
            nearest = min((distance(x, o) for o in others), default=math.inf)
            if abs(nearest - 0.4) > 1e-9:
                assert (x in found) == (nearest > 0.4)


def lepton(**changes):
    return {"pt": 20.0, "eta": 0.0, "isolation": 0.0, "identified": True, **changes}


@pytest.mark.parametrize(
    ("select", "change", "kept"),
    [
        (select_muons, {}, True),
        (select_muons, {"pt": 10.0}, False),
        (select_muons, {"pt": 10.001}, True),
        (select_muons, {"eta": 2.5}, False),
        (select_muons, {"eta": -2.499}, True),
        (select_muons, {"isolation": 0.25}, False),
        (select_muons, {"isolation": math.inf}, False),
        (select_muons, {"identified": False}, False),
        (select_electrons, {"isolation": 0.15}, False),
        (select_electrons, {"isolation": 0.149}, True),
        (select_photons, {"pt": 10.0}, False),
        (select_photons, {"isolation": 0.15}, False),
        (select_photons, {"isolation": 0.149, "eta": 2.499}, True),
        (select_taus, {"pt": 20.0}, False),
        (select_taus, {"pt": 20.1}, True),
        (select_taus, {"pt": 20.1, "identified": False}, False),
        (select_jets, {"pt": 20.0}, False),
        (select_jets, {"pt": 25.0, "eta": 4.4}, True),
        (select_jets, {"pt": 25.0, "eta": -4.5}, False),
        (select_jets, {"pt": 25.0, "identified": False}, False),
    ],
)
def test_thresholds_are_strict(select, change, kept) -> None:
    assert select(Collection.of([[lepton(**change)], []])).counts.tolist() == [int(kept), 0]


@pytest.mark.parametrize("kinds", [("f4", "f4", "f4"), ("f8", "f8", "f8"), ("f4", "f8", "f4")])
def test_single_precision_is_compared_in_double(kinds) -> None:
    """0.15 in single precision is larger than 0.15, and 10.1 smaller than 10.1."""
    pt, eta, isolation = (
        np.array(x, dtype=kind)
        for x, kind in zip(([10.1, 10.1], [0.0, 2.4], [0.15, 0.1]), kinds, strict=True)
    )
    offsets, identified = np.array([0, 2]), np.array([True, True])
    leptons = Collection(offsets, {"pt": pt, "eta": eta, "isolation": isolation, "identified": identified})
    for threshold in (10.1, 10.0):
        found = select_leptons(leptons, pt=threshold, eta=2.4, isolation=0.15)
        expected = [
            i
            for i in range(2)
            if float(pt[i]) > threshold and abs(float(eta[i])) < 2.4 and float(isolation[i]) < 0.15
        ]
        assert found.pt.tolist() == pt[expected].astype(float).tolist()


def test_order_and_other_fields_are_kept() -> None:
    leptons = Collection.of([[lepton(pt=30.0, tag=3), lepton(pt=50.0, tag=5), lepton(pt=5.0, tag=0)], []])
    found = select_leptons(leptons, pt=10, eta=2.5, isolation=0.2)
    assert (found.pt.tolist(), found.tag.tolist()) == ([30.0, 50.0], [3, 5])
