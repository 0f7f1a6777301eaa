"""Run after run with faults at random, for as long as one likes: MASSGAP_SOAK=10 (minutes) turns it on.

MASSGAP_SOAK=10 pytest tests/processors/test_soak.py -s
"""

from __future__ import annotations

import collections
import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import eventfiles
import faulttasks
import psutil
import pytest
from faulttasks import Faulty
from runs import bits, fileset_of

from massgap.runner import run
from massgap.runner.executors.dask_cluster import DaskExecutor
from massgap.runner.executors.local import FuturesExecutor
from massgap.runner.work import Retries

MINUTES = float(os.environ.get("MASSGAP_SOAK", "0"))
STARTS = range(0, 960, 40)


@pytest.mark.skipif(not MINUTES, reason="takes minutes: set MASSGAP_SOAK to how many")
@pytest.mark.timeout(0)
def test_soak(tmp_path, monkeypatch) -> None:
    import dask
    from distributed import Client, LocalCluster

    monkeypatch.syspath_prepend(str(Path(faulttasks.__file__).parent))
    sample = eventfiles.write_nano(tmp_path / "tt.root", eventfiles.make_events(960, seed=3))
    fileset = fileset_of(sample)
    (tmp_path / "whole").mkdir()
    whole = bits(run(Faulty(str(tmp_path / "whole")), fileset, chunksize=40))
    seed = int(os.environ.get("MASSGAP_SOAK_SEED", time.time_ns() % 10**6))
    draw = random.Random(seed)
    counts: collections.Counter[str] = collections.Counter()
    here = psutil.Process()
    memory = []
    end = time.monotonic() + 60 * MINUTES
    with dask.config.set(
        {"distributed.scheduler.allowed-failures": 1, "distributed.deploy.lost-worker-timeout": "5s"}
    ):
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60
        )
    with cluster, Client(cluster) as client:
        while time.monotonic() < end:
            folder = tmp_path / f"run-{counts['runs']}"
            folder.mkdir()
            poison = set(draw.sample(STARTS, draw.choice([0, 0, 1])))
            for what, number in (
                ("kill-once", 2),
                ("io", 2),
                ("full", 1),
                ("hang-once", draw.choice([0, 0, 0, 1])),
            ):
                for start in draw.sample(STARTS, number):
                    (folder / f"{what}-{start}").write_text("1")
                    counts[what] += 1
            for start in poison:
                (folder / f"kill-{start}").touch()
                counts["poisonous chunks"] += 1
            (folder / "pause").write_text("0.02")
            executor = (
                DaskExecutor(client, timeout=15) if draw.random() < 0.7 else FuturesExecutor(2, timeout=15)
            )
            stop = threading.Event()
            thread = threading.Thread(target=_kill, args=(draw.random(), cluster, stop, counts))
            thread.start()
            levels = draw.choice([(0, 0), (0, 1), (1, 1), (1, 2)])
            try:
                result = run(
                    Faulty(str(folder)),
                    fileset,
                    chunksize=40,
                    executor=executor,
                    checkpoints=folder / "checkpoints",
                    levels=levels,
                    retries=Retries(pause=0.01),
                )
            finally:
                stop.set()
                thread.join()
            failed = {e.chunk.start for e in result.ledger.chunks if e.status != "processed"}
            assert failed <= poison, (seed, counts, failed, result.ledger.problems())
            if failed:
                for start in poison:
                    (folder / f"kill-{start}").unlink()
                result = run(
                    Faulty(str(folder)),
                    fileset,
                    chunksize=40,
                    checkpoints=folder / "checkpoints",
                    levels=levels,
                )
                redone = {e.chunk.start for e in result.ledger.chunks if not e.from_checkpoint}
                assert redone == failed
            assert result.ledger.complete, (seed, result.ledger.problems())
            assert bits(result) == whole, seed
            shutil.rmtree(folder)
            counts["runs"] += 1
            memory.append(here.memory_info().rss / 1e6)
    print(f"\nseed {seed}: {dict(counts)}; memory of the driver {memory[0]:.0f} to {memory[-1]:.0f} MB")
    assert counts["runs"] >= 1


def _kill(chance: float, cluster, stop: threading.Event, counts: collections.Counter[str]) -> None:
    """kill -9 of a worker of the cluster, at any time, in half of the runs."""
    if chance < 0.5 or stop.wait(4 * (chance - 0.5)):
        return
    if faulttasks.signal_a_worker(cluster, signal.SIGKILL, random.Random(chance), stop):
        counts["kill -9"] += 1
