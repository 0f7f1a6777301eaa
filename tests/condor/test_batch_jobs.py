"""massgap submit, status, resubmit, merge on a pool whose jobs run by themselves: the stand-in, or a real one."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import eventfiles
import pytest
from click.testing import CliRunner
from runs import fileset_of

from massgap.cli import main

if TYPE_CHECKING:
    from pathlib import Path

ANALYSIS = """
import time

import awkward as ak
import hist
from coffea import processor


class Slow(processor.ProcessorABC):
    def process(self, events):
        time.sleep(0.3)
        out = hist.Hist(hist.axis.Regular(20, 0, 200, name="pt"), storage="weight")
        out.fill(ak.flatten(events.Muon.pt), weight=0.1)
        return {"pt": out, "events": len(events)}

    def postprocess(self, accumulator):
        return accumulator
"""
PATIENCE = 600.0


def invoke(*arguments) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in arguments], catch_exceptions=False)
    assert "fault of massgap" not in done.output, done.output
    return done.exit_code, done.output


def wait(run: Path, code: int = 0) -> str:
    """Until massgap status ends with a code."""
    limit = time.monotonic() + PATIENCE
    while True:
        found, output = invoke("status", run)
        if found == code:
            return output
        assert found == 3, output
        assert time.monotonic() < limit, output
        time.sleep(0.5)


@pytest.fixture(scope="module")
def whole(pool_folder) -> Path:
    """A sample of nine chunks, an analysis, and its run in one piece, where jobs of a real pool see them, too."""
    folder = pool_folder / "batch jobs"
    folder.mkdir()
    sample = eventfiles.write_nano(folder / "t t.root", eventfiles.make_events(900, seed=3))
    (folder / "fileset.json").write_text(json.dumps(fileset_of(sample)))
    (folder / "slow.py").write_text(ANALYSIS)
    arguments = ("--fileset", folder / "fileset.json", "--chunksize", "100", "--executor", "iterative")
    code, output = invoke("run", f"{folder / 'slow.py'}:Slow", *arguments, "--out", folder / "whole")
    assert code == 0, output
    return folder


def submit(whole: Path, run: Path, *arguments) -> Path:
    code, output = invoke(
        *("submit", f"{whole / 'slow.py'}:Slow", "--fileset", whole / "fileset.json", "--chunksize", "100"),
        *("--out", run, "--memory", "1GB", "--disk", "100MB", *arguments),
    )
    assert code == 0, output
    return run


def merged(run: Path, whole: Path) -> bool:
    code, output = invoke("merge", run)
    assert code == 0, output
    return (run / "histograms.json").read_bytes() == (whole / "whole" / "histograms.json").read_bytes()


def empty() -> None:
    """Until the queue is: a job has written its results before it leaves."""
    command = ["condor_q", "-af", "ClusterId"]
    limit = time.monotonic() + PATIENCE
    while left := subprocess.run(command, capture_output=True, text=True, check=True).stdout.split():
        assert time.monotonic() < limit, left
        time.sleep(0.2)


@pytest.mark.parametrize("spool", [False, True])
def test_jobs_give_the_run_of_one_piece(standin, whole, tmp_path, spool) -> None:
    pool = standin(cpus=2, shared_fs=False, spool_time=math.inf)
    run = submit(
        whole, tmp_path / "my run", "--jobs", "2", "--environment", "shared", *(["--spool"] if spool else [])
    )
    if spool:
        # Held by the schedd until its input is there: neither for a person to mend nor to be replaced.
        code, output = invoke("status", run)
        assert code == 3, output
        assert "2  idle" in output
        assert invoke("resubmit", run, "--held")[1].endswith("There is nothing to submit.\n")
        for job in pool.jobs():
            pool.spooled(job["id"])
    wait(run)
    empty()
    assert merged(run, whole)


def test_an_evicted_job_goes_on_where_it_was(standin, whole, tmp_path) -> None:
    pool = standin(cpus=1)
    run = submit(whole, tmp_path / "my run", "--jobs", "1")
    limit = time.monotonic() + PATIENCE
    while not (done := list(pool.folder.rglob("out-0000/*.npz"))):
        assert time.monotonic() < limit, pool.log
        time.sleep(0.1)
    pool.vacate("1.0")
    wait(run)
    ledger = json.loads((run / "jobs" / "out-0000" / "ledger.json").read_text())
    assert ledger["complete"]
    log = (run / "jobs" / "logs" / "massgap.log").read_text()
    assert "Job was evicted" in log
    assert done
    assert merged(run, whole)


def test_a_job_that_takes_too_much_memory_is_held_and_replaced(standin, whole, tmp_path) -> None:
    standin(cpus=1)
    run = submit(whole, tmp_path / "my run", "--jobs", "1", "--memory", "50MB")
    output = wait(run, code=1)
    assert "held 1x" in output
    assert "memory" in output
    code, output = invoke("resubmit", run, "--held", "--memory", "2GB")
    assert code == 0, output
    wait(run)
    assert merged(run, whole)


@pytest.mark.htcondor
@pytest.mark.parametrize("spool", [False, True])
def test_jobs_on_a_real_pool(whole, tmp_path, spool) -> None:
    assert shutil.which("condor_submit")
    run = submit(whole, tmp_path / "my run", "--jobs", "2", *(["--spool"] if spool else []))
    wait(run)
    assert merged(run, whole)
