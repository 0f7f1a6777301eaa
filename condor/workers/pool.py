"""Workers of a cluster, as one who hands out work sees them: how many there are, whether more will come, and what is wrong."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any, Self

from massgap.condor.errors import CondorError

__all__ = ["Pool", "PoolStatus"]

_LONELY = 120.0
"""Seconds without a worker of a cluster that others look after, before that is told."""
_GIVEN_UP = 6 * 3600.0
"""Seconds without a worker of such a cluster, before the run is given up."""


@dataclass(frozen=True)
class PoolStatus:
    """State of the workers.

    Attributes
    ----------
    idle, running
        Jobs that wait in the queue, and workers that the scheduler knows.
    held
        Pairs of job and reason; also of jobs that have been replaced since.
    problems
        What else a user should know, one sentence each.
    released
        Jobs that were held and wait or run again; those that were removed are none of them.
    starting
        Jobs that run and whose worker has not registered yet.
    """

    idle: int = 0
    running: int = 0
    held: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    starting: int = 0


class Pool:
    """Workers of a cluster that somebody else looks after, for instance a facility.

    Parameters
    ----------
    client
        ``distributed.Client``.
    cluster
        Is closed with the pool; None for a scheduler that goes on.
    look
        What to do where no worker comes: a sentence without its full stop.
    """

    def __init__(
        self, client: Any, cluster: Any = None, *, look: str = "Look at the cluster's own page"
    ) -> None:
        self.client = client
        self.cluster = cluster
        self._look_there = look
        self._had_workers = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def status(self) -> PoolStatus:
        """State of the workers."""
        running, alone = self._count()
        told = f"no worker for {alone / 60:.0f} minutes. {self._look_there}"
        return PoolStatus(running=running, problems=(told,) if alone > _LONELY else ())

    def check(self) -> None:
        """Raise if the run can never go on.

        Raises
        ------
        CondorError
            If there has been no worker for long.
        """
        _, alone = self._count()
        if alone > _GIVEN_UP:
            msg = (
                f"the cluster has had no worker for {alone / 60:.0f} minutes. {self._look_there}, and give the same command again: "
                "finished chunks are kept"
            )
            raise CondorError(msg)

    def _count(self) -> tuple[int, float]:
        """Workers, and seconds since there was one."""
        running = len(self.client.nthreads())
        now = time.monotonic()
        if running:
            self._had_workers = now
        return running, now - self._had_workers

    def demand(self, tasks: int) -> None:
        """Say how many tasks are left; an adaptive pool takes as many workers."""

    def close(self) -> None:
        """Close client and cluster; a scheduler of a facility is left as it is, and never restarted."""
        with contextlib.suppress(Exception):
            self.client.close()
        if self.cluster is not None:
            with contextlib.suppress(Exception):
                self.cluster.close()
