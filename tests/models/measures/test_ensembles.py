from __future__ import annotations

import awkward as ak
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.models.errors import ModelError
from massgap.models.measures.ensembles import ensemble_score

probabilities = st.floats(1e-300, 1.0, exclude_max=True)


@given(y=st.lists(probabilities, min_size=1, max_size=20))
def test_products_in_700_digits(y):
    with mpmath.workdps(700):
        inside, outside = mpmath.mpf(1), mpmath.mpf(1)
        for value in y:
            inside *= mpmath.mpf(value)
            outside *= 1 - mpmath.mpf(value)
        logits = [mpmath.log(mpmath.mpf(value) / (1 - mpmath.mpf(value))) for value in y]
        result = ensemble_score(y)
        scale = float(sum(map(abs, logits)))
        assert result.logit == pytest.approx(float(sum(logits)), abs=4e-16 * scale, rel=0)
        exact = float(inside / (inside + outside))
        assert result.score == pytest.approx(exact, rel=1e-15 + 8e-16 * scale, abs=1e-307)


def test_a_million_events():
    rng = np.random.default_rng(1)
    y = 0.5 + 0.4 * (rng.random(500_000) - 0.5)
    pairs = np.concatenate([y, 1.0 - y])  # the logits cancel pair by pair, up to the rounding of 1 - y
    result = ensemble_score(rng.permutation(pairs))
    assert abs(result.logit) < 1e-9
    assert result.score == pytest.approx(0.5, abs=1e-9)
    assert ensemble_score(np.full(1_000_000, 0.5)) == (0.5, 0.0)
    assert ensemble_score(np.full(1_000_000, 0.9))[0] == 1.0
    assert ensemble_score(np.full(1_000_000, 0.1))[1] == pytest.approx(-1e6 * np.log(9.0), rel=1e-12)


def test_near_zero_one_and_one_half():
    tiny, near_one = 5e-324, 1 - 2.0**-53
    assert ensemble_score([tiny]).logit == pytest.approx(np.log(tiny))
    assert ensemble_score([near_one]).logit == pytest.approx(53 * np.log(2.0))
    assert ensemble_score([0.5 + 2.0**-53]).logit == pytest.approx(2.0**-51, rel=1e-12)
    assert ensemble_score([tiny, tiny]).score == 0.0


def test_exact_zeros_and_ones():
    for y, score in (
        ([1.0, 0.1, 0.1], 1.0),
        ([0.0, 0.9], 0.0),
        ([0.0, 1.0], np.nan),
        ([], np.nan),
        ([0.5, np.nan], np.nan),
        ([1.5], np.nan),
        ([-0.1], np.nan),
    ):
        result = ensemble_score(np.array(y))
        np.testing.assert_equal(result.score, score)
        assert np.isnan(result.logit)


def test_many_ensembles_at_once():
    y = np.random.default_rng(2).random((3, 4, 50))
    result = ensemble_score(y)
    assert result.score.shape == result.logit.shape == (3, 4)
    assert result.logit[1, 2] == ensemble_score(y[1, 2]).logit
    jagged = ensemble_score(ak.Array([[0.6, 0.7], [], [0.2]])[[2, 0, 1]])
    np.testing.assert_allclose(jagged.score, [0.2, 0.42 / 0.54, np.nan])
    assert ensemble_score(ak.Array([0.6, 0.7])).score == jagged.score[1]
    assert ensemble_score(np.ones((2, 0))).score.shape == (2,)


def test_wrong_shapes():
    with pytest.raises(ModelError, match="one number"):
        ensemble_score(0.5)
    with pytest.raises(ModelError, match="3 levels"):
        ensemble_score(ak.Array([[[0.5]]]))
