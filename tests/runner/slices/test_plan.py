"""Runs in slices: the same bits as a run in one piece, and whatever is missing is named."""

from __future__ import annotations

import collections
import json
import os
import shutil
from typing import TYPE_CHECKING

import eventfiles
import numpy as np
import pytest
from runs import bits, fileset_of

from massgap.processors import Slepton
from massgap.runner import run
from massgap.runner.errors import RunnerError
from massgap.runner.slices import plan
from massgap.runner.slices.merge import merge_slices
from massgap.runner.slices.plan import write_slices
from massgap.runner.slices.plan_file import FORMAT
from massgap.runner.slices.slice_file import WrongEnvironmentError
from massgap.runner.slices.stored import chunk_counts, result_files, unfinished
from massgap.runner.slices.work import work_slice

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("slices")
    return eventfiles.write_nano(folder / "tt.root", eventfiles.make_events(900, seed=3))


@pytest.fixture(scope="module")
def whole(sample):
    return run(Slepton(features=True), fileset_of(sample), chunksize=100)


def planned(sample, out, **options):
    return write_slices(
        "slepton", {"features": True}, fileset_of(sample), out, chunksize=100, **{"jobs": 3, **options}
    )


def work(made, numbers) -> None:
    for k in numbers:
        summary = work_slice(made.slices[k], made.folder / f"out-{k:04d}")
        assert summary["complete"], summary


def test_slices_give_the_bits_of_a_run(sample, whole, tmp_path) -> None:
    made = planned(sample, tmp_path / "run")
    assert (made.chunks, made.events, len(made.slices), made.done) == (9, 900, 3, 0)
    assert unfinished(tmp_path / "run") == [0, 1, 2]
    work(made, [2, 0])
    assert unfinished(tmp_path / "run") == [1]
    assert chunk_counts(tmp_path / "run") == [(3, 3), (3, 0), (3, 3)]
    partial = merge_slices(tmp_path / "run")
    assert partial.ledger.count("missing") == 300
    assert not partial.ledger.complete
    assert "3 chunks (300 events) were not reached" in partial.ledger.problems()[0]
    loss = next(iter(partial.histograms.values())).metadata["massgap_loss"]
    assert loss["datasets"]["tt"]["events_missing"] == 300
    work(made, [1])
    merged = merge_slices(tmp_path / "run")
    assert merged.ledger.complete
    assert bits(merged) == bits(whole)
    assert merged.cutflow == whole.cutflow
    assert merged.features["tt"].equals(whole.features["tt"])
    # massgap run with the same arguments finds them as its own.
    again = run(
        Slepton(features=True), fileset_of(sample), chunksize=100, checkpoints=tmp_path / "run/checkpoints"
    )
    assert all(entry.from_checkpoint for entry in again.ledger.chunks)


def test_families_of_chunks_are_added_up_by_the_jobs(sample, whole, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(plan, "tree_levels", lambda _: (0, 1))
    made = planned(sample, tmp_path / "run", jobs=1)
    # Nine chunks: one family of eight, whose sum is one file, and the one that is left.
    assert [len(json.loads(path.read_text())["chunks"]) for path in made.slices] == [8, 1]
    work(made, [0, 1])
    assert len(list((made.folder / "out-0000").glob("*.npz"))) == 1
    assert bits(merge_slices(tmp_path / "run")) == bits(whole)


def test_failures_of_jobs_are_in_the_ledger(tmp_path) -> None:
    def spoil(values):
        values[where] = np.nan
        return values

    where = 900
    bad = eventfiles.write_nano(
        tmp_path / "bad.root", eventfiles.make_events(900, seed=3), change={"Muon_pt": spoil}
    )
    made = write_slices("slepton", {}, fileset_of(bad), tmp_path / "run", jobs=2, chunksize=300)
    summaries = [work_slice(made.slices[k], made.folder / f"out-{k:04d}") for k in (0, 1)]
    assert sorted(s["complete"] for s in summaries) == [False, True]
    merged = merge_slices(tmp_path / "run")
    failed = next(entry for entry in merged.ledger.chunks if entry.status == "failed")
    assert "branch Muon_pt has 1 NaN" in failed.error
    assert failed.host
    assert failed.attempts == 1
    assert failed.exception


def test_another_massgap_does_not_work_or_merge(sample, tmp_path, monkeypatch) -> None:
    made = planned(sample, tmp_path / "run")
    job = json.loads(made.slices[0].read_text())
    made.slices[0].write_text(json.dumps({**job, "code": "0" * 64}))
    with pytest.raises(WrongEnvironmentError, match="digest"):
        work_slice(made.slices[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    plan = json.loads((made.folder / "plan.json").read_text())
    plan["identity"]["code"] = "0" * 64
    (made.folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(RunnerError, match="the code of the analysis changed since massgap submit"):
        merge_slices(tmp_path / "run")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "massgap-slice/1"}', '{"format": "other"}'])
def test_slices_that_are_none(tmp_path, content) -> None:
    path = tmp_path / "job.json"
    path.write_text(content)
    with pytest.raises(RunnerError, match="slice"):
        work_slice(path, tmp_path / "out")
    with pytest.raises(RunnerError, match="holds no jobs"):
        unfinished(tmp_path)


def test_refused(sample, tmp_path) -> None:
    for options, words in (
        ({"jobs": 0}, "at least 1"),
        ({"jobs": 2, "chunks_per_job": 2}, "not both"),
    ):
        with pytest.raises(RunnerError, match=words):
            planned(sample, tmp_path / "run", **options)
    planned(sample, tmp_path / "run")
    with pytest.raises(RunnerError, match="holds the jobs of an earlier massgap submit"):
        planned(sample, tmp_path / "run")


@pytest.mark.parametrize(
    ("total", "jobs", "per_job", "expected"),
    [
        (9, 3, None, (0, [(0, 3), (3, 6), (6, 9)])),
        (9, None, 4, (0, [(0, 4), (4, 8), (8, 9)])),
        (2, 5, None, (0, [(0, 1), (1, 2)])),
        (1000, 100, None, (1, [(8 * k, 8 * k + 8) for k in range(125)])),
        (1000, None, 2, (0, [(2 * k, 2 * k + 2) for k in range(500)])),
    ],
)
def test_bounds(total, jobs, per_job, expected) -> None:
    assert plan._bounds(total, jobs, per_job) == expected


def test_own_analysis_and_its_file_travel(sample, tmp_path) -> None:
    text = "from massgap.processors import Slepton\nclass Mine(Slepton):\n    pass\n"
    (tmp_path / "mine.py").write_text(text)
    made = write_slices(
        f"{tmp_path}/mine.py:Mine", {}, fileset_of(sample), tmp_path / "run", jobs=1, chunksize=500
    )
    assert [p.name for p in made.inputs] == ["mine.py"]
    # The sandbox of a job: everything side by side.
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    for path in (made.slices[0], *made.inputs):
        shutil.copy(path, sandbox)
    (tmp_path / "mine.py").rename(tmp_path / "elsewhere.py")
    assert work_slice(sandbox / "job-0000.json", made.folder / "out-0000")["complete"]
    (tmp_path / "elsewhere.py").rename(tmp_path / "mine.py")
    assert merge_slices(tmp_path / "run").ledger.complete


def test_each_folder_is_listed_once(tmp_path, monkeypatch) -> None:
    """With thousands of slices, one look per slice at the folder of all jobs took minutes."""
    jobs = tmp_path / "jobs"
    for folder in (jobs, tmp_path / "checkpoints", *(jobs / f"out-{i:04d}" for i in range(20))):
        folder.mkdir()
    (jobs / "out-0003-1").mkdir()
    (jobs / "out-elsewhere").mkdir()
    keys = [f"{i:064x}" for i in range(60)]
    plan = {
        "format": FORMAT,
        "bounds": [[3 * i, 3 * i + 3] for i in range(20)],
        "keys": keys,
        "level": 0,
    }
    (jobs / "plan.json").write_text(json.dumps(plan))
    for folder, key in (
        ("jobs/out-0003", 9),
        ("jobs/out-0003-1", 10),
        ("checkpoints", 11),
        ("checkpoints", 0),
    ):
        (tmp_path / folder / f"{keys[key]}.npz").touch()
    listed: collections.Counter[str] = collections.Counter()
    scandir = os.scandir

    def count(path="."):
        listed[os.fspath(path)] += 1
        return scandir(path)

    monkeypatch.setattr(os, "scandir", count)
    counts = chunk_counts(tmp_path)
    monkeypatch.undo()
    assert counts == [(3, 1), (3, 0), (3, 0), (3, 3), *[(3, 0)] * 16]
    assert set(listed.values()) == {1}
    assert len(listed) == 23
    assert [path.parent.name for path in result_files(tmp_path)[3]] == [
        "out-0003",
        "out-0003-1",
        "checkpoints",
    ]
    assert unfinished(tmp_path) == [0, 1, 2, *range(4, 20)]


def test_each_model_goes_with_the_jobs_under_its_score(tmp_path) -> None:
    from massgap.runner.slices import work as worker

    models = {}
    for score in ("low", "high"):
        (tmp_path / score).mkdir()
        models[score] = tmp_path / score / "model.onnx"
        models[score].write_text(score)
    (tmp_path / "jobs").mkdir()
    _, options, inputs = plan._ship(
        "slepton", {"model": {**models, "high": models["high"].parent}}, tmp_path / "jobs"
    )
    assert [path.name for path in inputs] == ["model-low.onnx", "model-high.onnx"]
    found = worker._options(tmp_path / "elsewhere", options)["model"]
    assert found == {score: str(tmp_path / "elsewhere" / f"model-{score}.onnx") for score in models}
    assert (tmp_path / "jobs" / "model-high.onnx").read_text() == "high"
    _, options, inputs = plan._ship("slepton", {"model": str(models["low"])}, tmp_path / "jobs")
    assert options["model"] == "model.onnx"
    assert inputs[0].read_text() == "low"
