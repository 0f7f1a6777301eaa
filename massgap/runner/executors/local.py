"""Run a function over many items here, in worker processes, or on a dask cluster.

An executor is a generator of ``(number of the item, result)`` in the order in which results arrive, so that results
can be kept one by one and an interruption loses nothing.  A worker that ends without a result does not end the
run: its item is tried again, and given back as :class:`Lost` when that was in vain.

A plain function of ``(function, items)`` is an executor, too.  Those here take more, see :class:`IterativeExecutor`.
"""

from __future__ import annotations

import collections
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from massgap.runner.errors import RunnerError
from massgap.runner.executors.interrupts import deaf_to_interrupts, held_interrupts
from massgap.worker_process import begin_worker

__all__ = [
    "Executor",
    "FuturesExecutor",
    "IterativeExecutor",
    "Lost",
    "StallLimit",
    "WorkerStates",
    "make_executor",
]

Executor = Callable[..., Iterator[tuple[int, Any]]]


@dataclass(frozen=True)
class Lost:
    """An item whose workers ended without a result.

    Attributes
    ----------
    reason
        What happened.
    attempts
        How many workers it had.
    """

    reason: str
    attempts: int


@dataclass(frozen=True)
class WorkerStates:
    """Workers of an executor: how many wait for a place, how many run; held jobs with reasons; what else is wrong."""

    idle: int = 0
    running: int = 0
    held: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()


class StallLimit:
    """How long nothing at all may happen before the tasks at work are taken to hang.

    Parameters
    ----------
    seconds
        Fixed limit; None for twenty times the longest task so far, but at least ten minutes.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.fixed = seconds
        self.longest = 0.0
        self._since = time.monotonic()
        self._begun: dict[int, float] = {}

    def begin(self, number: int) -> None:
        """A task was handed out."""
        if not self._begun:
            self._since = time.monotonic()
        self._begun[number] = time.monotonic()

    def end(self, number: int) -> None:
        """A task has ended."""
        now = time.monotonic()
        self.longest = max(self.longest, now - self._begun.pop(number, now))
        self._since = now

    def wait(self) -> None:
        """Nothing can happen at present, for instance because there is no worker."""
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """The limit."""
        return self.fixed if self.fixed is not None else max(600.0, 20 * self.longest)

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return self._since + self.seconds - time.monotonic()


class IterativeExecutor:
    """One item after another in this process."""

    merges = False
    """Whether groups of results are added up where they were made."""

    def __call__(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *,
        shared: Any = None,
        alone: bool = False,  # noqa: ARG002 - nothing else is possible here
        tick: Callable[[], None] | None = None,  # noqa: ARG002 - something arrives all the time
    ) -> Iterator[tuple[int, Any]]:
        """Yield ``(number, result)`` in order.

        Parameters
        ----------
        function
            Called as ``function(item)``, or ``function(shared, item)``.
        items
            Its arguments.
        shared
            First argument of every call, sent to each worker once where that is possible; None for none.
        alone
            One item at a time: what ends a worker is then known.
        tick
            Called now and then while nothing arrives.
        """
        call = bound(function, shared)
        for i, item in enumerate(items):
            yield i, call(item)

    def states(self) -> WorkerStates | None:
        """The workers; None if that means nothing."""
        return None


def bound(function: Callable[..., Any], shared: Any) -> Callable[[Any], Any]:
    """The function of one item."""
    return function if shared is None else functools.partial(function, shared)


class FuturesExecutor:
    """Worker processes on this machine.

    A process that is killed is replaced.  As nobody knows which item killed it, all that were handed out are tried
    again, each at most ``attempts`` times.

    Parameters
    ----------
    workers
        Number of processes.
    attempts
        Processes that an item may lose before it is given back as lost.
    timeout
        Seconds without any result after which the processes are taken to hang, see :class:`StallLimit`.
    """

    merges = False

    def __init__(self, workers: int = 2, *, attempts: int = 2, timeout: float | None = None) -> None:
        self.workers = workers
        self.attempts = attempts
        self.timeout = timeout
        self._running = 0

    def states(self) -> WorkerStates | None:
        """The workers."""
        return WorkerStates(running=self._running)

    def __call__(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *,
        shared: Any = None,
        alone: bool = False,
        tick: Callable[[], None] | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Yield ``(number, result)`` as they arrive; see :class:`IterativeExecutor`."""
        call = bound(function, shared)
        todo = collections.deque(range(len(items)))
        tries: collections.Counter[int] = collections.Counter()
        limit = StallLimit(self.timeout)
        while todo:
            broken, reason = [], ""
            for number, result in self._pool(call, items, todo, alone, limit, tick):
                if isinstance(result, _Broken):
                    broken.append(number)
                    reason = result.reason
                else:
                    yield number, result
            for number in sorted(broken, reverse=True):
                limit.end(number)
                tries[number] += 1
                if tries[number] < self.attempts:
                    todo.appendleft(number)
                else:
                    yield number, Lost(reason, tries[number])

    def _pool(
        self,
        call: Callable[[Any], Any],
        items: Sequence[Any],
        todo: collections.deque[int],
        alone: bool,
        limit: StallLimit,
        tick: Callable[[], None] | None,
    ) -> Iterator[tuple[int, Any]]:
        """Work with one pool until everything is done or the pool is broken."""
        from concurrent.futures import FIRST_COMPLETED, wait

        import loky

        workers = min(1 if alone else self.workers, len(todo))
        window = 1 if alone else 3 * workers
        pool = loky.ProcessPoolExecutor(max_workers=workers, initializer=begin_worker)
        self._running = workers
        waiting: dict[Any, int] = {}
        first = True
        try:
            while todo or waiting:
                try:
                    while todo and len(waiting) < window:
                        # The first one starts the workers.  After that a Ctrl-C must be late, but never lost.
                        with deaf_to_interrupts() if first else held_interrupts():
                            number = todo.popleft()
                            limit.begin(number)
                            waiting[self._submit(pool, call, items[number])] = number
                            first = False
                except loky.process_executor.BrokenProcessPool as error:
                    todo.appendleft(number)
                    yield from ((n, _Broken(_end_of(error))) for n in waiting.values())
                    return
                done, _ = wait(waiting, timeout=min(1.0, max(limit.left, 0.0)), return_when=FIRST_COMPLETED)
                if not done:
                    if tick is not None:
                        tick()
                    if limit.left <= 0:
                        reason = f"it gave no result for {limit.seconds:.0f} s and was ended"
                        yield from ((n, _Broken(reason)) for n in waiting.values())
                        return
                for future in done:
                    try:
                        result = future.result()
                    except loky.process_executor.BrokenProcessPool as error:
                        yield from ((n, _Broken(_end_of(error))) for n in waiting.values())
                        return
                    number = waiting.pop(future)
                    limit.end(number)
                    yield number, result
        finally:
            self._running = 0
            pool.shutdown(wait=True, kill_workers=bool(waiting))

    def _submit(self, pool: Any, call: Callable[[Any], Any], item: Any) -> Any:
        return pool.submit(call, item)


@dataclass(frozen=True)
class _Broken:
    reason: str


def _end_of(error: BaseException) -> str:
    """Why a process ended, in a word, from what loky says."""
    text = str(error)
    code = text.partition("{")[2].partition("}")[0]
    return f"its worker process ended without a result{f' ({code})' if code else ''}"


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
        Seconds without any result after which the tasks at work are taken to hang, see :class:`StallLimit`.

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
