"""What a run will do, before it does it: files are looked into, cut into chunks, and their weights are summed."""

from __future__ import annotations

import bisect
import functools
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.contracts.filesets.known_files import chosen_ranges, disagreement, known_of, same_uuid
from massgap.contracts.filesets.normalisation import check_sum_weights, normalisation_notes
from massgap.events.reading.faults import TRANSIENT
from massgap.events.reading.open import Chunk
from massgap.processors.base.analysis import Analysis
from massgap.runner.checkpoints.folder import chunk_keys
from massgap.runner.errors import RunnerError
from massgap.runner.executors.base import Executor, Lost, accepted, states_of
from massgap.runner.executors.local import IterativeExecutor
from massgap.runner.ledger import BadFile, ChunkEntry, Ledger
from massgap.runner.preflight.skims import holds_all_events, is_skim, require_known_sum
from massgap.runner.progress import Progress
from massgap.runner.work import STOPS_THE_RUN, Outcome, Retries, inspect_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from massgap.contracts.filesets.dataset import KnownFile
    from massgap.events.reading.files import FileInfo

__all__ = ["Plan", "chunk_bounds", "default_chunksize", "files_of", "make_plan"]

DEFAULT_CHUNKSIZE = 500_000
"""Events in a chunk of a large fileset: 2 % of the time is lost to chunks, at less than 500 MiB per worker (measured
by ``make bench``)."""

SMALLEST_CHUNKSIZE = 100_000
"""Events in a chunk of a small fileset, where keeping several workers busy matters more; 5 to 10 % are lost."""


Ranges = dict[tuple[str, str], list[tuple[int, int]]]
"""(dataset, path) -> ranges of entries that are to be read."""


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
        If an argument is wrong, the fileset is empty, data are mixed with simulation, credentials are refused, or a skim cannot be
        normalised.
    FilesetError
        If what it says of a file is wrong.
    """
    if chunksize is not None and chunksize < 1:
        msg = f"the chunk size must be at least 1, not {chunksize}"
        raise RunnerError(msg)
    if not fileset or not any(entry["files"] for entry in fileset.values()):
        msg = "the fileset holds no files"
        raise RunnerError(msg)
    known = {
        (name, path): facts
        for name, entry in fileset.items()
        for path, facts in known_of(entry, name).items()
    }
    infos = _inspect(
        fileset,
        known,
        executor or IterativeExecutor(),
        ledger,
        retries or Retries(),
        progress or (lambda _: None),
    )
    ranges = {key: chosen_ranges(known.get(key, {}), info.entries) for key, info in infos.items()}
    ledger.take_files(infos, ranges)
    completed, sum_weights = _complete_metadata(fileset, infos, ledger)
    if chunksize is None:
        chunksize = default_chunksize(infos, bounds, ranges)
    ledger.chunks = [ChunkEntry(chunk) for chunk in _chunks(infos, chunksize, ranges)]
    ledger.remarks += [
        f'{path}: the "uuid" in the fileset, {facts["uuid"]!r}, is no UUID and was not compared with the file\'s'
        for (name, path), facts in sorted(known.items())
        if (name, path) in infos
        and "uuid" in facts
        and same_uuid(facts["uuid"], infos[name, path].uuid) is None
    ]
    notes = [*ledger.remarks, *normalisation_notes(completed)]
    return Plan(completed, infos, ledger, chunksize, notes, sum_weights)


def _inspect(
    fileset: dict[str, Any],
    known: dict[tuple[str, str], KnownFile],
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

    def tell() -> None:
        failed = sum(o.error is not None for o in outcomes.values())
        seconds = time.perf_counter() - start
        pool = states_of(chosen)
        report(Progress("inspect", len(outcomes), len(wanted), failed, seconds=seconds, pool=pool))

    # Also while nothing arrives: there may be no worker yet.
    options: dict[str, Any] = {"tick": tell} if "tick" in accepted(chosen) else {}
    for last in (False, True):
        items = [wanted[i][1:] for i in todo]
        for k, outcome in chosen(functools.partial(inspect_work, retries=retries), items, **options):
            if isinstance(outcome, Lost):
                text = f"{items[k][0]}: the worker that opened it ended without a result ({outcome.reason}); it needs more memory than there is, or a library crashes on it: look at this file alone"
                outcomes[todo[k]] = Outcome(error=text, exception="WorkerLost", attempts=outcome.attempts)
            else:
                before = outcomes.get(todo[k])
                outcome.attempts += before.attempts if before else 0
                outcomes[todo[k]] = outcome
            if outcomes[todo[k]].kind in STOPS_THE_RUN:
                raise RunnerError(str(outcomes[todo[k]].error))
            tell()
        todo = [i for i in todo if outcomes[i].kind == TRANSIENT]
        if not todo or last:
            break
    for i, outcome in sorted(outcomes.items()):
        dataset, path, _ = wanted[i]
        facts = known.get((dataset, path), {})
        error, exception = outcome.error, outcome.exception
        if error is None:
            wrong = disagreement(facts, outcome.value.entries, outcome.value.uuid)
            if wrong is None:
                infos[dataset, path] = outcome.value
                continue
            error, exception = f"{path}: {wrong}", "FilesetError"
        ledger.bad_files.append(
            BadFile(
                dataset,
                path,
                error,
                exception,
                outcome.host,
                outcome.attempts,
                facts.get("sum_weights"),
                facts.get("num_entries"),
            )
        )
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
        # A skim of which nothing is left may have lost its tree Runs, too.
        sums = [info.runs_sum_weights for info in mine if info.entries or info.runs_sum_weights is not None]
        known = [s for s in sums if s is not None]
        declared = metadata.get("sum_weights")
        require_known_sum(dataset, metadata, mine)
        lost = [bad for bad in ledger.bad_files if bad.dataset == dataset]
        if declared is None and known and len(known) == len(sums) and not metadata.get("is_data"):
            metadata["sum_weights"] = summed[dataset] = sum(sorted(known))
            if not holds_all_events(mine):
                # The Runs tree counts events that a skim has dropped: nothing is lost if it says more.
                ledger.skimmed.add(dataset)
        elif declared is not None and len(lost) == 1 and len(known) == len(sums) and lost[0].weight is None:
            # One file only is not there: it carried what the others do not.
            lost[0].weight = float(declared) - sum(sorted(known))
        if metadata.get("skimmed"):
            ledger.skimmed.add(dataset)
        if metadata.get("is_data") is None and mine:
            metadata["is_data"] = {info.simulated for info in mine if info.simulated is not None} == {False}
        if ledger.chosen(dataset) and not metadata.get("is_data"):
            _forget_sum(dataset, metadata, mine, ledger)
            summed.pop(dataset, None)
        total = metadata.get("sum_weights")
        if total is not None:
            check_sum_weights(dataset, metadata, float(total))
        ledger.expected[dataset] = None if metadata.get("is_data") else total
        out[dataset] = {"files": dict(files_of(entry)), "metadata": metadata}
        if facts := known_of(entry, dataset):
            out[dataset]["known"] = facts
    return out, summed


def _forget_sum(dataset: str, metadata: dict[str, Any], infos: list[FileInfo], ledger: Ledger) -> None:
    """Where the fileset chooses some entries, a sum of weights of all events is not theirs: that of what is read is taken.

    Raises
    ------
    RunnerError
        If the files are a skim: what the chosen events stand for can then not be told.
    """
    skim = metadata.get("skimmed") or any(map(is_skim, infos))
    if skim and metadata.get("xsec_fb") is not None:
        msg = (
            f'dataset {dataset!r}: "steps" choose some of the events of a skim, so that nothing says what cross section these '
            'stand for. Leave "steps" out of the fileset, or replace xsec_fb in the metadata by "unnormalised": true'
        )
        raise RunnerError(msg)
    ledger.skimmed.discard(dataset)
    given = metadata.pop("sum_weights", None)
    if given is not None:
        ledger.remarks.append(
            f"dataset {dataset!r}: its events are normalised to the sum of weights of those that were chosen and read, "
            f"instead of {float(given):.8g} of all"
        )


def _check_kind(dataset: str, metadata: dict[str, Any], infos: list[FileInfo]) -> None:
    """Refuse data mixed with simulation: one of them would be weighted as the other."""
    simulated = [info.path for info in infos if info.simulated]
    data = [info.path for info in infos if info.simulated is False]
    is_data = metadata.get("is_data")
    if is_data and simulated:
        msg = f'dataset {dataset!r} is declared as data, but {simulated[0]} is simulation (it has generator weights); set "is_data" to false in the fileset, or give --simulation for plain files'
        raise RunnerError(msg)
    if is_data is None and simulated and data:
        msg = f"data mixed with simulation in {dataset!r}: {data[0]} has no generator weights, {simulated[0]} has; run them as two datasets"
        raise RunnerError(msg)


def _chunks(
    infos: dict[tuple[str, str], FileInfo], chunksize: int, ranges: Ranges | None = None
) -> list[Chunk]:
    chunks: list[Chunk] = []
    for (dataset, path), info in sorted(infos.items()):
        for first, last in [(0, info.entries)] if ranges is None else ranges[dataset, path]:
            # Equal parts: a file of 110k events is read in two halves, not in 100k and 10k.
            # A file without events is one empty chunk, so that its process appears in the results.
            parts = max(-(-(last - first) // chunksize), 1)
            edges = [first + (last - first) * i // parts for i in range(parts + 1)]
            chunks.extend(
                Chunk(dataset, path, a, b, info.tree, info.format, info.uuid)
                for a, b in itertools.pairwise(_snapped(edges, info.clusters))
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
    ranges: Ranges | None = None,
) -> int:
    """A 32nd of all events that are to be read, within bounds.

    Not from the number of workers: chunks that are kept must be found again with another one.
    """
    if ranges is None:
        total = sum(info.entries for info in infos.values())
    else:
        total = sum(last - first for found in ranges.values() for first, last in found)
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
