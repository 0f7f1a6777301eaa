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
