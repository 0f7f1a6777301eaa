"""Truncated weights: what they keep, what they cut, and that they come to the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.models.conditioning.truncation import truncated_weights


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 4))
def test_signs_stay_and_no_weight_is_above_its_bound(weights, groups) -> None:
    w = np.array(weights)
    group = np.arange(len(w)) % groups - 1  # the first group is none
    found = truncated_weights(w, group)
    assert (np.sign(found) * np.sign(w) >= 0).all()
    for k in range(-1, groups - 1):
        mine, before = np.abs(found[group == k]), np.abs(w[group == k])
        if k < 0:
            assert (mine == before).all()
        elif len(before):
            bound = before.mean() * np.sqrt(len(before))
            assert (mine <= bound * (1 + 1e-12) + 1e-300).all()
            assert mine[before <= bound] == pytest.approx(before[before <= bound])


def test_equal_weights_are_left_alone() -> None:
    assert (truncated_weights(np.full(7, 0.3), np.zeros(7, int)) == 0.3).all()


def test_a_quantile_of_events_of_which_one_is_heavy_is_nearer_to_the_truth() -> None:
    # Each sample: 200 events of weight 1, and on average half an event of weight 100, of another distribution.
    rng = np.random.default_rng(3)
    plain, cut = [], []
    for _ in range(400):
        n_heavy = rng.poisson(0.5)
        x = np.concatenate([rng.uniform(size=200), rng.uniform(size=n_heavy)])
        w = np.concatenate([np.ones(200), np.full(n_heavy, 100.0)])
        light = truncated_weights(w, np.zeros(len(w), int))
        for out, weight in ((plain, w), (cut, light)):
            order = np.argsort(x)
            share = np.cumsum(weight[order]) / weight.sum()
            out.append(x[order][np.searchsorted(share, 0.9)])
    ratio = np.mean((np.array(cut) - 0.9) ** 2) / np.mean((np.array(plain) - 0.9) ** 2)
    assert ratio < 0.6, ratio
