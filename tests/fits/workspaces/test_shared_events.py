"""Variances of merged bins where several rows are one event."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from simulatedruns import fill, sample

from massgap.contracts.feature_table import write_feature_tables
from massgap.contracts.run_folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


def run_with_copies(folder: Path, copies: int) -> RunFolder:
    """Four rows of each hard process, whose histograms have the errors that a run gives them."""
    import pandas as pd

    rng = np.random.default_rng(4)
    x = np.clip(np.repeat(rng.random(100), 4) + rng.normal(0, 0.1, 400), 0.0, 0.999)
    events = {"signal": (x, 0.01), "tt": (rng.random(300), 0.02)}
    run = sample(folder, events, folds=3)
    keys = np.repeat(np.arange(100, dtype=np.uint64), 4)
    tables = {}
    for name in events:
        table = pd.read_parquet(folder / "features" / f"{name}_0.parquet")
        tables[f"{name}_0"] = table.assign(fold_key=keys) if name == "signal" else table
    manifest = {**run.manifest, "features": write_feature_tables(folder / "again", tables, {})}
    manifest["datasets"]["signal_0"]["n_copies"] = copies
    histogram = run.histogram("x")
    view = histogram.view(flow=True)
    at = [str(p) for p in histogram.axes["process"]].index("signal")
    for fold in range(3):
        own = keys % 3 == fold
        view["value"][at, 0, 0, fold + 1] = (
            np.histogram(x[own], np.linspace(0, 1, 21))[0] * 0.01 @ np.eye(20, 22, 1)
        )
        view["variance"][at, 0, 0, fold + 1] = variances(x[own], keys[own], 20) @ np.eye(20, 22, 1)
    out = RunFolder(folder, manifest)
    out.__dict__["histograms"] = run.histograms
    return out


def variances(x, keys, bins):
    sums = defaultdict(float)
    for value, key in zip(x, keys, strict=True):
        sums[int(value * bins), key] += 0.01
    out = np.zeros(bins)
    for (place, _), total in sums.items():
        out[place] += total**2
    return out


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
