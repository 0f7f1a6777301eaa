from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.fits.errors import InferenceError
from massgap.fits.inference.roots import IncreasingFunction


@given(
    st.floats(0.3, 3.0),
    st.floats(-6, 6),
    st.floats(0.0, 3.0),
    st.lists(st.floats(0.1, 8.0), min_size=1, max_size=5),
)
def test_every_value_is_reached_from_any_guess(power, log_scale, log_guess, targets):
    scale = np.exp(log_scale)
    calls = []

    def f(x):
        calls.append(x)
        return (x / scale) ** power

    function = IncreasingFunction(f, 0.0, 1e-7)
    for target in targets:
        found = function.reaches(target, scale * np.exp(log_guess))
        assert f(found) == pytest.approx(target, abs=2e-7)


def test_few_calls_where_the_function_is_nearly_straight():
    calls = []

    def f(x):
        calls.append(x)
        return np.sqrt(2.0 * (30.0 * x - 100.0 * np.log1p(0.3 * x)))

    function = IncreasingFunction(f, 0.0, 1e-7)
    for target in (1.05, 1.41, 1.96, 2.77, 3.66):
        function.reaches(target, target / 3.0)
    assert len(calls) < 25


def test_what_is_never_reached_or_jumps_is_an_error():
    with pytest.raises(InferenceError, match="No signal strength up to"):
        IncreasingFunction(lambda _: 0.5, 0.0, 1e-7).reaches(1.0, 1.0)
    with pytest.raises(InferenceError, match="jumps near the signal strength 3"):
        IncreasingFunction(lambda x: 0.0 if x < 3.0 else 2.0, 0.0, 1e-7).reaches(1.0, 1.0)
    # A guess that is no number is none.
    assert IncreasingFunction(lambda x: x, 0.0, 1e-7).reaches(2.0, float("nan")) == pytest.approx(2.0)
