"""Run a function over many items on a dask cluster, and add up groups of results where they were made."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from massgap.extras import require
from massgap.runner.errors import RunnerError
from massgap.runner.executors.dask_run import DaskRun
from massgap.runner.executors.dask_workers import close_cluster
from massgap.runner.executors.interrupts import deaf_to_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from massgap.runner.executors.base import WorkerStates

__all__ = ["DaskExecutor"]

_CONNECT = 20
_PATIENCE = 3600.0


class DaskExecutor:
    """Workers of a dask cluster.

    Parameters
    ----------
    client
        A ``distributed.Client``, the address of a scheduler, or None for a cluster on this machine.
    workers
        Number of workers of a cluster that is started here.
    adapt
        Smallest and largest number of workers instead.
    pool
        What looks after the workers, as :func:`massgap.condor.workers.clusters.open_cluster` gives it: ``status()`` tells their
        states, ``check()`` raises when the run cannot go on.
    attempts
        Attempts at a task whose worker was lost without dask's saying so, before it is given back as lost.
    timeout
        Seconds without any result after which the tasks at work are taken to hang, see
        :class:`massgap.runner.executors.base.StallLimit`.
    patience
        Seconds without any worker after which the run is given up (for a cluster without ``pool``).
    """

    merges = True

    def __init__(
        self,
        client: Any = None,
        workers: int = 2,
        *,
        adapt: tuple[int, int] | None = None,
        pool: Any = None,
        attempts: int = 2,
        timeout: float | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self.client = client
        self.workers = workers
        self.adapt = adapt
        self.pool = pool
        self.attempts = attempts
        self.timeout = timeout
        self.patience = patience
        self._states: WorkerStates | None = None

    def states(self) -> WorkerStates | None:
        """The workers, as last looked at."""
        return self._states

    def take_states(self, states: WorkerStates) -> None:
        """What :class:`massgap.runner.executors.dask_workers.Workers` has seen."""
        self._states = states

    def __call__(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *,
        shared: Any = None,
        alone: bool = False,
        tick: Callable[[], None] | None = None,
        groups: Sequence[Sequence[int]] = (),
        merge: Callable[[list[Any]], Any] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Yield ``(number, result)`` as they arrive.

        Parameters
        ----------
        function, items, shared, alone, tick
            As for :class:`massgap.runner.executors.local.IterativeExecutor`.
        groups
            Numbers of items whose results are added up on the workers; they arrive as one, under the first number.
        merge
            Makes one result of a list of them.

        Raises
        ------
        RunnerError
            If no scheduler answers, dask is not installed, or workers have other versions.
        """
        if not items:
            return
        with self.connected() as (client, cluster):
            run = DaskRun(self, client, cluster, function, items, shared, tick)
            try:
                yield from run.results(1 if alone else None, groups, merge)
            finally:
                run.close()

    @contextlib.contextmanager
    def connected(self) -> Iterator[tuple[Any, Any]]:
        """A client, and the cluster where it is known; what was started for it is ended afterwards."""
        dask = require("dask", "the executor dask", error=RunnerError)
        distributed = require("distributed", "the executor dask", error=RunnerError)
        if self.client is not None and not isinstance(self.client, str):
            yield self.client, getattr(self.client, "cluster", None)
            return
        with contextlib.ExitStack() as stack:
            cluster = None
            if self.client is None:
                # A task that has ended a second worker is not sent to a third: it is tried again alone.
                stack.enter_context(
                    dask.config.set(
                        {
                            "distributed.scheduler.allowed-failures": 1,
                            "distributed.deploy.lost-worker-timeout": "5s",
                        }
                    )
                )
                with deaf_to_interrupts():
                    cluster = distributed.LocalCluster(
                        n_workers=self.adapt[0] if self.adapt else self.workers,
                        threads_per_worker=1,
                        dashboard_address="127.0.0.1:0",
                        silence_logs=logging.CRITICAL,
                    )
                stack.callback(close_cluster, cluster)
                if self.adapt:
                    cluster.adapt(minimum=self.adapt[0], maximum=self.adapt[1])
                client = distributed.Client(cluster)
            else:
                try:
                    client = distributed.Client(self.client, timeout=_CONNECT)
                except (OSError, ValueError) as error:
                    msg = f"no dask scheduler answers at {self.client} ({str(error).splitlines()[0]})"
                    raise RunnerError(msg) from error
            stack.callback(client.close)
            yield client, cluster
