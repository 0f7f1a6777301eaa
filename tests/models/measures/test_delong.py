"""Areas and their covariance against all pairs, DeLong's own formula, and the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.models.errors import ModelError
from massgap.models.measures.delong import delong
from massgap.models.measures.roc import auc, roc_curve


def sample(n_signal=60, n_background=90, seed=0):
    """Two correlated scores in steps, so that some are equal."""
    random = np.random.default_rng(seed)
    label = np.repeat([True, False], [n_signal, n_background])
    common = random.normal(size=len(label)) + 0.8 * label
    scores = [np.round(common + 0.5 * random.normal(size=len(label)), 1) for _ in range(2)]
    return scores, label


def pairs(score, label):
    s, b = score[label], score[~label]
    return (s[:, None] > b[None, :]) + 0.5 * (s[:, None] == b[None, :])


def test_equal_weights_give_the_formula_of_the_paper():
    """Its equations 4 and 5, with structural components by all pairs."""
    scores, label = sample()
    found = delong(scores, label, np.ones(len(label)))
    psi = [pairs(score, label) for score in scores]
    assert found.area == pytest.approx([p.mean() for p in psi])
    n, m = label.sum(), (~label).sum()
    of_signal = np.cov([p.mean(axis=1) for p in psi])
    of_background = np.cov([p.mean(axis=0) for p in psi])
    expected = of_signal * (n - 1) / n / n + of_background * (m - 1) / m / m
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9)
    difference, error = found.difference()
    assert difference == pytest.approx(psi[0].mean() - psi[1].mean())
    assert error**2 == pytest.approx(expected[0, 0] + expected[1, 1] - 2 * expected[0, 1])


def test_the_area_of_weighted_events_is_that_of_the_curve():
    scores, label = sample(seed=1)
    weight = np.random.default_rng(2).uniform(0.1, 3, len(label))
    assert delong(scores, label, weight).area[1] == pytest.approx(auc(roc_curve(scores[1], label, weight)))


def test_the_error_of_weighted_events_is_that_of_the_bootstrap():
    scores, label = sample(300, 300, seed=3)
    random = np.random.default_rng(4)
    weight = random.uniform(0.1, 3, len(label))
    found = delong(scores, label, weight)
    replicas = []
    for _ in range(600):
        drawn = weight * random.poisson(1.0, len(weight))
        areas = delong(scores, label, drawn).area
        replicas.append((areas[0], areas[0] - areas[1]))
    spread = np.std(replicas, axis=0)
    # 600 replicas know a spread to 3 %, and moves are its first order.
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(spread[0], rel=0.12)
    assert found.difference()[1] == pytest.approx(spread[1], rel=0.12)


def test_copies_are_no_new_events():
    scores, label = sample(seed=5)
    once = delong(scores, label, np.ones(len(label)))
    copies = [np.tile(score, 4) for score in scores]
    many = (copies, np.tile(label, 4), np.ones(4 * len(label)))
    grouped = delong(*many, group=np.tile(np.arange(len(label)), 4))
    np.testing.assert_allclose(grouped.covariance, once.covariance)
    np.testing.assert_allclose(delong(*many).covariance, once.covariance / 4)


def test_what_cannot_be_said_is_an_error():
    with pytest.raises(ModelError, match="background weight is 0"):
        delong([[0.1, 0.2]], [1, 1], [1.0, 1.0])
    with pytest.raises(ModelError, match="1 of 2 scores are NaN"):
        delong([[0.1, float("nan")]], [1, 0], [1.0, 1.0])
