"""Confidence belts: against the closed form of a Gaussian, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.fits.counting.neyman import Belt, confidence_belt
from massgap.fits.errors import FitError


def belt_of(rng, true, n=20_000):
    return confidence_belt(true, [rng.normal(2.0 * value + 1.0, 1.0 + 0.1 * value, n) for value in true])


def test_belt_of_a_gaussian_whose_mean_and_width_move():
    rng = np.random.default_rng(1)
    true = np.linspace(0.0, 10.0, 11)
    belt = belt_of(rng, true)
    assert belt.middle == pytest.approx(2.0 * true + 1.0, abs=0.05)
    low, high = belt.intervals(11.0)[0]
    # 2 m + 1 +- (1 + 0.1 m) = 11
    assert [low, high] == pytest.approx([9.0 / 2.1, 11.0 / 1.9], abs=0.06)
    share, error = belt.coverage(4.3, rng.normal(9.6, 1.43, 20_000))
    assert share == pytest.approx(0.6827, abs=4 * error + 0.005)
    # of the estimates, and of the belt's own, 0.7 of one true value's and 0.3 of another's
    assert error == pytest.approx(np.sqrt(0.6827 * 0.3173 * (1.0 + 0.49 + 0.09) / 20_000), rel=0.05)


def test_coverage_is_the_share_of_intervals_that_hold_the_true_value():
    rng = np.random.default_rng(2)
    belt = belt_of(rng, np.linspace(0.0, 10.0, 6))
    values = rng.normal(9.0, 1.4, 500)
    intervals = belt.intervals(values)
    inside = (intervals[:, 0] <= 4.0) & (intervals[:, 1] >= 4.0)
    assert belt.coverage(4.0, values)[0] == pytest.approx(inside.mean(), abs=0.01)
    assert np.isnan(belt.intervals(1e3)).all()


def test_the_error_of_a_coverage_is_its_scatter_over_belts():
    rng, found = np.random.default_rng(3), []
    for _ in range(200):
        belt = belt_of(rng, np.linspace(0.0, 10.0, 6), n=100)
        found.append(belt.coverage(5.0, rng.normal(11.0, 1.5, 400)))
    shares, errors = np.array(found).T
    assert shares.std() == pytest.approx(errors.mean(), rel=0.25)


def test_an_interval_over_edges_that_fall_for_a_while_is_counted_as_it_is_told():
    edges = np.array([0.0, 2.0, 1.0, 3.0])
    belt = Belt(np.arange(4.0), edges, edges + 0.4, edges + 0.8, 0.68, np.full(4, 100.0))
    low, high = belt.intervals(1.9)[0]
    assert low < 1.0 < high
    assert belt.coverage(1.0, [1.9])[0] == 1.0


@pytest.mark.parametrize(
    ("true", "estimates", "said"),
    [
        ([1.0], [[1.0]], "two true values"),
        ([1.0, 0.0], [[1.0], [1.0]], "rising"),
        ([0.0, 1.0], [[1.0], [np.nan]], "true value 1"),
    ],
)
def test_belts_that_cannot_be(true, estimates, said):
    with pytest.raises(FitError, match=said):
        confidence_belt(true, estimates)
    with pytest.raises(FitError, match="between 0 and 1"):
        confidence_belt([0.0, 1.0], [[1.0], [1.0]], level=1.0)
    with pytest.raises(FitError, match="outside"):
        confidence_belt([0.0, 1.0], [[1.0], [1.0]]).coverage(2.0, [1.0])
