"""The dask scheduler of a pool: in this process, for encrypted connections only."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from massgap.condor.errors import CondorError

__all__ = ["dismiss_workers", "remember_workers", "start_scheduler", "worker_settings"]


def start_scheduler(security: Any, host: str | None, port: int) -> tuple[Any, Any]:
    """A scheduler in this process, which takes encrypted connections only, and a client of it."""
    from distributed import Client, LocalCluster
    from distributed.utils import get_ip

    if host is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a machine without network is reached as itself
            host = get_ip()
    try:
        cluster = LocalCluster(
            n_workers=0,
            host=host,
            scheduler_port=port,
            protocol="tls://",
            security=security,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"the dask scheduler could not be started on {host}:{port or 'any port'} ({str(error).splitlines()[0]})"
        raise CondorError(msg) from error
    # A task that has ended a second worker is not sent to a third: it is tried again alone, as with workers of this machine.
    scheduler: Any = cluster.scheduler
    scheduler.allowed_failures = 1
    return cluster, Client(cluster)


def dismiss_workers(cluster: Any) -> None:
    """Tell all workers to go, at the end of a run: nothing that they hold is wanted any more.

    Retiring them would refuse those that hold what no other worker can take: their jobs would have to be removed, and what they wrote
    would never come back.
    """

    async def tell() -> None:
        for address in list(cluster.scheduler.workers):
            cluster.scheduler.close_worker(address)

    cluster.sync(tell, callback_timeout=10.0)


def remember_workers(cluster: Any) -> set[str]:
    """Names of all workers that have ever registered, kept up to date by the scheduler."""
    from distributed import SchedulerPlugin

    names: set[str] = set()

    class Remember(SchedulerPlugin):
        name = "massgap-seen-workers"

        def add_worker(self, scheduler: Any, worker: str) -> None:
            state = scheduler.workers.get(worker)
            if state is not None:
                names.add(str(state.name))

    cluster.scheduler.add_plugin(Remember())
    return names


def worker_settings() -> str:
    """dask's settings for workers.  They are written to a file: no secrets, and nothing of the scheduler's own place."""
    import copy

    import dask

    settings = copy.deepcopy(
        {k: v for k, v in dask.config.config.items() if k in ("distributed", "dataframe", "array")}
    )
    distributed = settings.setdefault("distributed", {})
    comm = distributed.setdefault("comm", {})
    comm.pop("tls", None)
    comm["require-encryption"] = True
    comm.setdefault("timeouts", {})["connect"] = "60s"
    distributed.pop("client", None)
    distributed.pop("dashboard", None)
    return str(dask.config.serialize(settings))
