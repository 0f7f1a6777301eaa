"""Regressions: known functions are learnt, and the order of events in a set does not matter."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.models.errors import ModelError
from massgap.models.regression import Schedule, fit_rows, fit_sets

STOPS = np.arange(1200) % 5 == 0


def test_a_smooth_function_is_learnt_and_seeds_decide():
    rng = np.random.default_rng(1)
    x = rng.normal(100.0, 20.0, (1200, 2))
    y = 300.0 + 2.0 * x[:, 0] + np.abs(x[:, 1] - 100.0)
    schedule = Schedule(epochs=80, rate=3e-3)
    network = fit_rows(x, y, STOPS, (32, 32), schedule)
    assert np.std(network(x[STOPS]) - y[STOPS]) < 0.1 * y.std()
    assert np.array_equal(network(x), fit_rows(x, y, STOPS, (32, 32), schedule)(x))
    assert min(network.losses) < 0.01


def test_the_width_of_a_distribution_is_read_off_a_set_in_any_order():
    rng = np.random.default_rng(2)
    width = rng.uniform(1.0, 3.0, 1200)
    sets = rng.normal(0.0, width[:, None, None], (1200, 60, 1))
    network = fit_sets(sets, width, STOPS, (16,), (16,), Schedule(epochs=60, rate=3e-3))
    # of 60 events the standard deviation itself is known to 9 %
    assert np.std(network(sets[STOPS]) - width[STOPS]) < 0.15 * width.mean()
    assert network(sets[:5, ::-1]) == pytest.approx(network(sets[:5]), rel=1e-4)


def test_too_few_rows():
    with pytest.raises(ModelError, match="too few"):
        fit_rows(np.ones((3, 1)), np.ones(3), np.ones(3, bool), (2,))
