"""Decision ordering on disagreeing pairs, against plain loops in Python."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.models.errors import ModelError
from massgap.models.measures.decision_ordering import decision_ordering
from massgap.models.measures.disagreement import ordering_on_disagreement


def by_loops(reference, now, candidate):
    pairs = alike = 0.0
    for r, f, c in zip(reference[0], now[0], candidate[0], strict=True):
        for r2, f2, c2 in zip(reference[1], now[1], candidate[1], strict=True):
            if r == r2 or np.sign(r - r2) == np.sign(f - f2):
                continue
            pairs += 1
            alike += 0.5 if c == c2 else float(np.sign(c - c2) == np.sign(r - r2))
    return pairs, alike / pairs


def pairs_of(rng, levels):
    """Values of both classes, with many ties."""
    return tuple(rng.integers(0, levels, size).astype(float) for size in (40, 30))


@pytest.mark.parametrize("levels", [3, 1000])
def test_agrees_with_plain_loops(levels):
    rng = np.random.default_rng(levels)
    reference, now, first, second = (pairs_of(rng, levels) for _ in range(4))
    found = ordering_on_disagreement(reference, now, {"first": first, "second": second})
    for name, candidate in (("first", first), ("second", second)):
        pairs, ado = by_loops(reference, now, candidate)
        assert found.pairs == pairs
        assert found.orderings[name].ado == pytest.approx(ado, abs=1e-12)
        assert found.orderings[name].symmetric == pytest.approx(max(ado, 1 - ado), abs=1e-12)


def test_a_constant_disagrees_everywhere():
    rng = np.random.default_rng(5)
    reference, candidate = pairs_of(rng, 10**6), pairs_of(rng, 10**6)
    found = ordering_on_disagreement(reference, (np.zeros(40), np.zeros(30)), {"x": candidate})
    assert found.share == 1.0
    whole = decision_ordering(reference[0], candidate[0], reference[1], candidate[1])
    assert found.orderings["x"].ado == pytest.approx(whole.ado, abs=1e-12)


def test_nothing_is_left_where_all_agree():
    reference = ([1.0, 2.0], [0.5, 3.0])
    found = ordering_on_disagreement(reference, reference, {"x": reference})
    assert found.pairs == 0
    assert np.isnan(found.orderings["x"].ado)


@pytest.mark.parametrize("bad", [[1.0], [1.0, np.nan]])
def test_bad_input_is_named(bad):
    good = ([1.0, 2.0], [0.0])
    with pytest.raises(ModelError, match="Class A: x must have 2 numbers"):
        ordering_on_disagreement(good, good, {"x": (bad, [0.0])})
