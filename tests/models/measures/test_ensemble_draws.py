"""Ensembles of drawn events and their best threshold: against closed forms, and against single ensembles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from massgap.models.errors import ModelError
from massgap.models.measures.ensemble_draws import Part, best_threshold, ensemble_logits
from massgap.models.measures.ensembles import ensemble_score


def test_mean_and_variance_are_those_of_a_compound_poisson():
    rng = np.random.default_rng(1)
    signal, background = rng.normal(0.3, 0.5, 5000), rng.normal(-0.2, 1.0, 4000)
    n = 20_000
    found = ensemble_logits([Part(signal, 40.0), Part(background, 7.0)], n, seed=3)
    mean = 40.0 * signal.mean() + 7.0 * background.mean()
    variance = 40.0 * (signal**2).mean() + 7.0 * (background**2).mean()
    assert abs(found.mean() - mean) < 4.0 * np.sqrt(variance / n)
    assert found.var() == pytest.approx(variance, rel=0.05)


def test_weights_decide_what_is_drawn():
    logit, weight = np.array([1.0, 5.0, 100.0]), np.array([3.0, 1.0, 0.0])
    found = ensemble_logits([Part(logit, 1.0, weight)], 40_000, fixed=True)
    assert set(found) == {1.0, 5.0}
    assert abs((found == 5.0).mean() - 0.25) < 4.0 * np.sqrt(0.25 * 0.75 / 40_000)


def test_the_logit_is_that_of_the_product_rule():
    logit = 0.37
    found = ensemble_logits([Part([logit], 12.0)], 1, fixed=True)
    assert expit(found[0]) == pytest.approx(float(ensemble_score(np.full(12, expit(logit))).score), abs=1e-12)


def test_same_seed_same_ensembles():
    parts = [Part(np.arange(10.0), 3.0)]
    assert np.array_equal(ensemble_logits(parts, 50, seed=4), ensemble_logits(parts, 50, seed=4))
    assert not np.array_equal(ensemble_logits(parts, 50, seed=4), ensemble_logits(parts, 50, seed=5))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([], "empty"),
        ([Part([1.0], 0.0)], "empty"),
        ([Part([1.0], -1.0), Part([1.0], 3.0)], "empty"),
        ([Part([], 3.0)], "at least one"),
        ([Part([np.inf], 3.0)], "finite"),
        ([Part([1.0], 3.0, [0.0])], "not all of them 0"),
    ],
)
def test_impossible_ensembles_are_refused_in_a_sentence(parts, words):
    with pytest.raises(ModelError, match=words):
        ensemble_logits(parts, 10)


def test_best_threshold_of_two_normal_distributions():
    rng = np.random.default_rng(2)
    found = best_threshold(rng.normal(1.0, 1.0, 100_000), rng.normal(-1.0, 1.0, 100_000))
    assert abs(found.threshold) < 0.1
    assert found.accuracy == pytest.approx(norm.cdf(1.0), abs=0.003)


def test_best_threshold_against_trying_all():
    rng = np.random.default_rng(3)
    first, second = rng.integers(2, 9, 30).astype(float), rng.integers(0, 6, 20).astype(float)
    found = best_threshold(first, second)
    tried = [0.5 * ((first > t).mean() + (second <= t).mean()) for t in np.arange(-1.0, 10.0, 0.25)]
    assert found.accuracy == pytest.approx(max(tried), abs=1e-12)
    assert found.of_first == pytest.approx((first > found.threshold).mean(), abs=1e-12)


def test_threshold_without_a_kind_is_refused():
    with pytest.raises(ModelError, match="both kinds"):
        best_threshold([], [1.0])
