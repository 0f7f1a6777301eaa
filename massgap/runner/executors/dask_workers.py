"""The workers of a dask cluster while a run goes on: how many there are, which are refused, and whether any can still come."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from typing import TYPE_CHECKING, Any

from massgap.runner.errors import EnvironmentMismatchError, NoWorkersError, SchedulerLostError
from massgap.runner.executors.base import WorkerStates
from massgap.runner.executors.dask_versions import REMEDY

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Workers", "close_cluster"]

_REFUSED_PATIENCE = 20.0
_POLL = 2.0
_RECONNECT = 120.0
"""Seconds that a client may take to find a scheduler again."""
_CLOSED = 60.0
"""Seconds that a cluster may take to close."""

_SCHEDULER_GONE = "the dask scheduler is gone. Give the same command again: finished chunks are kept"


def close_cluster(cluster: Any, within: float = _CLOSED) -> None:
    """Close a cluster of this machine, in any case: where many workers were lost, closing it now and then never comes back.

    Parameters
    ----------
    cluster
        A LocalCluster of distributed.
    within
        Seconds after which its processes are killed.
    """
    try:
        cluster.close(timeout=within)
    except TimeoutError:
        from distributed.core import Status

        for nanny in cluster.workers.values():
            nanny.status = Status.closing  # else it starts another worker in place of one that ended
        for process in multiprocessing.active_children():
            if process.name.startswith("Dask Worker"):
                process.kill()


class Workers:
    """Looks after the workers of a cluster, now and then.

    Parameters
    ----------
    client, cluster
        Of distributed; the cluster may be None.
    pool, patience
        As for :class:`massgap.runner.executors.dask_cluster.DaskExecutor`.
    tell
        Gets the states of the workers after each look.
    """

    def __init__(
        self, client: Any, cluster: Any, pool: Any, patience: float, tell: Callable[[WorkerStates], None]
    ) -> None:
        self.client = client
        self.cluster = cluster
        self.scheduler = getattr(cluster, "scheduler", None)
        self.pool = pool
        self.patience = patience
        self.tell = tell
        self.looked = 0.0
        self.threads = 1
        self.without_workers = self.connected = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() - self.looked > _POLL

    def look(self, left: int) -> bool:
        """Count workers, hear what the pool says, and give up where nothing can come any more.

        Parameters
        ----------
        left
            Number of items that are not done.

        Returns
        -------
        bool
            Whether there is a worker.

        Raises
        ------
        SchedulerLostError, NoWorkersError, EnvironmentMismatchError
            If the run cannot go on.
        """
        self.looked = time.monotonic()
        self.require_scheduler()
        try:
            if self.scheduler is not None:
                threads = {w.address: w.nthreads for w in list(self.scheduler.workers.values())}
            else:
                threads = self.client.nthreads()
            refused = self._refused()
        except (OSError, RuntimeError, TimeoutError) as error:
            raise SchedulerLostError(_SCHEDULER_GONE) from error
        self.threads = max(sum(threads.values()), 1)
        problems = tuple(refused)
        pool = self.pool
        if pool is not None:
            pool.demand(left)
            pool.check()
            status = pool.status()
            problems += tuple(status.problems)
            more = (tuple(getattr(status, "released", ())), getattr(status, "starting", 0))
            self.tell(WorkerStates(status.idle, len(threads), tuple(status.held), problems, *more))
        else:
            self.tell(WorkerStates(0, len(threads), (), problems))
            self._replace_workers(len(threads))
        if threads:
            self.without_workers = time.monotonic()
            return True
        alone_for = time.monotonic() - self.without_workers
        if refused and alone_for > _REFUSED_PATIENCE:
            msg = f"{refused[0]}. {REMEDY}"
            raise EnvironmentMismatchError(msg)
        if pool is None and alone_for > self.patience:
            msg = (
                f"the dask scheduler has had no worker for {alone_for / 60:.0f} minutes. Start workers and give the same "
                "command again: finished chunks are kept"
            )
            raise NoWorkersError(msg)
        return False

    def _replace_workers(self, running: int) -> None:
        """A worker that is killed while it starts leaves its nanny without hope, and nobody starts another."""
        specs = getattr(self.cluster, "worker_spec", None)
        if specs is None or running >= len(specs) or getattr(self.cluster, "_adaptive", None) is not None:
            return
        cluster = self.cluster

        async def mend() -> None:
            for name, worker in list(cluster.workers.items()):
                if worker.status.name in ("closed", "failed"):
                    del cluster.workers[name]
            if set(cluster.worker_spec) - set(cluster.workers):
                await cluster._correct_state()

        cluster.loop.add_callback(mend)

    def _refused(self) -> list[str]:
        from massgap.runner.executors.version_gate import REFUSED

        if self.scheduler is not None and hasattr(self.scheduler, "get_events"):
            events = self.scheduler.get_events(REFUSED)
        else:
            events = self.client.get_events(REFUSED)
        found = {}
        for _, event in events or ():
            found[event["name"]] = f"worker {event['name']} was refused: {', '.join(event['wrong'])}"
        return list(found.values())

    def require_scheduler(self) -> None:
        """Raise if the scheduler is gone."""
        if self.client.status == "running":
            self.connected = time.monotonic()
            return
        # A client whose connection broke may stay at "connecting" for good: its own attempt to come back can fail on the
        # futures that this thread adds at the same moment (seen with 2,000 workers on an overloaded machine).
        again = time.monotonic() - self.connected < _RECONNECT
        if not again or self.client.status not in ("connecting", "newly-created"):
            raise SchedulerLostError(_SCHEDULER_GONE)

    def end(self, address: str) -> None:
        """Through its nanny, which can end a process that does not listen; else the scheduler forgets it."""
        with contextlib.suppress(Exception):
            # It need not be back when this returns.
            self.client.restart_workers([address], timeout=8, raise_for_error=False)
            return
        with contextlib.suppress(Exception):
            self.client.retire_workers([address], close_workers=True, remove=True)
