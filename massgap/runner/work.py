"""What a worker does with one chunk: open, process, and report success or the reason of failure."""

from __future__ import annotations

import copy
import functools
import socket
import time
import traceback
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from massgap.arrays.errors import SelectionError
from massgap.contracts.filesets.paths import is_url
from massgap.events.errors import FileProblem
from massgap.events.reading import baskets
from massgap.events.reading import tree as lean_tree
from massgap.events.reading.diagnosis import what_is_wrong
from massgap.events.reading.faults import (
    AUTHENTICATION,
    AUTHENTICATION_REMEDY,
    ENVIRONMENT,
    PERMANENT,
    TRANSIENT,
    kind_of_fault,
)
from massgap.events.reading.files import inspect_file
from massgap.events.reading.ntuple import clusters, envelopes, ntuple, pages, schema
from massgap.events.reading.open import Chunk, forget_file, open_events
from massgap.events.reading.raw import compressed, local
from massgap.events.reading.tree_columns import TreeColumns
from massgap.processors.base.analysis import Analysis
from massgap.processors.errors import ProcessorError
from massgap.runner.checkpoints.fingerprint import code_hash
from massgap.runner.checkpoints.merge_tree import Node, combine
from massgap.runner.memory import keep_freed_memory

__all__ = [
    "STOPS_THE_RUN",
    "Outcome",
    "Retries",
    "SharedWork",
    "Task",
    "TaskResult",
    "inspect_work",
    "load_processor",
    "merge_results",
    "process_chunk",
    "process_task",
]

STOPS_THE_RUN = (AUTHENTICATION, ENVIRONMENT)
"""Kinds of faults that every further chunk would meet, too."""


_READERS = frozenset(
    module.__name__
    for module in (baskets, compressed, clusters, envelopes, ntuple, pages, schema, lean_tree, local)
)
"""All bytes of a file that do not come through uproot come through these."""

_processors: OrderedDict[str, Any] = OrderedDict()


@dataclass
class Outcome:
    """What became of a chunk or an inspection: a value, or an error with its traceback.

    Attributes
    ----------
    value
        The result; None for a chunk, whose result is in the sums of its task.
    error, exception, traceback
        The message, the type of the exception, and where it was raised.
    kind
        Kind of the fault, see :mod:`massgap.events.reading.faults`.
    seconds, host, attempts
        How long it took, on which machine, and how many attempts there were.
    """

    value: Any = None
    error: str | None = None
    traceback: str = ""
    seconds: float = 0.0
    exception: str = ""
    kind: str = ""
    host: str = ""
    attempts: int = 1


@dataclass(frozen=True)
class Retries:
    """How often a transient error is met with another attempt on the same worker, and after which pauses.

    Attributes
    ----------
    attempts
        Attempts in all.
    pause, factor
        Seconds before the second attempt, and how much longer each further pause is.
    """

    attempts: int = 3
    pause: float = 2.0
    factor: float = 4.0

    def pauses(self) -> list[float]:
        """Seconds before each attempt."""
        return [0.0] + [self.pause * self.factor**k for k in range(self.attempts - 1)]


@dataclass(frozen=True)
class SharedWork:
    """What all tasks of a run have in common.

    Attributes
    ----------
    key, pickled
        The processor, as bytes that the driver has just made, and a name for them.
    code
        Digest of massgap's source on the driver: a worker with another one computes nothing.
    metadata
        Dataset -> metadata.
    total
        Number of chunks of the run.
    retries
        How transient errors are met.
    """

    key: str
    pickled: bytes
    code: str
    metadata: dict[str, dict[str, Any]]
    total: int
    retries: Retries = Retries()


@dataclass(frozen=True)
class Task:
    """Consecutive chunks, by their numbers in the run, that are processed one after another and added up."""

    chunks: tuple[tuple[int, Chunk], ...]
    level: int = 0


@dataclass
class TaskResult:
    """What a task gives.

    Attributes
    ----------
    outcomes
        Number of the chunk -> what became of it.
    nodes
        Sums in the tree of all chunks, see :mod:`massgap.runner.checkpoints.merge_tree`: one if all went well.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    nodes: dict[Node, Any] = field(default_factory=dict)


def inspect_work(item: tuple[str, str | None], retries: Retries | None = None) -> Outcome:
    """Inspect a file on a worker; never raises."""
    path, tree = item
    retries = retries or Retries()
    for attempt, pause in enumerate(retries.pauses(), start=1):
        time.sleep(pause)
        start = time.perf_counter()
        try:
            info = inspect_file(path, tree)
            return Outcome(info, seconds=time.perf_counter() - start, host=_host(), attempts=attempt)
        except FileProblem as error:
            outcome = _failure(error, str(error), path, start, attempt)
        except Exception as error:  # noqa: BLE001 - one bad file must not end a run
            outcome = _failure(error, f"{path}: {type(error).__name__}: {error}", path, start, attempt)
        if outcome.kind != TRANSIENT:
            break
    return outcome


def process_task(shared: SharedWork, task: Task) -> TaskResult:
    """Process the chunks of a task on a worker; never raises, so that one bad chunk cannot end a run."""
    out = TaskResult()
    if shared.code and shared.code != code_hash():
        text = (
            f"the massgap on the worker {_host()} is not that of the driver: its source has the digest {code_hash()[:12]}, "
            f"the driver's {shared.code[:12]}. Install the same version there, or let massgap ship its code; look with massgap preflight"
        )
        for number, _ in task.chunks:
            out.outcomes[number] = Outcome(
                error=text, exception="EnvironmentMismatchError", kind=ENVIRONMENT, host=_host()
            )
        return out
    nodes: dict[Node, Any] = {}
    for number, chunk in task.chunks:
        outcome = process_chunk(shared, chunk)
        if outcome.error is None:
            nodes[0, number] = outcome.value
            nodes = combine(nodes, shared.total, task.level)
        outcome.value = None
        out.outcomes[number] = outcome
        if outcome.kind in STOPS_THE_RUN:
            break
    out.nodes = nodes
    return out


def merge_results(total: int, level: int, results: list[TaskResult]) -> TaskResult:
    """One result of several tasks, with sums up to a level of the tree."""
    out = TaskResult()
    for result in results:
        out.outcomes.update(result.outcomes)
        out.nodes.update(result.nodes)
    # What came from a task of this process is used again by dask where a worker is lost: it must not change.
    out.nodes = combine({node: copy.deepcopy(value) for node, value in out.nodes.items()}, total, level)
    return out


def process_chunk(shared: SharedWork, chunk: Chunk) -> Outcome:
    """Process a chunk, again after a pause where the error may pass by itself."""
    keep_freed_memory()
    for attempt, pause in enumerate(shared.retries.pauses(), start=1):
        if pause:
            forget_file(chunk)
            time.sleep(pause)
        outcome = _attempt(shared, chunk, attempt)
        if outcome.kind != TRANSIENT:
            break
    return outcome


def _attempt(shared: SharedWork, chunk: Chunk, attempt: int) -> Outcome:
    start = time.perf_counter()
    try:
        processor = load_processor(shared.key, shared.pickled)
        metadata = shared.metadata[chunk.dataset]
        if not chunk.format and not isinstance(processor, Analysis):
            # Without events and without branches there is nothing that a processor of somebody else could look at.
            return Outcome(None, seconds=time.perf_counter() - start, host=_host(), attempts=attempt)
        value = processor.process(open_events(chunk, metadata, columns=isinstance(processor, Analysis)))
    except (ProcessorError, SelectionError, FileProblem) as error:
        return _failure(error, str(error), chunk.path, start, attempt)
    except Exception as error:  # noqa: BLE001 - one bad chunk must not end a run
        return _failure(error, _explain(chunk, error), chunk.path, start, attempt)
    if value is None:
        text = f"{type(processor).__name__}.process returned None; it must return an accumulator"
        return _failure(TypeError(text), text, chunk.path, start, attempt)
    return Outcome(value, seconds=time.perf_counter() - start, host=_host(), attempts=attempt)


def _failure(error: Exception, text: str, path: str, start: float, attempt: int) -> Outcome:
    kind = kind_of_fault(error, remote=is_url(path))
    if kind == AUTHENTICATION:
        text = f"{text}. {AUTHENTICATION_REMEDY[0].upper()}{AUTHENTICATION_REMEDY[1:]}"
    return Outcome(
        error=text,
        traceback=traceback.format_exc(),
        seconds=time.perf_counter() - start,
        exception=type(error).__name__,
        kind=kind,
        host=_host(),
        attempts=attempt,
    )


@functools.cache
def _host() -> str:
    return socket.gethostname()


def _explain(chunk: Chunk, error: Exception) -> str:
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else ""
    origin = set()
    trace = error.__traceback__
    while trace is not None:
        origin.add(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    if isinstance(error, MemoryError):
        return f"{chunk}: there was not enough memory for it; use a smaller --chunksize, fewer --workers or more memory per job"
    # All bytes of a file come through uproot or the modules beside it here.  They raise many types on damaged ones,
    # also KeyError and AssertionError.  An error that did not pass through them is the processor's own.
    reading = bool(origin & _READERS) or any(name.split(".")[0] == "uproot" for name in origin)
    kind = kind_of_fault(error, remote=is_url(chunk.path))
    if reading or kind != PERMANENT:
        return f"{chunk}: {what_is_wrong(chunk.path, error, 'read', kind)}"
    if any(name.split(".")[0] == "awkward" for name in origin) and (stale := _stale_counter(chunk)):
        # coffea's events take lists apart by the counters of the file.
        return stale
    return f"{chunk}: the processor failed ({type(error).__name__}: {first})"


def _stale_counter(chunk: Chunk) -> str | None:
    """What is wrong with the counters of a chunk that was read through coffea; None if nothing is or it cannot be told."""
    try:
        columns = open_events(chunk, {}, columns=True)
        found = columns.stale_counter() if isinstance(columns, TreeColumns) else None
    except Exception:  # noqa: BLE001 - the error to be told is another one
        return None
    return None if found is None else str(found)


def load_processor(key: str, pickled: bytes) -> Any:
    """The processor of a run, from bytes that its driver has just made; kept for the next task.

    Parameters
    ----------
    key, pickled
        See :class:`SharedWork`.
    """
    if key not in _processors:
        import cloudpickle

        _processors[key] = cloudpickle.loads(pickled)
        while len(_processors) > 2:
            _processors.popitem(last=False)
    return _processors[key]
