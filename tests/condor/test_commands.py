"""Calls of HTCondor's tools: arguments go through as they are, failures are told in HTCondor's words."""

from __future__ import annotations

import json
import os
import sys

import pytest

from massgap.condor import commands as tools
from massgap.condor.errors import CondorError


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Make a tool that records its arguments, prints and exits."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def make(name: str, out: str = "", err: str = "", code: int = 0, sleep: float = 0.0):
        path = tmp_path / name
        path.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys, time\n"
            f"json.dump([sys.argv[1:], os.getcwd()], open({str(tmp_path / 'called.json')!r}, 'w'))\n"
            f"time.sleep({sleep})\n"
            f"sys.stdout.write({out!r})\nsys.stderr.write({err!r})\nsys.exit({code})\n"
        )
        path.chmod(0o755)

    make.called = lambda: json.loads((tmp_path / "called.json").read_text())
    return make


def test_missing_tool_names_the_remedy(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CondorError, match="condor_submit is not on the PATH: run this on a submit host"):
        tools.submit("x.sub", folder=tmp_path)


@pytest.mark.parametrize(
    "said", ["Submitting job(s)..\n2 job(s) submitted to cluster 17.\n", "17.0 - 17.1\n"]
)
def test_submit_returns_the_cluster(tool, tmp_path, said) -> None:
    tool("condor_submit", said)
    assert tools.submit("a b.sub", folder=tmp_path, spool=True) == 17
    assert tool.called() == [["-spool", "a b.sub"], str(tmp_path)]


def test_submit_without_a_number_is_an_error(tool, tmp_path) -> None:
    tool("condor_submit", "Submitting job(s)\n")
    with pytest.raises(CondorError, match=r"did not say which cluster.*Submitting job\(s\)"):
        tools.submit("x.sub", folder=tmp_path)


def test_failure_is_told_in_the_words_of_the_tool(tool, tmp_path) -> None:
    tool(
        "condor_submit",
        "Submitting job(s)",
        "WARNING: the line 'foo' was unused\n\nERROR: Can't find address of local schedd\n",
        1,
    )
    with pytest.raises(CondorError) as caught:
        tools.submit("x.sub", folder=tmp_path)
    assert "condor_submit failed (exit code 1): ERROR: Can't find address of local schedd" in str(
        caught.value
    )
    assert "unused" not in str(caught.value)


NO_SCHEDD = """Error:

Extra Info: You probably saw this error because the condor_schedd is not running
on the machine you are trying to query. If the condor_schedd is not running, the
Condor system will not be able to find an address and port to connect to and
satisfy this request. Please make sure the Condor daemons are running and try
again.

Extra Info: If the condor_schedd is running on the machine you are trying to
query and you still see the error, the most likely cause is that you have setup
a personal Condor, you have not defined SCHEDD_NAME in your condor_config file,
and something is wrong with your SCHEDD_ADDRESS_FILE setting.
"""


ADDRESSES = (
    "\n-- Failed to fetch ads from: <10.0.0.1:9618?addrs=10.0.0.1-9618&alias=login1.site.org&noUDP&sock=schedd_12_ab> : login1.site.org\n"
    "SECMAN:2007:Failed to end classad message.\n"
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            NO_SCHEDD,
            "You probably saw this error because the condor_schedd is not running on the machine you are trying to query.",
        ),
        # The same without line ends inside the paragraphs.
        (
            NO_SCHEDD.replace("\n\n", "|").replace("\n", " ").replace("|", "\n\n"),
            "You probably saw this error because the condor_schedd is not running on the machine you are trying to query.",
        ),
        (
            ADDRESSES,
            "-- Failed to fetch ads from: <10.0.0.1:9618> : login1.site.org SECMAN:2007:Failed to end classad message.",
        ),
        (
            "Submitting job(s)\nERROR: Failed to commit job submission into the queue.\n",
            "ERROR: Failed to commit job submission into the queue.",
        ),
    ],
)
def test_of_a_long_message_the_lines_that_matter_are_told(tool, said, told) -> None:
    tool("condor_q", "", said, 1)
    with pytest.raises(CondorError) as caught:
        tools.queue(["A"])
    assert str(caught.value) == f"condor_q failed (exit code 1): {told}"


def test_whatever_a_tool_says_is_short(tool) -> None:
    tool("condor_q", "", "ERROR: " + "all work and no play " * 200, 1)
    with pytest.raises(CondorError, match=r"ERROR: all work .* \.\.\.$") as caught:
        tools.queue(["A"])
    assert len(str(caught.value)) < 350


def test_a_tool_that_hangs_is_ended(tool) -> None:
    tool("condor_q", sleep=60)
    with pytest.raises(CondorError, match="condor_q did not answer for 0 s: the schedd is busy"):
        tools.call("condor_q", timeout=0.2)


def test_queue_reads_json_after_warnings(tool) -> None:
    tool("condor_q", 'WARNING: old [x]\n[\n{"ClusterId": 3, "ProcId": 0}\n]\n')
    rows = tools.queue(["ClusterId", "ProcId"], constraint='A == "$(x); rm"', name="s@h")
    assert rows == [{"ClusterId": 3, "ProcId": 0}]
    expected = ["-name", "s@h", "-constraint", 'A == "$(x); rm"', "-json", "-attributes", "ClusterId,ProcId"]
    assert tool.called()[0] == expected


def test_nothing_found_is_an_empty_list_and_garbage_an_error(tool) -> None:
    tool("condor_history", "")
    assert tools.history(["A"], ids=["3"], limit=1) == []
    assert tool.called()[0][:3] == ["3", "-limit", "1"]
    tool("condor_history", "[ {")
    with pytest.raises(CondorError, match="not JSON"):
        tools.history(["A"])


def test_no_jobs_call_no_tool(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    tools.remove([])
    tools.fetch([])


def test_remove_gives_the_reason(tool) -> None:
    tool("condor_rm")
    tools.remove(["3.0", "4"], reason="again; $(x)")
    assert tool.called()[0] == ["-reason", "again; $(x)", "3.0", "4"]


@pytest.mark.parametrize(
    ("machines", "expected"),
    [("cern.ch\ncern.ch\n", True), ("cern.ch\nw1.else.org\n", False), ("w1\nw2\n", False), ("", None)],
)
def test_a_pool_shares_files_if_all_machines_say_so(tool, machines, expected) -> None:
    tool("condor_config_val", "cern.ch\n")
    tool("condor_status", machines)
    assert tools.shares_files() is expected


def test_a_pool_that_does_not_say_whether_it_shares_files(tool, tmp_path, monkeypatch) -> None:
    tool("condor_config_val", "cern.ch\n")
    tool("condor_status", err="no collector", code=1)
    assert tools.shares_files() is None
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert tools.shares_files() is None
