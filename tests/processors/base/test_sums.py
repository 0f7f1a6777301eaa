"""Histograms of all variations in one array of exact sums."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays import exact_sum as exact
from massgap.processors.base.sums import HistogramSums
from massgap.processors.errors import ProcessorError
from massgap.runner.checkpoints.encoding import load, save

NAMES, BINS = ("nominal", "up", "down"), 3
events = st.lists(
    st.tuples(st.integers(-1, BINS - 1), st.floats(-1e9, 1e9), st.sampled_from(NAMES)), max_size=40
)


def sums_of(rows) -> HistogramSums:
    out = HistogramSums(NAMES, BINS)
    for bin_, weight, name in rows:
        out.fill(name, [(np.array([bin_], dtype=np.int32), None)], np.array([weight]))
    out.finish()
    return out


def truth(rows, name) -> tuple[list[Fraction], list[Fraction]]:
    first, second = [Fraction(0)] * BINS, [Fraction(0)] * BINS
    for bin_, weight, where in rows:
        if where == name and bin_ >= 0:
            first[bin_] += Fraction(weight)
            second[bin_] += Fraction(weight * weight)
    return first, second


def check(found, true) -> None:
    """Within one unit in the last place, as exact sums promise."""
    for value, exactly in zip(found, true, strict=True):
        assert abs(Fraction(float(value)) - exactly) <= Fraction(math.ulp(float(exactly)))


@given(events, events)
@settings(max_examples=60)
def test_sums_of_each_variation(one, other) -> None:
    total = sums_of(one)
    total += sums_of(other)
    for name in NAMES:
        for found, true in zip(total.values(name), truth(one + other, name), strict=True):
            check(found, true)


def test_carrying_keeps_the_sums_of_all_variations(monkeypatch) -> None:
    """Terms are counted for each part by itself; a carry in one concerns all."""
    monkeypatch.setattr(exact, "_CARRY_EVERY", 7)
    rows = [(k % BINS, (-1.7) ** (k % 11), NAMES[(k * k) % 3]) for k in range(60)]
    total = sums_of(rows)
    total += sums_of(rows[::-1])
    for name in NAMES:
        for found, true in zip(total.values(name), truth(rows + rows, name), strict=True):
            check(found, true)


def test_many_variations_do_not_carry_more_often() -> None:
    sums = HistogramSums(tuple(f"v{i}" for i in range(50)), 4)
    bins, weights = np.arange(1000, dtype=np.int32) % 4, np.linspace(0.5, 2.0, 1000)
    for name in sums:
        sums.fill(name, [(bins, None)], weights)
    assert sums.sums.terms == 1000


def test_stored_and_read_again(tmp_path) -> None:
    sums = sums_of([(0, 1.5, "nominal"), (2, -0.1, "up")])
    save(tmp_path / "sums.npz", {"sums": sums})
    again = load(tmp_path / "sums.npz")["sums"]
    assert again.matches(sums)
    for name in NAMES:
        for a, b in zip(again.values(name), sums.values(name), strict=True):
            assert a.tobytes() == b.tobytes()


def test_a_copy_is_independent() -> None:
    sums = sums_of([(0, 1.5, "nominal")])
    other = sums.copy()
    other += sums
    assert sums.values("nominal")[0].tolist() == [1.5, 0.0, 0.0]
    assert other.values("nominal")[0].tolist() == [3.0, 0.0, 0.0]


def test_different_ones_are_not_added() -> None:
    sums = HistogramSums(("nominal",), 3)
    for other in (HistogramSums(("nominal", "up"), 3), HistogramSums(("nominal",), 4)):
        with pytest.raises(ProcessorError, match="different variations or bins"):
            sums += other


WEIGHTS = {
    "two sizes": lambda rng, n: rng.choice([0.5, -3.0], n),
    "single precision": lambda rng, n: rng.normal(1, 0.1, n).astype(np.float32).astype(np.float64),
    "double precision": lambda rng, n: rng.normal(1, 0.1, n),
    "some sizes": lambda rng, n: rng.normal(1, 0.1, n) * 10.0 ** rng.integers(-9, 9, n),
    "all sizes": lambda rng, n: rng.normal(1, 0.1, n) * 10.0 ** rng.integers(-140, 140, n),
    "squares below the smallest number": lambda rng, n: rng.normal(1, 0.1, n) * 1e-170,
    "one magnitude": lambda rng, n: rng.choice([-0.7, 0.7], n),
    "zeros": lambda rng, n: np.zeros(n),
    "some zeros": lambda rng, n: rng.choice([0.0, 1.5, -0.1], n),
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("carry", [50, 1 << 29])
def test_many_events_at_once(kind, carry, monkeypatch) -> None:
    """Against fractions: several fills, of all events and of some, with several lines of bins and without a bin for some."""
    monkeypatch.setattr(exact, "_CARRY_EVERY", carry)
    rng = np.random.default_rng(len(kind))
    n = 40
    out = HistogramSums(NAMES, BINS)
    expected: dict[str, list[tuple[int, float]]] = {name: [] for name in NAMES}
    for turn in range(4):
        name, weights = NAMES[turn % 2 + 1], WEIGHTS[kind](rng, n)
        rows = np.flatnonzero(rng.random(n) < 0.6)
        some = rng.integers(-1, BINS, (3, len(rows))).astype(np.int32)
        every = rng.integers(-1, BINS, n).astype(np.int32)
        nothing = np.empty((2, 0), np.int32), np.empty(0, np.int64)
        out.fill(name, [(some, rows), (every, None), nothing], weights)
        expected[name] += [(b, weights[i]) for line in some for b, i in zip(line, rows, strict=True)]
        expected[name] += list(zip(every, weights, strict=True))
    out.finish()
    for name in NAMES:
        true = truth([(int(b), float(w), name) for b, w in expected[name]], name)
        for found, exactly in zip(out.values(name), true, strict=True):
            check(found, exactly)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_weights_and_squares_must_be_finite(bad) -> None:
    weights = np.array([1.0, 2.0, bad])
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="must be finite"):
        HistogramSums(("nominal",), 3).fill("nominal", [(np.array([0, 1, 2], np.int32), None)], weights)


@pytest.mark.parametrize("bins", [[0, 3], [0, 99]])
def test_bins_of_another_part_are_refused(bins) -> None:
    with pytest.raises(ValueError, match="within 0 to 2"):
        HistogramSums(NAMES, 3).fill("up", [(np.array(bins, np.int32), None)], np.array([1.0, 2.0]))
