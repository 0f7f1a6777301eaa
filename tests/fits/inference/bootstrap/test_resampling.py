from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, poisson

from massgap.fits.inference.bootstrap.resampling import resampled_bins, resampled_events


def counts(keys: np.ndarray, replicas: int, seed: int = 1) -> np.ndarray:
    """How often each event counts, shape (events, replicas)."""
    n = len(keys)
    return resampled_events(keys, np.ones(n), np.arange(n), (n, replicas), seed)[0]


def test_events_count_as_often_as_poisson_says() -> None:
    found = counts(np.arange(4000, dtype=np.uint64), 50)
    seen = np.bincount(found.ravel().astype(int), minlength=9)[:9]
    seen[8] += found.size - seen.sum()
    expected = poisson.pmf(np.arange(9), 1.0)
    expected[8] = poisson.sf(7, 1.0)
    assert chisquare(seen, found.size * expected).pvalue > 1e-3
    # Neighbouring events, and neighbouring replicas, know nothing of each other.
    for one, two in ((found[1:], found[:-1]), (found[:, 1:], found[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4.0 / np.sqrt(one.size)


def test_an_event_counts_alike_wherever_it_stands() -> None:
    random = np.random.default_rng(4)
    keys = random.integers(0, 2**64, 300, dtype=np.uint64)
    order = random.permutation(300)
    assert np.array_equal(counts(keys, 7)[order], counts(keys[order], 7))
    # More replicas are more of the same, another seed is not.
    assert np.array_equal(counts(keys, 7), counts(keys, 20)[:, :7])
    assert not np.array_equal(counts(keys, 7), counts(keys, 7, seed=2))
    assert np.array_equal(counts(np.repeat(keys, 2), 7)[::2], counts(np.repeat(keys, 2), 7)[1::2])


def test_sums_are_those_of_a_plain_loop() -> None:
    random = np.random.default_rng(5)
    keys = random.integers(0, 2**64, 200, dtype=np.uint64)
    weights, places = random.normal(0.2, 1.0, 200), random.integers(-1, 4, 200)
    sums, squares = resampled_events(keys, weights, places, (4, 3), seed=9)
    n = counts(keys, 3, seed=9)
    for place in range(4):
        inside = places == place
        assert sums[place] == pytest.approx(weights[inside] @ n[inside])
        assert squares[place] == pytest.approx(weights[inside] ** 2 @ n[inside])


def test_bins_scatter_by_their_variance() -> None:
    values = np.array([12.0, -5.0, 0.5, 0.0, 3.0, 0.1])
    variances = np.array([2.0, 0.5, 0.25, 0.0, 0.0, 1.0])
    sums, squares = resampled_bins(values, variances, 40_000, 1, "tt")
    assert sums.mean(axis=1) == pytest.approx(values, abs=4.0 * np.sqrt(2.0 / 40_000))
    assert sums.var(axis=1) == pytest.approx(variances, rel=0.04)
    assert squares.mean(axis=1) == pytest.approx(variances, rel=0.05)
    # One event of weight a half is there n times; a bin with nothing known of its events stays.
    assert set(np.unique(sums[2])) <= {0.5 * n for n in range(12)}
    assert np.array_equal(squares[2], 0.5 * sums[2])
    assert (sums[3] == 0.0).all()
    assert (sums[4] == 3.0).all()
    assert (sums[5] < 0.0).any()


def test_bins_of_other_names_are_independent() -> None:
    values = np.full(200, 9.0)
    one, two, again = (resampled_bins(values, values, 20, 1, name)[0] for name in ("tt", "WW", "tt"))
    assert np.array_equal(one, again)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4.0 / np.sqrt(one.size)
