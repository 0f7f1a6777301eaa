"""Interpolations against pyhf's, and their derivatives."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.fits.likelihoods.interpolation import rate, rate_coefficients, shape

parameters = st.floats(-4.0, 4.0)


@given(parameters, st.floats(0.3, 3.0), st.floats(0.3, 3.0))
def test_rates_are_those_of_code_4(a, up, down) -> None:
    theirs = pyhf.interpolators.code4(np.array([[[[down], [1.0], [up]]]]))(np.array([[a]]))
    value, first, second = rate(a, rate_coefficients(up, down))
    assert value == pytest.approx(float(np.asarray(theirs).ravel()[0]), rel=1e-10)
    h = 1e-5
    if abs(abs(a) - 1.0) > 2 * h:
        above, below = (rate(a + x, rate_coefficients(up, down)) for x in (h, -h))
        assert first == pytest.approx((above[0] - below[0]) / (2 * h), rel=1e-4, abs=1e-5)
        assert second == pytest.approx((above[1] - below[1]) / (2 * h), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("a", [-1.0, 1.0])
def test_rates_join_with_two_derivatives(a) -> None:
    coefficients = rate_coefficients(1.3, 0.8)
    inside, outside = rate(a * (1 - 1e-12), coefficients), rate(a * (1 + 1e-12), coefficients)
    assert inside == pytest.approx(outside, rel=1e-8)


@given(parameters, st.floats(-5.0, 5.0), st.floats(-5.0, 5.0))
def test_shapes_are_those_of_code_4p(a, up, down) -> None:
    """``up`` and ``down`` are the contents less the nominal ones, which are 10."""
    theirs = pyhf.interpolators.code4p(np.array([[[[10.0 + down], [10.0], [10.0 + up]]]]))(np.array([[a]]))
    mean, skew = 0.5 * (up - down), 0.0625 * (up + down)
    of_mean, of_skew, slope_mean, slope_skew, bend_mean, bend_skew = shape(a)
    assert of_mean * mean + of_skew * skew == pytest.approx(float(np.asarray(theirs).ravel()[0]), abs=1e-9)
    h = 1e-5
    if abs(abs(a) - 1.0) > 2 * h:
        above, below = shape(a + h), shape(a - h)
        assert slope_mean == pytest.approx((above[0] - below[0]) / (2 * h), abs=1e-5)
        assert slope_skew == pytest.approx((above[1] - below[1]) / (2 * h), abs=1e-4)
        assert bend_mean == 0.0
        assert bend_skew == pytest.approx((above[3] - below[3]) / (2 * h), abs=1e-2)
