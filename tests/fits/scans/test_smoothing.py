from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.fits.scans.smoothing import smooth_cumulative


def test_an_exponential_stays_what_it_is() -> None:
    x = np.linspace(0.0, 0.99, 100)
    y = 7.0 * np.exp(-5.0 * x)
    assert smooth_cumulative(x, y, np.full(100, 50.0), 0.03) == pytest.approx(y, rel=1e-10)


def test_steps_are_smoothed() -> None:
    rng = np.random.default_rng(2)
    score = rng.beta(2.0, 3.0, 3000)
    x = np.linspace(0.0, 1.0, 401)[:-1]
    y = np.array([(score >= t).sum() for t in x], dtype=float)
    smooth = smooth_cumulative(x, y, y, 0.02)
    truth = 3000.0 * np.array([1 - t**2 * (6 - 8 * t + 3 * t * t) for t in x])  # 1 - I_x(2, 3)
    inner = truth > 30.0
    assert np.all(np.abs(smooth[inner] - truth[inner]) < 4.5 * np.sqrt(truth[inner]))
    rough = np.abs(np.diff(np.log(y[inner]), 2)).sum()
    assert np.abs(np.diff(np.log(smooth[inner]), 2)).sum() < 0.3 * rough


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 10.0), min_size=2, max_size=60), st.floats(0.01, 0.3))
def test_falling_and_only_where_events_are(content: list[float], bandwidth: float) -> None:
    values = np.array(content)
    y = np.cumsum(values[::-1])[::-1]
    smooth = smooth_cumulative(np.linspace(0, 1, y.size), y, y, bandwidth)
    filled = y > 0.0
    assert np.all(np.isnan(smooth[~filled]))
    assert np.all(np.isfinite(smooth[filled]))
    assert np.all(np.diff(smooth[filled]) <= 1e-9 * y.max())


def test_nothing_at_all() -> None:
    assert np.isnan(smooth_cumulative(np.arange(3.0), np.zeros(3), np.zeros(3), 0.1)).all()
