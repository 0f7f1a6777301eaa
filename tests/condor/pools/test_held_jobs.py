"""Jobs that are held, with HTCondor's reasons and codes."""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import TYPE_CHECKING

import pytest
from standin_jobs import description, held

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standin import Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)


def test_a_missing_input_file_holds_the_job(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    cluster = pool.submit(description("transfer_input_files = gone", "log = log"), cwd=tmp_path)
    code, subcode, reason = held(pool, cluster)
    assert (code, subcode) == (13, 2)
    assert reason == (
        "Transfer input files failure at access point standin while sending files to execution point slot1_1@standin. "
        f"Details: reading from file {tmp_path}/gone: (errno 2) No such file or directory"
    )
    (tmp_path / "gone").touch()
    pool.tool("condor_release", str(cluster))
    pool.wait_for(cluster, "completed")


def test_missing_output_holds_the_job(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    code, subcode, reason = held(pool, pool.submit(description("transfer_output_files = gone"), cwd=tmp_path))
    assert (code, subcode) == (12, 2)
    assert reason.startswith("Transfer output files failure at execution point slot1_1@standin while sending")
    assert reason.endswith("gone: (errno 2) No such file or directory")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("executable = /no/such\ntransfer_executable = False\nqueue\n", 6, "Failed to execute '/no/such'"),
        ("executable = /bin/sh\noutput = no/such/out\nqueue\n", 7, "as standard output: No such file"),
    ],
)
def test_a_job_that_cannot_start_is_held(
    standin: Start, tmp_path: Path, text: str, code: int, words: str
) -> None:
    pool = standin()
    got = held(pool, pool.submit(text, cwd=tmp_path))
    assert got[:2] == (code, 2)
    assert got[2].startswith("Error from slot1_1@standin: ")
    assert words in got[2]


def test_too_much_memory_holds_the_job(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    program = "import time; kept = bytearray(90_000_000); time.sleep(900)"
    text = (
        f"executable = {sys.executable}\ntransfer_executable = False\narguments = \"-S -c '{program}'\"\n"
        "request_memory = 50\nlog = log\nqueue\n"
    )
    code, subcode, reason = held(pool, pool.submit(text, cwd=tmp_path))
    assert (code, subcode) == (34, 0)
    assert reason.startswith(
        "Error from slot1_1@standin: Job has gone over cgroup memory limit of 50 megabytes. "
    )
    assert reason.endswith(" megabytes.  Consider resubmitting with a higher request_memory.")
    assert pool.job(1)["MemoryUsage"] > 50
    free = standin(memory_policy=False)
    again = free.submit(text.replace("sleep(900)", "sleep(1)"), cwd=tmp_path)
    assert free.wait_for(again, "completed")["ExitCode"] == 0


def test_expressions_of_the_job(standin: Start, tmp_path: Path) -> None:
    pool = standin(cpus=8)
    submit = {
        "hold": description("on_exit_hold = ExitCode == 3", script="exit 3"),
        "reason": description(
            "on_exit_hold = MY.ExitCode == 3",
            'on_exit_hold_reason = strcat("code ", ExitCode)',
            "on_exit_hold_subcode = 7",
            script="exit 3",
        ),
        "periodic": description("periodic_hold = time() - JobCurrentStartDate >= 1", script="sleep 900"),
        "long": description("allowed_job_duration = 1", script="sleep 900"),
        "remove": description("periodic_remove = JobStatus == 2", script="sleep 900"),
        "leave": description("leave_in_queue = True"),
    }
    jobs = {name: pool.submit(text, cwd=tmp_path) for name, text in submit.items()}
    expression = "The job attribute {} expression '{}' evaluated to TRUE"
    assert held(pool, jobs["hold"]) == (3, 0, expression.format("OnExitHold", "ExitCode == 3"))
    assert held(pool, jobs["reason"]) == (3, 7, "code 3")
    assert held(pool, jobs["periodic"])[2].startswith("The job attribute PeriodicHold expression 'time()")
    assert held(pool, jobs["long"]) == (46, 0, "The job exceeded allowed job duration of 0+00:00:01")
    assert "PeriodicRemove" in pool.wait_for(jobs["remove"], "removed")["RemoveReason"]
    pool.wait_for(jobs["leave"], "completed")
    time.sleep(0.3)
    assert f"{jobs['leave']}.0" in [row["id"] for row in pool.jobs()]


def test_max_retries(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    lines = ["max_retries = 2", "retry_until = ExitCode =!= 75", "log = log"]
    script = "echo >> {}; exit $(($(wc -l < {}) < 2 ? 75 : 4))"
    counts = tmp_path / "a", tmp_path / "b"
    always = pool.submit(description(*lines, script=f"echo >> {counts[0]}; exit 75"), cwd=tmp_path)
    script = f"echo >> {counts[1]}; [ $(wc -l < {counts[1]}) = 2 ] && exit 4; exit 75".replace(
        "$(", "$(DOLLAR)("
    )
    twice = pool.submit(description(*lines, script=script), cwd=tmp_path)
    assert pool.wait_for(always, "completed")["ExitCode"] == 75
    assert pool.wait_for(twice, "completed")["ExitCode"] == 4
    assert [len(path.read_text().splitlines()) for path in counts] == [3, 2]
    assert pool.job(always)["NumJobStarts"] == 3
