"""Pairs, nearest neighbours and sums in cones equal plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from massgap.samples.detector.cones import cone_sums, delta_phi, nearest, pairs


def some(rng, n, n_events):
    return np.sort(rng.integers(0, n_events, n)), rng.normal(size=n), rng.uniform(-np.pi, np.pi, n)


def distance(eta, phi, eta2, phi2):
    return math.hypot(eta - eta2, math.remainder(phi - phi2, 2 * math.pi))


def test_pairs_equal_a_loop():
    rng = np.random.default_rng(5)
    left, right = np.sort(rng.integers(0, 7, 12)), np.sort(rng.integers(0, 7, 9))
    expected = [(i, j) for i in range(12) for j in range(9) if left[i] == right[j]]
    assert list(zip(*map(list, pairs(left, right, 7)), strict=True)) == expected


def test_delta_phi_is_the_short_way_round():
    assert delta_phi(np.array([3.0, -3.0, 0.5]), np.array([-3.0, 3.0, 0.2])) == pytest.approx(
        [6.0 - 2 * math.pi, 2 * math.pi - 6.0, 0.3]
    )


def test_nearest_equals_a_loop():
    rng = np.random.default_rng(6)
    event, eta, phi = some(rng, 10, 4)
    other, eta2, phi2 = some(rng, 6, 4)
    row, found = nearest(event, eta, phi, other, eta2, phi2, 4)
    for i in range(10):
        near = {j: distance(eta[i], phi[i], eta2[j], phi2[j]) for j in range(6) if other[j] == event[i]}
        best = min(near, key=near.__getitem__, default=-1)
        assert row[i] == best
        assert found[i] == pytest.approx(near.get(best, math.inf))


def test_cone_sums_equal_a_loop():
    rng = np.random.default_rng(7)
    event, eta, phi = some(rng, 60, 5)
    value = rng.exponential(5.0, 60)
    centre = np.sort(rng.choice(60, 20, replace=False))
    others = np.sort(rng.choice(60, 50, replace=False))
    found = cone_sums(
        event[centre],
        eta[centre],
        phi[centre],
        centre,
        (event[others], eta[others], phi[others], others, value[others]),
        5,
        (0.4, 1.0),
    )
    for radius, sums in zip((0.4, 1.0), found, strict=True):
        expected = [
            sum(
                value[j]
                for j in others
                if j != i and event[j] == event[i] and distance(eta[i], phi[i], eta[j], phi[j]) < radius
            )
            for i in centre
        ]
        assert sums == pytest.approx(expected)
        assert max(expected) > 0
