"""Executors by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.runner.errors import RunnerError
from massgap.runner.executors.local import FuturesExecutor, IterativeExecutor

if TYPE_CHECKING:
    from massgap.runner.executors.base import Executor

__all__ = ["make_executor"]


def make_executor(
    name: str = "futures",
    workers: int = 2,
    *,
    adapt: tuple[int, int] | None = None,
    timeout: float | None = None,
) -> Executor:
    """An executor by name: ``iterative``, ``futures``, ``dask`` or the address of a dask scheduler.

    Parameters
    ----------
    name
        Which.
    workers
        Number of workers.
    adapt
        Smallest and largest number of workers, chosen by the work that is left (dask only).
    timeout
        Seconds without any result after which the tasks at work are taken to hang, see
        :class:`massgap.runner.executors.base.StallLimit`.

    Raises
    ------
    RunnerError
        If the name is unknown or the number of workers is not positive.
    """
    if workers < 1:
        msg = f"the number of workers must be at least 1, not {workers}"
        raise RunnerError(msg)
    if adapt is not None and name in ("iterative", "futures"):
        msg = f"--adapt goes with a cluster (dask, htcondor, ...), not with the executor {name}"
        raise RunnerError(msg)
    if name == "iterative" or (name == "futures" and workers == 1 and timeout is None):
        return IterativeExecutor()
    if name == "futures":
        return FuturesExecutor(workers, timeout=timeout)
    if name == "dask" or "://" in name:
        from massgap.runner.executors.dask_cluster import DaskExecutor

        return DaskExecutor(None if name == "dask" else name, workers, adapt=adapt, timeout=timeout)
    from massgap.condor.workers.clusters import CLUSTERS

    known = ", ".join(("iterative", "futures", "dask", *CLUSTERS))
    msg = f"unknown executor {name!r}; known are {known}, and the address of a dask scheduler (tcp://...)"
    raise RunnerError(msg)
