"""Run a processor over a fileset, keep what is finished, and account for everything.

The function :func:`run` is behind ``massgap run`` and can be called from a notebook.  It processes
the same chunks with the same ``process`` method as coffea's ``Runner`` would, and adds what that one
lacks: files are checked first, a failing chunk does not end the run, finished chunks are kept under a
key of code, options, model and file, and a ledger says what is missing.
"""

from __future__ import annotations

import bisect
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.processors.errors import IncompleteRunError, ProcessorError
from massgap.processors.executors import Executor, IterativeExecutor, WorkerLostError
from massgap.processors.fingerprint import digest, processor_identity
from massgap.processors.interrupts import held_interrupts
from massgap.processors.ledger import ChunkEntry, Ledger
from massgap.processors.storage import NotStorableError, load, save
from massgap.processors.tally import normalisation
from massgap.processors.work import Chunk, close_files, inspect_work, process_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from massgap.processors.files import FileInfo

__all__ = ["Progress", "RunResult", "run"]

DEFAULT_CHUNKSIZE = 500_000
"""Events in a chunk of a large fileset: 2 % of the time is lost to chunks, at less than 500 MiB per worker (measured
by ``make bench``)."""

SMALLEST_CHUNKSIZE = 100_000
"""Events in a chunk of a small fileset, where keeping several workers busy matters more; 5 to 10 % are lost."""


@dataclass
class Progress:
    """State of a run, handed to the progress callback."""

    stage: str
    done: int = 0
    total: int = 0
    failed: int = 0
    events: int = 0
    seconds: float = 0.0


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


def run(
    processor: Any,
    fileset: dict[str, Any],
    *,
    executor: Executor | None = None,
    chunksize: int | None = None,
    checkpoints: str | Path | None = None,
    accept_loss: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Process a fileset.

    Parameters
    ----------
    processor
        An analysis such as ``Slepton()``, or any coffea processor.
    fileset
        ``{dataset: {"files": {path: tree or None}, "metadata": {...}}}``.
    executor
        See :func:`massgap.processors.executors.make_executor`; by default this process alone.
    chunksize
        Number of events in a chunk, about: chunks end where the file's baskets end, so that none is decompressed twice.
        By default a 32nd of all events, but between 100,000 and 500,000.
    checkpoints
        Folder for the results of finished chunks, or None to keep none.
    accept_loss
        Take the result although files, chunks or weights are missing.
    progress
        Called after each step.

    Returns
    -------
    RunResult
        Also when files or chunks failed: look at ``ledger.complete`` or call ``require_complete()``.

    Raises
    ------
    ProcessorError
        If an argument is wrong, or the fileset is empty.
    """
    if chunksize is not None and chunksize < 1:
        msg = f"the chunk size must be at least 1, not {chunksize}"
        raise ProcessorError(msg)
    if not fileset or not any(entry["files"] for entry in fileset.values()):
        msg = "the fileset holds no files"
        raise ProcessorError(msg)
    executor = executor or IterativeExecutor()
    report = progress or (lambda _: None)
    identity = processor_identity(processor)
    ledger = Ledger(accepted_loss=accept_loss)
    result = RunResult(None, ledger, identity, fileset)
    try:
        infos = _inspect(fileset, executor, ledger, report)
        fileset = result.fileset = _complete_metadata(fileset, infos, ledger)
        if chunksize is None:
            chunksize = default_chunksize(infos)
        result.chunksize = chunksize
        ledger.chunks = [ChunkEntry(chunk) for chunk in _chunks(infos, chunksize)]
        result.notes.extend(
            f"{path}: has no events" for _, path in sorted(infos) if not infos[_, path].entries
        )
        if ledger.chunks:
            _process(processor, fileset, infos, executor, result, checkpoints, report)
    except KeyboardInterrupt:
        result.interrupted = True
    finally:
        close_files()
    return result


def _inspect(
    fileset: dict[str, Any], executor: Executor, ledger: Ledger, report: Callable[[Progress], None]
) -> dict[tuple[str, str], FileInfo]:
    wanted = sorted(
        (dataset, path, tree) for dataset, entry in fileset.items() for path, tree in _files(entry)
    )
    infos: dict[tuple[str, str], FileInfo] = {}
    start = time.perf_counter()
    # Starting worker processes takes longer than looking into a few files.
    chosen = executor if len(wanted) > 20 else IterativeExecutor()
    for done, (i, outcome) in enumerate(chosen(inspect_work, [(path, tree) for _, path, tree in wanted]), 1):
        dataset, path, _ = wanted[i]
        if outcome.error is not None:
            ledger.bad_files.append({"dataset": dataset, "path": path, "error": outcome.error})
        else:
            infos[dataset, path] = outcome.value
        report(Progress("inspect", done, len(wanted), len(ledger.bad_files), 0, time.perf_counter() - start))
    ledger.bad_files.sort(key=lambda bad: (bad["dataset"], bad["path"]))
    ledger.files = [{"dataset": d, "status": "read", **infos[d, p].as_dict()} for d, p in sorted(infos)]
    return infos


def _files(entry: dict[str, Any]) -> Iterable[tuple[str, str | None]]:
    files = entry["files"]
    if isinstance(files, dict):
        for path, tree in files.items():
            yield str(path), tree["object_path"] if isinstance(tree, dict) else tree
    else:
        for path in files:
            yield str(path), entry.get("treename")


def _complete_metadata(
    fileset: dict[str, Any], infos: dict[tuple[str, str], FileInfo], ledger: Ledger
) -> dict[str, Any]:
    """Fill in ``sum_weights`` from the files' Runs trees, where the fileset does not give it."""
    out = {}
    for dataset, entry in fileset.items():
        metadata = dict(entry.get("metadata") or {})
        mine = [info for (name, _), info in sorted(infos.items()) if name == dataset]
        _check_kind(dataset, metadata, mine)
        sums = [info.runs_sum_weights for info in mine]
        known = [s for s in sums if s is not None]
        if (
            metadata.get("sum_weights") is None
            and mine
            and len(known) == len(sums)
            and not metadata.get("is_data")
        ):
            metadata["sum_weights"] = sum(sorted(known))
            # The Runs tree counts events that a skim has dropped: nothing is lost if it says more.
            ledger.skimmed.add(dataset)
        if metadata.get("skimmed"):
            ledger.skimmed.add(dataset)
        if metadata.get("is_data") is None and mine:
            metadata["is_data"] = not any(info.simulated for info in mine)
        total = metadata.get("sum_weights")
        if total is not None and metadata.get("xsec_fb") is not None:
            normalisation({**metadata, "dataset": dataset}, float(total))
        ledger.expected[dataset] = None if metadata.get("is_data") else total
        out[dataset] = {"files": dict(_files(entry)), "metadata": metadata}
    return out


def _check_kind(dataset: str, metadata: dict[str, Any], infos: list[FileInfo]) -> None:
    """Refuse data mixed with simulation: one of them would be weighted as the other."""
    simulated = [info.path for info in infos if info.simulated]
    data = [info.path for info in infos if not info.simulated]
    is_data = metadata.get("is_data")
    if is_data and simulated:
        msg = f'dataset {dataset!r} is declared as data, but {simulated[0]} is simulation (it has generator weights); set "is_data" to false'
        raise ProcessorError(msg)
    if is_data is None and simulated and data:
        msg = f"data mixed with simulation in {dataset!r}: {data[0]} has no generator weights, {simulated[0]} has; run them as two datasets"
        raise ProcessorError(msg)


def _chunks(infos: dict[tuple[str, str], FileInfo], chunksize: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    for (dataset, path), info in sorted(infos.items()):
        # Equal parts: a file of 110k events is read in two halves, not in 100k and 10k.
        # A file without events is one empty chunk, so that its process appears in the results.
        parts = max(-(-info.entries // chunksize), 1)
        edges = _snapped([info.entries * i // parts for i in range(parts + 1)], info.clusters)
        chunks.extend(
            Chunk(dataset, path, a, b, info.tree, info.format, info.uuid)
            for a, b in itertools.pairwise(edges)
        )
    return chunks


def default_chunksize(infos: dict[tuple[str, str], FileInfo]) -> int:
    """A 32nd of all events, within bounds.

    Not from the number of workers: chunks that are kept must be found again with another one.
    """
    total = sum(info.entries for info in infos.values())
    return min(max(total // 32, SMALLEST_CHUNKSIZE), DEFAULT_CHUNKSIZE)


def _snapped(edges: list[int], clusters: tuple[int, ...]) -> list[int]:
    """The edges of chunks, moved to the nearest end of baskets where that is near."""
    if len(clusters) < 3 or len(edges) < 3:
        return edges
    reach = (edges[-1] - edges[0]) / (len(edges) - 1) / 4
    out = [edges[0]]
    for edge in edges[1:-1]:
        k = bisect.bisect_left(clusters, edge)
        near = min(clusters[max(k - 1, 0) : k + 1], key=lambda end: abs(end - edge))
        out.append(near if abs(near - edge) <= reach else edge)
    return [*out, edges[-1]]


def _process(
    processor: Any,
    fileset: dict[str, Any],
    infos: dict[tuple[str, str], FileInfo],
    executor: Executor,
    result: RunResult,
    checkpoints: str | Path | None,
    report: Callable[[Progress], None],
) -> None:
    import cloudpickle

    ledger = result.ledger
    entries = ledger.chunks
    state = Progress("process", 0, len(entries))
    start = time.perf_counter()
    merger = _Merger(len(entries))
    store = _Checkpoints(checkpoints, result.identity, fileset, infos)
    pickled = cloudpickle.dumps(processor)
    key = digest(result.identity) + digest(pickled.hex())

    def advance(entry: ChunkEntry) -> None:
        state.done += 1
        state.failed += entry.status == "failed"
        state.events += entry.chunk.stop - entry.chunk.start
        state.seconds = time.perf_counter() - start
        report(state)

    todo = []
    try:
        for i, entry in enumerate(entries):
            stored = store.load(entry.chunk)
            if stored is None:
                todo.append(i)
                continue
            with held_interrupts():
                merger.add(i, stored)
                entry.status, entry.from_checkpoint = "processed", True
                advance(entry)
        items = [
            (key, pickled, entries[i].chunk, fileset[entries[i].chunk.dataset]["metadata"]) for i in todo
        ]
        for number, outcome in executor(process_work, items):
            i = todo[number]
            entry = entries[i]
            # All or nothing: Ctrl-C between these lines would leave a result that is kept and not on record.
            with held_interrupts():
                entry.seconds = outcome.seconds
                if outcome.error is not None:
                    entry.status, entry.error = "failed", outcome.error
                    merger.skip(i)
                else:
                    store.save(entry.chunk, outcome.value)
                    merger.add(i, outcome.value)
                    entry.status = "processed"
                advance(entry)
    except KeyboardInterrupt:
        result.interrupted = True
    except (WorkerLostError, _CheckpointError) as error:
        ledger.errors.append(str(error))
    result.notes.extend(store.notes)
    try:
        accumulator = merger.finish()
        if accumulator is None:
            return
        output = processor.postprocess(accumulator)
    except Exception as error:  # noqa: BLE001 - of any processor; the finished chunks and the ledger must survive it
        known = isinstance(error, ProcessorError)
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


class _Merger:
    """Add results in the order of the chunks, as soon as they allow: the sum is the same for any order of arrival."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.next = 0
        self.waiting: dict[int, Any] = {}
        self.sum: Any = None

    def add(self, i: int, value: Any) -> None:
        self.waiting[i] = value
        self._drain()

    def skip(self, i: int) -> None:
        self.waiting[i] = None
        self._drain()

    def _drain(self) -> None:
        while self.next in self.waiting:
            self._take(self.waiting.pop(self.next))
            self.next += 1

    def _take(self, value: Any) -> None:
        from coffea.processor.accumulator import iadd

        if value is not None:
            self.sum = value if self.sum is None else iadd(self.sum, value)

    def finish(self) -> Any:
        for i in sorted(self.waiting):
            self._take(self.waiting[i])
        self.waiting = {}
        return self.sum


class _CheckpointError(ProcessorError):
    """The result of a finished chunk could not be written."""


class _Checkpoints:
    """Results of finished chunks, under a key of everything that can change them."""

    def __init__(
        self,
        folder: str | Path | None,
        identity: dict[str, Any],
        fileset: dict[str, Any],
        infos: dict[tuple[str, str], FileInfo],
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        self.identity = identity
        self.fileset = fileset
        self.infos = infos
        self.notes: list[str] = []
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def _path(self, chunk: Chunk) -> Path:
        assert self.folder is not None
        what = {
            **self.identity,
            "metadata": self.fileset[chunk.dataset]["metadata"],
            "chunk": vars(chunk),
            # As it was when the run began: a file that changes during the run must not lend its new name to old results.
            "file": self.infos[chunk.dataset, chunk.path].as_dict(),
        }
        return self.folder / f"{digest(what)}.npz"

    def load(self, chunk: Chunk) -> Any:
        return None if self.folder is None else load(self._path(chunk))

    def save(self, chunk: Chunk, value: Any) -> None:
        if self.folder is None:
            return
        try:
            save(self._path(chunk), value)
        except NotStorableError as error:
            self.folder = None
            self.notes.append(f"finished chunks are not kept for a restart: {error}")
        except OSError as error:
            # Going on would lose hours of work at the end, when there is no room for the result either.
            msg = (
                f"{self.folder}: the result of a chunk could not be written ({error.strerror or error}). Make room or "
                "choose another folder with --out; the same command goes on from the chunks that are kept"
            )
            raise _CheckpointError(msg) from error
