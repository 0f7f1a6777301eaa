"""The command line tools of the stand-in."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import pytest
from standin_jobs import description, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standin import Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)


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
