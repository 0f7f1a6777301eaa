"""massgap run on HTCondor jobs, as a user types it, against the stand-in pool."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import eventfiles
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 400.0
"""Seconds after which something is taken to hang, on however slow a machine."""
MINE = """
import os, time
import hist
import numpy as np
from coffea.processor import ProcessorABC

class Mine(ProcessorABC):
    def process(self, events):
        time.sleep(PAUSE)
        h = hist.Hist(hist.axis.Regular(5, 0, 300, name="x"), storage=hist.storage.Weight())
        h.fill(x=np.asarray(events.MET.pt), weight=np.asarray(events.genWeight, dtype=float))
        return {"met": h}
    def postprocess(self, accumulator):
        return accumulator
"""


@pytest.fixture
def place(tmp_path) -> Path:
    eventfiles.write_nano(tmp_path / "tt.root", eventfiles.make_events(240, seed=6))
    return tmp_path


def start(place: Path, out: str, *words: str, pause: float = 0.0) -> subprocess.Popen[str]:
    (place / f"mine_{out}.py").write_text(MINE.replace("PAUSE", str(pause)))
    command = [sys.executable, "-m", "massgap", "run", f"./mine_{out}.py:Mine", "tt.root", "--xsec", "10"]
    command += ["--chunksize", "5", "--out", out, *words]
    return subprocess.Popen(
        command,
        cwd=place,
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, out + err


JOBS = ("--executor", "htcondor", "--memory", "600MB", "--disk", "100MB", "--python", sys.executable)


def histograms(folder: Path) -> bytes:
    return (folder / "histograms.json").read_bytes()


def test_a_run_on_jobs_whose_driver_is_killed(place, standin) -> None:
    condor = standin()
    code, said = finish(start(place, "here", "--executor", "iterative"))
    assert code == 0, said

    def alive():
        return [job for job in condor.jobs() if job["state"] in ("idle", "running", "held")]

    process = start(place, "jobs", *JOBS, "--workers", "1", pause=0.3)
    kept = place / "jobs" / "checkpoints"
    end = time.monotonic() + PATIENCE
    while len(list(kept.glob("*.npz")) if kept.is_dir() else []) < 3:
        assert process.poll() is None, finish(process)
        assert time.monotonic() < end
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # Nobody is left who could remove the jobs: they end by themselves when the scheduler is gone.
    end = time.monotonic() + PATIENCE
    while alive():
        assert time.monotonic() < end, alive()
        time.sleep(0.3)
    before = len(list(kept.glob("*.npz")))
    code, said = finish(start(place, "jobs", *JOBS, "--adapt", "0:2", pause=0.3))
    assert code == 0, said
    assert f"{before} of 48 chunks were already finished" in said
    assert not alive()
    assert not list((place / "jobs" / "cluster").glob("*.pem"))
    ledger = json.loads((place / "jobs" / "ledger.json").read_text())
    assert ledger["complete"]
    assert histograms(place / "jobs") == histograms(place / "here")


def test_jobs_that_cannot_work_end_the_run_with_the_reason(place, standin) -> None:
    condor = standin()
    words = ("--executor", "htcondor", "--memory", "600MB", "--python", "/no/such/python")
    code, said = finish(start(place, "jobs", *words))
    assert code == 1
    assert said.count("Error: ") == 1
    assert "jobs in a row ended before their worker registered" in said
    assert "there is no /no/such/python" in said
    assert not [job for job in condor.jobs() if job["state"] in ("idle", "running", "held")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--executor", "dask", "--memory", "2GB"),
            "--memory goes with the executor htcondor, lpc or lxplus, not with dask",
        ),
        (("--adapt", "2:1", "--executor", "dask"), "write MIN:MAX"),
        (("--executor", "htcondor", "--memory", "2"), "write a size with its unit"),
        (("--executor", "htcondor", "--submit-line", "queue=5"), "massgap writes this line itself"),
        (("--executor", "htcondor"), "condor_submit is not on the PATH"),
        (("--executor", "swan"), "the address of the scheduler is not known"),
    ],
)
def test_refused(place, words, message, monkeypatch) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setenv("PATH", str(place))
    code, said = finish(start(place, "jobs", *words))
    assert code in (1, 2)
    assert message in " ".join(said.split())
