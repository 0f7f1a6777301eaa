"""A run of chunks that do nothing, through the driver of real runs: ``python -m benchmarks.scheduler_driver '{...}'``.

Ledger, tasks of several chunks, dask executor, merging on workers and in the driver are those of ``massgap run``; only
``process_task`` is replaced by :func:`no_op`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from massgap.runner.checkpoints.merge_tree import FAN_IN
from massgap.runner.work import Outcome, SharedWork, Task, TaskResult


class Nothing:
    """A processor; it is sent to the workers, but never asked to process anything."""


def no_op(shared: SharedWork, task: Task) -> TaskResult:
    """What a worker gives back for the chunks of a task, without their events."""
    given = shared.metadata["d"]
    if given["seconds"]:
        time.sleep(given["seconds"])
    numbers = [number for number, _ in task.chunks]
    value = {"chunks": len(numbers), "sums": np.ones(given["size"] // 8)}
    outcomes = {number: Outcome(seconds=0.0, host="nowhere") for number in numbers}
    return TaskResult(outcomes, {(task.level, numbers[0] // FAN_IN**task.level): value})


class Replaced:
    """An executor that calls :func:`no_op`, whatever it is asked to call."""

    merges = True

    def __init__(self, executor: Any) -> None:
        self.executor = executor

    def __call__(
        self,
        _: Any,
        items: Any,
        *,
        shared: Any = None,
        alone: bool = False,
        tick: Any = None,
        groups: Any = (),
        merge: Any = None,
    ) -> Any:
        """Run ``no_op`` over the items."""
        return self.executor(no_op, items, shared=shared, alone=alone, tick=tick, groups=groups, merge=merge)

    def states(self) -> Any:
        """The workers."""
        return self.executor.states()


def resident() -> float:
    """Resident memory of this process in bytes."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmRSS:") + 1]) * 1024.0


def drive(
    address: str | None,
    chunks: int,
    levels: tuple[int, int],
    seconds: float = 0.0,
    size: int = 8000,
    workers: int = 2,
) -> dict[str, Any]:
    """Run so many chunks and say what it took.

    Parameters
    ----------
    address
        Of a scheduler; None for a cluster of ``workers`` processes on this machine.
    chunks, levels
        How many, and how many make a task and a result, see :func:`massgap.runner.runner.run`.
    seconds
        How long a task sleeps.
    size
        Bytes of a result.
    """
    from massgap.events.reading.open import Chunk
    from massgap.runner.executors.dask_cluster import DaskExecutor
    from massgap.runner.ledger import ChunkEntry, Ledger
    from massgap.runner.process import process_plan
    from massgap.runner.result import RunResult

    if address is None:
        client, close = _here(workers)
    else:
        from distributed import Client

        client = Client(address)
        close = client.close
    # The largest size that the driver has without chunks: everything is imported, and a few tasks have been run.
    executor = Replaced(DaskExecutor(client))
    before = 0.0
    for n in (min(chunks, 500), chunks):
        before = resident()
        entries = [ChunkEntry(Chunk("d", "/nowhere.root", 1000 * i, 1000 * (i + 1))) for i in range(n)]
        result = RunResult(None, Ledger(chunks=entries), {}, {})
        seen: list[tuple[int, float]] = []

        def note(progress: Any, seen: list[tuple[int, float]] = seen, n: int = n) -> None:
            if progress.stage == "process" and (not seen or progress.done >= seen[-1][0] + n // 20):
                seen.append((progress.done, resident()))

        wall, cpu = time.perf_counter(), time.process_time()
        total = process_plan(
            Nothing(),
            result,
            keys=[f"{i:064d}" for i in range(n)],
            metadata={"d": {"seconds": seconds, "size": size}},
            executor=executor,
            levels=levels,
            progress=note,
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert result.ledger.errors == [], result.ledger.errors
        assert total["chunks"] == n, "chunks were lost or counted twice"
    close()
    early = next(memory for done, memory in seen if done >= chunks // 10)
    return {
        "wall": wall,
        "cpu": cpu,
        "tasks": -(-chunks // FAN_IN ** levels[0]),
        "before": before,
        "early": early,
        "end": seen[-1][1],
    }


def _here(workers: int) -> tuple[Any, Any]:
    from distributed import Client, LocalCluster

    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    )
    client = Client(cluster)

    def close() -> None:
        client.close()
        cluster.close()

    return client, close


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="Sending large graph")
    # Under its importable name, so that workers are told names and not code.
    from benchmarks.scheduler_driver import drive as importable

    print(json.dumps(importable(**json.loads(sys.argv[1]))))
