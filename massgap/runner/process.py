"""The chunks of one run, on their way from missing to processed or failed."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import digest
from massgap.events.reading.faults import TRANSIENT
from massgap.runner.checkpoints.fingerprint import code_hash
from massgap.runner.checkpoints.folder import CheckpointError, Checkpoints
from massgap.runner.checkpoints.merge_tree import FAN_IN, MergeTree, Node, leaves_of
from massgap.runner.errors import RunnerError
from massgap.runner.executors.base import Executor, Lost, accepted, bound, states_of
from massgap.runner.executors.interrupts import held_interrupts
from massgap.runner.progress import DatasetProgress, Progress
from massgap.runner.work import (
    STOPS_THE_RUN,
    Outcome,
    Retries,
    SharedWork,
    Task,
    TaskResult,
    merge_results,
    process_task,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from massgap.runner.result import RunResult

__all__ = ["process_plan", "shared_work", "tree_levels"]

QUARANTINE = 2
"""Further attempts at a chunk whose worker was lost; the last one is made alone."""

FEW = 8
"""Up to so many such chunks are tried one at a time from the beginning."""


def tree_levels(chunks: int) -> tuple[int, int]:
    """How many chunks make a task, and how many a result, as powers of eight.

    A scheduler takes some milliseconds per task, and each result travels to the driver and is kept on disk: where chunks
    are many, several of them make one task, and the sums of several tasks one result.

    Examples
    --------
    >>> [tree_levels(n) for n in (500, 4_000, 100_000, 1_000_000)]
    [(0, 0), (0, 1), (1, 2), (2, 3)]
    """
    task = 0
    while chunks > 16_384 * FAN_IN**task:
        task += 1
    result = task
    while result < task + 1 and chunks > 512 * FAN_IN**result:
        result += 1
    return task, result


def shared_work(
    processor: Any,
    identity: dict[str, Any],
    metadata: dict[str, dict[str, Any]],
    total: int,
    retries: Retries | None = None,
) -> SharedWork:
    """What all tasks of a run have in common.

    Parameters
    ----------
    processor, identity
        What processes them, and its identity.
    metadata
        Of each dataset.
    total
        Number of chunks of the run.
    retries
        How transient errors are met.
    """
    import cloudpickle

    pickled = cloudpickle.dumps(processor)
    key = digest(identity) + digest(pickled.hex())
    return SharedWork(key, pickled, code_hash(), metadata, total, retries or Retries())


class _Stop(RunnerError):
    """Every further chunk would fail for the same reason."""


def process_plan(
    processor: Any,
    result: RunResult,
    *,
    keys: list[str],
    metadata: dict[str, dict[str, Any]],
    executor: Executor,
    checkpoints: str | Path | None = None,
    levels: tuple[int, int] | None = None,
    retries: Retries | None = None,
    progress: Callable[[Progress], None] | None = None,
    describe: Callable[[int, int], str] | None = None,
) -> Any:
    """Process the chunks in a result's ledger.

    Parameters
    ----------
    processor
        What processes them.
    result
        Its ledger is brought up to date, and notes are added.
    keys, metadata
        Key of each chunk and metadata of each dataset.
    executor, checkpoints, levels, retries, progress
        As for :func:`run`.
    describe
        Gives the message of the stage ``plan`` from the number of chunks to do and of chunks per result.

    Returns
    -------
    Any
        The sum of all results; None if there is none.
    """
    work = _Work(
        processor,
        result,
        executor,
        Checkpoints(checkpoints, keys),
        metadata,
        progress or (lambda _: None),
        retries or Retries(),
        levels or tree_levels(len(keys)),
    )
    try:
        work.take_stored()
        if describe is not None:
            message = describe(work.total - work.state.done, FAN_IN**work.result_level)
            work.report(Progress("plan", work.state.done, work.total, message=message))
        work.go()
    except KeyboardInterrupt:
        result.interrupted = True
    except (_Stop, CheckpointError) as error:
        result.ledger.errors.append(str(error))
    except ValueError as error:
        # Of the cluster: no scheduler, no workers, other versions.  What is finished is kept and on record.
        if work.state.done == 0:
            raise
        result.ledger.errors.append(str(error))
    result.notes.extend(work.store.notes)
    return work.tree.finish()


class _Work:
    """The chunks of one run, on their way from missing to processed or failed."""

    def __init__(
        self,
        processor: Any,
        result: RunResult,
        executor: Executor,
        store: Checkpoints,
        metadata: dict[str, dict[str, Any]],
        report: Callable[[Progress], None],
        retries: Retries,
        levels: tuple[int, int],
    ) -> None:
        self.executor = executor
        self.entries = result.ledger.chunks
        self.total = len(self.entries)
        self.task_level, self.result_level = levels
        self.retries = retries
        self.store = store
        self.tree = MergeTree(self.total)
        self.shared = shared_work(processor, result.identity, metadata, self.total, retries)
        self.report = report
        self.start = time.perf_counter()
        self.settled: set[int] = set()
        self.lost: set[int] = set()
        self.state = Progress("process", 0, self.total)
        for entry in self.entries:
            self.state.datasets.setdefault(entry.chunk.dataset, DatasetProgress()).total += 1

    def go(self) -> None:
        """Do everything that is to be done."""
        self._do(self._tasks())
        self._try_again()
        self._quarantine()

    # ---- what is to be done

    def take_stored(self) -> None:
        """Take what an earlier run has left."""
        for node, value in self.store.stored(self.result_level):
            with held_interrupts():
                self.tree.add(node, value)
                for leaf in leaves_of(node, self.total):
                    self.entries[leaf].status, self.entries[leaf].from_checkpoint = "processed", True
                    self._advance(leaf)

    def _tasks(self) -> list[Task]:
        """What is missing, as tasks of whole families where a whole family is missing."""
        tasks: list[Task] = []
        pending: list[Node] = [
            (self.task_level, k) for k in range(-(-self.total // FAN_IN**self.task_level))
        ][::-1]
        while pending:
            level, number = pending.pop()
            leaves = leaves_of((level, number), self.total)
            missing = [leaf for leaf in leaves if leaf not in self.settled]
            if len(missing) == len(leaves):
                tasks.append(Task(tuple((leaf, self.entries[leaf].chunk) for leaf in leaves), level))
            elif missing:
                first = number * FAN_IN
                below = FAN_IN ** (level - 1)
                pending += [(level - 1, k) for k in range(first, first + FAN_IN) if k * below < self.total][
                    ::-1
                ]
        return tasks

    def _groups(self, tasks: list[Task]) -> list[list[int]]:
        """Numbers of tasks whose results are added up on the workers: those below one node of the result level."""
        groups: dict[int, list[int]] = {}
        for i, task in enumerate(tasks):
            groups.setdefault(task.chunks[0][0] // FAN_IN**self.result_level, []).append(i)
        return [group for group in groups.values() if len(group) > 1]

    def _single(self, leaves: list[int]) -> list[Task]:
        return [Task(((leaf, self.entries[leaf].chunk),)) for leaf in leaves]

    def _try_again(self) -> None:
        """What failed for the moment, once more, now that some time has passed."""
        again = [
            i
            for i, entry in enumerate(self.entries)
            if entry.status == "failed" and i not in self.settled and i not in self.lost
        ]
        if again:
            self.state.retried += len(again)
            time.sleep(self.retries.pauses()[-1])
            self._do(self._single(again), last=True)

    def _quarantine(self) -> None:
        """Chunks whose workers were lost, one at a time: those that end their worker even so are the poisonous ones.

        Where many workers are lost to others, as on machines that are taken away, the many that shared them are tried
        together once more first.
        """
        for attempt in range(QUARANTINE):
            left = sorted(self.lost)
            if not left:
                return
            last = attempt == QUARANTINE - 1
            self.state.retried += len(left)
            self._do(self._single(left), alone=last or len(left) <= FEW, last=last)

    # ---- doing it

    def _do(self, tasks: list[Task], *, alone: bool = False, last: bool = False) -> None:
        if not tasks:
            return
        for number, answer in self._execute(tasks, alone):
            # All or nothing: Ctrl-C between these lines would leave a result that is kept and not on record.
            with held_interrupts():
                if isinstance(answer, Lost):
                    for leaf, _ in tasks[number].chunks:
                        self._take_lost(leaf, answer, last)
                else:
                    self._take(answer, last)

    def _execute(self, tasks: list[Task], alone: bool) -> Iterator[tuple[int, Any]]:
        known = accepted(self.executor)
        if "shared" not in known:
            return iter(self.executor(bound(process_task, self.shared), tasks))
        options: dict[str, Any] = {"alone": alone, "tick": self._tick}
        if getattr(self.executor, "merges", False) and self.result_level and not alone:
            options["groups"] = self._groups(tasks)
            options["merge"] = functools.partial(merge_results, self.total, self.result_level)
        return iter(self.executor(process_task, tasks, shared=self.shared, **options))

    def _take(self, answer: TaskResult, last: bool) -> None:
        for outcome in answer.outcomes.values():
            if outcome.kind in STOPS_THE_RUN:
                self._note_failure(next(k for k, v in answer.outcomes.items() if v is outcome), outcome)
                raise _Stop(str(outcome.error))
        for leaf, outcome in answer.outcomes.items():
            if outcome.error is not None:
                self._note_failure(leaf, outcome)
                if outcome.kind != TRANSIENT or last:
                    self._settle(leaf)
                    self.tree.add((0, leaf), None)
        for node, value in answer.nodes.items():
            self.store.save(node, value)
            self.tree.add(node, value)
            for leaf in leaves_of(node, self.total):
                self._note_success(leaf, answer.outcomes[leaf])

    def _take_lost(self, leaf: int, answer: Lost, last: bool) -> None:
        entry = self.entries[leaf]
        entry.attempts += answer.attempts
        entry.status, entry.exception = "failed", "WorkerLost"
        entry.error = (
            f"{entry.chunk}: {answer.reason} ({entry.attempts} attempts, the last ones alone on a worker). Most likely it needs "
            "more memory than there is, or a library crashes on it: use a smaller --chunksize or more memory per worker, or "
            "look at the file"
        )
        self.lost.add(leaf)
        if last:
            self.lost.discard(leaf)
            self._settle(leaf)
            self.tree.add((0, leaf), None)

    def _note_failure(self, leaf: int, outcome: Outcome) -> None:
        entry = self.entries[leaf]
        entry.status, entry.error, entry.exception = "failed", outcome.error, outcome.exception
        entry.seconds, entry.host = outcome.seconds, outcome.host
        entry.attempts += outcome.attempts
        self.lost.discard(leaf)

    def _note_success(self, leaf: int, outcome: Outcome) -> None:
        entry = self.entries[leaf]
        entry.status, entry.error, entry.exception = "processed", None, None
        entry.seconds, entry.host = outcome.seconds, outcome.host
        entry.attempts += outcome.attempts
        self.lost.discard(leaf)
        self._advance(leaf)

    def _settle(self, leaf: int) -> None:
        """A chunk that has failed for good."""
        self.state.failed += 1
        self.state.datasets[self.entries[leaf].chunk.dataset].failed += 1
        self._advance(leaf)

    def _advance(self, leaf: int) -> None:
        chunk = self.entries[leaf].chunk
        self.settled.add(leaf)
        self.state.done += 1
        self.state.events += chunk.stop - chunk.start
        mine = self.state.datasets[chunk.dataset]
        mine.done += 1
        mine.events += chunk.stop - chunk.start
        self._tick()

    def _tick(self) -> None:
        self.state.seconds = time.perf_counter() - self.start
        self.state.pool = states_of(self.executor)
        self.report(self.state)
