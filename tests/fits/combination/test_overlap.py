from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from massgap.contracts.errors import TableError
from massgap.fits.combination.overlap import (
    Overlap,
    SharedEvents,
    shared_between_regions,
    shared_between_runs,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_regions_are_compared_by_row(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    table = make_events(200, regions={"sr_1l": 100.0, "sr_2l": 0.0})
    table["region_cr_1l"] = table.met < 100.0
    run = write_events(tmp_path / "run", {"signal": table, "tt": table})
    apart = shared_between_regions(run, "sr_1l", "cr_1l")
    assert (apart.shared, apart.unknown, sum(apart.compared)) == ([], "", 400)
    within = shared_between_regions(run, "sr_1l", "sr_2l")
    assert within.events == 2 * int((table.met >= 100.0).sum())
    n = int((table.met >= 100.0).sum())
    assert within.words() == (
        f"{n} of 'signal' (in sr_1l and sr_2l; dataset 'signal_0'), {n} of 'tt' (in sr_1l and sr_2l; dataset 'tt_0')"
    )
    missing = shared_between_regions(run, "sr_1l", "declared_1l")
    assert "'signal_0' does not tell its regions" in missing.unknown


def test_same_file_and_number_is_the_same_event(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    a = write_events(tmp_path / "a", {"tt": make_events(100)})
    # Another analysis: other observables of the same events, of which 30 are selected by both.
    other = make_events(100, first=70, seed=2)
    b = write_events(tmp_path / "b", {"tt": other})
    found = shared_between_runs(a, ["sr_1l"], b, ["sr_1l"])
    assert found.words() == "30 of 'tt' (in sr_1l; dataset 'tt_0')"
    assert (found.compared, found.common_files) == ((100, 100), 1)


def test_only_events_of_the_fitted_regions_count(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    table = make_events(300, regions={"sr_1l": 150.0})
    table["region_cr_1l"] = table.met < 100.0
    a = write_events(tmp_path / "a", {"tt": table})
    b = write_events(tmp_path / "b", {"tt": table})
    assert shared_between_runs(a, ["sr_1l"], b, ["cr_1l"]).events == 0
    same = shared_between_runs(a, ["sr_1l"], b, ["sr_1l", "cr_1l"])
    assert same.events == int((table.met >= 150.0).sum())
    assert [entry.regions for entry in same.shared] == [("sr_1l", "sr_1l")]


def test_numbers_mean_nothing_across_samples_but_contents_do(
    tmp_path: Path, make_events: Any, write_events: Any
) -> None:
    table = make_events(100)
    a = write_events(tmp_path / "a", {"tt": table}, uuids={"tt": "one"})
    others = write_events(tmp_path / "b", {"tt": make_events(100, seed=2)}, uuids={"tt": "two"})
    assert shared_between_runs(a, ["sr_1l"], others, ["sr_1l"]).events == 0
    # A skim of the same file, read as another process.
    copy = write_events(tmp_path / "c", {"ttbar": table[20:]}, uuids={"ttbar": "three"})
    found = shared_between_runs(a, ["sr_1l"], copy, ["sr_1l"])
    assert [(entry.events, entry.process) for entry in found.shared] == [(80, "tt")]
    assert "datasets 'tt_0' and 'ttbar_0'" in found.words()


def test_files_that_number_anew_are_told_apart_by_contents(
    tmp_path: Path, make_events: Any, write_events: Any
) -> None:
    import pandas as pd

    # Two files of a dataset, both numbered from 0.
    twice = pd.concat([make_events(50, seed=1), make_events(50, seed=2)], ignore_index=True)
    a = write_events(tmp_path / "a", {"tt": twice})
    b = write_events(tmp_path / "b", {"tt": make_events(50, seed=3)})
    assert shared_between_runs(a, ["sr_1l"], b, ["sr_1l"]).events == 0
    c = write_events(tmp_path / "c", {"tt": make_events(50, seed=2)[:10]})
    assert shared_between_runs(a, ["sr_1l"], c, ["sr_1l"]).events == 10


def test_recorded_events_are_known_by_their_numbers(
    tmp_path: Path, make_events: Any, write_events: Any
) -> None:
    a = write_events(tmp_path / "a", {"data": make_events(40)}, uuids={"data": "one"})
    b = write_events(tmp_path / "b", {"data": make_events(40, first=35, seed=2)}, uuids={"data": "two"})
    assert shared_between_runs(a, ["sr_1l"], b, ["sr_1l"]).events == 5
    simulated = write_events(tmp_path / "c", {"tt": make_events(40)}, uuids={"tt": "one"})
    assert shared_between_runs(a, ["sr_1l"], simulated, ["sr_1l"]).events == 0


@pytest.mark.parametrize("what", ["tables", "keys", "files"])
def test_what_cannot_be_told_is_said(tmp_path: Path, make_events: Any, write_events: Any, what: str) -> None:
    a = write_events(tmp_path / "a", {"tt": make_events(10)})
    table = make_events(10, seed=2)
    b = write_events(tmp_path / "b", {"tt": table.drop(columns="fold_key") if what == "keys" else table})
    if what == "tables":
        b.manifest["features"] = {}
    if what == "files":
        b.ledger["files"] = []
    found = shared_between_runs(a, ["sr_1l"], b, ["sr_1l"])
    assert found.events == 0
    assert {"tables": "no feature tables", "keys": "no keys", "files": "which files"}[what] in found.unknown


def test_what_is_shared_is_told_by_process() -> None:
    shared = [
        SharedEvents(3, "tt", ("tt_1", "tt_1"), ("sr", "cr")),
        SharedEvents(1500, "tt", ("tt_2", "tt_2"), ("sr", "cr")),
        SharedEvents(1, "WW", ("ww", "vv"), ("", "")),
    ]
    assert Overlap((10, 10), shared).words() == (
        "1,503 of 'tt' (in sr and cr; dataset 'tt_2', and 1 others), 1 of 'WW' (datasets 'ww' and 'vv')"
    )


def test_a_table_that_is_gone(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    run = write_events(tmp_path / "run", {"tt": make_events(10)})
    (run.path / "features" / "tt_0.parquet").unlink()
    with pytest.raises(TableError, match="no feature table for the dataset 'tt_0'"):
        shared_between_regions(run, "sr_1l", "cr_1l")


def test_nan_is_equal_to_itself(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    table = make_events(20)
    table["m_ll"] = np.where(table.n_jets > 1, np.nan, table.met * 2.0)
    a = write_events(tmp_path / "a", {"tt": table}, uuids={"tt": "one"})
    b = write_events(tmp_path / "b", {"tt": table}, uuids={"tt": "two"})
    assert shared_between_runs(a, ["sr_1l"], b, ["sr_1l"]).events == 20
