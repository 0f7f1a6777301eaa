"""The stand-in for an HTCondor pool behaves as HTCondor does."""

from __future__ import annotations

from pathlib import Path


def description(*lines: str, script: str = "exit 0", queue: str = "queue") -> str:
    quoted = script.replace('"', '""').replace("'", "''")
    return "\n".join(
        [
            "executable = /bin/sh",
            f"arguments = \"-c '{quoted}'\"",
            "transfer_executable = False",
            *lines,
            queue,
            "",
        ]
    )


def test_jobs_run_and_leave_the_queue(standin, tmp_path) -> None:
    pool = standin()
    lines = ["output = out.$(Process)", "log = log"]
    cluster = pool.submit(
        description(*lines, script="echo job $(Process); exit $(Process)", queue="queue 2"), cwd=tmp_path
    )
    pool.wait(lambda jobs: not jobs)
    assert [pool.job(f"{cluster}.{k}")["ExitCode"] for k in range(2)] == [0, 1]
    assert [Path(tmp_path, f"out.{k}").read_text() for k in range(2)] == ["job 0\n", "job 1\n"]
