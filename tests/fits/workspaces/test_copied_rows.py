"""Rows of samples with copies of events: read once, and anew when a file has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from simulatedruns import run_with_copies

from massgap.contracts import feature_table
from massgap.contracts.errors import TableError
from massgap.fits.workspaces.copied_rows import copied_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_are_those_of_the_table(tmp_path: Path) -> None:
    run = run_with_copies(tmp_path, 4)
    (rows,) = copied_rows(run, "x", "sr")
    table = pd.read_parquet(tmp_path / "again" / "signal_0.parquet")
    table = table[table["region_sr"].to_numpy(bool)]
    assert rows.process == "signal"
    for found, column in zip(rows[1:], ("x", "fold_key", "weight"), strict=True):
        assert np.array_equal(found, table[column].to_numpy(), equal_nan=column == "x")
    assert len(rows.keys) == 4 * len(np.unique(rows.keys))


def test_a_table_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_with_copies(tmp_path, 4)
    read = feature_table._read_table
    seen: list[str] = []
    monkeypatch.setattr(
        feature_table, "_read_table", lambda path, *rest: seen.append(path.name) or read(path, *rest)
    )
    first = copied_rows(run, "x", "sr")
    assert copied_rows(run, "x", "sr") is first
    assert len(seen) == 1
    path = tmp_path / "again" / "signal_0.parquet"
    pd.read_parquet(path).head(8).to_parquet(path)
    assert sum(len(one.keys) for one in copied_rows(run, "x", "sr")) <= 8
    assert len(seen) == 2
    path.unlink()
    with pytest.raises(TableError, match="is missing"):
        copied_rows(run, "x", "sr")


def test_of_what_was_not_kept_there_are_none(tmp_path: Path) -> None:
    run = run_with_copies(tmp_path, 4)
    assert copied_rows(run, "nothing", "sr") == copied_rows(run, "x", "nowhere") == ()
    assert copied_rows(run_with_copies(tmp_path / "one", 1), "x", "sr") == ()
