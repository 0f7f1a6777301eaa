from __future__ import annotations

import numpy as np
import pytest

from massgap.models.measures.calibration import calibration
from massgap.models.measures.epoch_metrics import METRICS, Scored, merit
from massgap.models.measures.roc import auc, bootstrap_band, roc_curve


def events(n, seed=0):
    random = np.random.default_rng(seed)
    p = random.beta(1.5, 1.5, n)
    return p, (random.random(n) < p).astype(np.float32), random.uniform(0.5, 1.5, n)


def test_a_probability_lies_on_the_diagonal_within_its_uncertainty():
    pulls = []
    for seed in range(30):
        found = calibration(*events(4000, seed))
        pulls += ((np.array(found["signal"]) - found["score"]) / np.array(found["uncertainty"])).tolist()
    assert np.mean(pulls) == pytest.approx(0, abs=4 / np.sqrt(len(pulls)))
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_empty_bins_are_left_out_and_negative_weights_subtract():
    found = calibration([0.05, 0.05, 0.95], [1, 0, 0], [1.0, 2.0, -1.0])
    assert (found["score"], found["signal"]) == (pytest.approx([0.05]), pytest.approx([1 / 3]))


def test_the_band_is_as_wide_as_the_spread_of_independent_samples():
    areas = [auc(roc_curve(*events(3000, seed))) for seed in range(60)]
    band = bootstrap_band(*events(3000, 99), n_replicas=200)
    width = (band["auc_high"][0] - band["auc_low"][0]) / 2
    assert width == pytest.approx(np.std(areas), rel=0.3)
    roc = roc_curve(*events(3000, 99))
    middle = np.interp(band["tpr"], roc.tpr, roc.fpr)
    inside = (np.array(band["low"]) <= middle + 1e-3) & (middle - 1e-3 <= np.array(band["high"]))
    assert inside.mean() > 0.9
    assert bootstrap_band([0.1, 0.9], [0, 1], [1.0, 1.0], n_replicas=50) == {}


def test_metrics_agree_with_scikit_learn():
    from sklearn import metrics

    p, y, w = events(2000)
    p = p.round(2)  # with ties
    called = p > 0.5
    expected = {
        "logloss": -metrics.log_loss(y, np.clip(p, 1e-16, 1 - 1e-16), sample_weight=w),
        "auc": metrics.roc_auc_score(y, p, sample_weight=w),
        "auprc": metrics.average_precision_score(y, p, sample_weight=w),
        "precision": metrics.precision_score(y, called, sample_weight=w),
        "recall": metrics.recall_score(y, called, sample_weight=w),
        "f_beta": metrics.fbeta_score(y, called, beta=2, sample_weight=w),
        "accuracy": metrics.accuracy_score(y, called, sample_weight=w),
    }
    scored = Scored(p, y, w, beta=2.0)
    assert {name: metric(scored) for name, metric in METRICS.items()} == pytest.approx(expected, rel=1e-9)
    assert merit("f_beta+auc+precision+auprc", scored) == pytest.approx(
        np.mean([expected[name] for name in ("f_beta", "auc", "precision", "auprc")])
    )
    assert (
        METRICS["f_beta"](Scored(np.zeros(2000), y, w))
        == METRICS["precision"](Scored(np.zeros(2000), y, w))
        == 0
    )


def test_copies_of_an_event_are_kept_or_lost_together():
    """Nine copies of each event have the band of the events, not one of a third of its width."""
    score, label, weight = (np.asarray(x) for x in events(3000, 98))
    copies = [np.repeat(x, 9) for x in (score, label, weight / 9)]

    def width(band):
        return band["auc_high"][0] - band["auc_low"][0]

    one = width(bootstrap_band(score, label, weight, n_replicas=200))
    together = width(bootstrap_band(*copies, group=np.repeat(np.arange(3000), 9), n_replicas=200))
    assert together == pytest.approx(one, rel=0.25)
    assert width(bootstrap_band(*copies, n_replicas=200)) < 0.5 * one


def test_copies_of_an_event_err_together_in_a_calibration():
    p, y, w = events(1000)
    single = calibration(p, y, w)
    nine = [np.repeat(values, 9) for values in (p, y, w / 9)]
    together = calibration(*nine, group=np.repeat(np.arange(1000), 9))
    for name in ("score", "signal", "uncertainty"):
        np.testing.assert_allclose(together[name], single[name], rtol=1e-9)
    apart = calibration(*nine)
    np.testing.assert_allclose(apart["uncertainty"], np.array(single["uncertainty"]) / 3, rtol=1e-9)
