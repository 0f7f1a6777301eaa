"""Waiting for the workers of a cluster before they are asked."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from massgap.runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["NoWorkerInTimeError", "known_workers", "workers_there"]


class NoWorkerInTimeError(RunnerError):
    """No worker has come; the message says what is known of the pool."""


_QUIET = 5.0
"""Seconds after which a scheduler without workers is given something to do, so that one that adapts asks for some."""


@contextlib.contextmanager
def workers_there(
    client: Any, workers: int, wait: float, pool: Any, say: Callable[[str], None]
) -> Iterator[None]:
    """Wait for workers; a cluster that starts them for work keeps them as long as the block lasts.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    workers
        How many there should be; the others are given a little time after the first one.
    wait
        Seconds to wait for the first worker.
    pool
        What looks after the workers, or None.
    say
        Gets a line when something else is waited for.

    Raises
    ------
    NoWorkerInTimeError
        If no worker has come in time.
    """
    demand = _Demand(client, workers)
    try:
        _wait(client, workers, wait, pool, say, demand)
        yield
    finally:
        demand.end()


class _Demand:
    """Work for a cluster that starts workers for work and ends those that have none.

    The tasks are short and given anew before the last ones are done: a question waits for two of them at most.
    """

    def __init__(self, client: Any, workers: int) -> None:
        self.client = client
        self.workers = workers
        self.tasks: list[Any] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._give, daemon=True, name="massgap-preflight-demand")
            self._thread.start()

    def _give(self) -> None:
        with contextlib.suppress(Exception):  # of a client that is gone: who asks the workers meets it, too
            while True:
                self.tasks = [task for task in self.tasks if not task.done()]
                while len(self.tasks) < 2 * self.workers:
                    self.tasks.append(self.client.submit(time.sleep, 1.0, pure=False))
                if self._ended.wait(0.2):
                    return

    def end(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self.client.cancel(self.tasks, force=True)


def _wait(
    client: Any, workers: int, wait: float, pool: Any, say: Callable[[str], None], demand: _Demand
) -> None:
    """Wait for the first worker, tell what is waited for, and give the others a little time."""
    start = time.monotonic()
    told, others = "", 0.0
    while True:
        if pool is not None:
            pool.check()
        there = len(known_workers(client))
        if there >= workers or (there and time.monotonic() - others > max(10.0, wait / 10)):
            return
        if there == 0:
            others = time.monotonic()
        text = f"waiting for workers: {there} of {workers}{_pool_text(pool)}"
        if text != told:
            say(text)
            told = text
        if there == 0 and time.monotonic() - start > wait:
            msg = (
                f"no worker has come for {wait:.0f} s{_pool_text(pool)}. Look at the queue of the batch system and the logs "
                "of the jobs, ask for less memory or other machines, or wait longer (--wait)"
            )
            raise NoWorkerInTimeError(msg)
        # Not where jobs are on their way: a worker with another dask would die of it before it could be looked at.
        if there == 0 and time.monotonic() - start > _QUIET and not _under_way(pool):
            demand.begin()
        time.sleep(0.5)


def _under_way(pool: Any) -> bool:
    if pool is None:
        return False
    status = pool.status()
    return bool(status.idle or status.running or status.held)


def _pool_text(pool: Any) -> str:
    if pool is None:
        return ""
    status = pool.status()
    reasons = "; ".join(dict.fromkeys(reason for _, reason in status.held))
    parts = [f"{status.idle} jobs idle, {status.running} running"]
    if starting := getattr(status, "starting", 0):
        parts.append(f"{starting} starting")
    if status.held:
        parts.append(f"{len(status.held)} held: {reasons}")
    parts += list(status.problems)
    return " (" + "; ".join(parts) + ")"


def known_workers(client: Any) -> dict[str, Any]:
    """The workers that the scheduler knows, by address."""
    return dict(client.scheduler_info(n_workers=-1)["workers"])
