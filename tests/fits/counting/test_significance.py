"""Significances against 60-digit decimal arithmetic and known limits."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.fits.counting.deviance import deviance, relative_deviance
from massgap.fits.counting.significance import (
    asimov,
    asimov_with_uncertainty,
    binned_common_normalisation,
    binned_statistical,
    binned_uncorrelated,
    s_over_1pb,
    s_over_sqrtb,
)

events = st.floats(1e-9, 1e9)
widths = st.floats(1e-6, 1e3)


def decimal_asimov(s: float, b: float) -> float:
    """The formula as printed, with digits to waste."""
    with localcontext() as context:
        context.prec = 90
        s_, b_ = Decimal(s), Decimal(b)
        return float((2 * ((s_ + b_) * (1 + s_ / b_).ln() - s_)).sqrt())


def decimal_with_uncertainty(s: float, b: float, db: float) -> float:
    """Cowan's formula as printed, with digits to waste."""
    with localcontext() as context:
        context.prec = 120
        s_, b_, v = Decimal(s), Decimal(b), Decimal(db) ** 2
        first = (s_ + b_) * ((s_ + b_) * (b_ + v) / (b_ * b_ + (s_ + b_) * v)).ln()
        second = b_ * b_ / v * (1 + v * s_ / (b_ * (b_ + v))).ln()
        return float((2 * (first - second)).sqrt())


def decimal_common(s: list[float], b: list[float], rel: float) -> float:
    """Minimum over the nuisance parameter by bisection of its derivative."""
    with localcontext() as context:
        context.prec = 70
        s_, b_ = [Decimal(x) for x in s], [Decimal(x) for x in b]
        k2 = (1 + Decimal(rel)).ln() ** 2
        low, high = Decimal(0), (1 + sum(s_) / sum(b_)).ln()
        for _ in range(200):
            t = (low + high) / 2
            if k2 * (sum(b_) * (t.exp() - 1) - sum(s_)) + t > 0:
                high = t
            else:
                low = t
        q0 = t * t / k2
        for si, bi in zip(s_, b_, strict=True):
            n, mean = si + bi, bi * t.exp()
            q0 += 2 * (mean - n + n * (n / mean).ln())
        return float(q0.sqrt())


@settings(deadline=None)
@given(events, events)
def test_asimov_is_exact(s: float, b: float) -> None:
    assert float(asimov(s, b)) == pytest.approx(decimal_asimov(s, b), rel=5e-15)


@settings(deadline=None)
@given(events, events, widths)
def test_uncertain_background_is_exact(s: float, b: float, rel: float) -> None:
    assert float(asimov_with_uncertainty(s, b, rel * b)) == pytest.approx(
        decimal_with_uncertainty(s, b, rel * b), rel=2e-14
    )


@settings(deadline=None)
@given(events, events, widths)
def test_uncertainty_only_lowers(s: float, b: float, rel: float) -> None:
    known, uncertain = asimov(s, b), asimov_with_uncertainty(s, b, rel * b)
    assert uncertain <= known * (1.0 + 1e-12)
    assert asimov_with_uncertainty(s, b, 2.0 * rel * b) <= uncertain * (1.0 + 1e-12)


@settings(deadline=None)
@given(events, events)
def test_asimov_is_monotone_and_below_s_over_sqrtb(s: float, b: float) -> None:
    assert asimov(1.01 * s, b) > asimov(s, b)
    assert asimov(s, 1.01 * b) < asimov(s, b)
    assert asimov(s, b) <= s_over_sqrtb(s, b) * (1.0 + 1e-14)


@settings(deadline=None)
@given(events, events, st.floats(1.0, 100.0))
def test_asimov_grows_with_the_root_of_the_luminosity(s: float, b: float, factor: float) -> None:
    assert float(asimov(factor * s, factor * b)) == pytest.approx(
        np.sqrt(factor) * float(asimov(s, b)), rel=1e-13
    )


@pytest.mark.parametrize(("s", "b"), [(1.0, 0.0), (1.0, -1.0), (-1.0, 0.0), (np.nan, 1.0), (1.0, np.nan)])
def test_undefined_is_nan(s: float, b: float) -> None:
    for value in (asimov(s, b), asimov_with_uncertainty(s, b, 0.1), s_over_sqrtb(s, b)):
        assert np.isnan(value)


def test_a_negative_signal_is_a_deficit() -> None:
    np.testing.assert_array_equal(s_over_sqrtb([-3.0, -0.5, 0.0], [9.0, 4.0, 4.0]), [-1.0, -0.25, 0.0])
    assert s_over_1pb(-3.0, 2.0) == -1.0
    # the Asimov forms are of the test for an excess
    assert np.isnan(asimov(-1.0, 1.0))
    assert np.isnan(asimov_with_uncertainty(-1.0, 1.0, 0.1))


def test_limits() -> None:
    assert asimov(0.0, 10.0) == 0.0
    assert asimov_with_uncertainty(0.0, 10.0, 1.0) == 0.0
    assert asimov_with_uncertainty(5.0, 10.0, 0.0) == asimov(5.0, 10.0)
    assert float(asimov_with_uncertainty(5.0, 10.0, 1e-170)) == float(asimov(5.0, 10.0))
    assert asimov_with_uncertainty(5.0, 10.0, 1e200) == 0.0
    assert np.isnan(asimov_with_uncertainty(5.0, 10.0, -1.0))
    assert s_over_1pb(2.0, 0.0) == 2.0
    assert np.isfinite(asimov(1e300, 1e-300))


def test_arrays_broadcast() -> None:
    assert asimov([[1.0], [2.0]], [3.0, 4.0, 5.0]).shape == (2, 3)
    assert asimov_with_uncertainty(1.0, [3.0, 4.0], [[0.1], [0.2]]).shape == (2, 2)


def test_deviance_of_extremes() -> None:
    assert deviance(0.0, 0.0) == 0.0
    assert deviance(0.0, 1.0) == np.inf
    assert float(relative_deviance(-1.0)) == 1.0
    assert np.isnan(relative_deviance(-1.5))
    # Continuous where the series hands over to the plain form.
    for edge in (-0.6, 1.0):
        below, above = relative_deviance(np.nextafter(edge, -2)), relative_deviance(np.nextafter(edge, 2))
        assert float(above) == pytest.approx(float(below), rel=1e-14)


@settings(deadline=None)
@given(
    # Below 1e-9 events the reference's 70 digits no longer hold the square of the signal beside the background.
    st.lists(st.tuples(st.just(0.0) | st.floats(1e-9, 1e6), st.floats(1e-3, 1e6)), min_size=1, max_size=8),
    st.floats(1e-4, 3.0),
)
def test_common_normalisation_is_exact(bins: list[tuple[float, float]], rel: float) -> None:
    s, b = [x for x, _ in bins], [y for _, y in bins]
    expected = decimal_common(s, b, rel)
    assert float(binned_common_normalisation(s, b, rel)) == pytest.approx(expected, rel=1e-12, abs=1e-100)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-3, 1e5), st.floats(1e-3, 1e5)), min_size=2, max_size=8),
    st.floats(1e-3, 2.0),
)
def test_binned_relations(bins: list[tuple[float, float]], rel: float) -> None:
    s, b = np.array(bins).T
    stat = float(binned_statistical(s, b))
    assert stat >= float(asimov(s.sum(), b.sum())) * (1 - 1e-12)  # bins never lose information
    assert float(binned_uncorrelated(s, b, 0.0)) == pytest.approx(stat, rel=1e-13)
    assert float(binned_common_normalisation(s, b, 0.0)) == pytest.approx(stat, rel=1e-13)
    assert float(binned_common_normalisation(s, b, rel)) <= stat * (1 + 1e-12)


def test_binned_undefined_and_empty() -> None:
    assert binned_statistical([3.0, 0.0], [9.0, 0.0]) == asimov(3.0, 9.0)
    assert np.isnan(binned_statistical([3.0, 1.0], [9.0, 0.0]))
    for form in (binned_uncorrelated, binned_common_normalisation):
        assert np.isnan(form([3.0, 0.0], [9.0, 0.0], 0.1))
        assert np.isnan(form([3.0, 0.0], [9.0, 1.0], -0.1))
    assert binned_common_normalisation(np.ones((4, 3)), np.ones(3), 0.1).shape == (4,)
    assert binned_common_normalisation([0.0, 0.0], [1.0, 2.0], 0.3) == 0.0
