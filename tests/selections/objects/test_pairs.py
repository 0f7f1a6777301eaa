"""The opposite-sign pair."""

from __future__ import annotations

import awkward as ak
from hypothesis import given
from hypothesis import strategies as st

from massgap.selections.objects.pairs import opposite_sign_pair


@given(st.lists(st.lists(st.sampled_from([-1, 1]), max_size=4), min_size=1, max_size=20))
def test_exactly_two_of_opposite_charge(charges) -> None:
    leptons = ak.Array([[{"charge": q} for q in event] for event in [*charges, [1, -1]]])
    expected = [sorted(event) == [-1, 1] for event in [*charges, [1, -1]]]
    assert opposite_sign_pair(leptons).tolist() == expected
