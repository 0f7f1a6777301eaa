"""Run a function over many items here, in worker processes, or on a dask cluster.

Each executor yields ``(number of the item, result)`` in the order in which results arrive.  It is a
generator, so that results can be kept one by one and an interruption loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from massgap.processors.errors import ProcessorError
from massgap.processors.interrupts import deaf_to_interrupts, held_interrupts, ignore_interrupts

__all__ = [
    "DaskExecutor",
    "Executor",
    "FuturesExecutor",
    "IterativeExecutor",
    "WorkerLostError",
    "make_executor",
]

Executor = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[tuple[int, Any]]]


_LOST = (
    "a worker process ended without a result, most likely for lack of memory; use fewer --workers or a smaller "
    "--chunksize. Finished chunks are kept"
)


class WorkerLostError(ProcessorError):
    """A worker process ended without a result: usually out of memory."""


class IterativeExecutor:
    """One item after another in this process."""

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield ``(number, result)`` in order."""
        for i, item in enumerate(items):
            yield i, function(item)


class FuturesExecutor:
    """Worker processes on this machine.

    Parameters
    ----------
    workers
        Number of processes.
    """

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield ``(number, result)`` as they arrive."""
        from concurrent.futures import FIRST_COMPLETED, wait

        import loky

        if not items:
            return
        pool = loky.ProcessPoolExecutor(
            max_workers=min(self.workers, len(items)), initializer=ignore_interrupts
        )
        waiting: dict[Any, int] = {}
        remaining = iter(enumerate(items))
        try:
            while True:
                while len(waiting) < 3 * self.workers:
                    number, item = next(remaining, (None, None))
                    if number is None:
                        break
                    # The first one starts the workers.  After that a Ctrl-C must be late, but never lost.
                    with held_interrupts() if number else deaf_to_interrupts():
                        waiting[pool.submit(function, item)] = number
                if not waiting:
                    return
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    try:
                        result = future.result()
                    except loky.process_executor.TerminatedWorkerError as error:
                        raise WorkerLostError(_LOST) from error
                    yield waiting.pop(future), result
        finally:
            pool.shutdown(wait=True, kill_workers=bool(waiting))


class DaskExecutor:
    """Workers of a dask cluster.

    Parameters
    ----------
    client
        A ``distributed.Client``, the address of a scheduler, or None for a cluster on this machine.
    workers
        Number of workers of a cluster that is started here.
    """

    def __init__(self, client: Any = None, workers: int = 2) -> None:
        self.client = client
        self.workers = workers

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield ``(number, result)`` as they arrive."""
        try:
            from concurrent.futures import CancelledError

            from distributed import Client, LocalCluster, as_completed
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            msg = 'the dask executor needs dask and distributed: pip install "massgap[dask]"'
            raise ProcessorError(msg) from error
        cluster = None
        client = self.client
        if client is None:
            with deaf_to_interrupts():
                cluster = LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.ERROR,
                )
            client = Client(cluster)
        elif isinstance(client, str):
            try:
                client = Client(client, timeout=20)
            except (OSError, ValueError) as error:
                msg = f"no dask scheduler answers at {client} ({str(error).splitlines()[0]})"
                raise ProcessorError(msg) from error
        futures: list[Any] = []
        try:
            futures = client.map(function, items, pure=False, retries=1)
            numbers = {future.key: i for i, future in enumerate(futures)}
            for future in as_completed(futures):
                try:
                    result = future.result()
                except (KilledWorker, CancelledError) as error:
                    raise WorkerLostError(_LOST) from error
                number = numbers[future.key]
                future.release()
                yield number, result
        finally:
            client.cancel(futures)
            if client is not self.client:
                client.close()
            if cluster is not None:
                cluster.close()


def make_executor(name: str = "futures", workers: int = 2) -> Executor:
    """An executor by name: ``iterative``, ``futures``, ``dask`` or the address of a dask scheduler.

    Raises
    ------
    ProcessorError
        If the name is unknown or the number of workers is not positive.
    """
    if workers < 1:
        msg = f"the number of workers must be at least 1, not {workers}"
        raise ProcessorError(msg)
    if name == "iterative" or (name == "futures" and workers == 1):
        return IterativeExecutor()
    if name == "futures":
        return FuturesExecutor(workers)
    if name == "dask":
        return DaskExecutor(None, workers)
    if "://" in name:
        return DaskExecutor(name, workers)
    msg = f"unknown executor {name!r}; known are iterative, futures, dask, and the address of a dask scheduler (tcp://...)"
    raise ProcessorError(msg)
