"""The dask executor against a small cluster of processes: lost, hanging and foreign workers, and sums made there."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import types
from pathlib import Path
from typing import Any

import faulttasks
import pytest

from massgap.runner.errors import EnvironmentMismatchError, NoWorkersError, RunnerError, SchedulerLostError
from massgap.runner.executors import dask_cluster as dask_executor
from massgap.runner.executors import dask_run, dask_workers
from massgap.runner.executors.base import Lost
from massgap.runner.executors.dask_cluster import DaskExecutor
from massgap.runner.executors.version_gate import VersionGate, mismatches

PATIENCE = 300.0
"""Seconds after which a test is taken to hang, on however slow a machine."""


@pytest.fixture(scope="module")
def cluster():
    import dask
    from distributed import LocalCluster

    with (
        pytest.MonkeyPatch.context() as patch,
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
    ):
        patch.syspath_prepend(str(Path(faulttasks.__file__).parent))
        made = LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=60,
        )
        try:
            made.wait_for_workers(2, timeout=PATIENCE)
            yield made
        finally:
            # After some fifty workers that were killed here, closing what was left has hung.
            dask_workers.close_cluster(made)


@pytest.fixture
def client(cluster):
    from distributed import Client

    # The workers that the last test killed may still be missing: the executor sees to that.
    with Client(cluster) as made:
        yield made


def collect(executor, folder, n, **options) -> dict[int, object]:
    found: dict[int, object] = {}
    for number, result in executor(faulttasks.square, range(n), shared=str(folder), **options):
        assert number not in found
        found[number] = result
    return found


SQUARES = {i: i * i for i in range(20)}


def test_all_items_come_back_and_nothing_is_left(client, tmp_path) -> None:
    executor = DaskExecutor(client)
    assert collect(executor, tmp_path, 20) == SQUARES
    assert executor.states().running == 2
    assert collect(executor, tmp_path, 20, alone=True) == SQUARES
    assert collect(executor, tmp_path, 0) == {}
    deadline = time.monotonic() + PATIENCE
    while client.cluster.scheduler.tasks and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not client.cluster.scheduler.tasks


def test_sums_are_made_on_the_workers(client, tmp_path) -> None:
    groups = [list(range(8)), list(range(8, 16)), [17, 18, 19]]
    found = collect(DaskExecutor(client), tmp_path, 20, groups=groups, merge=faulttasks.add_up)
    assert found == {
        0: sum(i * i for i in range(8)),
        8: sum(i * i for i in range(8, 16)),
        16: 256,
        17: 17**2 + 18**2 + 19**2,
    }


@pytest.mark.parametrize("seed", range(8))
def test_workers_killed_at_random_times(client, tmp_path, seed) -> None:
    """kill -9, twice per run; also while results wait on the workers to be added up."""
    (tmp_path / "pause").write_text("0.03")
    draw = random.Random(seed)
    groups = [list(range(k, k + 8)) for k in range(0, 48, 8)]
    killed = []

    def kill(stop: threading.Event) -> None:
        for _ in range(2):
            if stop.wait(draw.uniform(0.0, 0.5)):
                return
            if pid := faulttasks.signal_a_worker(client.cluster, signal.SIGKILL, draw, stop):
                killed.append(pid)

    found: dict[int, object] = {}
    while not killed:  # where the one who kills came too late
        stop = threading.Event()
        thread = threading.Thread(target=kill, args=(stop,))
        thread.start()
        try:
            found = collect(DaskExecutor(client), tmp_path, 50, groups=groups, merge=faulttasks.add_up)
        finally:
            stop.set()
            thread.join()
    lost = {number for number, result in found.items() if isinstance(result, Lost)}
    # What shared a worker with two deaths comes back as lost, for the quarantine.
    if lost:
        assert collect(DaskExecutor(client), tmp_path, 50, alone=True) == {i: i * i for i in range(50)}
        return
    assert sum(found.values()) == sum(i * i for i in range(50))


def test_what_always_kills_is_lost(client, tmp_path) -> None:
    (tmp_path / "kill-5").touch()
    for _ in range(5):
        found = collect(DaskExecutor(client), tmp_path, 20)
        assert isinstance(found[5], Lost)
        assert found[5].attempts >= 2
        innocent = {x for x, result in found.items() if isinstance(result, Lost)} - {5}
        # Where both workers end in the same moment, all may be lost that was handed out.
        if len(innocent) < 10:
            break
    found = collect(DaskExecutor(client), tmp_path, 20, alone=True)
    assert {x for x, result in found.items() if isinstance(result, Lost)} == {5}
    assert len(innocent) < 10


def test_a_hanging_task_is_tried_elsewhere(client, tmp_path, monkeypatch) -> None:
    faulttasks.only_told_hangs_count(monkeypatch, tmp_path)
    (tmp_path / "hang-once-5").touch()
    assert collect(DaskExecutor(client, timeout=3), tmp_path, 20) == SQUARES


def test_a_stopped_worker_is_replaced(client, tmp_path, monkeypatch) -> None:
    """SIGSTOP: the process is there and says nothing any more."""
    faulttasks.only_told_hangs_count(monkeypatch, tmp_path)
    (tmp_path / "pause").write_text("0.05")
    executor = DaskExecutor(client, timeout=4)
    found = {}
    stopped = 0
    for number, result in executor(faulttasks.square, range(40), shared=str(tmp_path)):
        found[number] = result
        if not stopped:
            stopped = faulttasks.signal_a_worker(
                client.cluster, signal.SIGSTOP, random.Random(0), threading.Event()
            )
            (tmp_path / f"hangs.{stopped}").touch()
    assert found == {i: i * i for i in range(40)}


def test_a_result_on_a_stopped_worker_is_made_again(client, tmp_path, monkeypatch) -> None:
    """The worker that has done its task stops before the result is fetched."""
    faulttasks.only_told_hangs_count(monkeypatch, tmp_path)
    value = dask_run.DaskRun._value
    stopped = []

    def fetch(run: dask_run.DaskRun, future: object) -> object:
        if not stopped:
            (holder,) = client.who_has([future])[future.key]
            stopped.append(client.run(os.getpid, workers=[holder])[holder])
            os.kill(stopped[0], signal.SIGSTOP)
            (tmp_path / f"hangs.{stopped[0]}").touch()
        return value(run, future)

    monkeypatch.setattr(dask_run.DaskRun, "_value", fetch)
    assert collect(DaskExecutor(client, timeout=2), tmp_path, 8) == {i: i * i for i in range(8)}
    assert stopped
    assert not faulttasks.alive(stopped[0])


def test_workers_that_all_end_while_a_result_is_fetched_are_replaced(client, tmp_path, monkeypatch) -> None:
    """Nannies and all, as after kills at the wrong moment: the task is done again by new ones."""
    value = dask_run.DaskRun._value
    ended = []

    def fetch(run: dask_run.DaskRun, future: object) -> object:
        if not ended:
            nannies = dict(client.cluster.workers)
            ended.extend(nannies)
            client.cluster.sync(close_all, list(nannies.values()))
        return value(run, future)

    async def close_all(nannies: list[Any]) -> None:
        for nanny in nannies:
            await nanny.close(timeout=PATIENCE)

    monkeypatch.setattr(dask_run.DaskRun, "_value", fetch)
    assert collect(DaskExecutor(client), tmp_path, 8) == {i: i * i for i in range(8)}
    assert len(ended) == 2


def test_what_hangs_for_ever_is_lost(client, tmp_path, monkeypatch) -> None:
    faulttasks.only_told_hangs_count(monkeypatch, tmp_path)
    (tmp_path / "hang-5").touch()
    executor = DaskExecutor(client, timeout=2)
    found = collect(executor, tmp_path, 8)
    assert "gave no result for 2 s" in found[5].reason
    # What waited behind it on the same worker, twice, is lost with it; the runner tries what is lost alone.
    assert len([x for x in found.values() if isinstance(x, Lost)]) <= 4
    assert all(result == i * i for i, result in found.items() if not isinstance(result, Lost))
    found = collect(executor, tmp_path, 8, alone=True)
    assert "gave no result for 2 s" in found.pop(5).reason
    assert found == {i: i * i for i in range(8) if i != 5}


def test_workers_that_die_before_they_have_what_is_shared(client, tmp_path) -> None:
    """dask gives up a task after two deaths; what all tasks share is then sent anew, and no item is blamed."""
    shared = faulttasks.Deadly(tmp_path, deaths=2)
    results = dict(DaskExecutor(client)(faulttasks.square, range(4), shared=shared, alone=True))
    assert results == {i: i * i for i in range(4)}
    assert len(list(tmp_path.glob("died.*"))) == 2


def test_what_is_shared_and_always_kills(client, tmp_path) -> None:
    results = dict(
        DaskExecutor(client)(faulttasks.square, range(2), shared=faulttasks.Deadly(tmp_path, deaths=99))
    )
    assert [type(result) for result in results.values()] == [Lost, Lost]


# ---- versions


def test_what_differs() -> None:
    mine = {
        "python": "3.11.7.final.0",
        "numpy": "2.4.6",
        "dask": "2026.8.0",
        "distributed": "2026.8.0",
        "lz4": "4",
    }
    assert mismatches(mine, mine) == []
    assert mismatches(mine, {**mine, "python": "3.11.9.final.0", "numpy": "2.4.1", "lz4": None}) == []
    assert mismatches(mine, {**mine, "python": "3.12.0.final.0"}) == ["python 3.12 (here 3.11)"]
    assert mismatches(mine, {**mine, "distributed": "2025.1.0"}) == ["distributed 2025.1.0 (here 2026.8.0)"]
    assert mismatches(mine, {**mine, "dask": None}) == ["dask None (here 2026.8.0)"]


def test_workers_with_other_versions_are_refused_before_the_first_task(client, tmp_path, monkeypatch) -> None:
    for state in client.cluster.scheduler.workers.values():
        monkeypatch.setitem(state.versions["packages"], "distributed", "2020.1.0")
    with pytest.raises(EnvironmentMismatchError, match=r"distributed 2020\.1\.0 \(here .*preflight"):
        collect(DaskExecutor(client), tmp_path, 3)


def test_a_late_worker_with_other_versions_gets_no_task(tmp_path, monkeypatch) -> None:
    from distributed import Client, LocalCluster

    from massgap.runner.executors import version_gate

    with (
        LocalCluster(
            n_workers=0, processes=True, dashboard_address="127.0.0.1:0", silence_logs=60
        ) as cluster,
        Client(cluster) as client,
    ):
        real = version_gate.mismatches

        def foreign(mine, other):
            return real(mine, {**other, "distributed": "2020.1.0"})

        monkeypatch.setattr(version_gate, "mismatches", foreign)
        gate = VersionGate({"distributed": "2026.8.0"})
        cluster.scheduler.add_plugin(gate, name=gate.name)
        cluster.scale(1)
        executor = DaskExecutor(client, patience=PATIENCE)
        monkeypatch.setattr(dask_workers, "_REFUSED_PATIENCE", 2.0)
        with pytest.raises(EnvironmentMismatchError, match=r"was refused: distributed 2020\.1\.0"):
            collect(executor, tmp_path, 3)


# ---- clusters that are not there


def test_no_scheduler(monkeypatch) -> None:
    monkeypatch.setattr(dask_executor, "_CONNECT", 2)
    with pytest.raises(RunnerError, match="no dask scheduler answers at tcp://127"):
        list(DaskExecutor("tcp://127.0.0.1:9", timeout=1)(faulttasks.add_up, [1]))


def test_no_workers(tmp_path) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=60) as cluster,
        pytest.raises(NoWorkersError, match="has had no worker"),
    ):
        collect(DaskExecutor(cluster.scheduler_address, patience=3), tmp_path, 2)


def test_the_scheduler_goes_away(tmp_path, monkeypatch) -> None:
    from distributed import Client, LocalCluster

    monkeypatch.syspath_prepend(str(Path(faulttasks.__file__).parent))
    (tmp_path / "pause").write_text("0.3")
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60
    )
    try:
        client = Client(cluster.scheduler_address, timeout=PATIENCE)
        client._timeout = 2.0  # how long it tries to come back
        results = DaskExecutor(client)(faulttasks.square, range(40), shared=str(tmp_path))
        assert next(results)[1] is not None
        cluster.close()
        with pytest.raises(RunnerError, match="Give the same command again"):
            list(results)
        client.close()
    finally:
        cluster.close()


def test_a_client_that_never_finds_its_scheduler_again(client, tmp_path, monkeypatch) -> None:
    """For a while it may try; the clock is put forward instead of waiting."""
    clock = types.SimpleNamespace(monotonic=time.monotonic)
    monkeypatch.setattr(dask_workers, "time", clock)
    looks = []

    def tick() -> None:
        looks.append(client.status)
        if len(looks) == 2:
            client.status = "connecting"
        elif len(looks) == 10:
            clock.monotonic = lambda: time.monotonic() + dask_workers._RECONNECT

    try:
        with pytest.raises(SchedulerLostError):
            list(DaskExecutor(client)(faulttasks.until_there, [str(tmp_path / "end")], tick=tick))
        assert looks.count("connecting") >= 8
    finally:
        client.status = "running"
        (tmp_path / "end").touch()


def test_a_cluster_that_does_not_close_is_ended() -> None:
    from distributed import LocalCluster

    made = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60)
    (nanny,) = made.workers.values()
    process, told = nanny.process.process, threading.Event()
    heard = nanny._on_worker_exit

    async def hear(exitcode: int) -> None:
        await heard(exitcode)
        told.set()

    nanny._on_worker_exit = hear
    made.sync(made._lock.acquire)  # what closing needs and now never gets
    dask_workers.close_cluster(made, within=0.5)
    deadline = time.monotonic() + PATIENCE
    while process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Its nanny began another one, which looked for a scheduler as long as the driver lived.
    assert told.wait(PATIENCE)
    assert nanny.process is None or nanny.process.process in {None, process}
    made.loop.add_callback(made._lock.release)
