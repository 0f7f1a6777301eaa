"""Certified M_T2: the value of 45-digit arithmetic is inside, no splitting goes below, and the gradient is that of differences."""

from __future__ import annotations

import json
import math
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays.errors import SelectionError
from massgap.selections.observables.mt2.bounds import MT2Gradient, mt2_bounds, mt2_gradient
from massgap.selections.observables.mt2.mt2 import mt2

NAMES = ("m1", "px1", "py1", "m2", "px2", "py2", "pxmiss", "pymiss", "chi1", "chi2")
HARD = json.loads((Path(__file__).parent / "data" / "mt2_mpmath.json").read_text())
EVENTS = np.array([[case["in"][name] for name in NAMES] for case in HARD]).T
VALUES = np.array([case["mt2"] for case in HARD])
MUON = 0.1056583755

numbers = st.one_of(st.just(0.0), st.floats(-3, 5).map(lambda x: 10.0**x))
momenta = st.tuples(numbers, st.floats(-math.pi, math.pi)).map(
    lambda v: (v[0] * math.cos(v[1]), v[0] * math.sin(v[1]))
)
events = st.tuples(numbers, momenta, numbers, momenta, momenta, numbers, numbers).map(
    lambda e: (e[0], *e[1], e[2], *e[3], *e[4], e[5], e[6])
)
quick = settings(deadline=None, max_examples=200)


def sample(masses: tuple[float | None, float | None], n: int = 400) -> np.ndarray:
    """Random events of shape (10, n); masses of visible systems and trial masses, None for random ones."""
    rng = np.random.default_rng(5)
    out = np.empty((10, n))
    for first in (1, 4, 6):
        size, angle = rng.uniform(5, 500, n), rng.uniform(-np.pi, np.pi, n)
        out[first], out[first + 1] = size * np.cos(angle), size * np.sin(angle)
    for rows, mass, high in (((0, 3), masses[0], 200), ((8, 9), masses[1], 300)):
        for row in rows:
            out[row] = rng.uniform(0, high, n) if mass is None else mass
    return out


KINDS = [(None, None), (MUON, 100.0), (MUON, 0.0), (0.0, 0.0), (0.0, 100.0)]


def test_values_of_45_digit_arithmetic_are_inside():
    lower, upper = mt2_bounds(*EVENTS)
    assert (lower <= np.nextafter(VALUES, np.inf)).all()
    # The reference approaches from above and ends some 1e-10 GeV short of a minimum at a corner, which is 0 here.
    above = np.nextafter(upper, np.inf) < VALUES
    assert set(VALUES[above] < 1e-10) <= {True}
    assert above.sum() <= 2
    assert np.median((upper - lower) / np.maximum(VALUES, 1e-3)) < 1e-14
    assert ((upper - lower) / np.abs(EVENTS).max(axis=0)).max() < 1e-8


@quick
@given(events, momenta)
def test_no_splitting_goes_below(event, q):
    lower, upper = mt2_bounds(*event)
    assert 0.0 <= lower <= upper
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = map(np.longdouble, event)
    masses = []
    for m, x, y, chi, u, v in (
        (m1, x1, y1, chi1, *map(np.longdouble, q)),
        (m2, x2, y2, chi2, px - q[0], py - q[1]),
    ):
        energies = np.sqrt(m**2 + x**2 + y**2) * np.sqrt(chi**2 + u**2 + v**2)
        squares = m**2 + chi**2 + 2 * (energies - x * u - y * v)
        # What is left of a difference of large numbers is good to 1e-19 of these.
        masses.append(squares + 1e-17 * energies)
    assert lower**2 <= max(masses)


@pytest.mark.parametrize("masses", KINDS)
def test_bounds_are_tight_and_hold_the_value_up_to_its_own_rounding(masses):
    event = sample(masses)
    lower, upper = mt2_bounds(*event)
    value = mt2(*event)
    slack = 1e-11 * value + 1e-9
    assert ((lower - slack <= value) & (value <= upper + slack)).all()
    assert np.median((upper - lower) / np.maximum(value, 1e-3)) < 2e-14


@pytest.mark.parametrize("factor", [1e-300, 1e-150, 1e150, 1e300])
def test_units_far_from_one(factor):
    event = sample((MUON, 50.0), 20)
    lower, upper = mt2_bounds(*(event * factor))
    value = mt2(*event) * factor
    assert (lower <= value * (1 + 1e-12)).all()
    assert (value <= upper * (1 + 1e-12)).all()
    assert (upper <= lower * (1 + 1e-9)).all()


@pytest.mark.parametrize("masses", KINDS)
def test_gradient_is_that_of_differences(masses):
    event = sample(masses)
    gradient = np.array(mt2_gradient(*event))
    step = 1e-4
    for k, name in enumerate(NAMES):
        if (event[k] == 0.0).all():
            continue
        high, low = event.copy(), event.copy()
        high[k] += step
        low[k] -= step
        inside = (low[k] >= 0.0) | (k not in (0, 3, 8, 9))
        low[k] = np.where(inside, low[k], event[k])
        differences = (mt2(*high) - mt2(*low)) / (high[k] - low[k])
        off = np.abs(differences - gradient[k])[inside]
        # A few events have a kink between the two.
        assert np.quantile(off, 0.97) < 1e-5, name


@pytest.mark.parametrize("masses", KINDS)
def test_inputs_times_derivatives_are_the_value(masses):
    # M_T2 scales with all its inputs (Euler's theorem).
    event = sample(masses)
    off = np.abs((event * np.array(mt2_gradient(*event))).sum(axis=0) - mt2(*event))
    assert np.quantile(off, 0.99) < 1e-8
    assert off.max() < 1e-3


def test_derivatives_of_the_least_value():
    # One leg sets it: nothing but its masses counts. Both do: half of each, right where they change together.
    assert mt2_gradient(100.0, 5.0, 0.0, 1.0, 3.0, 1.0, 0.0, 0.0, 50.0, 0.0) == MT2Gradient(
        1, 0, 0, 0, 0, 0, 0, 0, 1, 0
    )
    both = mt2_gradient(0.0, 10.0, 0.0, 0.0, -20.0, 0.0, -5.0, 3.0, 30.0, 30.0)
    assert (both.m_invis_1, both.m_invis_2, both.px_miss) == (0.5, 0.5, 0.0)


def test_exchange_of_the_legs():
    event = sample((None, None), 50)
    other = event[[3, 4, 5, 0, 1, 2, 6, 7, 9, 8]]
    for ours, theirs in zip(mt2_bounds(*event), mt2_bounds(*other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    # As q1 is what both fix, this tests the share that p_miss has in each leg.
    a, b = mt2_gradient(*event), mt2_gradient(*other)
    np.testing.assert_allclose(a.px_miss, b.px_miss, atol=1e-8)
    np.testing.assert_allclose(a.m_vis_1, b.m_vis_2, atol=1e-8)


def test_shapes_masks_and_what_is_not_finite():
    jagged = ak.Array([[10.0, 20.0], [], [30.0]])
    lower, upper = mt2_bounds(0.0, jagged, 0.0, 0.0, 20.0, 5.0, -5.0, 3.0, 0.0, 0.0)
    assert ak.num(lower).tolist() == ak.num(upper).tolist() == [2, 0, 1]
    assert math.isnan(mt2_bounds(0.0, math.nan, 0.0, 0.0, 20.0, 5.0, -5.0, 3.0, 0.0, 0.0).lower)
    assert all(map(math.isnan, mt2_gradient(0.0, 10.0, 0.0, 0.0, math.inf, 5.0, -5.0, 3.0, 0.0, 0.0)))
    masked = np.ma.masked_array([10.0, 20.0], [False, True])
    assert mt2_bounds(0.0, masked, 0.0, 0.0, 20.0, 5.0, -5.0, 3.0, 0.0, 0.0).upper.mask.tolist() == [
        False,
        True,
    ]


@pytest.mark.parametrize("function", [mt2_bounds, mt2_gradient])
def test_a_negative_mass_is_refused(function):
    with pytest.raises(SelectionError, match="m_invis_2 is -3 GeV"):
        function(0.0, 10.0, 0.0, 0.0, 20.0, 5.0, -5.0, 3.0, 0.0, -3.0)
