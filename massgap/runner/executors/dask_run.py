"""One call of the dask executor: items are handed out, and what comes back is given on.

Only a window of tasks is handed to the scheduler at a time, and only sums of groups come back: neither the scheduler's
nor the driver's memory grows with the number of items.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import uuid
import warnings
from typing import TYPE_CHECKING, Any

from massgap.runner.errors import short
from massgap.runner.executors.base import Lost, StallLimit
from massgap.runner.executors.dask_versions import require_same_versions
from massgap.runner.executors.dask_workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from massgap.runner.executors.dask_cluster import DaskExecutor

__all__ = ["DaskRun"]


class DaskRun:
    """One call of the executor."""

    def __init__(
        self,
        executor: DaskExecutor,
        client: Any,
        cluster: Any,
        function: Callable[..., Any],
        items: Sequence[Any],
        shared: Any,
        tick: Callable[[], None] | None,
    ) -> None:
        self.executor = executor
        self.client = client
        self.function = function
        self.items = items
        self.tick = tick
        self.token = uuid.uuid4().hex[:12]
        self.events: queue.SimpleQueue[tuple[str, int, Any]] = queue.SimpleQueue()
        self.futures: dict[tuple[str, int], Any] = {}
        self.tries: dict[int, int] = {}
        self.limit = StallLimit(executor.timeout)
        self.hung: dict[int, str] = {}
        self.left = len(items)
        require_same_versions(client, cluster)
        self.workers = Workers(client, cluster, executor.pool, executor.patience, executor.take_states)
        self.given = shared
        self.shared: Any = None
        self.shared_keys: list[str] = []
        self.deaths = 0
        if shared is not None:
            self._share()

    # ---- tasks

    def _share(self) -> None:
        """Send what all tasks share; a model may be large, it travels once.

        Unlike scattered data, a task's result is made again where the worker that held it is lost.
        """
        key = f"massgap-shared-{self.token}-{len(self.shared_keys)}"
        self.shared_keys.append(key)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
            self.shared = self.client.submit(_give, self.given, key=key, pure=False)

    def _submit(self, number: int) -> None:
        tries = self.tries[number] = self.tries.get(number, 0) + 1
        arguments = (self.items[number],) if self.shared is None else (self.shared, self.items[number])
        self.limit.begin(number)
        self._watch(
            "item",
            number,
            self.client.submit(
                self.function, *arguments, key=f"massgap-{self.token}-{number}-{tries}", pure=False
            ),
        )

    def _watch(self, kind: str, number: int, future: Any) -> None:
        self.futures[kind, number] = future
        future.add_done_callback(functools.partial(_announce, self.events, kind, number))

    def results(
        self,
        window: int | None,
        groups: Sequence[Sequence[int]],
        merge: Callable[[list[Any]], Any] | None,
    ) -> Iterator[tuple[int, Any]]:
        """Hand out items and yield what comes back."""
        group_of = {number: k for k, group in enumerate(groups) for number in group}
        open_in = [len(group) for group in groups]
        todo = iter(range(len(self.items)))
        again: list[int] = []
        waiting = 0
        exhausted = False
        self._look()
        while True:
            while not (exhausted and not again) and waiting < (window or 3 * self.workers.threads + 8):
                number = again.pop() if again else next(todo, None)
                if number is None:
                    exhausted = True
                    break
                self._submit(number)
                waiting += 1
            if exhausted and not waiting and not again and not self.futures:
                return
            event = self._next_event()
            if event is None:
                for number in self._stalled():
                    self.events.put(("item", number, self.futures["item", number]))
                continue
            kind, number, future = event
            if kind == "merged":
                yield from self._merged(number, groups[number])
                continue
            if self.futures.get((kind, number)) is not future:
                continue  # of an attempt that was given up
            waiting -= 1
            self.limit.end(number)
            lost = self._lost(number)
            if lost == "again":
                again.append(number)
                continue
            self.left -= 1
            k = group_of.get(number)
            if lost is not None:
                self.futures.pop(("item", number))
                yield number, lost
            elif k is None:
                result = self._fetch("item", number)
                if isinstance(result, Exception):
                    result = Lost(short(result), self.tries[number])
                yield number, result
            if k is not None:
                open_in[k] -= 1
                if open_in[k] == 0:
                    self._merge(k, groups[k], merge)

    def _merge(self, k: int, group: Sequence[int], merge: Callable[[list[Any]], Any] | None) -> None:
        parts = [self.futures["item", n] for n in group if ("item", n) in self.futures]
        if parts:
            future = self.client.submit(
                merge, parts, key=f"massgap-merge-{self.token}-{k}", pure=False, priority=10
            )
            self._watch("merged", k, future)

    def _merged(self, k: int, group: Sequence[int]) -> Iterator[tuple[int, Any]]:
        result = self._fetch("merged", k)
        members = [n for n in group if self.futures.pop(("item", n), None) is not None]
        if isinstance(result, Exception):
            for n in members:
                yield (
                    n,
                    Lost(f"the results could not be added up on the worker: {short(result)}", self.tries[n]),
                )
        else:
            yield members[0] if members else group[0], result

    def _fetch(self, kind: str, number: int) -> Any:
        """The result of a finished future, or the exception that says why there is none."""
        future = self.futures.pop((kind, number))
        try:
            return self._value(future)
        except Exception as error:  # noqa: BLE001 - data lost in the last moment, memory, deserialisation
            self.workers.require_scheduler()
            return error
        finally:
            future.release()

    def _value(self, future: Any) -> Any:
        """What a finished task gave; where the worker that holds it hangs, it is ended, and dask does the task again elsewhere."""
        coming = asyncio.run_coroutine_threadsafe(
            self.client.gather(future, asynchronous=True), self.client.loop.asyncio_loop
        )
        self.limit.wait()
        while True:
            with contextlib.suppress(TimeoutError):
                return coming.result(timeout=0.5)
            if coming.done():
                return coming.result()  # a task that raised this very error
            # Workers that end now are replaced by nobody else, and the task may have to be done again.
            if self.workers.due:
                self._look()
            if self.limit.left <= 0:
                for worker in self.client.who_has([future]).get(future.key, ()):
                    self.workers.end(worker)
                self.limit.wait()

    def _lost(self, number: int) -> Lost | str | None:
        """None if a result is there, "again" for another attempt, else why there is none."""
        future = self.futures["item", number]
        if number in self.hung:
            reason = self.hung.pop(number)
        elif future.status == "finished":
            self.deaths = 0
            return None
        elif future.status == "error":
            from distributed.scheduler import KilledWorker

            error = future.exception()
            if not isinstance(error, KilledWorker):
                return Lost(short(error), self.tries[number])
            if error.task in self.shared_keys and self._shared_again(error.task):
                self.tries[number] -= 1  # the item itself was never begun
                self.futures.pop(("item", number)).release()
                return "again"
            # dask has given it several workers already.
            return Lost("its worker ended without a result", self.tries[number] + error.allowed_failures)
        else:
            self.workers.require_scheduler()
            reason = f"its task was {future.status}"
        if self.tries[number] < self.executor.attempts:
            self.futures.pop(("item", number)).release()
            return "again"
        return Lost(reason, self.tries[number])

    def _shared_again(self, key: str) -> bool:
        """Whether what all tasks share is sent once more, as the workers died that were to get it under this key.

        They may have died of something else, a task on the same worker or somebody's kill; where it happens again and
        again without one result in between, it is what is shared.
        """
        if key == self.shared_keys[-1]:
            if self.deaths >= self.executor.attempts:
                return False
            self.deaths += 1
            self._share()
        return True

    # ---- while nothing arrives

    def _next_event(self) -> tuple[str, int, Any] | None:
        # Also while results stream in, the cluster must be looked at.
        if self.workers.due:
            self._look()
        try:
            return self.events.get(timeout=0.5)
        except queue.Empty:
            if self.tick is not None:
                self.tick()
            return None

    def _look(self) -> None:
        if not self.workers.look(self.left):
            self.limit.wait()

    def _stalled(self) -> list[int]:
        """Items at work on workers that hang; these workers are ended."""
        if self.limit.left > 0:
            return []
        at_work = {key: worker for worker, keys in self.client.processing().items() for key in keys}
        workers: dict[str, list[int]] = {}
        pending = [
            number for (kind, number), f in self.futures.items() if kind == "item" and f.status == "pending"
        ]
        for (kind, number), future in self.futures.items():
            if future.status == "pending" and str(future.key) in at_work:
                workers.setdefault(at_work[str(future.key)], []).extend([number] if kind == "item" else [])
        self.limit.wait()
        # Where no worker is at work on any of them, the scheduler has lost track of them.
        for number in [n for numbers in workers.values() for n in numbers] if workers else pending:
            self.hung[number] = f"it gave no result for {self.limit.seconds:.0f} s; its worker was ended"
        found = sorted(self.hung)
        self.client.cancel([self.futures["item", n] for n in found], force=True)
        for worker in workers:
            self.workers.end(worker)
        return found

    def close(self) -> None:
        """Give up what is still at work."""
        with contextlib.suppress(Exception):
            self.client.cancel(
                [*self.futures.values(), *([self.shared] if self.shared is not None else [])], force=True
            )
        self.futures.clear()


def _give(value: Any) -> Any:
    return value


def _announce(events: queue.SimpleQueue[tuple[str, int, Any]], kind: str, number: int, future: Any) -> None:
    events.put((kind, number, future))
