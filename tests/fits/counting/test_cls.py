"""CLs against sums over counts, closed forms and plain quadrature."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import exp, factorial, lgamma, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from massgap.fits.counting.cls import asymptotic, asymptotic_expected, exact, log_poisson_cdf


def tail_ratio(n: int, s: float, b: float) -> float:
    """P(<= n | s + b) / P(<= n | b) from exact rational sums."""
    total, background = Fraction(s) + Fraction(b), Fraction(b)
    upper = sum(total**k / factorial(k) for k in range(n + 1))
    lower = sum(background**k / factorial(k) for k in range(n + 1))
    return float(upper / lower) * exp(-s)


def gamma_ratio(n: int, s: float, b: float, rel: float) -> float:
    """Poisson(s) plus a negative binomial: the Gamma average in closed form."""
    shape = 1.0 / rel**2
    p = 1.0 / (1.0 + b * rel**2)
    background = stats.nbinom.cdf(np.arange(n + 1), shape, p)
    return float(np.sum(stats.poisson.pmf(np.arange(n + 1), s) * background[::-1]) / background[-1])


@settings(deadline=None)
@given(st.integers(0, 60), st.floats(1e-6, 100.0), st.floats(1e-6, 200.0))
def test_poisson(n: int, s: float, b: float) -> None:
    assert float(exact(n, s, b)) == pytest.approx(tail_ratio(n, s, b), rel=1e-11)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.floats(1e-3, 50.0), st.floats(1e-2, 300.0), st.floats(1e-2, 20.0))
def test_gamma(n: int, s: float, b: float, rel: float) -> None:
    assert float(exact(n, s, b, rel, prior="gamma")) == pytest.approx(gamma_ratio(n, s, b, rel), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "s", "b", "rel"),
    [
        (3, 2.0, 5.0, 0.3),
        (12, 9.0, 5.0, 0.5),
        (0, 2.0, 5.0, 0.5),
        (40, 15.0, 45.0, 0.05),
        (2, 3.0, 1e-3, 0.8),
    ],
)
@pytest.mark.parametrize("prior", ["gauss", "lnN"])
def test_quadrature(n: int, s: float, b: float, rel: float, prior: str) -> None:
    def average(signal: float) -> float:
        def f(z: float) -> float:
            mean = b * (1 + rel * z) if prior == "gauss" else b * (1 + rel) ** z
            return float(stats.poisson.cdf(n, signal + mean) * exp(-0.5 * z * z))

        low = -1.0 / rel if prior == "gauss" else -12.0
        middle = np.linspace(max(low, -12.0), 12.0, 25)
        return sum(integrate.quad(f, a, c, epsabs=0, epsrel=1e-11)[0] for a, c in itertools.pairwise(middle))

    expected = average(s) / average(0.0)
    assert float(exact(n, s, b, rel, prior=prior)) == pytest.approx(expected, rel=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("prior", ["gauss", "lnN", "gamma"])
def test_a_narrow_prior_is_no_prior(prior: str) -> None:
    sharp = float(exact(10_000, 150.0, 10_000.0))
    assert float(exact(10_000, 150.0, 10_000.0, 1e-9, prior=prior)) == pytest.approx(sharp, rel=1e-9)  # type: ignore[arg-type]


def test_a_wide_gamma_prior() -> None:
    assert float(exact(20, 30.0, 10.0, 50.0, prior="gamma")) == pytest.approx(
        gamma_ratio(20, 30.0, 10.0, 50.0), rel=1e-9
    )


def test_huge_counts_approach_the_gaussian_ratio() -> None:
    n, s, b = 10**8, 2.0e4, 1.0e8
    expected = stats.norm.sf(2.0) / stats.norm.sf(0.0)
    assert float(exact(n, s, b)) == pytest.approx(expected, rel=1e-3)
    assert float(asymptotic(n, s, b)) == pytest.approx(expected, rel=1e-3)
    assert 0.0 < float(exact(n, s, b, 0.1, prior="lnN")) < 1.0


@settings(deadline=None)
@given(st.integers(0, 3), st.floats(1000.0, 20000.0))
def test_tails_far_below_the_smallest_float(n: int, mean: float) -> None:
    # n = 0..3: the log of the sum by hand.
    expected = -mean + log(sum(mean**k / factorial(k) for k in range(n + 1)))
    assert float(log_poisson_cdf(n, mean)) == pytest.approx(expected, rel=1e-14)


def test_far_tail_of_a_large_count() -> None:
    n, mean = 3000, 9000.0
    k = np.arange(n + 1)
    terms = k * log(mean) - mean - np.array([lgamma(i + 1) for i in k])
    expected = float(terms.max() + np.log(np.sum(np.exp(terms - terms.max()))))
    assert float(log_poisson_cdf(n, mean)) == pytest.approx(expected, rel=1e-12)


def test_no_signal_and_no_events() -> None:
    for prior in ("poisson", "gauss", "lnN", "gamma"):
        assert float(exact(7, 0.0, 5.0, 0.3, prior=prior)) == 1.0  # type: ignore[arg-type]
        assert float(exact(0, 2.5, 5.0, 0.3, prior=prior)) == exp(-2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "s", "b", "rel"), [(-1, 1, 1, 0), (1.5, 1, 1, 0), (1, -1, 1, 0), (1, 1, -1, 0), (1, 1, 1, -1)]
)
def test_undefined(n: float, s: float, b: float, rel: float) -> None:
    assert np.isnan(exact(n, s, b, rel, prior="lnN"))


def test_background_of_zero() -> None:
    assert np.isnan(exact(1, 1.0, 0.0, 0.5, prior="gamma"))
    assert np.isnan(asymptotic(1, 1.0, 0.0, 0.5))
    assert float(exact(1, 1.0, 0.0)) == pytest.approx(2 * exp(-1.0))
    assert np.isfinite(asymptotic(0, 1.0, 0.0))


def test_unknown_words() -> None:
    with pytest.raises(ValueError, match="prior 'flat' is unknown"):
        exact(1, 1, 1, 0.1, prior="flat")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="asimov 'x' is unknown"):
        asymptotic(1, 1, 1, 0.1, asimov="x")  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.integers(0, 200), st.floats(0.1, 100.0), st.floats(0.1, 100.0), st.floats(0.0, 1.0))
def test_asymptotic_falls_with_the_signal(n: int, s: float, b: float, rel: float) -> None:
    assert asymptotic(n, 1.1 * s, b, rel) <= asymptotic(n, s, b, rel) * (1 + 1e-9)
    bands = asymptotic_expected(s, b, rel, [-2, -1, 0, 1, 2])
    assert np.all(np.diff(bands) >= 0.0)
    assert np.all((bands >= 0.0) & (bands <= 1.0))


@pytest.mark.parametrize("rel", [7.4e-163, 1e-155, 1e-100, 1e-30])
def test_an_uncertainty_that_is_next_to_nothing_is_none(rel: float) -> None:
    """Its auxiliary count overflowed, and CLs was NaN."""
    for n in (0, 3, 9):
        assert float(asymptotic(n, 1.0, 5.0, rel)) == pytest.approx(float(asymptotic(n, 1.0, 5.0)), rel=1e-12)
    assert np.all(np.isfinite(asymptotic_expected(1.0, 5.0, rel, [-2, 0, 2])))


def test_asymptotic_without_uncertainty_by_hand() -> None:
    n, s, b = 12, 10.0, 8.0
    q = 2 * (s + b - n + n * log(n / (s + b)))
    q_asimov = 2 * (s - b * log((s + b) / b))
    expected = stats.norm.sf(q**0.5) / stats.norm.cdf(q_asimov**0.5 - q**0.5)
    assert float(asymptotic(n, s, b)) == pytest.approx(expected, rel=1e-12)


def test_expected_is_observed_at_the_background() -> None:
    assert float(asymptotic(20, 6.0, 20.0, 0.2)) == pytest.approx(
        float(asymptotic_expected(6.0, 20.0, 0.2)), rel=1e-12
    )


def test_shapes() -> None:
    assert exact([1, 2, 3], [[1.0], [2.0]], 3.0).shape == (2, 3)
