"""What is true of the stand-in and of a real pool."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING

import pytest
from standin_jobs import OR_EVICT, TRANSFER, description, read, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standin import RealPool, Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)


def test_either_pool_runs_a_job(either_pool: RealPool, tmp_path: Path) -> None:
    lines = [
        *TRANSFER,
        "transfer_input_files = in",
        "transfer_output_files = made",
        "output = o",
        "error = e",
        "log = log",
    ]
    (tmp_path / "in").write_text("given\n")
    cluster = either_pool.submit(
        description(*lines, script="cat in; cp in made; echo bad >&2; exit 3"), cwd=tmp_path
    )
    row = either_pool.wait_for(cluster, "completed")
    assert (row["ExitCode"], row["ExitBySignal"], row["NumJobStarts"]) == (3, False, 1)
    assert [read(tmp_path / name) for name in ("o", "made", "e")] == ["given\n", "given\n", "bad\n"]
    assert "(1) Normal termination (return value 3)" in read(tmp_path / "log")


def test_either_pool_ends_a_job_by_signal(either_pool: RealPool, tmp_path: Path) -> None:
    cluster = either_pool.submit(description("log = log", script="kill -9 $$"), cwd=tmp_path)
    row = either_pool.wait_for(cluster, "completed")
    assert (row["ExitBySignal"], row["ExitSignal"]) == (True, 9)
    assert "(0) Abnormal termination (signal 9)" in read(tmp_path / "log")


def test_either_pool_tries_again(either_pool: RealPool, tmp_path: Path) -> None:
    lines = ["max_retries = 1", "retry_until = ExitCode =!= 75"]
    row = either_pool.wait_for(
        either_pool.submit(description(*lines, script="exit 75"), cwd=tmp_path), "completed"
    )
    assert (row["ExitCode"], row["NumJobStarts"], row["NumJobCompletions"]) == (75, 2, 2)


def test_either_pool_holds_and_releases(either_pool: RealPool, tmp_path: Path) -> None:
    lines = [*TRANSFER, "transfer_input_files = gone", "on_exit_hold = ExitCode == 3", "log = log"]
    cluster = either_pool.submit(description(*lines, script="exit 3"), cwd=tmp_path)
    row = either_pool.wait_for(cluster, "held")
    assert row["HoldReasonCode"] == 13
    assert "Transfer input files failure at access point" in row["HoldReason"]
    assert "No such file or directory" in row["HoldReason"]
    (tmp_path / "gone").touch()
    either_pool.release(cluster)
    either_pool.wait(lambda jobs: jobs[0].get("HoldReasonCode") == 3)
    assert "OnExitHold" in either_pool.job(cluster)["HoldReason"]
    heads = [
        line[:3] for line in read(tmp_path / "log").splitlines() if line[:3].isdigit() and line[3:5] == " ("
    ]
    assert [head for head in heads if head in ("000", "012", "013")] == ["000", "012", "013", "012"]


def test_either_pool_keeps_what_an_evicted_job_made(either_pool: RealPool, tmp_path: Path) -> None:
    script = "trap 'echo soft >> made; exit 0' TERM; [ -e made ] && exit 0; touch made; echo ready; while :; do sleep 0.1; done"
    lines = [*OR_EVICT, "transfer_output_files = made", "output = out", "stream_output = True"]
    cluster = either_pool.submit(description(*lines, script=script), cwd=tmp_path)
    assert until(lambda: read(tmp_path / "out") == "ready\n")
    either_pool.vacate(cluster)
    assert either_pool.wait_for(cluster, "completed")["NumJobStarts"] == 2
    assert read(tmp_path / "made") == "soft\n"


def test_either_pool_removes_what_never_matches(either_pool: RealPool, tmp_path: Path) -> None:
    cluster = either_pool.submit(description("requirements = TARGET.Memory < 0"), cwd=tmp_path)
    time.sleep(1)
    assert either_pool.job(cluster)["state"] == "idle"
    either_pool.remove(cluster)
    assert "via condor_rm" in either_pool.wait_for(cluster, "removed")["RemoveReason"]


def test_a_pool_by_its_tools(standin: Start, tmp_path: Path) -> None:
    from standin import RealPool

    standin()
    pool = RealPool(patience=300)
    assert pool.jobs() == []
    text = description("log = log", script="sleep 900", queue="queue 2")
    cluster = pool.submit(text, cwd=tmp_path)
    pool.wait_for(cluster, "running")
    pool.hold(cluster, "to look")
    assert "to look" in pool.wait_for(cluster, "held")["HoldReason"]
    pool.release(cluster)
    pool.wait_for(cluster, "running")
    pool.vacate(cluster, fast=True)
    pool.remove(f"{cluster}.1")
    pool.wait_for(f"{cluster}.1", "removed")
    pool.close()
    pool.wait(lambda jobs: not jobs)
