from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.models.errors import ModelError
from massgap.models.measures.roc import auc, logloss, roc_curve, thin


def auc_by_pairs(score, label, weight):
    """P(signal above background) + P(equal) / 2, pair by pair."""
    total = won = 0.0
    for s, ws in zip(score[label], weight[label], strict=True):
        for b, wb in zip(score[~label], weight[~label], strict=True):
            total += ws * wb
            won += ws * wb * (1.0 if s > b else 0.5 if s == b else 0.0)
    return won / total


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from([2, 5, 1000]))
def test_auc_is_the_probability_of_the_right_order(seed, n, levels):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, levels, n) / levels  # few levels: many ties
    label = rng.random(n) < 0.5
    label[:2] = [True, False]
    weight = 10.0 ** rng.uniform(-6, 2, n)
    assert auc(roc_curve(score, label, weight)) == pytest.approx(
        auc_by_pairs(score, label, weight), rel=1e-12
    )


def test_signed_weights():
    rng = np.random.default_rng(1)
    score, label = rng.random(60), rng.random(60) < 0.5
    weight = np.where(rng.random(60) < 0.1, -1.0, 1.0)
    assert auc(roc_curve(score, label, weight)) == pytest.approx(auc_by_pairs(score, label, weight))


def test_curve_points_are_efficiencies_above_a_threshold():
    score = np.array([0.9, 0.8, 0.8, 0.3, 0.1])
    label = np.array([1, 0, 1, 1, 0], dtype=bool)
    weight = np.array([2.0, 1.0, 1.0, 1.0, 3.0])
    roc = roc_curve(score, label, weight)
    assert roc.tpr.tolist() == [0, 0.5, 0.75, 1, 1]
    assert roc.fpr.tolist() == [0, 0, 0.25, 0.25, 1]


@pytest.mark.parametrize("n", [3, 199, 200, 201, 5000])
def test_thinned_curve_keeps_ends_and_shape(n):
    rng = np.random.default_rng(n)
    label = np.arange(n) % 2 == 0
    score = rng.normal(label * 2.0, 1)
    full = roc_curve(score, label, np.ones(n))
    few = thin(full)
    assert len(few.fpr) <= 200
    assert (few.fpr[0], few.tpr[0], few.fpr[-1], few.tpr[-1]) == (0, 0, 1, 1)
    assert auc(few) == pytest.approx(auc(full), abs=2e-3)


def test_logloss_by_hand():
    value = logloss([0.8, 0.4], [1, 0], [3.0, 1.0])
    assert value == pytest.approx(-(3 * np.log(0.8) + np.log(0.6)) / 4)
    assert np.isfinite(logloss([1.0, 1.0], [1, 0], [1.0, 1.0]))


def test_a_class_without_weight_is_named():
    with pytest.raises(ModelError, match="total background weight is 0"):
        roc_curve([0.1, 0.2], [1, 1], [1.0, 1.0])
    with pytest.raises(ModelError, match="1 of 2 scores are NaN"):
        roc_curve([np.nan, 0.2], [1, 0], [1.0, 1.0])
