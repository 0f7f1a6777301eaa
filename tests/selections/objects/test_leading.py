from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.objects.leading import leading_three_kernel, leading_two_kernel, object_kernel


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), max_size=7), st.integers(0, 2))
def test_against_a_stable_sort(given_as, start):
    # Small whole numbers, so that ties are frequent.
    objects = np.array([*given_as, *[(9, 0)] * start], np.float64).reshape(-1, 2)
    objects = np.ascontiguousarray(np.roll(objects, start, axis=0).T)
    stop = objects.shape[1]
    order = sorted(range(start, stop), key=lambda k: -objects[0, k])
    assert list(leading_two_kernel(objects, start, stop)) == [*order, -1, -1][:2]
    kept = [k for k in order if objects[0, k] > 1 and abs(objects[1, k]) < 3]
    assert list(leading_three_kernel(objects, start, stop, 1.0, 3.0)) == [*kept, -1, -1, -1][:3]


def test_missing_objects_are_nan():
    objects = np.arange(8.0).reshape(4, 2)
    assert object_kernel(objects, 1) == (1.0, 3.0, 5.0, 7.0)
    assert list(object_kernel(objects, -1)) == pytest.approx([np.nan] * 4, nan_ok=True)
