"""Descriptions are read, and jobs queued, as HTCondor does it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from standin_jobs import description, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standin import Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)


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
    assert {(row["state"], row["HoldReasonCode"]) for row in jobs} == {("held", 15)}
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
