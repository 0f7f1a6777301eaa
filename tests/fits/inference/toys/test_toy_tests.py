"""CLs, limits and discovery from toys against closed forms of counting experiments, and their asymptotic formulae."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from massgap.fits.errors import FitError, InferenceError
from massgap.fits.inference.hypothesis_tests import discovery, hypothesis_test, upper_limit
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.toys import ToyOptions, toy_cls, toy_discovery, toy_limit, toy_results, toy_tests
from massgap.fits.inference.toys.options import wanted_toys
from massgap.fits.inference.toys.pseudo_experiments import BLOCK, ToyCertificate
from massgap.fits.inference.toys.results import toy_rows, toy_warnings

MU = {"name": "mu", "type": "normfactor", "data": None}


def counting(s: float, b: float, n: float) -> Likelihood:
    """One bin whose background is known."""
    samples = [
        {"name": "signal", "data": [s], "modifiers": [MU]},
        {"name": "background", "data": [b], "modifiers": []},
    ]
    document: dict[str, Any] = {
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [n]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    return Likelihood(document)


def with_nuisances() -> Likelihood:
    """Two bins of thousands of events, uncertain by a rate and by the statistics of the simulation."""
    rate = {"name": "rate", "type": "normsys", "data": {"hi": 1.03, "lo": 0.97}}
    statistics = {"name": "st", "type": "staterror", "data": [30.0, 20.0]}
    samples = [
        {"name": "signal", "data": [20.0, 60.0], "modifiers": [MU]},
        {"name": "background", "data": [4000.0, 900.0], "modifiers": [rate, statistics]},
    ]
    document: dict[str, Any] = {
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [4010.0, 930.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    return Likelihood(document)


def exact_cls(mu: float, b: float, n: float) -> float:
    return float(poisson.cdf(n, mu + b) / poisson.cdf(n, b))


def exact_limit(b: float, n: float) -> float:
    return float(brentq(lambda mu: exact_cls(mu, b, n) - 0.05, 1e-3, 1e3))


@pytest.mark.parametrize(
    ("b", "n", "mu"), [(3.0, 2.0, 4.0), (0.5, 0.0, 3.0), (0.0, 0.0, 3.0), (12.0, 9.0, 6.0)]
)
def test_cls_of_a_count_is_the_ratio_of_poisson_tails(b: float, n: float, mu: float) -> None:
    found = toy_cls(counting(1.0, b, n), mu, 10_000)
    assert found.cls == pytest.approx(exact_cls(mu, b, n), abs=4.0 * found.cls_error)
    assert found.clsb == pytest.approx(poisson.cdf(n, mu + b), abs=0.02)
    assert found.clb == pytest.approx(poisson.cdf(n, b), abs=0.02)
    tail = poisson.cdf(n, mu + b)
    binomial = np.sqrt(tail * (1.0 - tail) / 10_000) / poisson.cdf(n, b)
    assert found.cls_error >= 0.8 * binomial
    assert found.cls_error < 2.0 * binomial
    for n_sigma, value, error in zip((-2, -1, 0, 1), found.expected, found.expected_errors, strict=False):
        # The rank of a toy may fall on either side of a step between two counts.
        around = [poisson.ppf(norm.cdf(n_sigma) + shift, b) for shift in (-0.012, 0.012)]
        low, high = (exact_cls(mu, b, k) for k in around)
        assert low - 4.0 * error < value < high + 4.0 * error


@pytest.mark.parametrize(("b", "n"), [(0.0, 0.0), (3.0, 2.0)])
def test_the_limit_of_a_count_is_the_exact_one(b: float, n: float) -> None:
    found = toy_limit(counting(1.0, b, n), ToyOptions(4_000))
    assert found.observed == pytest.approx(exact_limit(b, n), abs=4.0 * found.observed_error)
    assert found.observed_error < 0.08 * found.observed
    for n_sigma, value, error in zip((-2, -1, 0, 1, 2), found.expected, found.expected_errors, strict=True):
        exact = exact_limit(b, poisson.ppf(norm.cdf(n_sigma), b))
        assert value == pytest.approx(exact, abs=4.0 * error)
    if b == 0.0:
        assert exact_limit(b, n) == pytest.approx(-np.log(0.05))
    mus = [point.mu for point in found.points]
    assert mus == sorted(mus)
    assert (len(mus) + 1) * 4_000 <= found.certificate.toys <= 2 * len(mus) * 4_000
    assert found.certificate.accepted == found.certificate.toys


def test_many_events_are_as_asymptotic_formulae_say() -> None:
    likelihood = counting(1.0, 2500.0, 2480.0)
    found, formula = toy_cls(likelihood, 60.0, 10_000), hypothesis_test(likelihood, 60.0)
    assert found.cls == pytest.approx(formula.cls, abs=4.0 * found.cls_error)
    assert found.q == pytest.approx(formula.q, rel=1e-9)
    assert found.expected[:4] == pytest.approx(formula.expected[:4], abs=4.0 * max(found.expected_errors[:4]))
    # Where the best fit is above the tested strength q is 0, and so is the whole upper tail.
    assert found.expected[4] == 1.0
    seen = counting(1.0, 2500.0, 2610.0)
    tested, expected = toy_discovery(seen, ToyOptions(10_000)), discovery(seen, observed=True)
    assert tested.observed_p == pytest.approx(expected.p_value, abs=4.0 * tested.observed_p_error)
    assert norm.sf(tested.observed_significance) == pytest.approx(tested.observed_p)


def test_discovery_of_a_count_is_its_upper_tail() -> None:
    found = toy_discovery(counting(4.0, 2.0, 6.0), ToyOptions(10_000))
    assert found.observed_p == pytest.approx(poisson.sf(5.0, 2.0), abs=4.0 * found.observed_p_error)
    median = poisson.median(6.0)
    assert found.expected_p == pytest.approx(poisson.sf(median - 1.0, 2.0), abs=4.0 * found.expected_p_error)
    below = toy_discovery(counting(4.0, 8.0, 6.0), ToyOptions(500))
    assert (below.observed_p, below.observed_significance) == (1.0, 0.0)
    far = toy_discovery(counting(4.0, 2.0, 40.0), ToyOptions(500))
    assert far.observed_p == 0.0
    assert far.observed_significance == pytest.approx(norm.isf(1.0 - 0.31731 ** (1 / 500)))


def test_expectations_need_no_data() -> None:
    one, other = (counting(1.0, 9.0, n) for n in (3.0, 20.0))
    assert toy_cls(one, 5.0, 1_000, observed=False) == toy_cls(other, 5.0, 1_000, observed=False)
    blind = toy_cls(one, 5.0, 1_000, observed=False)
    assert (blind.cls, blind.q) == (None, None)
    found = toy_discovery(one, ToyOptions(1_000), observed=False)
    assert found.observed_p is None
    assert found == toy_discovery(other, ToyOptions(1_000), observed=False)


def test_numbers_depend_on_the_seed_alone() -> None:
    likelihood = with_nuisances()
    number = 2 * BLOCK + 100
    once, certificate = toy_tests(likelihood, [0.5, 1.0], ToyOptions(number))
    assert toy_tests(likelihood, [0.5, 1.0], ToyOptions(number, workers=3)) == (once, certificate)
    assert certificate.toys == 3 * number
    alone = toy_cls(likelihood, 1.0, number)
    assert (alone.cls, alone.expected) == (once[1].cls, once[1].expected)
    assert toy_cls(likelihood, 1.0, number, seed=2).expected != once[1].expected


def test_intervals_of_toys_cover() -> None:
    """How often the error includes the exact CLs, for many seeds."""
    likelihood, exact = counting(1.0, 3.0, 3.0), exact_cls(5.0, 3.0, 3.0)
    found = [toy_cls(likelihood, 5.0, 400, seed) for seed in range(60)]
    pulls = np.array([(test.cls - exact) / test.cls_error for test in found])
    assert abs(pulls.mean()) < 0.5
    assert 0.7 < pulls.std() < 1.3


def test_failed_toys_are_told_and_widen_the_error(monkeypatch) -> None:
    likelihood = counting(1.0, 3.0, 2.0)
    fit_toys = Likelihood.fit_toys
    good = toy_cls(likelihood, 4.0, 1_000)

    def some_fail(self: Likelihood, *args: Any, **options: Any) -> Any:
        found = fit_toys(self, *args, **options)
        found.q[:, ::20] = np.nan
        found.ended[::20] = 3
        return found

    monkeypatch.setattr(Likelihood, "fit_toys", some_fail)
    found = toy_cls(likelihood, 4.0, 1_000)
    assert found.certificate.failed == 100
    assert found.certificate.accepted == 1_900
    assert found.cls_error > good.cls_error + 0.05
    results = toy_results(likelihood, ToyOptions(1_000), mu=4.0, limit=False)
    assert "200 of 4000 toys could not be fitted" in toy_warnings(results)[0]
    assert "3,800 of 4,000 fitted" in toy_rows(results, "mu")[-1][1]

    def most_fail(self: Likelihood, *args: Any, **options: Any) -> Any:
        found = fit_toys(self, *args, **options)
        found.ended[::5] = 3
        return found

    monkeypatch.setattr(Likelihood, "fit_toys", most_fail)
    with pytest.raises(InferenceError, match="200 of 1000 toys could not be fitted"):
        toy_cls(likelihood, 4.0, 1_000)


def test_too_few_toys_are_refused_with_a_number_that_does() -> None:
    likelihood = counting(1.0, 3.0, 2.0)
    with pytest.raises(InferenceError, match=r"at least 1759 \(--toys 1759\)"):
        toy_limit(likelihood, ToyOptions(1_000))
    with pytest.raises(InferenceError, match=r"No toy without signal .* signal strength 1 .*--toys"):
        toy_cls(counting(1.0, 100.0, 20.0), 1.0, 100)
    with pytest.raises(InferenceError, match=r"must be positive, not 0 .*--mu"):
        toy_cls(likelihood, 0.0, 100)
    for wrong in ({"number": 0}, {"seed": -1}, {"workers": 0}, {"number": 2.5}, {"number": True}):
        with pytest.raises(FitError, match=r"whole number from .*\(--"):
            replace(ToyOptions(10), **wrong)
    with pytest.raises(FitError, match=r"--seed.*--toys 20000"):
        wanted_toys(None, 5)
    assert wanted_toys(None) is None
    assert wanted_toys(7, None, 2) == ToyOptions(7, 1, 2)


def test_certificates_add_up() -> None:
    one, other = ToyCertificate(10, 9, 1, 2, 1, 1e-8), ToyCertificate(5, 5, 0, 0, 0, 1e-7)
    assert one + other == ToyCertificate(15, 14, 1, 2, 1, 1e-7)


def test_limits_of_a_model_with_nuisances_agree_at_high_counts() -> None:
    likelihood = with_nuisances()
    found = toy_limit(likelihood, ToyOptions(1_800), observed=False)
    formula = upper_limit(likelihood)
    for value, error, other in zip(found.expected, found.expected_errors, formula.expected, strict=True):
        assert value == pytest.approx(other, abs=4.0 * error + 0.03 * other)
