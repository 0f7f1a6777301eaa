"""Variances of merged bins where several rows are one event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from simulatedruns import fill, run_with_copies
from simulatedruns import variances_of_copies as variances

if TYPE_CHECKING:
    from pathlib import Path


def test_merged_bins_count_an_event_once(tmp_path: Path) -> None:
    run = run_with_copies(tmp_path, 4)
    filled = fill(run, [0.0, 0.25, 0.5, 1.0])
    templates = filled.parts[0].templates.processes
    import pandas as pd

    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    x, keys = table["x"].to_numpy(), table["fold_key"].to_numpy()
    quarters = np.where(x >= 0.5, 0.5, x)  # the last two quarters are one bin
    expected = variances(quarters, keys, 4)[:3]
    assert templates["signal"].variances == pytest.approx(expected)
    fine = np.add.reduceat(variances(x, keys, 20), [0, 5, 10])
    assert (expected > 1.2 * fine).all()
    # another sample is not touched, and neither is this one where its rows are events of their own
    alone = fill(run_with_copies(tmp_path / "alone", 1), [0.0, 0.25, 0.5, 1.0]).parts[0].templates.processes
    assert alone["tt"].variances.tolist() == templates["tt"].variances.tolist()
    assert alone["signal"].variances == pytest.approx(fine)
