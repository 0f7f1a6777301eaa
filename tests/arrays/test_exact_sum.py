"""Exact sums against rational arithmetic."""

from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays import exact_sum as exact
from massgap.arrays.exact_sum import ExactSum, one_magnitude

finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
tricky = st.sampled_from(
    [
        0.0,
        -0.0,
        5e-324,
        -5e-324,
        2.2250738585072014e-308,
        1e300,
        -1e300,
        2.0**32,
        2.0**-32,
        1.0 - 2.0**-53,
        1e16,
    ]
)
terms = st.lists(st.tuples(st.integers(0, 3), st.one_of(finite, tricky)), max_size=60)


def filled(pairs, size: int = 4) -> ExactSum:
    out = ExactSum(size)
    out.fill(
        np.array([b for b, _ in pairs], dtype=np.int64), np.array([x for _, x in pairs], dtype=np.float64)
    )
    return out


def true_sums(pairs, size: int = 4) -> list[Fraction]:
    out = [Fraction(0)] * size
    for b, x in pairs:
        out[b] += Fraction(x)
    return out


def fraction_of(total: ExactSum, b: int) -> Fraction:
    """The number that the limbs hold, read without the class's own arithmetic."""
    limbs = [int(limb[b]) for limb in total.limbs]
    return sum(
        (Fraction(limb) * Fraction(2) ** (32 * (total.lowest + j) - 1088) for j, limb in enumerate(limbs)),
        Fraction(0),
    )


@given(terms)
def test_holds_the_exact_sum(pairs) -> None:
    total = filled(pairs)
    assert [fraction_of(total, b) for b in range(4)] == true_sums(pairs)


@given(terms)
def test_values_are_within_one_unit_in_the_last_place(pairs) -> None:
    for value, true in zip(filled(pairs).values(), true_sums(pairs), strict=True):
        nearest = float(true)
        assert abs(Fraction(float(value)) - true) <= Fraction(math.ulp(nearest))
        assert (value == 0.0) == (true == 0)
        assert value * true >= 0


@given(terms, st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_and_any_split_give_the_same_bits(pairs, rng, parts) -> None:
    whole = filled(pairs).values().tobytes()
    shuffled = list(pairs)
    rng.shuffle(shuffled)
    pieces = [filled(shuffled[i::parts]) for i in range(parts)]
    rng.shuffle(pieces)
    total = ExactSum(4)
    for piece in pieces:
        total += piece
    assert total.values().tobytes() == whole


@given(terms)
@settings(max_examples=40)
def test_carries_change_nothing(pairs) -> None:
    """The carry that protects against overflow of the limbs, forced to happen at nearly every step."""
    expected = true_sums(pairs)
    old = exact._CARRY_EVERY
    exact._CARRY_EVERY = 3
    try:
        total = ExactSum(4)
        for pair in pairs:
            total += filled([pair])
            assert total.terms <= 3
        assert [fraction_of(total, b) for b in range(4)] == expected
        assert total.values().tobytes() == filled(pairs).values().tobytes()
    finally:
        exact._CARRY_EVERY = old


def test_the_carry_comes_before_a_limb_can_overflow() -> None:
    # A term adds less than 2**33 to a limb, a limb holds less than 2**63.
    assert exact._CARRY_EVERY * 2**33 <= 2**63 - 2**33
    # Largest possible terms: all bits of the mantissa set, shifted to straddle limbs.
    for power in range(40):
        total = filled([(0, math.ldexp(2.0**53 - 1, power))], 1)
        assert int(np.abs(total.limbs).max()) < 2**33


def test_doubling_up_to_more_than_2_to_the_29_terms() -> None:
    x = math.ldexp(2.0**53 - 1, -57)
    total = filled([(0, x), (1, -x)], 2)
    for _ in range(40):
        total += total.copy()
    assert total.values().tolist() == [x * 2.0**40, -x * 2.0**40]


def test_cancellation_to_zero_and_to_a_rest() -> None:
    assert filled([(0, 1e300), (0, -1e300)]).values()[0] == 0.0
    assert filled([(0, 1e300), (0, 5e-324), (0, -1e300)]).values()[0] == 5e-324
    assert filled([(0, -1e16), (0, -1.0), (0, 1e16)]).values()[0] == -1.0


def test_agrees_with_fsum() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000) * 10.0 ** rng.integers(-8, 9, 20_000)
    total = ExactSum(1)
    total.fill(np.zeros(len(x), dtype=np.int64), x)
    assert abs(total.values()[0] - math.fsum(x)) <= math.ulp(math.fsum(x))


@given(terms)
@settings(max_examples=20)
def test_pickles_and_copies(pairs) -> None:
    total = filled(pairs)
    for other in (pickle.loads(pickle.dumps(total)), copy.deepcopy(total), total.copy()):
        assert (other + filled([(0, 1.0)])).values()[0] == filled([*pairs, (0, 1.0)]).values()[0]
    assert [fraction_of(total, b) for b in range(4)] == true_sums(pairs)


@given(terms, terms)
@settings(max_examples=60)
def test_trimmed_sums_are_the_same(pairs, others) -> None:
    expected = filled(pairs + others).values().tobytes()
    one, other = filled(pairs), filled(others)
    for total, rows in ((one, pairs), (other, others)):
        whole = total.values().tobytes()
        total.trim()
        assert [fraction_of(total, b) for b in range(4)] == true_sums(rows)
        assert total.values().tobytes() == whole
    one += other
    assert one.values().tobytes() == expected


@pytest.mark.parametrize(("size", "limbs"), [(1.0, 1), (-1.0, 1), (2.0**44, 2)])
def test_trimmed_sums_need_fewer_limbs_and_can_be_added_often(size, limbs) -> None:
    """Numbers in single precision next to 1 lie on both sides of a limb's end; those far above it have no room in the limb below."""
    rng = np.random.default_rng(2)
    values = size * (rng.normal(1, 0.1, 1000).astype(np.float32).astype(np.float64) + 2.0**-20)
    part = filled([(0, x) for x in values], 1)
    part.trim()
    assert len(part.limbs) == limbs
    assert part.terms <= exact._CARRY_EVERY // exact._ADDITIONS
    total, times = ExactSum(1), 2 * exact._ADDITIONS
    for _ in range(times):
        total += part
        assert int(np.abs(total.limbs).max()) <= max(total.terms, 1) * 2**33
    assert fraction_of(total, 0) == times * sum(map(Fraction, values.tolist()))


def test_adding_keeps_the_operands() -> None:
    a, b = filled([(0, 1.0)]), filled([(0, 1e-200)])
    assert (a + b).values()[0] == 1.0
    assert (a.values()[0], b.values()[0]) == (1.0, 1e-200)


def test_other_types_are_taken_as_doubles() -> None:
    total = ExactSum(2)
    total.fill(np.array([0, 1], dtype=np.int32), np.array([0.1, 3], dtype=np.float32))
    total.fill([1], [2])
    assert total.values().tolist() == [float(np.float32(0.1)), 5.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        filled([(0, 1.0), (1, bad)])


@pytest.mark.parametrize("bins", [[4], [-1], [0, 1]])
def test_refuses_bins_outside(bins) -> None:
    with pytest.raises(ValueError, match="bins"):
        ExactSum(4).fill(np.array(bins), np.array([1.0]))


def test_refuses_other_sizes() -> None:
    with pytest.raises(ValueError, match="cannot add 3 sums to 4"):
        filled([(0, 1.0)]).__iadd__(ExactSum(3))


def test_a_sum_beyond_the_largest_double_is_infinite() -> None:
    big = 1.7e308
    with np.errstate(over="ignore"):
        assert filled([(0, big), (0, big)]).values()[0] == math.inf
    assert filled([(0, big), (0, big), (0, -big)]).values()[0] == big


# ---- the same values into several sums


@st.composite
def several_fills(draw):
    values = draw(st.lists(st.one_of(finite, tricky), max_size=25))
    fills = []
    for _ in range(draw(st.integers(0, 4))):
        rows = None
        n = len(values)
        if draw(st.booleans()):
            rows = sorted(draw(st.sets(st.integers(0, n - 1)))) if n else []
            n = len(rows)
        bins = draw(st.lists(st.integers(-2, 3), min_size=n, max_size=n))
        fills.append((bins, rows))
    return values, fills


def filled_each(values, fills, size: int = 4) -> ExactSum:
    out = ExactSum(size)
    out.fill_each(
        [(np.array(b, dtype=np.int32), None if r is None else np.array(r, dtype=np.int64)) for b, r in fills],
        np.array(values, dtype=np.float64),
    )
    return out


def pairs_of(values, fills) -> list[tuple[int, float]]:
    return [
        (b, values[i])
        for bins, rows in fills
        for b, i in zip(bins, range(len(values)) if rows is None else rows, strict=True)
        if b >= 0
    ]


@given(several_fills())
@settings(max_examples=150)
def test_fill_each_is_the_rational_sum(case) -> None:
    values, fills = case
    total = filled_each(values, fills)
    expected = true_sums(pairs_of(values, fills))
    assert [fraction_of(total, b) for b in range(4)] == expected
    assert total.values().tobytes() == filled(pairs_of(values, fills)).values().tobytes()


@given(several_fills(), several_fills())
@settings(max_examples=60)
def test_fill_each_after_other_fills_and_carries(first, second) -> None:
    expected = true_sums(pairs_of(*first) + pairs_of(*second) + [(1, 1e-320), (3, -1e280)])
    old = exact._CARRY_EVERY
    exact._CARRY_EVERY = 3
    try:
        total = filled_each(*first)
        total += filled([(1, 1e-320), (3, -1e280)])
        values, fills = second
        for fill in fills:
            total += filled_each(values, [fill])
        assert [fraction_of(total, b) for b in range(4)] == expected
    finally:
        exact._CARRY_EVERY = old


def test_fill_each_of_nothing() -> None:
    assert filled_each([], []).values().tolist() == [0.0] * 4
    assert filled_each([1.0, 2.0], [([], [])]).values().tolist() == [0.0] * 4
    assert filled_each([0.0, -0.0], [([0, 1], None)]).terms == 0
    # No row at all is not the same as all rows.
    assert filled_each([1.0, 2.0], [([], []), ([3, -1], None)]).values().tolist() == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_fill_each_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        filled_each([1.0, bad], [([0, 0], None)])


@pytest.mark.parametrize(
    ("bins", "rows"), [([0, 4], None), ([0], None), ([0, 1], [1]), ([4], [0]), ([0] * 3, None)]
)
def test_fill_each_refuses_bins_outside(bins, rows) -> None:
    with pytest.raises(ValueError, match="bins must be one per value"):
        filled_each([1.0, 2.0], [([0, 0], None), (bins, rows)])


@pytest.mark.parametrize("rows", [[2], [-1], [0, 10**9]])
def test_fill_each_refuses_rows_outside(rows) -> None:
    with pytest.raises(ValueError, match="rows"):
        filled_each([1.0, 2.0], [([0] * len(rows), rows)])


@given(
    st.lists(
        st.tuples(st.integers(-1, 2), st.sampled_from([0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 0.0])), max_size=30
    ),
    st.sampled_from([0.5, 1.0, 3.0]),
)
def test_few_magnitudes(pairs, size) -> None:
    """Weights that are equal but for their signs are counted: these must not be taken for others."""
    for values in ([v for _, v in pairs], [size if v >= 0 else -size for _, v in pairs]):
        bins = np.array([b for b, _ in pairs], dtype=np.int32)
        one, other = ExactSum(3), ExactSum(3)
        one.fill_each([(bins, None)], np.array(values, dtype=np.float64))
        inside = bins >= 0
        other.fill(bins[inside], np.array(values, dtype=np.float64)[inside])
        true = [sum(v for b, v in zip(bins, values, strict=True) if b == k) for k in range(3)]
        assert one.values().tolist() == other.values().tolist() == true
        assert one_magnitude(np.array(values)) == (len({abs(v) for v in values}) <= 1 and 0.0 not in values)


@given(st.floats(1e-300, 1e300), st.integers(-1000, 1000))
def test_times(value, times) -> None:
    total = ExactSum(2)
    total.add_times(1, value, times)
    none, found = total.values().tolist()
    # Rounded once, by one unit in the last place at most.
    assert (none, found) == (0.0, pytest.approx(float(Fraction(value) * times), rel=2.3e-16, abs=0.0))
    with pytest.raises(ValueError, match="the bin must be within 0 to 1"):
        total.add_times(2, 1.0, 1)


@given(
    st.lists(st.floats(-1e150, 1e150) | st.sampled_from([0.0, 0.5, -3.0, 5e-324]), max_size=40),
    st.sampled_from([1, 13, 40]),  # also several blocks, and a part of one
)
def test_a_total_and_that_of_squares_are_exact(values, times) -> None:
    """Against fractions: also subnormal numbers, whose squares vanish, and numbers far apart."""
    sums = ExactSum(2)
    for part in (values * times, values):
        sums.fill_total(np.array(part, dtype=np.float64))
    squares = [value * value for value in values]  # rounded once, as a histogram's sum of squares takes them
    for k, numbers in enumerate((values, squares)):
        assert fraction_of(sums, k) == (times + 1) * sum(map(Fraction, numbers))


def test_squares_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="squares"):
        ExactSum(2).fill_total(np.array([1e200]))
    with pytest.raises(ValueError, match="there must be 2 sums"):
        ExactSum(3).fill_total(np.array([1.0]))
