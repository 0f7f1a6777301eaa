"""Object definitions against loops in plain Python."""

from __future__ import annotations

import math

import awkward as ak
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.selections.objects.definitions import (
    away_from,
    select_electrons,
    select_jets,
    select_leptons,
    select_muons,
    select_taus,
)

angle = st.one_of(st.floats(-math.pi, math.pi), st.sampled_from([math.pi, -math.pi, 0.0, 3.1415927410125732]))
point = st.fixed_dictionaries({"eta": st.floats(-5, 5), "phi": angle})
events = st.lists(st.tuples(st.lists(point, max_size=4), st.lists(point, max_size=4)), min_size=1, max_size=6)
SEED = ([{"eta": 0.0, "phi": 0.0}], [{"eta": 1.0, "phi": 0.0}])


@given(events)
def test_overlap_removal(pairs) -> None:
    pairs = [*pairs, SEED]  # so that the types of empty lists are known
    kept = away_from(ak.Array([a for a, _ in pairs]), ak.Array([b for _, b in pairs]))

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
    assert ak.num(select(ak.Array([[lepton(**change)], []]))).tolist() == [int(kept), 0]


def test_order_is_kept() -> None:
    leptons = ak.Array([[lepton(pt=30.0), lepton(pt=50.0), lepton(pt=5.0), lepton(pt=40.0)]])
    assert select_leptons(leptons, pt=10, eta=2.5, isolation=0.2).pt.tolist() == [[30.0, 50.0, 40.0]]
