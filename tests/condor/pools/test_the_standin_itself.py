"""The stand-in as a process: it starts jobs when told, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from standin_jobs import alive, description, read, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from standin import Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)


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
        str(Path(__file__).parents[1]),
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
