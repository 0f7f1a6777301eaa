from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.models.errors import ModelError
from massgap.models.folds import fold_key, held_out_fold, set_aside_for_stopping, splitmix64

MASK = (1 << 64) - 1


def splitmix64_integers(state: int) -> int:
    """SplitMix64 in Python's unbounded integers."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_published_outputs_of_splitmix64():
    """First outputs of the published generator for the seeds 0 and 1234567."""
    assert int(splitmix64(0)) == 0xE220A8397B1DCDAF
    assert int(splitmix64(1234567)) == 6457827717110365317


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_agrees_with_unbounded_integers(run, block, event):
    h = splitmix64_integers(run)
    h = splitmix64_integers(h ^ block)
    h = splitmix64_integers(h ^ event)
    assert int(fold_key(np.uint32(run), np.uint32(block), np.uint64(event))) == h


def test_fixed_values():
    """These values are a contract: models on disk were trained with them."""
    keys = fold_key([1, 1, 1, 362104], [1, 1, 2, 7], [0, 1, 0, 12345678901])
    assert keys.dtype == np.uint64
    assert keys.tolist() == FIXED
    assert held_out_fold(keys).tolist() == [key % 3 for key in FIXED]


FIXED = [6301985355436268297, 8112600223918159332, 16613338946343043936, 15599358580139070601]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_integer_type_does_not_matter(dtype):
    event = np.arange(100)
    assert np.array_equal(fold_key(dtype(1), dtype(3), event.astype(dtype)), fold_key(1, 3, event))


@pytest.mark.parametrize("stride", [1, 2, 3, 6, 1000])
@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_folds_are_uniform(stride, n_folds):
    n = 90_000
    fold = held_out_fold(fold_key(1, 1, np.arange(n) * stride), n_folds)
    counts = np.bincount(fold, minlength=n_folds)
    expected = n / n_folds
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert len(counts) == n_folds
    assert chi2 < n_folds - 1 + 6 * np.sqrt(2 * n_folds)


def test_all_three_numbers_matter():
    base = int(fold_key(1, 2, 3))
    assert len({base, int(fold_key(2, 1, 3)), int(fold_key(1, 3, 2)), int(fold_key(3, 2, 1))}) == 4
    keys = fold_key(np.arange(20)[:, None, None], np.arange(20)[:, None], np.arange(500))
    assert keys.shape == (20, 20, 500)
    assert len(np.unique(keys)) == keys.size


def test_nested_split_is_a_fifth_of_every_fold():
    key = fold_key(1, np.arange(300)[:, None], np.arange(1000)).ravel()
    aside = set_aside_for_stopping(key)
    for n_folds in (3, 5, 10):
        for fold in range(n_folds):
            share = aside[held_out_fold(key, n_folds) == fold].mean()
            assert share == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / (key.size / n_folds)))


def test_empty_and_scalar():
    assert fold_key([], [], []).shape == (0,)
    assert held_out_fold([]).shape == (0,)
    assert fold_key(1, 2, 3).shape == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0], [1], [1]), "'run' must be an integer"),
        (([1], [1], [-5]), "'event' has the negative value -5"),
    ],
)
def test_bad_identifiers(arguments, words):
    with pytest.raises(ModelError, match=words):
        fold_key(*arguments)


@pytest.mark.parametrize("n_folds", [0, -1, 2.0, True])
def test_bad_number_of_folds(n_folds):
    with pytest.raises(ModelError, match="n_folds"):
        held_out_fold([1], n_folds)


def test_importing_the_room_is_light():
    heavy = (
        "xgboost",
        "jax",
        "optax",
        "onnx",
        "onnxruntime",
        "pandas",
        "pyarrow",
        "matplotlib",
        "dask",
        "torch",
    )
    code = (
        "import sys, massgap.models, massgap.models.folds, massgap.models.training.boosted_trees, massgap.models.networks.dense, "
        "massgap.models.scoring.scorer, massgap.models.training.export, massgap.models.training.card, massgap.models.training.train_run;"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
