"""Sums of bins of samples in which one event is there several times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from simulatedruns import run_with_copies, squared_sums

from massgap.fits.scans.shared_events import shared_variances
from massgap.studies.slepton.numbers.statements import _score_sum
from massgap.studies.slepton.numbers.sums import sum_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("below", [0.25, 0.5, math.inf])
def test_an_event_in_several_bins_counts_once(tmp_path: Path, below: float) -> None:
    import pandas as pd

    run = run_with_copies(tmp_path, 4)
    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    kept = table[table["x"] < below]
    histogram = run.histogram("x").project("process", "region", "variation", "x")
    shared = shared_variances(run, "x", "sr", above=False, outside=True)
    value, found = sum_of(histogram, "signal", "sr", below, shared=shared)
    assert value == pytest.approx(kept["weight"].sum())
    assert found == pytest.approx(squared_sums(kept["fold_key"], kept["weight"]))
    naive = sum_of(histogram, "signal", "sr", below, shared=None)
    assert found > 1.2 * naive[1]
    # one that has no copies
    assert sum_of(histogram, "tt", "sr", below, shared=shared) == sum_of(
        histogram, "tt", "sr", below, shared={}
    )


@pytest.mark.parametrize("above", [0.4, -math.inf])
def test_beyond_a_score(tmp_path: Path, above: float) -> None:
    import pandas as pd

    run = run_with_copies(tmp_path, 4)
    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    kept = table[table["x"] >= above]
    histogram = run.histogram("x")
    # the region of the search, under the name of the one in the test
    renamed = type(histogram)(
        histogram.axes["process"],
        type(histogram.axes["region"])(["precuts"], name="region"),
        *(histogram.axes[name] for name in ("variation", "fold", "x")),
        storage=histogram.storage_type(),
    )
    renamed.view(flow=True)[...] = histogram.view(flow=True)
    shared = shared_variances(run, "x", "sr", above=True, outside=True)
    value, found = _score_sum(renamed, "signal", above, shared)
    assert value == pytest.approx(kept["weight"].sum())
    assert found == pytest.approx(squared_sums(kept["fold_key"], kept["weight"]))
