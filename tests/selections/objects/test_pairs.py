"""The opposite-sign pair."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays import Collection
from massgap.selections.objects.pairs import opposite_sign_pair


@given(st.lists(st.lists(st.sampled_from([-1, 1]), max_size=4), min_size=1, max_size=20))
def test_exactly_two_of_opposite_charge(charges) -> None:
    leptons = Collection.of([[{"charge": q} for q in event] for event in charges])
    assert opposite_sign_pair(leptons).tolist() == [sorted(event) == [-1, 1] for event in charges]
