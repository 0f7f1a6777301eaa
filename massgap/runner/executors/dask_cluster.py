"""Run a function over many items on a dask cluster, and add up groups of results where they were made.

Only a window of tasks is handed to the scheduler at a time, and only sums of groups come back: neither the scheduler's
nor the driver's memory grows with the number of items.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import time
import uuid
import warnings
from typing import TYPE_CHECKING, Any

from massgap.runner.errors import RunnerError, short
from massgap.runner.executors.base import Lost, StallLimit, WorkerStates
from massgap.runner.executors.interrupts import deaf_to_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DaskExecutor", "EnvironmentMismatchError", "NoWorkersError", "SchedulerLostError"]

_CONNECT = 20
_PATIENCE = 3600.0
_REFUSED_PATIENCE = 20.0
_POLL = 2.0
_RECONNECT = 120.0
"""Seconds that a client may take to find a scheduler again."""


class SchedulerLostError(RunnerError):
    """The dask scheduler is gone."""


class NoWorkersError(RunnerError):
    """There is no worker, and none is coming."""


class EnvironmentMismatchError(RunnerError):
    """The software of a worker is not that of the driver."""


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

    def states(self) -> Any:
        """The workers, as last looked at."""
        return self._states

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
        with self._connected() as (client, cluster):
            run = _Run(self, client, cluster, function, items, shared, tick)
            try:
                yield from run.results(1 if alone else None, groups, merge)
            finally:
                run.close()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[tuple[Any, Any]]:
        try:
            import dask
            from distributed import Client, LocalCluster
        except ImportError as error:
            msg = 'the dask executor needs dask and distributed: pip install "massgap[dask]"'
            raise RunnerError(msg) from error
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
                    cluster = LocalCluster(
                        n_workers=self.adapt[0] if self.adapt else self.workers,
                        threads_per_worker=1,
                        dashboard_address="127.0.0.1:0",
                        silence_logs=logging.CRITICAL,
                    )
                stack.callback(cluster.close)
                if self.adapt:
                    cluster.adapt(minimum=self.adapt[0], maximum=self.adapt[1])
                client = Client(cluster)
            else:
                try:
                    client = Client(self.client, timeout=_CONNECT)
                except (OSError, ValueError) as error:
                    msg = f"no dask scheduler answers at {self.client} ({str(error).splitlines()[0]})"
                    raise RunnerError(msg) from error
            stack.callback(client.close)
            yield client, cluster


class _Run:
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
        self.cluster = cluster
        self.scheduler = getattr(cluster, "scheduler", None)
        self.function = function
        self.items = items
        self.tick = tick
        self.token = uuid.uuid4().hex[:12]
        self.events: queue.SimpleQueue[tuple[str, int, Any]] = queue.SimpleQueue()
        self.futures: dict[tuple[str, int], Any] = {}
        self.tries: dict[int, int] = {}
        self.limit = StallLimit(executor.timeout)
        self.looked = 0.0
        self.threads = 1
        self.without_workers = self.connected = time.monotonic()
        self.hung: dict[int, str] = {}
        self.left = len(items)
        self._gate()
        self.shared: Any = None
        if shared is not None:
            with warnings.catch_warnings():
                # A model may be large; it travels once.  Unlike scattered data, a task's result is made again where
                # the worker that held it is lost.
                warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
                self.shared = client.submit(_give, shared, key=f"massgap-shared-{self.token}", pure=False)

    # ---- versions

    def _gate(self) -> None:
        """Refuse workers with other versions, those that are there and those that come."""
        from distributed.versions import get_versions

        from massgap.runner.executors import version_gate

        mine = get_versions()["packages"]
        gate = version_gate.VersionGate(mine)
        found: dict[str, list[str]] = {}
        if self.scheduler is not None and hasattr(self.scheduler, "add_plugin"):
            self.scheduler.add_plugin(gate, idempotent=True, name=gate.name)
            found = {
                str(state.name): version_gate.mismatches(mine, (state.versions or {}).get("packages", {}))
                for state in list(self.scheduler.workers.values())
            }
        else:
            try:
                versions = self.client.get_versions()
            except Exception as error:
                msg = f"the dask scheduler did not tell the versions of its workers ({type(error).__name__}: {error})"
                raise EnvironmentMismatchError(msg) from error
            found = {
                name: version_gate.mismatches(mine, (v or {}).get("packages", {}))
                for name, v in versions["workers"].items()
            }
            wrong = version_gate.mismatches(mine, versions["scheduler"]["packages"])
            if wrong:
                msg = f"the dask scheduler has other versions: {', '.join(wrong)}. {_REMEDY}"
                raise EnvironmentMismatchError(msg)
            self._send_gate(gate)
        wrong_workers = {name: wrong for name, wrong in found.items() if wrong}
        if wrong_workers:
            name, wrong = next(iter(wrong_workers.items()))
            more = f" and {len(wrong_workers) - 1} more" if len(wrong_workers) > 1 else ""
            msg = f"worker {name}{more} has other versions: {', '.join(wrong)}. {_REMEDY}"
            raise EnvironmentMismatchError(msg)

    def _send_gate(self, gate: Any) -> None:
        import cloudpickle

        from massgap.runner.executors import version_gate

        cloudpickle.register_pickle_by_value(version_gate)
        try:
            self.client.register_plugin(gate)
        except Exception as error:  # noqa: BLE001 - a facility may forbid plugins; its workers are looked at all the same
            logging.getLogger(__name__).info("the scheduler takes no plugin: %s", error)
        finally:
            cloudpickle.unregister_pickle_by_value(version_gate)

    # ---- tasks

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
            while not (exhausted and not again) and waiting < (window or 3 * self.threads + 8):
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
            return future.result()
        except Exception as error:  # noqa: BLE001 - data lost in the last moment, memory, deserialisation
            self._require_scheduler()
            return error
        finally:
            future.release()

    def _lost(self, number: int) -> Lost | str | None:
        """None if a result is there, "again" for another attempt, else why there is none."""
        future = self.futures["item", number]
        if number in self.hung:
            reason = self.hung.pop(number)
        elif future.status == "finished":
            return None
        elif future.status == "error":
            from distributed.scheduler import KilledWorker

            error = future.exception()
            if not isinstance(error, KilledWorker):
                return Lost(short(error), self.tries[number])
            # dask has given it several workers already.
            return Lost("its worker ended without a result", self.tries[number] + error.allowed_failures)
        else:
            self._require_scheduler()
            reason = f"its task was {future.status}"
        if self.tries[number] < self.executor.attempts:
            self.futures.pop(("item", number)).release()
            return "again"
        return Lost(reason, self.tries[number])

    # ---- while nothing arrives

    def _next_event(self) -> tuple[str, int, Any] | None:
        # Also while results stream in, the cluster must be looked at.
        if time.monotonic() - self.looked > _POLL:
            self._look()
        try:
            return self.events.get(timeout=0.5)
        except queue.Empty:
            if self.tick is not None:
                self.tick()
            return None

    def _look(self) -> None:
        """Count workers, hear what the pool says, and give up where nothing can come any more."""
        self.looked = time.monotonic()
        self._require_scheduler()
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
        pool = self.executor.pool
        if pool is not None:
            pool.demand(self.left)
            pool.check()
            status = pool.status()
            problems += tuple(status.problems)
            self.executor._states = WorkerStates(status.idle, len(threads), tuple(status.held), problems)
        else:
            self.executor._states = WorkerStates(0, len(threads), (), problems)
            self._replace_workers(len(threads))
        if threads:
            self.without_workers = time.monotonic()
            return
        self.limit.wait()
        alone_for = time.monotonic() - self.without_workers
        if refused and alone_for > _REFUSED_PATIENCE:
            msg = f"{refused[0]}. {_REMEDY}"
            raise EnvironmentMismatchError(msg)
        if pool is None and alone_for > self.executor.patience:
            msg = (
                f"the dask scheduler has had no worker for {alone_for / 60:.0f} minutes. Start workers and give the same "
                "command again: finished chunks are kept"
            )
            raise NoWorkersError(msg)

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

    def _require_scheduler(self) -> None:
        if self.client.status == "running":
            self.connected = time.monotonic()
            return
        # A client whose connection broke may stay at "connecting" for good: its own attempt to come back can fail on the
        # futures that this thread adds at the same moment (seen with 2,000 workers on an overloaded machine).
        again = time.monotonic() - self.connected < _RECONNECT
        if not again or self.client.status not in ("connecting", "newly-created"):
            raise SchedulerLostError(_SCHEDULER_GONE)

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
            self._end_worker(worker)
        return found

    def _end_worker(self, address: str) -> None:
        """Through its nanny, which can end a process that does not listen; else the scheduler forgets it."""
        with contextlib.suppress(Exception):
            # It need not be back when this returns.
            self.client.restart_workers([address], timeout=8, raise_for_error=False)
            return
        with contextlib.suppress(Exception):
            self.client.retire_workers([address], close_workers=True, remove=True)

    def close(self) -> None:
        """Give up what is still at work."""
        with contextlib.suppress(Exception):
            self.client.cancel(
                [*self.futures.values(), *([self.shared] if self.shared is not None else [])], force=True
            )
        self.futures.clear()


_SCHEDULER_GONE = "the dask scheduler is gone. Give the same command again: finished chunks are kept"
_REMEDY = (
    "Tasks cannot be sent between different versions: install the same ones on the workers (the environment that massgap "
    "ships with --environment ship, or an image with these versions), and look with massgap preflight"
)


def _give(value: Any) -> Any:
    return value


def _announce(events: queue.SimpleQueue[tuple[str, int, Any]], kind: str, number: int, future: Any) -> None:
    events.put((kind, number, future))
