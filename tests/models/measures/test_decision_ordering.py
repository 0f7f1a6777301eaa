from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.models.errors import ModelError
from massgap.models.measures.decision_ordering import decision_ordering

few = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1.0, 1e-300, 3.0, np.inf])
events = st.lists(st.tuples(few, few), min_size=1, max_size=12)


def by_all_pairs(a, b):
    """Comparisons instead of the product, which underflows for 1e-300 and is undefined for infinities."""
    total = Fraction(0)
    for f, g in a:
        for f_other, g_other in b:
            sign = ((f > f_other) - (f < f_other)) * ((g > g_other) - (g < g_other))
            total += Fraction(1 + sign, 2)
    return total / (len(a) * len(b))


@given(a=events, b=events)
def test_exact_against_all_pairs(a, b):
    result = decision_ordering(*np.array(a).T, *np.array(b).T)
    exact = by_all_pairs(a, b)
    assert result.ado == float(exact)
    assert result.symmetric == float(max(exact, 1 - exact))


@given(a=events, b=events)
def test_symmetries(a, b):
    (f_a, g_a), (f_b, g_b) = np.array(a).T, np.array(b).T
    result = decision_ordering(f_a, g_a, f_b, g_b)
    assert decision_ordering(g_a, f_a, g_b, f_b) == result
    assert decision_ordering(f_b, g_b, f_a, g_a) == result
    mirrored = decision_ordering(f_a, -g_a, f_b, -g_b)
    assert mirrored.ado == pytest.approx(1 - result.ado, abs=1e-15)
    assert mirrored.symmetric == result.symmetric
    assert decision_ordering(np.arctan(f_a), g_a, np.arctan(f_b), g_b).ado == pytest.approx(result.ado, abs=0)


def test_large_classes_are_counted_exactly():
    n = 200_000
    rng = np.random.default_rng(2)
    f = rng.permutation(2 * n).astype(float)
    assert decision_ordering(f[:n], f[:n], f[n:], f[n:]) == (1.0, 1.0)
    assert decision_ordering(f[:n], -f[:n], f[n:], -f[n:]) == (0.0, 1.0)
    assert decision_ordering(f[:n], np.ones(n), f[n:], np.ones(n)) == (0.5, 0.5)
    # exchange g of two neighbours in f, one of each class: one pair of 4e10 is in the wrong order
    order = np.argsort(f)
    first = np.flatnonzero((order[:-1] < n) != (order[1:] < n))[0]
    pair = order[[first, first + 1]]
    g = f.copy()
    g[pair] = f[pair[::-1]]
    assert decision_ordering(f[:n], g[:n], f[n:], g[n:]).ado == float(1 - Fraction(1, n * n))


def test_undefined():
    for arguments in (
        ([], [], [1.0], [1.0]),
        ([1.0], [1.0], [], []),
        ([np.nan], [1.0], [1.0], [1.0]),
        ([1.0], [1.0], [1.0], [np.nan]),
    ):
        assert np.isnan(decision_ordering(*arguments)).all()


def test_arrays_that_do_not_fit():
    with pytest.raises(ModelError, match="Class B"):
        decision_ordering([1.0], [1.0], [1.0, 2.0], [1.0])
    with pytest.raises(ModelError, match="Class A"):
        decision_ordering(np.ones((2, 2)), np.ones((2, 2)), [1.0], [1.0])
