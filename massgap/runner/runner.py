"""Run a processor over a fileset, keep what is finished, and account for everything.

The function :func:`run` is behind ``massgap run`` and can be called from a notebook.  It processes
the same chunks with the same ``process`` method as coffea's ``Runner`` would, and adds what that one
lacks: files are checked first, a failing chunk does not end the run, what failed for the moment or with its worker is
tried again, finished chunks are kept under a key of code, options, model and file, and a ledger says what is missing.
"""

from __future__ import annotations

import functools
import inspect
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.contracts.histograms import find_histograms
from massgap.contracts.writing import digest
from massgap.errors import MassgapError
from massgap.events.reading.faults import TRANSIENT
from massgap.processors.base.analysis import Analysis
from massgap.runner.checkpoints.fingerprint import code_hash, processor_identity
from massgap.runner.checkpoints.folder import CheckpointError, Checkpoints, chunk_keys
from massgap.runner.checkpoints.merge_tree import FAN_IN, MergeTree, Node, leaves_of
from massgap.runner.errors import IncompleteRunError, RunnerError
from massgap.runner.estimate import describe_plan
from massgap.runner.executors.interrupts import held_interrupts
from massgap.runner.executors.local import Executor, IterativeExecutor, Lost, bound
from massgap.runner.ledger import Ledger
from massgap.runner.planning import Plan, make_plan
from massgap.runner.progress import DatasetProgress, Progress
from massgap.runner.work import (
    STOPS_THE_RUN,
    Outcome,
    Retries,
    SharedWork,
    Task,
    TaskResult,
    close_files,
    merge_results,
    process_task,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Progress", "RunResult", "run", "tree_levels"]

QUARANTINE = 2
"""Further attempts at a chunk whose worker was lost; the last one is made alone."""

FEW = 8
"""Up to so many such chunks are tried one at a time from the beginning."""


@dataclass
class RunResult:
    """What a run gives.

    Attributes
    ----------
    output
        What the processor's ``postprocess`` returned: for an analysis of massgap a dict with
        ``histograms``, ``cutflow``, ``datasets``, ``undefined`` and ``features``.  None if nothing was processed.
    ledger
        What became of every file and chunk.
    identity
        Class, code, options and model of the processor.
    fileset
        The fileset, with ``sum_weights`` filled in where the files gave it.
    notes
        What a user should know but need not act on.
    interrupted
        Whether Ctrl-C ended it.
    chunksize
        Number of events in a chunk, about.
    """

    output: Any
    ledger: Ledger
    identity: dict[str, Any]
    fileset: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    chunksize: int | None = None

    def __getattr__(self, name: str) -> Any:
        if name in ("histograms", "cutflow", "datasets", "features", "undefined"):
            found = self.output.get(name) if isinstance(self.output, dict) else None
            return {} if found is None else found
        raise AttributeError(name)

    def require_complete(self) -> None:
        """Raise if anything is missing that the user has not accepted.

        Raises
        ------
        IncompleteRunError
            Naming what is lost.
        """
        if self.interrupted or not (self.ledger.complete or self.ledger.accepted_loss):
            raise IncompleteRunError("; ".join(self.ledger.problems()) or "the run was interrupted")


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


def run(
    processor: Any,
    fileset: dict[str, Any],
    *,
    executor: Executor | None = None,
    chunksize: int | None = None,
    checkpoints: str | Path | None = None,
    accept_loss: bool = False,
    progress: Callable[[Progress], None] | None = None,
    retries: Retries | None = None,
    levels: tuple[int, int] | None = None,
) -> RunResult:
    """Process a fileset.

    Parameters
    ----------
    processor
        An analysis such as ``Slepton()``, or any coffea processor.
    fileset
        ``{dataset: {"files": {path: tree or None}, "metadata": {...}}}``.
    executor
        See :func:`massgap.runner.executors.local.make_executor`; by default this process alone.
    chunksize
        Number of events in a chunk, about: chunks end where the file's baskets end, so that none is decompressed twice.
        By default a 32nd of all events, but between 100,000 and 500,000.
    checkpoints
        Folder for the results of finished chunks, or None to keep none.
    accept_loss
        Take the result although files, chunks or weights are missing.
    progress
        Called after each step, and now and then while nothing happens.
    retries
        How transient errors (of input and output, networks, storage) are met: several attempts with growing pauses, and
        the same once more when everything else is done.
    levels
        How many chunks make a task, and how many a result, as powers of eight; by default :func:`tree_levels`.

    Returns
    -------
    RunResult
        Also when files or chunks failed: look at ``ledger.complete`` or call ``require_complete()``.

    Raises
    ------
    RunnerError
        If an argument is wrong, the fileset is empty, or credentials are refused.
    """
    executor = executor or IterativeExecutor()
    report = progress or (lambda _: None)
    retries = retries or Retries()
    identity = processor_identity(processor)
    ledger = Ledger(accepted_loss=accept_loss)
    result = RunResult(None, ledger, identity, fileset)
    try:
        plan = make_plan(
            fileset, ledger, executor=executor, chunksize=chunksize, retries=retries, progress=report
        )
        result.fileset, result.chunksize = plan.fileset, plan.chunksize
        result.notes.extend(plan.notes)
        if ledger.chunks:
            metadata = chunk_metadata(processor, plan)
            accumulator = process_plan(
                processor,
                result,
                keys=keys_of(identity, plan, metadata),
                metadata=metadata,
                executor=executor,
                checkpoints=checkpoints,
                levels=levels,
                retries=retries,
                progress=report,
                describe=functools.partial(describe_plan, processor, plan),
            )
            finish(processor, accumulator, result, plan)
    except KeyboardInterrupt:
        result.interrupted = True
    finally:
        close_files()
    mark_loss(result)
    return result


def mark_loss(result: RunResult) -> None:
    """Write what is missing into the metadata of each histogram, under ``massgap_loss``."""
    loss = result.ledger.loss()
    if result.interrupted or loss is not None:
        loss = {**(loss or {}), "interrupted": result.interrupted}
        for histogram in find_histograms(result.output).values():
            histogram.metadata = {"massgap_loss": loss}


def chunk_metadata(processor: Any, plan: Plan) -> dict[str, dict[str, Any]]:
    """Dataset -> metadata that the processor sees.

    A sum of weights that was taken from the files depends on which of them could be opened.  An analysis of massgap gets it
    at the end: when a file has been mended, the chunks of the others are still good.
    """
    out = {name: entry["metadata"] for name, entry in plan.fileset.items()}
    if isinstance(processor, Analysis):
        for name in plan.derived:
            out[name] = {key: value for key, value in out[name].items() if key != "sum_weights"}
    return out


def keys_of(identity: dict[str, Any], plan: Plan, metadata: dict[str, dict[str, Any]]) -> list[str]:
    """Keys of the chunks of a plan, under which their results are kept."""
    seen = {name: {"metadata": content} for name, content in metadata.items()}
    return chunk_keys(identity, seen, plan.infos, plan.chunks)


def finish(processor: Any, accumulator: Any, result: RunResult, plan: Plan) -> None:
    """Turn the sum of all chunks into the result of a run; what goes wrong there is an error in the ledger."""
    ledger = result.ledger
    if accumulator is None:
        return
    try:
        if isinstance(processor, Analysis):
            for name in plan.derived:
                for tally in accumulator.values():
                    if name in tally.datasets:
                        tally.datasets[name].metadata["sum_weights"] = plan.fileset[name]["metadata"][
                            "sum_weights"
                        ]
        output = processor.postprocess(accumulator)
    except Exception as error:  # noqa: BLE001 - of any processor; the finished chunks and the ledger must survive it
        known = isinstance(error, MassgapError)
        ledger.errors.append(
            str(error)
            if known
            else f"the results could not be put together ({type(error).__name__}: {error})"
        )
        return
    result.output = accumulator if output is None else output
    if isinstance(result.output, dict):
        for dataset, summary in (result.output.get("datasets") or {}).items():
            if isinstance(summary, dict) and "sum_weights_processed" in summary:
                ledger.processed_weights[dataset] = summary["sum_weights_processed"]
                if summary.get("is_data"):
                    ledger.expected[dataset] = None
        if "datasets" not in result.output:
            # A processor of somebody else does not report weights: only events can be accounted for.
            ledger.expected = dict.fromkeys(ledger.expected)


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
        import cloudpickle

        self.executor = executor
        self.entries = result.ledger.chunks
        self.total = len(self.entries)
        self.task_level, self.result_level = levels
        self.retries = retries
        self.store = store
        self.tree = MergeTree(self.total)
        pickled = cloudpickle.dumps(processor)
        self.shared = SharedWork(
            digest(result.identity) + digest(pickled.hex()),
            pickled,
            code_hash(),
            metadata,
            self.total,
            retries,
        )
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
        accepted = _accepted(self.executor)
        if "shared" not in accepted:
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
        states = getattr(self.executor, "states", None)
        self.state.pool = states() if states is not None else None
        self.report(self.state)


def _accepted(executor: Any) -> set[str]:
    """Names of the arguments that an executor takes."""
    try:
        return set(inspect.signature(executor).parameters)
    except (TypeError, ValueError):
        return set()
