"""Random numbers by event and object: distributions, independence, and that nothing else moves them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from massgap.samples.detector.draws import EventRandom

N = 200_000


def columns(n_events, per_event):
    return np.repeat(np.arange(n_events), per_event)


def test_uniform_numbers_are_flat():
    u = EventRandom(1).objects("particle", columns(N // 50, 50)).uniform("a")
    assert ((u > 0) & (u < 1)).all()
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    assert len(np.unique(u)) == N


def test_normal_numbers_are_gaussian():
    g = EventRandom(2).objects("particle", columns(N // 50, 50)).normal("a")
    assert stats.kstest(g, "norm").pvalue > 1e-4
    assert stats.kurtosis(g) == pytest.approx(0.0, abs=5 * np.sqrt(24 / N))


@pytest.mark.parametrize("what", ["purpose", "kind", "seed", "event", "place", "next seed"])
def test_numbers_that_differ_in_one_ingredient_are_independent(what):
    event = columns(N // 50, 50)
    first = EventRandom(3).objects("particle", event).uniform("a")
    second = {
        "purpose": lambda: EventRandom(3).objects("particle", event).uniform("b"),
        "kind": lambda: EventRandom(3).objects("jet", event).uniform("a"),
        "seed": lambda: EventRandom(3 + 2**40).objects("particle", event).uniform("a"),
        "next seed": lambda: EventRandom(4).objects("particle", event).uniform("a"),
        "event": lambda: np.roll(first, 50),
        "place": lambda: np.roll(first, 1),
    }[what]()
    assert not (first == second).any()
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(N)
    table, _, _ = np.histogram2d(first, second, bins=16)
    assert stats.chisquare(table.ravel()).pvalue > 1e-4


def test_numbers_of_an_event_do_not_depend_on_the_others():
    event = np.array([0, 0, 2, 2, 2, 3])
    whole = EventRandom(9, first_event=10).objects("jet", event).uniform("x")
    alone = EventRandom(9, first_event=12).objects("jet", np.array([0, 0, 0])).uniform("x")
    assert whole[2:5].tolist() == alone.tolist()
    assert EventRandom(9, 10).events(4).normal("met")[2] == EventRandom(9, 12).events(1).normal("met")[0]


def test_taking_rows_keeps_their_numbers():
    draws = EventRandom(1).objects("jet", np.array([0, 0, 1]))
    assert draws.take(np.array([2, 0])).uniform("x").tolist() == draws.uniform("x")[[2, 0]].tolist()
    assert not len(EventRandom(1).objects("jet", np.zeros(0, np.int64)).normal("x"))


def test_a_generator_counts_by_its_seed_only():
    used = np.random.default_rng(5)
    used.random(100)
    fresh = EventRandom.from_generator(np.random.default_rng(5), 3)
    assert EventRandom.from_generator(used, 3).seed == fresh.seed
    assert EventRandom.from_generator(np.random.default_rng(6), 3).seed != fresh.seed
