"""Feature rows stay in the checkpoints: the same tables as from memory, and an error where they have gone."""

from __future__ import annotations

import eventfiles
import pytest

from massgap.contracts.feature_table import LazyTables
from massgap.contracts.run_writer import write_run_folder
from massgap.processors import Slepton
from massgap.runner import run
from massgap.runner.checkpoints.encoding import StoredRows
from massgap.runner.errors import RunnerError


@pytest.fixture(scope="module")
def fileset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    files = [eventfiles.write_nano(folder / f"{k}.root", eventfiles.make_events(300, seed=k)) for k in (1, 2)]
    return {
        name: {
            "files": {str(path): "Events"},
            "metadata": {"process": name, "xsec_fb": 10.0, "is_data": False},
        }
        for name, path in zip(("tt", "WW"), files, strict=True)
    }


def go(fileset, checkpoints=None, **options):
    return run(Slepton(features=True), fileset, chunksize=30, checkpoints=checkpoints, **options)


@pytest.mark.parametrize("levels", [(0, 0), (1, 1)])
def test_the_same_tables_as_from_memory(fileset, tmp_path, levels) -> None:
    plain = go(fileset)
    assert isinstance(plain.features, dict)
    for _ in range(2):  # made now, and taken from an earlier run
        stored = go(fileset, tmp_path / "c", levels=levels)
        assert isinstance(stored.features, LazyTables)
        assert sorted(stored.features) == ["WW", "tt"]
        for name, table in plain.features.items():
            assert len(table) > 20
            assert stored.features[name].equals(table)
    first = write_run_folder(plain, tmp_path / "a", analysis="slepton")
    second = write_run_folder(stored, tmp_path / "b", analysis="slepton")
    for name in ("tt", "WW"):
        file = f"features/{name}.parquet"
        assert (first / file).read_bytes() == (second / file).read_bytes()
    with pytest.raises(KeyError):
        stored.features["data"]


def test_no_rows_are_left_in_memory(fileset, tmp_path, monkeypatch) -> None:
    kept = []
    real = Slepton.postprocess

    def look(self, accumulator):
        kept.extend(b for part in accumulator["tally"].datasets.values() for b in part.features.values())
        return real(self, accumulator)

    monkeypatch.setattr(Slepton, "postprocess", look)
    go(fileset, tmp_path / "c")
    assert len(kept) == 20
    assert all(isinstance(b, StoredRows) or not any(len(c) for c in b.values()) for b in kept)
    assert any(isinstance(b, StoredRows) for b in kept)


def test_checkpoints_that_have_gone(fileset, tmp_path) -> None:
    result = go(fileset, tmp_path / "c")
    for path in (tmp_path / "c").glob("*.npz"):
        path.unlink()
    with pytest.raises(RunnerError, match="was removed or damaged while the run went on"):
        result.features["tt"]
