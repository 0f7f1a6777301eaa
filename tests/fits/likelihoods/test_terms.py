"""Terms of a likelihood against logarithms in many digits, and the best factor against a search."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from massgap.fits.likelihoods.parameters import GAUSSIAN, POISSON
from massgap.fits.likelihoods.terms import best_factor, constraint, poisson


@given(st.floats(1e-3, 1e7), st.floats(1e-12, 10.0), st.booleans())
def test_deviance_keeps_its_digits(count, relative, above) -> None:
    mean = count * (1.0 + relative) if above else count / (1.0 + relative)
    with localcontext() as context:
        context.prec = 60
        n, m = Decimal(count), Decimal(mean)
        exact = m - n + n * (n / m).ln()
    assert poisson(count, mean) == pytest.approx(float(exact), rel=1e-9, abs=1e-300)


def test_deviance_at_the_edges() -> None:
    assert poisson(3.0, 0.0) == np.inf
    assert poisson(3.0, -1.0) == np.inf
    assert poisson(0.0, 2.5) == 2.5
    assert poisson(4.0, 4.0) == 0.0


@given(
    st.sampled_from([GAUSSIAN, POISSON]),
    st.floats(0.0, 50.0),
    st.floats(0.1, 80.0),
    st.integers(0, 200),
    st.floats(0.02, 0.5),
)
def test_best_factor_is_the_minimum(kind, fixed, scaled, count, relative) -> None:
    width = relative if kind == GAUSSIAN else relative**-2
    auxiliary = 1.0 if kind == GAUSSIAN else width

    def value(factor: float) -> float:
        return poisson(float(count), fixed + factor * scaled) + constraint(kind, factor, auxiliary, width)[0]

    best = best_factor(kind, fixed, scaled, float(count), auxiliary, width)
    if fixed + best * scaled <= 0.0:  # nothing seen, and a wide constraint: the caller stops it at its bound
        assert count == 0
        return
    found = minimize_scalar(value, bounds=(1e-9, 30.0), method="bounded", options={"xatol": 1e-10})
    if found.x < 29.0:
        assert value(max(best, 1e-9)) <= found.fun + 1e-9 * (1.0 + abs(found.fun))


@given(st.sampled_from([GAUSSIAN, POISSON]), st.floats(0.2, 3.0), st.floats(0.1, 0.5))
def test_derivatives_of_constraints(kind, value, width) -> None:
    width = width if kind == GAUSSIAN else width**-2
    auxiliary = 1.0 if kind == GAUSSIAN else width
    h = 1e-5
    up, here, down = (constraint(kind, value + x, auxiliary, width) for x in (h, 0.0, -h))
    assert here[1] == pytest.approx((up[0] - down[0]) / (2 * h), rel=1e-5, abs=1e-6)
    assert here[2] == pytest.approx((up[1] - down[1]) / (2 * h), rel=1e-5, abs=1e-6)


def test_a_poisson_constraint_has_no_parameter_below_zero() -> None:
    assert constraint(POISSON, 0.0, 4.0, 4.0)[0] == np.inf
