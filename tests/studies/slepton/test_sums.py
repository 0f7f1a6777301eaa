"""Sums of bins of samples in which one event is there several times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from simulatedruns import run_with_copies, squared_sums

from massgap.fits.scans.shared_events import shared_variances
from massgap.fits.workspaces.copied_rows import CopiedRows
from massgap.studies.slepton.numbers import sums
from massgap.studies.slepton.numbers.statements import _score_sum
from massgap.studies.slepton.numbers.sums import (
    fraction,
    ratio,
    shared_by_parts,
    shared_by_regions,
    shared_within,
    sum_of,
)

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


def squares(table, one, factor, other) -> float:
    """Sum over events of the square of what their rows in one part weigh less a factor times those of another."""
    weights = table["weight"].to_numpy() * (one.astype(float) - factor * other.astype(float))
    return squared_sums(table["fold_key"], weights)


def test_a_share_of_events_that_are_on_both_sides(tmp_path: Path) -> None:
    import pandas as pd

    run = run_with_copies(tmp_path, 4)
    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    histogram = run.histogram("x").project("process", "region", "variation", "x")
    shared = shared_variances(run, "x", "sr", above=False, outside=True)
    part, whole = (sum_of(histogram, "signal", "sr", edge, shared=shared) for edge in (0.5, math.inf))
    crossing = shared_by_parts(run, "x", "sr", "signal", lambda x: x < 0.5, lambda x: x >= 0.5)
    share, error = fraction(part, whole, crossing)
    below = (table["x"] < 0.5).to_numpy()
    every = np.ones(len(table), bool)
    assert share == pytest.approx(below.mean())
    assert error == pytest.approx(math.sqrt(squares(table, below, share, every)) / table["weight"].sum())
    # as if parts had no event in common it is larger
    assert error < 0.98 * fraction(part, whole)[1]
    # those that have no copies
    assert shared_by_parts(run, "x", "sr", "tt", lambda x: x < 0.5, lambda x: x >= 0.5) == 0.0


def test_a_quotient_of_two_parts(tmp_path: Path) -> None:
    import pandas as pd

    run = run_with_copies(tmp_path, 4)
    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    filled = run.histogram("x").project("process", "region", "variation", "x")["signal", "sr", "nominal", :]
    parts = []
    inside = (lambda x: (x >= 0.4) & (x < 0.8), lambda x: x < 0.4)
    for of in inside:
        at = of(filled.axes[0].centers)
        extra = shared_within(run, "x", "sr", "signal", of)
        parts.append((float(filled.values()[at].sum()), float(filled.variances()[at].sum() + extra)))
        assert parts[-1][1] == pytest.approx(
            squares(table, of(table["x"].to_numpy()), 0.0, at[:1].repeat(len(table)))
        )
    found, error = ratio(*parts, shared_by_parts(run, "x", "sr", "signal", *inside))
    outer, inner = (of(table["x"].to_numpy()) for of in inside)
    assert found == pytest.approx(outer.sum() / inner.sum())
    assert error == pytest.approx(
        math.sqrt(squares(table, outer, found, inner)) / table["weight"][inner].sum()
    )
    assert ratio((1.0, 1.0), (0.0, 0.0)) is None


def test_a_region_within_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    keys = np.repeat(np.arange(50, dtype=np.uint64), 4)
    weights, values = rng.uniform(0.5, 1.5, 200), np.zeros(200)
    kept = rng.random(200) < 0.3
    rows = {
        "topology": (CopiedRows("tt", values, keys, weights),),
        "precuts": (CopiedRows("tt", values[kept], keys[kept], weights[kept]),),
        "none": (),
    }
    monkeypatch.setattr(sums, "copied_rows", lambda *of: rows[of[2]])
    found = shared_by_regions(None, "m_ll", "precuts", "topology", "tt")
    inside = np.bincount(keys.astype(int), weights * kept)
    assert found == pytest.approx(float(inside @ np.bincount(keys.astype(int), weights * ~kept)))
    assert shared_by_regions(None, "m_ll", "precuts", "topology", "WW") == 0.0
    assert shared_by_regions(None, "m_ll", "none", "topology", "tt") == 0.0
