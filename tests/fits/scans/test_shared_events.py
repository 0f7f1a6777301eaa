"""Sums of bins beyond a threshold where copies of one event are in several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulatedruns import LUMI, run_with_copies, squared_sums

from massgap.fits.scans.shared_events import shared_variances
from massgap.fits.scans.threshold_scan import ScanOptions, scan_thresholds

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("keep", ["above", "below"])
@pytest.mark.parametrize("fold", [None, 0, 1, 2])
def test_an_event_counts_once_beyond_every_threshold(tmp_path: Path, keep: str, fold: int | None) -> None:
    import pandas as pd

    run = run_with_copies(tmp_path, 4)
    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    x, keys, weights = (table[name].to_numpy() for name in ("x", "fold_key", "weight"))
    if fold is not None:
        own = keys % 3 == fold
        x, keys, weights = x[own], keys[own], weights[own]
    shared = shared_variances(run, "x", "sr", above=keep == "above")
    assert set(shared) == {"signal"}
    options = ScanOptions(lumi_fb=LUMI, keep=keep)
    scans = [
        scan_thresholds(run.histogram("x"), "signal", ["tt"], shared=each, options=options)
        for each in (shared, None)
    ]
    found, naive = (scan.combined if fold is None else scan.folds[fold] for scan in scans)
    expected = []
    for threshold in found.threshold:
        kept = x >= threshold - 1e-9 if keep == "above" else x < threshold - 1e-9
        total = weights[kept].sum()
        expected.append(total**2 / squared_sums(keys[kept], weights[kept]) if kept.any() else 0.0)
    assert found.n_eff_signal == pytest.approx(np.array(expected))
    assert found.signal.tolist() == naive.signal.tolist()
    assert (found.n_eff_signal <= naive.n_eff_signal * (1 + 1e-9)).all()
    loosest = 0 if keep == "above" else -1
    assert found.n_eff_signal[loosest] < 0.8 * naive.n_eff_signal[loosest]
    # another sample is not touched
    assert found.n_eff_background.tolist() == naive.n_eff_background.tolist()


def test_rows_that_are_events_of_their_own_share_nothing(tmp_path: Path) -> None:
    assert shared_variances(run_with_copies(tmp_path, 1), "x", "sr") == {}


def test_without_rows_nothing_is_known(tmp_path: Path) -> None:
    run = run_with_copies(tmp_path, 4)
    run.manifest["features"] = {}
    assert shared_variances(run, "x", "sr") == {}


_ROW = st.tuples(
    st.floats(-0.5, 1.5, allow_subnormal=False),
    st.integers(0, 6),
    st.floats(-2.0, 2.0, allow_subnormal=False),
)


@given(rows=st.lists(_ROW, max_size=30), above=st.booleans())
def test_whatever_the_weights(rows: list[tuple[float, int, float]], above: bool) -> None:
    from massgap.fits.scans.shared_events import _extra

    edges = np.linspace(0.0, 1.0, 6)
    x, keys, weights = (np.array([row[i] for row in rows]) for i in range(3))
    extra = _extra(x.astype(float), keys.astype(np.uint64), weights.astype(float), edges, 2, above)
    # What passes every threshold belongs to the outermost bin, what passes none to a bin of its own.
    place = np.searchsorted(edges, x.astype(float), side="right") - 1
    depth = np.clip(4 - place, 0, 5) if above else np.clip(place, 0, 5)
    assert extra.shape == (2, 6)
    from_the_start = extra[:, ::-1] if above else extra
    for fold in range(2):
        for k in range(6):
            own = keys.astype(int) % 2 == fold
            alone = sum(
                squared_sums(keys[own & (depth == each)], weights[own & (depth == each)])
                for each in range(k + 1)
            )
            beyond = own & (depth <= k)
            total = alone + from_the_start[fold, : k + 1].sum()
            assert total == pytest.approx(squared_sums(keys[beyond], weights[beyond]), abs=1e-9)


def test_the_whole_region(tmp_path: Path) -> None:
    import pandas as pd

    run = run_with_copies(tmp_path, 4)
    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    for above in (True, False):
        extra = shared_variances(run, "x", "sr", above=above, outside=True)["signal"]
        assert extra.shape == (3, 21)
        variances = run.histogram("x")[{"process": "signal"}].variances(flow=True).sum()
        expected = squared_sums(table["fold_key"], table["weight"])
        assert variances + extra.sum() == pytest.approx(expected)
