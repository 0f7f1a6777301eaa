"""What people and machines do to jobs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from standin_jobs import OR_EVICT, TRANSFER, alive, description, held, read, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standin import Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)


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
