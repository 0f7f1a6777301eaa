from __future__ import annotations

import itertools
import math

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays.errors import SelectionError
from massgap.physical_constants import Z_MASS
from massgap.selections.observables.z_candidate import z_candidate


def lepton(pt, eta, phi, charge, flavour, mass=0.1):
    return {"pt": pt, "eta": eta, "phi": phi, "mass": mass, "charge": charge, "flavour": flavour}


leptons = st.builds(
    lepton,
    st.floats(1, 500),
    st.floats(-2.5, 2.5),
    st.floats(-3.1, 3.1),
    st.sampled_from([-1, 1]),
    st.sampled_from([11, 13]),
)
events = st.lists(st.lists(leptons, max_size=5), min_size=1, max_size=6)


def by_brute_force(event):
    """All pairs by the vector package, in order."""
    pairs = []
    for i, j in itertools.combinations(range(len(event)), 2):
        a, b = event[i], event[j]
        if a["charge"] == -b["charge"] and a["flavour"] == b["flavour"]:
            total = vector.obj(**{k: a[k] for k in ("pt", "eta", "phi", "mass")}) + vector.obj(
                **{k: b[k] for k in ("pt", "eta", "phi", "mass")}
            )
            pairs.append((abs(total.mass - Z_MASS), i, j, total))
    return pairs


@settings(deadline=None, max_examples=100)
@given(events)
def test_against_brute_force(batch):
    z = z_candidate(batch)
    for k, event in enumerate(batch):
        pairs = by_brute_force(event)
        if not pairs:
            assert (z.i[k], z.j[k]) == (-1, -1)
            assert math.isnan(z.mass[k])
            assert math.isnan(z.pt[k])
            continue
        nearest = min(pairs, key=lambda pair: pair[0])
        chosen = next(pair for pair in pairs if pair[1:3] == (z.i[k], z.j[k]))
        # Nearly parallel leptons: the difference of squares in vector loses half the digits.
        assert chosen[0] == pytest.approx(nearest[0], abs=1e-2)
        assert z.mass[k] == pytest.approx(chosen[3].mass, abs=1e-2)
        assert z.pt[k] == pytest.approx(chosen[3].pt, rel=1e-9, abs=1e-9)
        if sum(pair[0] < nearest[0] + 3e-2 for pair in pairs) == 1:
            assert chosen is nearest


def test_exact_ties_give_the_first_pair():
    plus, minus = lepton(45.0, 0.3, 0.0, 1, 13), lepton(40.1, -0.2, 3.0, -1, 13)
    z = z_candidate(
        [[plus, minus, minus], [minus, plus, plus], [plus, plus, minus], [plus, minus, plus, minus]]
    )
    assert list(zip(z.i.tolist(), z.j.tolist(), strict=True)) == [(0, 1), (0, 1), (0, 2), (0, 1)]


@settings(deadline=None, max_examples=60)
@given(st.lists(leptons, min_size=2, max_size=2), st.floats(0, 50))
def test_ties_are_not_up_to_rounding(pair, mass):
    # (a, b) and (b, a) have one mass, but are computed in another order.
    a, b = ({**item, "mass": m, "flavour": 11} for item, m in zip(pair, (0.1, mass), strict=True))
    a["charge"], b["charge"] = 1, -1
    z = z_candidate([[a, b, a], [b, a, b]])
    assert (z.i.tolist(), z.j.tolist()) == ([0, 0], [1, 1])


@settings(deadline=None, max_examples=60)
@given(events, st.floats(-2, 2), st.floats(-3, 3))
def test_invariant_under_boosts_along_the_beam_and_rotations(batch, shift, turn):
    moved = [
        [{**item, "mass": 0.0, "eta": item["eta"] + shift, "phi": item["phi"] + turn} for item in event]
        for event in batch
    ]
    massless = [[{**item, "mass": 0.0} for item in event] for event in batch]
    before, after = z_candidate(massless), z_candidate(moved)
    np.testing.assert_allclose(after.mass, before.mass, rtol=1e-7, atol=1e-5)


def test_empty_and_single():
    z = z_candidate([[], [lepton(45.0, 0.0, 0.0, 1, 13)], []])
    assert z.i.tolist() == [-1, -1, -1]
    assert np.isnan(z.mass).all()
    assert len(z_candidate([]).i) == 0
    assert len(z_candidate([[], []]).mass) == 2


def test_awkward_records_and_dicts_of_columns():
    event = [lepton(45.0, 0.0, 0.0, 1, 13), lepton(45.0, 0.0, 3.0, -1, 13), lepton(45.0, 0.0, 2.0, -1, 11)]
    records = ak.Array([event, [], event[:1]])
    columns = {name: records[name] for name in records.fields}
    for given_as in (records, columns, ak.values_astype(records, np.float32)):
        z = z_candidate(given_as)
        assert z.j.tolist() == [1, -1, -1]
        assert z.mass.dtype == np.float64
        assert z.mass[0] == pytest.approx(89.77, abs=0.02)


def test_missing_fields_are_named():
    with pytest.raises(SelectionError, match="leptons: there is no field 'charge'"):
        z_candidate(ak.Array([[{"pt": 1.0, "eta": 0.0, "phi": 0.0, "mass": 0.0}]]))
