from __future__ import annotations

from fractions import Fraction

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays.errors import SelectionError
from massgap.selections.cascade.maps import PIXELS, delta4_map, delta4_pixel


@given(step=st.integers(-40, 40), nudge=st.sampled_from([-1, 0, 1]), power=st.integers(-30, 60))
def test_edges_in_exact_arithmetic(step, nudge, power):
    """Values on, just below and just above the edges (odd multiples of a 40th of the range)."""
    limit = 40.0 * 2.0**power
    value = step * 2.0**power
    value = np.nextafter(value, nudge * np.inf) if nudge else value
    nearest = (Fraction(value) * 20 / Fraction(limit) + Fraction(1, 2)).__floor__() + 20
    pixel = delta4_pixel(value, limit)
    if abs(value) > limit:
        assert np.isnan(pixel)
    else:
        assert pixel == nearest


def test_just_below_one_half_is_not_rounded_up():
    below = np.nextafter(0.5, 0.0)
    assert delta4_pixel(below, 20.0) == 20.0
    assert delta4_pixel(0.5, 20.0) == 21.0
    assert delta4_pixel(-0.5, 20.0) == 20.0
    # the float64 nearest to 0.075 is below the edge at 3/40, 20 times it is 1.5
    assert delta4_pixel(0.075, 1.0) == 21.0


def test_beyond_the_range_and_no_range():
    assert delta4_pixel([-1.0, 1.0], 1.0).tolist() == [0.0, 40.0]
    assert np.isnan(delta4_pixel([np.nextafter(1.0, 2.0), -1.1, np.nan, np.inf], 1.0)).all()
    assert np.isnan(delta4_pixel(0.0, [0.0, -1.0, np.nan, np.inf])).all()
    assert delta4_pixel(ak.Array([[0.0], [], [1.0, 2.0]]), 1.0).tolist()[:2] == [[20.0], []]


def test_map_against_numpy():
    rng = np.random.default_rng(1)
    first, second = rng.normal(0, 0.6e15, (2, 5000))
    weight = rng.random(5000)
    edges = np.linspace(-20.5, 20.5, PIXELS + 1) * 1e15 / 20
    inside = (abs(first) <= 1e15) & (abs(second) <= 1e15)
    expected, _, _ = np.histogram2d(first[inside], second[inside], edges, weights=weight[inside])
    got = delta4_map(first, second, 1e15, weight)
    assert got.shape == (41, 41)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert delta4_map(first, second, 1e15).sum() == inside.sum() < 5000
    assert delta4_map([np.nan, 0.0], [0.0, 0.0], 1.0).sum() == 1.0
    assert delta4_map(np.ma.masked_array([0.3, 0.0], [True, False]), [0.0, 0.0], 1.0).sum() == 1.0
    assert delta4_map([], [], 1.0).sum() == 0.0


def test_map_of_arrays_that_do_not_fit():
    with pytest.raises(SelectionError, match="one length"):
        delta4_map([0.0, 1.0], [0.0], 1.0)
    with pytest.raises(SelectionError, match="one length"):
        delta4_map([0.0], [0.0], 1.0, [1.0, 2.0])
