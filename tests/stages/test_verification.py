"""massgap verify: what was kept of a run is computed again; a changed bit, file, model or code is found."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import eventfiles
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from runs import fileset_of

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import RunFolderError
from massgap.runner.checkpoints.encoding import load, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A run of four chunks, with feature tables."""
    folder = tmp_path_factory.mktemp("verified")
    files = [
        eventfiles.write_nano(
            folder / f"{k}.root", eventfiles.make_events(300, seed=k, first=1000 * k, negative=False)
        )
        for k in (1, 2)
    ]
    result = stages.run(
        "slepton",
        fileset=fileset_of(*files),
        out=folder / "run",
        options={"features": True, "variations": ("jes",)},
        chunksize=150,
        executor="iterative",
        command="massgap run slepton",
    )
    assert len(result.ledger.chunks) == 4
    return folder


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed; of the event files as well."""
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    for path in (copy / "run" / "fileset.json", copy / "run" / "ledger.json"):
        path.write_text(path.read_text().replace(str(original), str(copy)))
    return copy / "run"


def verified(run: Path, **options) -> stages.Verification:
    return stages.verify(run, executor="iterative", **options)


def test_a_run_is_what_it_says(original: Path) -> None:
    found = verified(original / "run", seed=3)
    assert found.ok
    assert (len(found.chunks), found.total_chunks) == (1, 4)
    assert set(found.outputs) == {"histograms.json", "cutflow.json", "features/tt.parquet"}
    assert found.code == found.code_now
    assert [file["changed"] for file in found.files] == [None, None]
    # The seed chooses, and the share says how many.
    assert verified(original / "run", seed=3).chunks == found.chunks
    assert len(verified(original / "run", share=0.7).chunks) == 3


def test_everything_is_computed_again_without_what_was_kept(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(original / "run", copy)
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(RunFolderError, match=f"massgap verify {copy} --all"):
        verified(copy)
    found = verified(copy, everything=True)
    assert found.ok
    assert len(found.chunks) == 4


def changed_bit(path: Path) -> None:
    """The last bit of one number in a kept result."""
    tally = load(path)
    part = next(iter(next(iter(tally.values())).datasets.values()))
    block = next(iter(part.features.values()))
    name = next(
        name
        for name, column in block.items()
        if column.dtype.kind == "f" and len(column) and np.isfinite(column[0])
    )
    block[name] = block[name].copy()
    block[name][0] = np.nextafter(block[name][0], np.inf, dtype=block[name].dtype)
    save(path, tally)


def test_a_changed_bit_of_a_kept_chunk_is_found(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(original / "run", copy)
    for path in (copy / "checkpoints").iterdir():
        changed_bit(path)
    found = verified(copy)
    assert not found.ok
    # The chunk differs from what the file gives, and the table from what was kept.
    assert any("other bits than the run has kept" in problem for problem in found.problems())
    assert not found.outputs["features/tt.parquet"]


def test_a_changed_number_in_the_folder_is_found(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(original / "run", copy)
    table = pq.read_table(copy / "features" / "tt.parquet")
    weights = table["weight"].to_numpy().copy()
    weights[-1] = np.nextafter(weights[-1], np.inf)
    at = table.column_names.index("weight")
    pq.write_table(table.set_column(at, "weight", pa.array(weights)), copy / "features" / "tt.parquet")
    cutflow = json.loads((copy / "cutflow.json").read_text())
    cutflow["steps"] = cutflow["steps"][:-1]
    (copy / "cutflow.json").write_text(json.dumps(cutflow))
    found = verified(copy)
    assert found.outputs == {"histograms.json": True, "cutflow.json": False, "features/tt.parquet": False}


def test_another_file_of_the_same_name_is_named_and_nothing_is_compared(run: Path) -> None:
    path = run.parent / "1.root"
    path.unlink()
    eventfiles.write_nano(path, eventfiles.make_events(300, seed=9, negative=False))
    found = verified(run)
    assert not found.ok
    assert found.problems()[0].startswith(f"{path}: is not the file that was read: its uuid was")
    assert (found.chunks, found.outputs) == ([], {})


def test_a_copy_of_the_files_is_as_good(run: Path) -> None:
    # The copies have other times of change, so what was kept has other keys: all of it can be made again.
    assert verified(run, everything=True).ok


def test_a_lost_file_is_named(run: Path) -> None:
    (run.parent / "2.root").unlink()
    found = verified(run)
    assert not found.ok
    assert "2.root" in found.problems()[0]


def test_other_code_needs_all(original: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(original / "run", copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "code_hash": "0" * 64}))
    from massgap.runner.checkpoints import fingerprint

    identity = fingerprint.processor_identity
    monkeypatch.setattr(
        fingerprint, "processor_identity", lambda processor: {**identity(processor), "code": "other"}
    )
    with pytest.raises(RunFolderError, match=r"was made by other code.* --all"):
        verified(copy)


def test_the_command(original: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["verify", str(original / "run"), "--workers", "1", "--seed", "1"])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"run, made 20\S+ by: massgap run slepton\n", shown.output)
    assert "1 of 4 computed again (25.0%, --seed 1)" in shown.output
    assert shown.output.rstrip().endswith("Verified.")
    copy = tmp_path / "run"
    shutil.copytree(original / "run", copy)
    (copy / "cutflow.json").unlink()
    shown = CliRunner().invoke(main, ["verify", str(copy), "--workers", "1", "--json"])
    assert shown.exit_code == 1
    content = json.loads(shown.stdout)
    assert content["problems"] == ["cutflow.json: not what the chunks add up to now"]
    assert content["format"] == "massgap-verification/1"


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="massgap run has written"):
        stages.verify(tmp_path / "nothing")
    with pytest.raises(TypeError, match="no argument 'everthing'"):
        stages.verify(tmp_path, everthing=True)
