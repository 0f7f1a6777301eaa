"""Run a function over many items in this process, or in worker processes on this machine."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.runner.executors.base import Lost, StallLimit, WorkerStates, bound
from massgap.runner.executors.interrupts import deaf_to_interrupts, held_interrupts
from massgap.worker_process import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["FuturesExecutor", "IterativeExecutor"]


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
        Seconds without any result after which the processes are taken to hang, see
        :class:`massgap.runner.executors.base.StallLimit`.
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
        pool = worker_pool(workers)
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
