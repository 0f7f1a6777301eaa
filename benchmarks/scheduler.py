"""What a dask scheduler and the driver cost per task, how their memory grows, and what 10^10 events would take.

The scheduler, the driver and the workers are processes of their own.  The many workers are real ``distributed.Worker`` objects
of which hundreds share a process (:mod:`benchmarks.scheduler_workers`): scheduler and driver meet what they would meet in
a pool, but the workers share this machine's cores, so that wall times here are upper bounds.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Effort, Measurement, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "Many tasks on a dask scheduler"
ROOT = Path(__file__).resolve().parent.parent


def rows(effort: Effort) -> Iterator[Row | str]:
    """Yield the lines about the scheduler."""
    if not Path("/proc/self/stat").exists():
        yield "scheduler and driver: only where there is /proc"
        return
    full = bool(os.environ.get("MASSGAP_BENCH_FULL")) and effort is Effort.WHOLE
    chunks = 100_000 if full else effort.of(10_000, 1_000, 64)
    workers = 2_000 if full else effort.of(200, 20, 3)
    few = min(chunks, 10_000)
    local = [drive(address=None, chunks=chunks, levels=(0, 0))]
    yield _line(
        f"{chunks:,} tasks on 2 worker processes of this machine",
        [run["wall"] / run["tasks"] * 1e3 for run in local],
        "ms per task",
        "wall time; scheduler in the driver's process, one chunk per task, each result fetched",
    )
    with cluster(workers) as pool:
        singles = [pool.drive(chunks=few, levels=(0, 0))]
        merged = [pool.drive(chunks=few, levels=(0, 1))]
        grouped = [pool.drive(chunks=chunks, levels=(1, 2)) for _ in range(1 if full else effort.of(3, 1, 1))]
        yield from _cost(singles, workers, "each result fetched")
        yield from _cost(merged, workers, "merged on workers by eight")
        yield _line(
            f"{workers:,} workers, tasks of eight chunks: scheduler",
            [run["scheduler_cpu"] / chunks * 1e3 for run in grouped],
            "ms per chunk",
            "CPU time; eight tasks merged on workers",
        )
        yield from _memory(grouped, chunks, workers)
        costs = Costs.of(grouped)
        yield from _check(pool, costs, effort)
    yield from _extrapolate(costs)


def _line(what: str, values: list[float], unit: str, detail: str, goal: float | None = None) -> Row:
    measured = Measurement(statistics.median(values), min(values), max(values), len(values), 0.0)
    return Row(GROUP, what, measured, unit, goal=goal, at_least=False, detail=detail)


def _cost(runs: list[dict[str, Any]], workers: int, how: str) -> Iterator[Row]:
    for who, key in (("scheduler", "scheduler_cpu"), ("driver", "cpu")):
        yield _line(
            f"{workers:,} workers, one chunk per task, {how}: {who}",
            [run[key] / run["tasks"] * 1e3 for run in runs],
            "ms per task",
            f"CPU time; {runs[0]['tasks'] / statistics.median(r['wall'] for r in runs):,.0f} tasks per second of wall time here, "
            "where scheduler, driver and workers share the cores",
        )


def _memory(runs: list[dict[str, Any]], chunks: int, workers: int) -> Iterator[Row]:
    yield _line(
        f"{workers:,} workers: scheduler's memory after {chunks:,} chunks",
        [(run["scheduler_end"] - run["scheduler_before"]) / 2**20 for run in runs],
        "MiB more",
        f"beside {runs[0]['scheduler_before'] / 2**20:.0f} MiB before; finished tasks are forgotten",
    )
    yield _line(
        "driver's memory per chunk: ledger",
        [(run["end"] - run["before"]) / chunks for run in runs],
        "bytes",
        f"{(runs[0]['end'] - runs[0]['before']) / 2**20:.0f} MiB for {chunks:,} chunks, results included",
    )
    yield _line(
        "driver's memory, from a tenth of the chunks to all of them",
        [(run["end"] - run["early"]) / 2**20 for run in runs],
        "MiB more",
        "results of 8 kB; flat means that none are kept",
    )


# ---- what is run


def drive(**options: Any) -> dict[str, Any]:
    """Run :func:`benchmarks.scheduler_driver.drive` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scheduler_driver", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().split()
    return int(status[status.index("VmRSS:") + 1]) * 1024.0


@dataclass
class Pool:
    """A scheduler and workers."""

    address: str
    scheduler: int
    processes: list[int]
    workers: int

    def drive(self, **options: Any) -> dict[str, Any]:
        """Run chunks and add what scheduler and workers took."""
        cpu, memory = _cpu(self.scheduler), _resident(self.scheduler)
        others = sum(map(_cpu, self.processes))
        found = drive(address=self.address, **options)
        # The driver runs up to 500 chunks first, to warm up: their part is taken off.
        chunks = options["chunks"]
        share = chunks / (chunks + min(chunks, 500))
        return {
            **found,
            "scheduler_cpu": (_cpu(self.scheduler) - cpu) * share,
            "workers_cpu": (sum(map(_cpu, self.processes)) - others) * share,
            "scheduler_before": memory,
            "scheduler_end": _resident(self.scheduler),
        }


@contextlib.contextmanager
def cluster(workers: int, per_process: int = 500) -> Iterator[Pool]:
    """A scheduler in a process of its own, and many workers in a few."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "scheduler.json"
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]
        command += ["--no-dashboard", "--no-show", "--scheduler-file", str(file)]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
        scheduler = stack.enter_context(subprocess.Popen(command, **quiet))
        stack.callback(scheduler.terminate)
        while True:
            time.sleep(0.1)
            if file.exists() and file.read_text().rstrip().endswith("}"):
                break
        address = json.loads(file.read_text())["address"]
        processes = []
        for first in range(0, workers, per_process):
            number = min(per_process, workers - first)
            command = [sys.executable, "-m", "benchmarks.scheduler_workers", address, str(number)]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                msg = "the simulated workers did not start"
                raise RuntimeError(msg)
        yield Pool(address, scheduler.pid, [p.pid for p in processes], workers)


# ---- what would be run


@dataclass(frozen=True)
class Costs:
    """CPU seconds of a task: of the scheduler, the driver, and here of the processes that hold the workers."""

    scheduler: float
    driver: float
    workers: float

    @classmethod
    def of(cls, runs: list[dict[str, Any]]) -> Costs:
        """Medians of measured runs."""
        keys = ("scheduler_cpu", "cpu", "workers_cpu")
        return cls(*(statistics.median(run[key] / run["tasks"] for run in runs) for key in keys))


def simulate(
    tasks: int,
    workers: int,
    seconds: float,
    costs: Costs,
    *,
    spread: float = 0.0,
    shared: float = 0.0,
    window: int | None = None,
    seed: int = 1,
) -> float:
    """Wall time of a run by discrete events, in seconds.

    Each task passes the driver (which hands it out), the scheduler (which assigns it), a worker, the scheduler and
    the driver again (which hands out another one).  Driver and scheduler do one thing at a time.

    Parameters
    ----------
    tasks, workers
        How many.
    seconds, spread
        How long a task takes on its worker, and the width of the logarithm of that.
    costs
        Measured.
    shared
        CPU seconds of the one process that does all workers' administration (for a comparison with such a run).
    window
        Tasks that are handed out at a time; by default as the executor does.
    """
    draws = random.Random(seed)
    window = window or 3 * workers + 8
    free = {"driver": 0.0, "scheduler": 0.0, "shared": 0.0}

    def serve(who: str, at: float, cost: float) -> float:
        free[who] = max(free[who], at) + cost
        return free[who]

    # Events: (time, order, what); half of each cost is on the way out, half on the way back.
    events: list[tuple[float, int, str]] = []
    order = 0

    def push(at: float, what: str) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (at, order, what))

    handed = min(window, tasks)
    for _ in range(handed):
        push(0.0, "submit")
    idle, ready, now, finished = workers, deque[float](), 0.0, 0
    while finished < tasks:
        now, _, what = heapq.heappop(events)
        if what == "submit":
            push(serve("driver", now, costs.driver / 2), "assign")
        elif what == "assign":
            push(serve("scheduler", now, costs.scheduler / 2), "arrive")
        elif what == "arrive":
            ready.append(now)
        elif what == "computed":
            idle += 1
            push(serve("scheduler", now, costs.scheduler / 2), "collect")
        elif what == "collect":
            push(serve("driver", now, costs.driver / 2), "done")
        elif what == "done":
            finished += 1
            if handed < tasks:
                handed += 1
                push(now, "submit")
        while idle and ready:
            ready.popleft()
            idle -= 1
            length = seconds * (draws.lognormvariate(-(spread**2) / 2, spread) if spread else 1.0)
            push(serve("shared", now, shared) + length, "computed")
    return now


def _check(pool: Pool, costs: Costs, effort: Effort) -> Iterator[Row]:
    """The prediction against runs whose tasks sleep, one where workers are the limit and one where the scheduler is."""
    for seconds in effort.of((2.0, 0.05), (1.0,), (1.0,)):
        tasks = (effort.of(3, 1, 1) if seconds >= 1 else 5) * pool.workers
        # Never more than two of the three kinds of processes can be at work on two cores.
        cores = os.cpu_count() or 1
        parts = (costs.scheduler, costs.driver, costs.workers)
        stretch = max(1.0, sum(parts) / cores / max(parts))
        here = Costs(*(part * stretch for part in parts))
        expected = simulate(tasks, pool.workers, seconds, here, shared=here.workers)
        found = pool.drive(chunks=8 * tasks, levels=(1, 2), seconds=seconds)
        yield _line(
            f"{tasks:,} tasks of {seconds:g} s on {pool.workers:,} workers: measured over predicted",
            [found["wall"] / expected],
            "x",
            f"{found['wall']:.1f} s measured, {expected:.1f} s predicted, {seconds * tasks / pool.workers:.1f} s without any overhead",
        )


def _extrapolate(costs: Costs) -> Iterator[Row]:
    events, chunks, workers, per_task = 10**10, 10**5, 2000, 8
    tasks = chunks // per_task
    for per_event in (1e-6, 2e-5, 1e-4):
        length = events / chunks * per_task * per_event
        ideal = events * per_event / workers
        wall = simulate(tasks, workers, length, costs, spread=0.3)
        yield _line(
            f"10^10 events, 10^5 chunks, 2,000 workers, {per_event * 1e6:g} us per event",
            [wall / 60],
            "min",
            f"predicted, not run: {ideal / 60:.1f} min if nothing but events took time; tasks of {per_task} chunks take {length:.1f} s "
            f"(spread 30 %), the scheduler {costs.scheduler * 1e3:.2f} ms and the driver {costs.driver * 1e3:.2f} ms per task",
        )
