"""Mean masks: of two folds with different numbers of networks, weighted, by class."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.models.measures.attention import mean_attention


def masks(network, x):
    """Two decisions over three features that depend on the network and the event; a decision's number is x itself."""
    first = np.stack([x[:, 0], 1 - x[:, 0], np.zeros(len(x))], axis=1)
    second = np.full((len(x), 3), [network, 0.0, 1 - network])
    return np.stack([first, second]), np.stack([x[:, 1], 3 * x[:, 1]])


def fold(n, seed):
    random = np.random.default_rng(seed)
    label = np.arange(n) % 3 == 0
    return random.random((n, 2)), label.astype(float), random.normal(size=n)


def test_against_a_plain_loop():
    folds = [((0.2, 0.6), fold(70, 1)), ((0.5,), fold(40, 2))]
    steps = mean_attention(masks, folds)
    total, norm = (
        {"signal": np.zeros((2, 3)), "background": np.zeros((2, 3))},
        {"signal": 0.0, "background": 0.0},
    )
    for networks, (x, label, weight) in folds:
        for network in networks:
            found, _ = masks(network, x)
            for i, one in enumerate(label):
                kind = "signal" if one else "background"
                total[kind] += abs(weight[i]) * found[:, i]
                norm[kind] += abs(weight[i])
    assert [step["share"] for step in steps] == pytest.approx([0.25, 0.75])
    for number, step in enumerate(steps):
        for kind in ("signal", "background"):
            assert step[kind] == pytest.approx(total[kind][number] / norm[kind])
            assert sum(step[kind]) == pytest.approx(1)


def test_nothing_to_say_of_one_class_or_no_fold():
    x, _, weight = fold(10, 1)
    assert mean_attention(masks, [((0.5,), (x, np.ones(10), weight))]) == []
    assert mean_attention(masks, []) == []
