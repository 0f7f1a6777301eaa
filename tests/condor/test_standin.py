"""The stand-in for an HTCondor pool behaves as HTCondor does."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from standin import RealPool, Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)

TRANSFER = ("should_transfer_files = YES", "when_to_transfer_output = ON_EXIT")
OR_EVICT = ("should_transfer_files = YES", "when_to_transfer_output = ON_EXIT_OR_EVICT")


def description(*lines: str, script: str = "exit 0", queue: str = "queue") -> str:
    """A job that runs a script of the shell, which HTCondor's new syntax holds as it is."""
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


def alive(process: int) -> bool:
    try:
        return Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(predicate: Callable[[], Any], timeout: float = 300.0) -> bool:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if predicate():
            return True
        time.sleep(0.05)
    return bool(predicate())


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


# ------------------------------------------------------------------ submission


def test_jobs_run_and_leave_the_queue(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    lines = ["output = out.$(Process)", "log = log"]
    script = "echo job $(Process) of $(ClusterId); exit $(Process)"
    cluster = pool.submit(description(*lines, script=script, queue="queue 2"), cwd=tmp_path)
    pool.wait(lambda jobs: not jobs)
    assert [pool.job(f"{cluster}.{k}")["ExitCode"] for k in range(2)] == [0, 1]
    assert [read(tmp_path / f"out.{k}") for k in range(2)] == [f"job {k} of {cluster}\n" for k in range(2)]
    assert [row["id"] for row in pool.history()].count(f"{cluster}.0") == 1


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("queue", [""]),
        ("queue name from names.txt", ["a", "b c"]),
        ("queue name, other from table.txt", ["a 1", "b 2"]),
        ("queue name in (x y z)", ["x", "y", "z"]),
        ("queue name from (\n  one\n  two\n)", ["one", "two"]),
    ],
)
def test_ways_to_queue(standin: Start, tmp_path: Path, queue: str, expected: list[str]) -> None:
    pool = standin()
    (tmp_path / "names.txt").write_text("a\nb c\n")
    (tmp_path / "table.txt").write_text("a, 1\nb, 2\n")
    lines = ["name =", "other =", 'MY.Words = "$(name) $(other)"', "hold = True"]
    cluster = pool.submit(description(*lines, queue=queue), cwd=tmp_path)
    jobs = pool.jobs()
    assert [row["Words"].strip() for row in jobs] == expected
    assert {row["ClusterId"] for row in jobs} == {cluster}
    assert [row["ProcId"] for row in jobs] == list(range(len(expected)))


def test_submission_from_a_file_with_options(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    (tmp_path / "a b.sub").write_text(description("hold = True", queue="queue 2"))
    said = pool.tool(
        "condor_submit",
        *("-name", "standin", "-pool", "here", "-batch-name", "my batch"),
        *("-append", "+Extra = 3", "-append", "priority = 2", "a b.sub"),
        cwd=tmp_path,
    )
    assert said == "Submitting job(s)..\n2 job(s) submitted to cluster 1.\n"
    row = pool.jobs()[0]
    assert (row["JobBatchName"], row["Extra"], row["JobPrio"]) == ("my batch", 3, 2)
    assert pool.tool("condor_submit", "-terse", "a b.sub", cwd=tmp_path) == "2.0 - 2.1\n"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("executable = /bin/sh\n", [], 'no "queue" command'),
        ("queue\n", [], "No 'executable'|executable"),
        ("executable = x\nrequest_memory = nonsense nonsense\nqueue\n", [], "ERROR"),
        ("executable = /bin/sh\nqueue\n", ["-name", "nowhere"], "Can't find address of schedd nowhere"),
        ("executable = /bin/sh\nqueue\n", ["-nonsense"], "does not know the option -nonsense"),
        ("executable = /bin/sh\nqueue\n", ["missing.sub"], "Failed to open command file"),
        ("executable = /bin/sh\ntransfer_input_files = missing\nqueue\n", ["-spool"], "spool.*missing"),
    ],
)
def test_what_is_refused(standin: Start, tmp_path: Path, text: str, options: list[str], words: str) -> None:
    import re

    pool = standin()
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pool.tool("condor_submit", *options, cwd=tmp_path, text=text)
    assert re.search(words, caught.value.stderr.replace("\n", " ")), caught.value.stderr
    assert pool.jobs() == []


def test_arguments_and_environment_arrive_as_they_are(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    words = ["it's", 'a "b"', "$(DOLLAR)(x)", "; echo no", "", "two  blanks", "\\", "tab\there"]

    def quoted(word: str) -> str:
        return "'" + word.replace("'", "''").replace('"', '""') + "'"

    program = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    arguments = " ".join(map(quoted, ["-c", program, *words]))
    environment = " ".join(f"V{k}={quoted(word)}" for k, word in enumerate(words))
    cluster = pool.submit(
        f"executable = {sys.executable}\ntransfer_executable = False\n"
        f'arguments = "{arguments}"\nenvironment = "{environment}"\noutput = out\nqueue\n',
        cwd=tmp_path,
    )
    assert pool.wait_for(cluster, "completed")["ExitCode"] == 0
    got, variables = json.loads((tmp_path / "out").read_text())
    expected = [word.replace("$(DOLLAR)", "$") for word in words]
    assert got == expected
    assert [variables[f"V{k}"] for k in range(len(words))] == expected


# ------------------------------------------------------------------ the sandbox


def test_without_shared_files_a_job_has_what_is_brought(standin: Start, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OF_THE_SUBMITTER", "1")
    pool = standin(shared_fs=False)
    (tmp_path / "one file").write_text("1")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "two").write_text("2")
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "three").write_text("3")
    (tmp_path / "run.sh").write_text(
        '#!/bin/sh\nls -d * folder/deep/*\n[ "$PWD" = "$_CONDOR_SCRATCH_DIR" ] && [ "$TMPDIR" = "$PWD" ] && echo box\n'
        "echo ${OF_THE_SUBMITTER:-clean} $HOME; echo wrong >&2\n"
    )
    cluster = pool.submit(
        "executable = run.sh\ntransfer_input_files = one file, folder, content/\noutput = out\nerror = err\nqueue\n",
        cwd=tmp_path,
    )
    pool.wait_for(cluster, "completed")
    lines = read(tmp_path / "out").splitlines()
    assert {"one file", "folder", "folder/deep/two", "three", "box", "clean /dev/null"} <= set(lines)
    assert "content" not in lines
    assert read(tmp_path / "err") == "wrong\n"
    assert list((pool.folder / "execute").iterdir()) == []


def test_with_shared_files_a_job_runs_where_it_was_submitted(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    cluster = pool.submit(description("output = out", script="pwd; sleep 900"), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    assert until(lambda: read(tmp_path / "out") == f"{tmp_path}\n")


def test_output_goes_back_at_the_end(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    (tmp_path / "sub").mkdir()
    lines = [
        "transfer_output_files = a, folder, deep/c",
        'transfer_output_remaps = "a = sub/a b; c=sub/d"',
        "output = out",
        "initialdir = .",
    ]
    script = "echo o; sleep 1; mkdir folder deep; touch not; echo a > a; echo b > folder/b; echo c > deep/c"
    cluster = pool.submit(description(*TRANSFER, *lines, script=script), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    assert not (tmp_path / "out").exists()
    pool.wait_for(cluster, "completed")
    assert read(tmp_path / "out") == "o\n"
    assert read(tmp_path / "sub" / "a b") == "a\n"
    assert read(tmp_path / "folder" / "b") == "b\n"
    assert read(tmp_path / "sub" / "d") == "c\n" or read(tmp_path / "c") == "c\n"
    assert not (tmp_path / "not").exists()


def test_new_files_go_back_by_default_and_folders_do_not(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    (tmp_path / "given").write_text("old")
    script = "echo new > given; touch made; mkdir folder"
    cluster = pool.submit(description("transfer_input_files = given", script=script), cwd=tmp_path)
    pool.wait_for(cluster, "completed")
    assert (tmp_path / "made").exists()
    assert not (tmp_path / "folder").exists()
    assert read(tmp_path / "given") == "old"
    nothing = description('transfer_output_files = ""', script="touch other")
    pool.wait_for(pool.submit(nothing, cwd=tmp_path), "completed")
    assert not (tmp_path / "other").exists()


def test_a_stream_is_seen_at_once(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    pool.submit(description("output = out", "stream_output = True", script="echo o; sleep 900"), cwd=tmp_path)
    assert until(lambda: read(tmp_path / "out") == "o\n")


def test_condor_tail_reads_what_a_running_job_says(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    script = "echo out; echo err >&2; echo file > my.log; sleep 900"
    cluster = pool.submit(description("output = o", "error = e", script=script), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    assert until(lambda: pool.tool("condor_tail", f"{cluster}.0", "my.log") == "file\n")
    assert pool.tool("condor_tail", f"{cluster}") == "out\n"
    assert pool.tool("condor_tail", "-stderr", "-maxbytes", "3", f"{cluster}.0") == "rr\n"
    pool.hold(cluster)
    pool.wait_for(cluster, "held")
    assert until(lambda: pool.job(cluster).get("RemoteHost") is None)
    with pytest.raises(subprocess.CalledProcessError):
        pool.tool("condor_tail", f"{cluster}.0")


def test_spooled_input_is_copied_and_output_waits(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    (tmp_path / "in").write_text("first")
    (tmp_path / "logs").mkdir()
    (tmp_path / "run.sh").write_text(
        "#!/bin/sh\nsleep 0.5; mkdir result; cp in result; echo said; echo x > x\n"
    )
    lines = [
        "transfer_input_files = in",
        "transfer_output_files = result, x",
        "output = logs/out",
        "log = log",
    ]
    text = "\n".join(["executable = run.sh", *lines, 'transfer_output_remaps = "x=logs/y"', "queue", ""])
    cluster = pool.submit(text, "-spool", cwd=tmp_path)
    (job,) = pool.jobs()
    assert (job["state"], job["HoldReasonCode"]) == ("held", 16)
    assert job["HoldReason"] == "Spooling input data files"
    with pytest.raises(subprocess.CalledProcessError):
        pool.tool("condor_release", f"{cluster}.0")
    (tmp_path / "in").write_text("changed")
    (tmp_path / "run.sh").unlink()
    row = pool.wait_for(cluster, "completed")
    assert row in pool.jobs(), "it stays in the queue until it is removed"
    assert not (tmp_path / "result").exists()
    assert not (tmp_path / "log").exists()
    assert "Job terminated" in read(pool.folder / "spool" / f"{cluster}.0" / "log")
    pool.tool("condor_transfer_data", f"{cluster}.0")
    assert read(tmp_path / "result" / "in") == "first"
    assert read(tmp_path / "logs" / "out") == "said\n"
    assert read(tmp_path / "logs" / "y") == "x\n"
    pool.tool("condor_rm", str(cluster))
    pool.wait(lambda jobs: not jobs)
    assert list((pool.folder / "spool").iterdir()) == []


# ------------------------------------------------------------------ held jobs


def held(pool: Standin, job: int) -> tuple[int, int, str]:
    row = pool.wait_for(job, "held")
    return row["HoldReasonCode"], row["HoldReasonSubCode"], row["HoldReason"]


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


# ------------------------------------------------------------------ from outside


def test_hold_and_release(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    running = pool.submit(description("log = log", script="sleep 900"), cwd=tmp_path)
    idle = pool.submit(description("requirements = False", script="sleep 900"), cwd=tmp_path)
    pool.wait_for(running, "running")
    assert pool.job(idle)["state"] == "idle"
    said = pool.tool("condor_hold", "-reason", "to look", str(running), f"{idle}.0")
    assert said == f"All jobs in cluster {running} have been held\nJob {idle}.0 held\n"
    user = pool.job(idle)["Owner"]
    assert held(pool, idle) == (1, 0, f"to look (via condor_hold (by user {user}))")
    assert held(pool, running)[0] == 1
    assert until(lambda: "RemoteHost" not in pool.job(running))
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        pool.tool("condor_hold", str(idle))
    pool.release(running)
    assert "HoldReason" not in pool.wait_for(running, "running")
    assert pool.job(running)["NumJobStarts"] == 2


def test_a_vacated_job_starts_again_with_what_it_made(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    script = (
        "trap 'echo soft >> made; exit 0' TERM; [ -e made ] && echo again >> made && exit 0; "
        "touch made ready; while :; do sleep 0.05; done"
    )
    lines = [*OR_EVICT, "transfer_output_files = made", "log = log"]
    cluster = pool.submit(description(*lines, script=script), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    until(lambda: list((pool.folder / "execute").glob("*/ready")))
    pool.tool("condor_vacate_job", f"{cluster}.0")
    row = pool.wait_for(cluster, "completed")
    assert row["NumJobStarts"] == 2
    assert read(tmp_path / "made") == "soft\nagain\n"
    heads = [line[:3] for line in read(tmp_path / "log").splitlines() if line[:3].isdigit()]
    assert heads == ["000", "001", "004", "001", "005"]


def test_on_exit_alone_forgets_what_an_evicted_job_made(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    first = tmp_path / "first"
    script = f"touch made; ls ma*; [ -e {first} ] || {{ touch {first}; sleep 900; }}"
    cluster = pool.submit(description(*TRANSFER, "output = out", script=script), cwd=tmp_path)
    assert until(first.exists)
    pool.vacate(cluster, fast=True)
    assert pool.wait_for(cluster, "completed")["NumJobStarts"] == 2
    assert read(tmp_path / "out") == "made\n"


def test_the_signal_goes_to_the_job_alone_and_then_to_all(standin: Start, tmp_path: Path) -> None:
    pool = standin(vacate_time=900.0)
    children = {}
    for name, *lines in (("long",), ("short", "+JobMaxVacateTime = 1")):
        script = f"trap 'echo soft' TERM; setsid sleep 900 & echo $! > {tmp_path}/{name}; while :; do sleep 0.05; done"
        cluster = pool.submit(description(f"output = out-{name}", *lines, script=script), cwd=tmp_path)
        assert until(lambda: read(tmp_path / name).endswith("\n"))  # noqa: B023
        children[name] = int(read(tmp_path / name))
        pool.remove(cluster)
        assert pool.job(cluster)["state"] == "removed"
    assert until(lambda: read(tmp_path / "out-long") == "soft\n")
    assert alive(children["long"])
    pool.wait(lambda jobs: len(jobs) == 1)
    assert read(tmp_path / "out-short") == "soft\n"
    assert not alive(children["short"])
    assert alive(children["long"])


def test_a_crash_is_an_end_by_signal(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    cluster = pool.submit(description(script="sleep 900"), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    pool.kill(cluster)
    row = pool.wait_for(cluster, "completed")
    assert (row["ExitBySignal"], row["ExitSignal"]) == (True, 9)
    assert "ExitCode" not in row


def test_remove_by_all_kinds_of_names(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    idle = description("requirements = False", "+Kind = $(Process)", queue="queue 4")
    cluster = pool.submit(idle, cwd=tmp_path)
    pool.tool("condor_rm", f"{cluster}.1", "-reason", "not wanted")
    assert "not wanted" in pool.wait_for(f"{cluster}.1", "removed")["RemoveReason"]
    pool.tool("condor_rm", "-constraint", "Kind == 2")
    pool.wait(lambda jobs: [row["Kind"] for row in jobs] == [0, 3])
    with pytest.raises(subprocess.CalledProcessError):
        pool.tool("condor_rm", "77")
    pool.tool("condor_rm", str(cluster))
    pool.wait(lambda jobs: not jobs)


def test_slots(standin: Start, tmp_path: Path) -> None:
    pool = standin(cpus=3, memory=1000)
    big = pool.submit(
        description("request_cpus = 2", "request_memory = 600", script="sleep 900"), cwd=tmp_path
    )
    pool.wait_for(big, "running")
    cores = pool.submit(description("request_cpus = 2", script="sleep 900"), cwd=tmp_path)
    memory = pool.submit(description("request_memory = 600", script="sleep 900"), cwd=tmp_path)
    never = pool.submit(description("request_memory = 2GB", script="sleep 900"), cwd=tmp_path)
    small = pool.submit(description("request_memory = 300", script="sleep 900"), cwd=tmp_path)
    pool.wait_for(small, "running")
    one = pool.submit(description("request_memory = 50", script="sleep 900"), cwd=tmp_path)
    time.sleep(0.3)
    assert [pool.job(job)["state"] for job in (cores, memory, never, one)] == ["idle"] * 4
    slots = json.loads(pool.tool("condor_status", "-json", "-attributes", "Name,Cpus,Memory"))
    assert slots[0] == {"Name": "slot1@standin", "Cpus": 0, "Memory": 100}
    pool.remove(big)
    pool.remove(small)
    pool.wait_for(cores, "running")
    assert pool.job(never)["state"] == "idle"


def test_jobs_that_need_shared_files_do_not_match_without(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    needs = pool.submit(description("should_transfer_files = NO"), cwd=tmp_path)
    other = pool.submit(description("should_transfer_files = IF_NEEDED"), cwd=tmp_path)
    pool.wait_for(other, "completed")
    assert pool.job(needs)["state"] == "idle"


# ------------------------------------------------------------------ tools


def test_condor_q_and_condor_history(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    assert pool.tool("condor_q", "-json") == ""
    pool.wait_for(pool.submit(description(), cwd=tmp_path), "completed")
    pool.wait_for(pool.submit(description(script="exit 1"), cwd=tmp_path), "completed")
    idle = pool.submit(description("requirements = False", '+Word = "a b"'), cwd=tmp_path)
    rows = json.loads(pool.tool("condor_q", "-json", "-attributes", "clusterid,Word,RequestDisk", str(idle)))
    assert rows == [{"clusterid": idle, "Word": "a b", "RequestDisk": rows[0]["RequestDisk"]}]
    assert (
        pool.tool("condor_q", "-af", "ClusterId", "Word", "JobStatus + 1", "Nothing") == "3 a b 2 undefined\n"
    )
    assert "1 idle" in pool.tool("condor_q", "-nobatch")
    assert pool.tool("condor_q", "-constraint", 'Word == "no"', "-json") == ""
    assert pool.tool("condor_history", "-af", "ClusterId", "ExitCode") == "2 1\n1 0\n"
    assert pool.tool("condor_history", "-limit", "1", "-af", "ClusterId") == "2\n"
    assert pool.tool("condor_history", "-constraint", "ExitCode == 0", "-af", "ClusterId") == "1\n"
    assert pool.tool("condor_history", str(idle), "-json") == ""
    assert "ClusterId = 3" in pool.tool("condor_q", "-long")


def test_small_tools(standin: Start) -> None:
    pool = standin()
    assert pool.tool("condor_version").startswith("$CondorVersion: 24.")
    assert pool.tool("condor_config_val", "SPOOL") == f"{pool.folder}/spool\n"
    with pytest.raises(subprocess.CalledProcessError):
        pool.tool("condor_config_val", "NO_SUCH_NAME")


def test_tools_go_wrong_on_demand(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    pool.wrong("condor_q", says="ERROR: no answer")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pool.tool("condor_q", "-json")
    assert caught.value.stderr == "ERROR: no answer\n"
    pool.wrong("condor_q")
    pool.tool("condor_q", "-json")
    assert pool.calls == [["condor_q", "-json"]] * 2
    pool.wrong("condor_submit", kills="after")
    program = "import subprocess, sys; subprocess.run(['condor_submit'], input=sys.argv[1], text=True)"
    killed = subprocess.run([sys.executable, "-c", program, description("requirements = False")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(pool.jobs()) == 1


def test_the_event_log_is_one_that_htcondor_reads(standin: Start, tmp_path: Path, monkeypatch) -> None:
    pool = standin(shared_fs=False)
    lines = ["log = log", "max_retries = 1"]
    pool.wait_for(pool.submit(description(*lines, script="exit 3"), cwd=tmp_path), "completed")
    killed = pool.submit(description("log = log", script="kill -9 $$"), cwd=tmp_path)
    pool.wait_for(killed, "completed")
    other = pool.submit(description("log = log", "transfer_input_files = gone"), cwd=tmp_path)
    pool.wait_for(other, "held")
    (tmp_path / "gone").touch()
    pool.release(other)
    pool.wait_for(other, "completed")
    removed = pool.submit(description("log = log", script="sleep 900"), cwd=tmp_path)
    pool.wait_for(removed, "running")
    pool.vacate(removed)
    assert until(lambda: pool.job(removed)["NumJobStarts"] == 2)
    pool.remove(removed)
    pool.wait(lambda jobs: not jobs)
    monkeypatch.setenv("CONDOR_CONFIG", os.devnull)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import htcondor

        events = [(e.cluster, e.type.name, e) for e in htcondor.JobEventLog(str(tmp_path / "log")).events(0)]
    names = {k: [name for cluster, name, _ in events if cluster == k] for k in range(1, 5)}
    again = ["EXECUTE", "JOB_EVICTED", "EXECUTE"]
    assert names == {
        1: ["SUBMIT", *again, "JOB_TERMINATED"],
        2: ["SUBMIT", "EXECUTE", "JOB_TERMINATED"],
        3: ["SUBMIT", "JOB_HELD", "JOB_RELEASED", "EXECUTE", "JOB_TERMINATED"],
        4: ["SUBMIT", *again, "JOB_ABORTED"],
    }
    ends = {cluster: event for cluster, name, event in events if name == "JOB_TERMINATED"}
    assert (ends[1]["TerminatedNormally"], ends[1]["ReturnValue"]) == (True, 3)
    assert (ends[2]["TerminatedNormally"], ends[2]["TerminatedBySignal"]) == (False, 9)
    hold = next(event for _, name, event in events if name == "JOB_HELD")
    assert (hold["HoldReasonCode"], hold["HoldReasonSubCode"]) == (13, 2)
    assert hold["HoldReason"].startswith("Transfer input files failure")
    evicted = [event for _, name, event in events if name == "JOB_EVICTED"]
    assert [event["TerminatedAndRequeued"] for event in evicted] == [True, False]


def test_what_tools_find_and_do_not_find(standin: Start) -> None:
    pool = standin(by_hand=True)
    pool.submit(description("+Kind = 1"))
    for words, told in {
        ("5",): "Couldn't find/remove all jobs in cluster 5",
        ("5.1",): "Job 5.1 not found",
        ("-constraint", "Kind == 2"): "Couldn't find/remove all jobs matching constraint Kind == 2",
        (): "no job given",
    }.items():
        with pytest.raises(subprocess.CalledProcessError) as caught:
            pool.tool("condor_rm", *words)
        assert told in caught.value.stderr
    assert (
        pool.tool("condor_rm", "-cons", "Kind == 1")
        == "All jobs matching constraint Kind == 1 have been marked for removal\n"
    )


# ------------------------------------------------------------------ true of the stand-in and of a real pool


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


# ------------------------------------------------------------------ the pool itself


def test_jobs_that_start_when_told(standin: Start, tmp_path: Path) -> None:
    pool = standin(by_hand=True)
    cluster = pool.submit(description(queue="queue 2"), cwd=tmp_path)
    time.sleep(0.3)
    assert [row["state"] for row in pool.jobs()] == ["idle", "idle"]
    pool.start(f"{cluster}.1")
    pool.wait_for(f"{cluster}.1", "completed")
    assert [row["id"] for row in pool.jobs()] == [f"{cluster}.0"]
    pool.forget(cluster)
    assert [row["id"] for row in pool.history()] == [f"{cluster}.1"]
    with pytest.raises(LookupError, match="not in the queue"):
        pool.hold(cluster)


def test_a_job_that_asks_for_no_memory_has_little(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    cluster = pool.submit(description("hold = True"), cwd=tmp_path)
    assert pool.job(cluster)["RequestMemory"] == 128


def test_pools_side_by_side(standin: Start, tmp_path: Path) -> None:
    pools = [standin() for _ in range(3)]
    clusters = [pool.submit(description(f"+Number = {k}"), cwd=tmp_path) for k, pool in enumerate(pools)]
    assert clusters == [1, 1, 1]
    assert [pool.wait_for(1, "completed")["Number"] for pool in pools] == [0, 1, 2]


def test_a_folder_with_a_long_and_odd_name(tmp_path: Path) -> None:
    from standin import Standin

    pool = Standin(tmp_path / ("long " * 30) / 'it\'s "odd" $(x)')
    try:
        pool.wait_for(pool.submit(description(), cwd=tmp_path), "completed")
    finally:
        pool.close()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    from standin import Standin

    threads = threading.active_count()
    pool = Standin(tmp_path / "pool")
    script = f"setsid sleep 300 & echo $! $$ > {tmp_path}/pids; trap '' TERM; while :; do sleep 0.05; done"
    pool.submit(description(script=script), cwd=tmp_path)
    assert until(lambda: read(tmp_path / "pids").endswith("\n"))
    processes = [pool.pid, *map(int, read(tmp_path / "pids").split())]
    assert all(map(alive, processes))
    pool.close()
    assert until(lambda: not any(map(alive, processes)))
    assert threading.active_count() == threads


def test_the_pool_ends_with_who_started_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from standin import Standin\n"
        "pool = Standin(Path(sys.argv[2])); pool.submit(sys.argv[3]); print(pool.pid, flush=True); time.sleep(300)\n"
    )
    script = f"setsid sleep 300 & echo $! $$ > {tmp_path}/pids; sleep 300"
    command = [
        sys.executable,
        "-c",
        program,
        str(Path(__file__).parent),
        str(tmp_path / "pool"),
        description(script=script),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        assert until(lambda: read(tmp_path / "pids").endswith("\n"))
        starter.kill()
    processes = [server, *map(int, read(tmp_path / "pids").split())]
    assert until(lambda: not any(map(alive, processes)))


def test_a_job_ends_with_a_pool_that_is_killed(tmp_path: Path) -> None:
    from standin import Standin

    pool = Standin(tmp_path / "pool")
    pool.submit(description(script=f"echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done"), cwd=tmp_path)
    assert until(lambda: read(tmp_path / "pid").endswith("\n"))
    os.kill(pool.pid, signal.SIGKILL)
    pool.close()
    assert until(lambda: not alive(int(read(tmp_path / "pid"))))
