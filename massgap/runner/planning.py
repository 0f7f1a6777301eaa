"""What a run will do, before it does it: files are looked into, cut into chunks, and their weights are summed."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.contracts.filesets.normalisation import check_sum_weights, normalisation_notes
from massgap.events.reading.faults import TRANSIENT
from massgap.events.reading.open import Chunk
from massgap.events.variations import OBJECT_VARIATIONS, WEIGHT_VARIATIONS
from massgap.processors.base.analysis import Analysis
from massgap.runner.checkpoints.folder import chunk_keys
from massgap.runner.errors import RunnerError
from massgap.runner.executors.base import Executor, Lost
from massgap.runner.executors.local import IterativeExecutor
from massgap.runner.ledger import BadFile, ChunkEntry, Ledger
from massgap.runner.progress import Progress
from massgap.runner.work import STOPS_THE_RUN, Outcome, Retries, inspect_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from massgap.events.reading.files import FileInfo

__all__ = ["Plan", "book_bytes", "chunk_bounds", "default_chunksize", "describe_plan", "make_plan"]

DEFAULT_CHUNKSIZE = 500_000
"""Events in a chunk of a large fileset: 2 % of the time is lost to chunks, at less than 500 MiB per worker (measured
by ``make bench``)."""

SMALLEST_CHUNKSIZE = 100_000
"""Events in a chunk of a small fileset, where keeping several workers busy matters more; 5 to 10 % are lost."""


@dataclass
class Plan:
    """What a run will do.

    Attributes
    ----------
    fileset
        With ``sum_weights`` filled in where the files gave it.
    infos
        (dataset, path) -> what is known of a file.
    ledger
        With all chunks, none of them done, and the files that could not be opened.
    chunksize
        Number of events in a chunk, about.
    notes
        What a user should know but need not act on.
    sum_weights
        Dataset -> sum of generator weights, where it is the sum over the files that could be opened.
    """

    fileset: dict[str, Any]
    infos: dict[tuple[str, str], FileInfo]
    ledger: Ledger
    chunksize: int
    notes: list[str] = field(default_factory=list)
    sum_weights: dict[str, float] = field(default_factory=dict)

    @property
    def chunks(self) -> list[Chunk]:
        """All chunks, in order."""
        return [entry.chunk for entry in self.ledger.chunks]

    def metadata(self, processor: Any) -> dict[str, dict[str, Any]]:
        """Dataset -> metadata that a processor sees.

        A sum of weights that was taken from the files depends on which of them could be opened.  An analysis of massgap
        gets it at the end (:meth:`massgap.processors.base.tally.Tally.normalise`): when a file has been mended, the chunks
        of the others are still good.
        """
        late = set(self.sum_weights) if isinstance(processor, Analysis) else set()
        return {
            name: {k: v for k, v in entry["metadata"].items() if name not in late or k != "sum_weights"}
            for name, entry in self.fileset.items()
        }

    def keys(self, identity: dict[str, Any], metadata: dict[str, dict[str, Any]]) -> list[str]:
        """Keys of the chunks, in their order, under which their results are kept.

        Parameters
        ----------
        identity
            Of the processor, see :func:`massgap.runner.checkpoints.fingerprint.processor_identity`.
        metadata
            What it sees of the datasets, see :meth:`metadata`.
        """
        return chunk_keys(identity, metadata, self.infos, self.chunks)


def make_plan(
    fileset: dict[str, Any],
    ledger: Ledger,
    *,
    executor: Executor | None = None,
    chunksize: int | None = None,
    bounds: tuple[int, int] = (SMALLEST_CHUNKSIZE, DEFAULT_CHUNKSIZE),
    retries: Retries | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Plan:
    """Look into the files of a fileset and cut them into chunks.

    Parameters
    ----------
    fileset
        ``{dataset: {"files": {path: tree or None}, "metadata": {...}}}``.
    ledger
        Is filled with files and chunks.
    executor
        Looks into the files where they are many; by default this process.
    chunksize
        Number of events in a chunk, about; None for :func:`default_chunksize`.
    bounds
        Within these, see :func:`chunk_bounds`.
    retries
        How transient errors are met.
    progress
        Called after each file.

    Raises
    ------
    RunnerError
        If an argument is wrong, the fileset is empty, data are mixed with simulation, or credentials are refused.
    """
    if chunksize is not None and chunksize < 1:
        msg = f"the chunk size must be at least 1, not {chunksize}"
        raise RunnerError(msg)
    if not fileset or not any(entry["files"] for entry in fileset.values()):
        msg = "the fileset holds no files"
        raise RunnerError(msg)
    infos = _inspect(
        fileset, executor or IterativeExecutor(), ledger, retries or Retries(), progress or (lambda _: None)
    )
    completed, sum_weights = _complete_metadata(fileset, infos, ledger)
    if chunksize is None:
        chunksize = default_chunksize(infos, bounds)
    ledger.chunks = [ChunkEntry(chunk) for chunk in _chunks(infos, chunksize)]
    notes = [f"{path}: has no events" for _, path in sorted(infos) if not infos[_, path].entries]
    notes += normalisation_notes(completed)
    return Plan(completed, infos, ledger, chunksize, notes, sum_weights)


def _inspect(
    fileset: dict[str, Any],
    executor: Executor,
    ledger: Ledger,
    retries: Retries,
    report: Callable[[Progress], None],
) -> dict[tuple[str, str], FileInfo]:
    wanted = sorted(
        (dataset, path, tree) for dataset, entry in fileset.items() for path, tree in files_of(entry)
    )
    infos: dict[tuple[str, str], FileInfo] = {}
    outcomes: dict[int, Outcome] = {}
    start = time.perf_counter()
    # Starting worker processes takes longer than looking into a few files.
    chosen = executor if len(wanted) > 20 else IterativeExecutor()
    todo = list(range(len(wanted)))
    for last in (False, True):
        items = [wanted[i][1:] for i in todo]
        for k, outcome in chosen(functools.partial(inspect_work, retries=retries), items):
            if isinstance(outcome, Lost):
                text = f"{items[k][0]}: the worker that opened it ended without a result ({outcome.reason}); the file may be damaged"
                outcomes[todo[k]] = Outcome(error=text, exception="WorkerLost", attempts=outcome.attempts)
            else:
                before = outcomes.get(todo[k])
                outcome.attempts += before.attempts if before else 0
                outcomes[todo[k]] = outcome
            if outcomes[todo[k]].kind in STOPS_THE_RUN:
                raise RunnerError(str(outcomes[todo[k]].error))
            failed = sum(o.error is not None for o in outcomes.values())
            report(Progress("inspect", len(outcomes), len(wanted), failed, 0, time.perf_counter() - start))
        todo = [i for i in todo if outcomes[i].kind == TRANSIENT]
        if not todo or last:
            break
    for i, outcome in sorted(outcomes.items()):
        dataset, path, _ = wanted[i]
        if outcome.error is None:
            infos[dataset, path] = outcome.value
            continue
        known = (fileset[dataset].get("known") or {}).get(path, {})
        ledger.bad_files.append(
            BadFile(
                dataset,
                path,
                outcome.error,
                outcome.exception,
                outcome.host,
                outcome.attempts,
                known.get("sum_weights"),
                known.get("num_entries"),
            )
        )
    ledger.files = [{"dataset": d, "status": "read", **infos[d, p].as_dict()} for d, p in sorted(infos)]
    return infos


def files_of(entry: dict[str, Any]) -> Iterable[tuple[str, str | None]]:
    """Path and tree of each file of a dataset, from any of coffea's forms."""
    files = entry["files"]
    if isinstance(files, dict):
        for path, tree in files.items():
            yield str(path), tree["object_path"] if isinstance(tree, dict) else tree
    else:
        for path in files:
            yield str(path), entry.get("treename")


def _complete_metadata(
    fileset: dict[str, Any], infos: dict[tuple[str, str], FileInfo], ledger: Ledger
) -> tuple[dict[str, Any], dict[str, float]]:
    """Fill in ``sum_weights`` from the files' Runs trees where the fileset does not give it, and say where that was so."""
    out: dict[str, Any] = {}
    summed: dict[str, float] = {}
    for dataset, entry in fileset.items():
        metadata = dict(entry.get("metadata") or {})
        mine = [info for (name, _), info in sorted(infos.items()) if name == dataset]
        _check_kind(dataset, metadata, mine)
        sums = [info.runs_sum_weights for info in mine]
        known = [s for s in sums if s is not None]
        declared = metadata.get("sum_weights")
        lost = [bad for bad in ledger.bad_files if bad.dataset == dataset]
        if declared is None and mine and len(known) == len(sums) and not metadata.get("is_data"):
            metadata["sum_weights"] = summed[dataset] = sum(sorted(known))
            # The Runs tree counts events that a skim has dropped: nothing is lost if it says more.
            ledger.skimmed.add(dataset)
        elif declared is not None and len(lost) == 1 and len(known) == len(sums) and lost[0].weight is None:
            # One file only is not there: it carried what the others do not.
            lost[0].weight = float(declared) - sum(sorted(known))
        if metadata.get("skimmed"):
            ledger.skimmed.add(dataset)
        if metadata.get("is_data") is None and mine:
            metadata["is_data"] = not any(info.simulated for info in mine)
        total = metadata.get("sum_weights")
        if total is not None:
            check_sum_weights(dataset, metadata, float(total))
        ledger.expected[dataset] = None if metadata.get("is_data") else total
        out[dataset] = {"files": dict(files_of(entry)), "metadata": metadata}
    return out, summed


def _check_kind(dataset: str, metadata: dict[str, Any], infos: list[FileInfo]) -> None:
    """Refuse data mixed with simulation: one of them would be weighted as the other."""
    simulated = [info.path for info in infos if info.simulated]
    data = [info.path for info in infos if not info.simulated]
    is_data = metadata.get("is_data")
    if is_data and simulated:
        msg = f'dataset {dataset!r} is declared as data, but {simulated[0]} is simulation (it has generator weights); set "is_data" to false in the fileset, or give --simulation for plain files'
        raise RunnerError(msg)
    if is_data is None and simulated and data:
        msg = f"data mixed with simulation in {dataset!r}: {data[0]} has no generator weights, {simulated[0]} has; run them as two datasets"
        raise RunnerError(msg)


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


def chunk_bounds(processor: Any) -> tuple[int, int]:
    """Smallest and largest number of events in a chunk where none is asked for.

    What an analysis says in its attribute ``chunk_events``, for instance because it reads much more per event than most;
    measured by ``make bench`` otherwise.

    Examples
    --------
    >>> chunk_bounds(None)
    (100000, 500000)
    """
    smallest, largest = getattr(processor, "chunk_events", (SMALLEST_CHUNKSIZE, DEFAULT_CHUNKSIZE))
    return int(smallest), int(largest)


def default_chunksize(
    infos: dict[tuple[str, str], FileInfo],
    bounds: tuple[int, int] = (SMALLEST_CHUNKSIZE, DEFAULT_CHUNKSIZE),
) -> int:
    """A 32nd of all events, within bounds.

    Not from the number of workers: chunks that are kept must be found again with another one.
    """
    total = sum(info.entries for info in infos.values())
    smallest, largest = bounds
    return min(max(total // 32, smallest), largest)


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


_LIMBS = 3
"""64-bit numbers that hold one exact sum of ordinary weights."""


def book_bytes(processor: Any) -> tuple[int, int, int] | None:
    """Number of histograms, of bins in all variations together, and bytes of one dataset's sums.

    Returns
    -------
    tuple of int, or None
        None for a processor of somebody else: what it returns is known only then.
    """
    if not isinstance(processor, Analysis):
        return None
    layout = processor.layout()
    variations = 1
    for name in processor.variations:
        variations += len(
            OBJECT_VARIATIONS[name] if name in OBJECT_VARIATIONS else WEIGHT_VARIATIONS[name][1]
        )
    bins = layout.size * variations
    return len(layout.specs), bins, bins * 2 * 8 * _LIMBS


def describe_plan(processor: Any, plan: Plan, todo: int, per_result: int) -> str:
    """One paragraph on what a run will do and what its results take.

    Parameters
    ----------
    processor, plan
        What is run.
    todo
        Number of chunks that are not done yet.
    per_result
        Chunks whose results come back as one.
    """
    events = sum(entry.chunk.stop - entry.chunk.start for entry in plan.ledger.chunks)
    text = (
        f"{_counted(len(plan.infos), 'file')} of {_counted(len(plan.fileset), 'dataset')}, {_counted(events, 'event')} in "
        f"{_counted(len(plan.ledger.chunks), 'chunk')}, {todo:,} of them to do"
    )
    book = book_bytes(processor)
    if book is None:
        return f"{text}; the size of the results is known when the first one is there"
    histograms, bins, size = book
    results = math.ceil(todo / per_result)
    return (
        f"{text}; {histograms} histograms, {bins:,} bins with their variations: {_amount(size)} per result, "
        f"{results:,} results on disk ({_amount(size * results)}), {_amount(size * len(plan.fileset))} in memory here"
        + (
            f"; and the feature tables on disk, some {_row_bytes(processor)} bytes per selected event (--set features=false "
            "leaves them out)"
            if processor.features
            else ""
        )
    )


def _row_bytes(processor: Analysis) -> int:
    """Bytes of a row of features on disk: numbers hardly compress, names of processes and datasets to nothing."""
    columns = len(processor.observables) + 2  # weight and key of the event
    return 10 * columns


def _counted(n: int, what: str) -> str:
    """A number of things.

    >>> _counted(1, "file"), _counted(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _amount(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
