"""The ledger of a run: every file and chunk with what became of it, and whether all weight is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgap.events.reading.files import FileInfo
    from massgap.events.reading.open import Chunk

__all__ = ["BadFile", "ChunkEntry", "Ledger"]

_TOLERANCE = 1e-6


@dataclass
class ChunkEntry:
    """What became of a chunk: ``processed``, ``failed`` (with the error) or ``missing`` (never run).

    Attributes
    ----------
    chunk, status
        Which, and what became of it.
    error, exception
        Message and type of the last error.
    from_checkpoint
        Whether an earlier run has processed it.
    seconds, host, attempts
        How long it took, on which machine (the last one), and how many attempts there were.
    """

    chunk: Chunk
    status: str = "missing"
    error: str | None = None
    from_checkpoint: bool = False
    seconds: float = 0.0
    exception: str | None = None
    host: str | None = None
    attempts: int = 0


@dataclass
class BadFile:
    """A file that could not be opened.

    Attributes
    ----------
    dataset, path, error
        Which, and why.
    exception, host, attempts
        Type of the error, machine, number of attempts.
    weight, entries
        Sum of generator weights and number of events that it should have had, where the fileset says so.
    """

    dataset: str
    path: str
    error: str
    exception: str = ""
    host: str = ""
    attempts: int = 1
    weight: float | None = None
    entries: int | None = None

    def sentence(self) -> str:
        """The error, with what is lost."""
        lost = []
        if self.entries is not None:
            lost.append(f"{self.entries} events")
        if self.weight is not None:
            lost.append(f"a sum of weights of {self.weight:.6g}")
        return f"{self.error} [{' and '.join(lost)} lost]" if lost else self.error


@dataclass
class Ledger:
    """Files and chunks of a run, and the sums that must agree.

    Attributes
    ----------
    expected
        Dataset -> sum of generator weights that its files must hold, or None where nothing says so.
    skimmed
        Datasets whose files hold only selected events: their sum is not expected to agree.
    bad_files
        Files that could not be opened.
    chunks
        All chunks.
    processed_weights
        Dataset -> sum of generator weights read; filled at the end.
    weight_sizes
        Dataset -> sqrt(n sum w^2), about the sum of absolute weights: what a sum of both signs is exact to, relatively.
    accepted_loss
        The user accepts what is lost.
    errors
        What went wrong beside files and chunks, for instance a full disk.
    remarks
        What was not read, and why, where nothing is wrong: files without events, entries that the fileset does not choose.
    counted_as_nominal
        Dataset -> systematic -> ``events``, how many of them count as ``nominal``, and ``why`` (reason -> events).
    duplicates
        Files of which the fileset lists copies, each a group of paths, where the user allows that.
    extrapolated
        Score -> ``labels`` outside of what its model was trained in, and ``datasets`` with numbers of such events.
    """

    expected: dict[str, float | None] = field(default_factory=dict)
    skimmed: set[str] = field(default_factory=set)
    files: list[dict[str, Any]] = field(default_factory=list)
    bad_files: list[BadFile] = field(default_factory=list)
    chunks: list[ChunkEntry] = field(default_factory=list)
    processed_weights: dict[str, float] = field(default_factory=dict)
    weight_sizes: dict[str, float] = field(default_factory=dict)
    accepted_loss: bool = False
    errors: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    counted_as_nominal: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    extrapolated: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take_extrapolated(self, found: dict[str, dict[str, Any]]) -> list[str]:
        """Put on record which scores are extrapolated beyond a label of the training; return a sentence for each of them.

        Parameters
        ----------
        found
            As in the attribute ``extrapolated``.
        """
        self.extrapolated = found
        notes = []
        for score, about in found.items():
            outside, events = (
                sum(d[key] for d in about["datasets"].values()) for key in ("outside", "events")
            )
            notes += [
                f"score {score!r}: the label {name} is missing or outside of the trained range {label['low']:g} to {label['high']:g} in "
                f"{outside:,} of {events:,} events: their scores are extrapolated"
                for name, label in about["labels"].items()
                if "value" not in label  # of a hypothesis the model itself tells it before the run
            ]
        return notes

    def take_files(
        self, infos: dict[tuple[str, str], FileInfo], ranges: dict[tuple[str, str], list[tuple[int, int]]]
    ) -> None:
        """Put the files that could be opened on record, and what of them is to be read.

        Parameters
        ----------
        infos
            (dataset, path) -> what is known of a file.
        ranges
            (dataset, path) -> ranges of entries that are to be read.
        """
        for key, info in sorted(infos.items()):
            chosen = sum(last - first for first, last in ranges[key])
            about = {"dataset": key[0], "status": "read", **info.as_dict(), "entries_chosen": chosen}
            if chosen < info.entries:
                about["steps"] = [list(part) for part in ranges[key]]
            if not info.entries:
                about["remark"] = "has no events"
                self.remarks.append(f"{key[1]}: has no events")
            self.files.append(about)
        for dataset in dict.fromkeys(file["dataset"] for file in self.files):
            if found := self.chosen(dataset):
                self.remarks.append(
                    f"dataset {dataset!r}: the fileset chooses {found[0]} of the {found[1]} events in its files (steps)"
                )

    def chosen(self, dataset: str) -> tuple[int, int] | None:
        """How many events of a dataset's files the fileset chooses, and how many there are; None if it takes all."""
        mine = [file for file in self.files if file["dataset"] == dataset]
        chosen, entries = (sum(file[key] for file in mine) for key in ("entries_chosen", "entries"))
        return (chosen, entries) if chosen < entries else None

    def count(self, status: str, dataset: str | None = None) -> int:
        """Number of events in chunks of a status."""
        return sum(
            entry.chunk.stop - entry.chunk.start
            for entry in self.chunks
            if entry.status == status and dataset in (None, entry.chunk.dataset)
        )

    def lost_weights(self) -> dict[str, tuple[float, float]]:
        """Datasets whose sum of weights read is not the expected one: (read, expected)."""
        out = {}
        for dataset, expected in self.expected.items():
            read = self.processed_weights.get(dataset, 0.0)
            if expected is None or dataset in self.skimmed:
                continue
            if abs(read - expected) > _TOLERANCE * max(
                abs(expected), self.weight_sizes.get(dataset, 0.0), 1e-300
            ):
                out[dataset] = (read, expected)
        return out

    @property
    def complete(self) -> bool:
        """Whether every file was opened, every chunk processed and no weight is missing."""
        return (
            not self.errors
            and not self.bad_files
            and all(entry.status == "processed" for entry in self.chunks)
            and not self.lost_weights()
        )

    def problems(self) -> list[str]:
        """What is wrong, one sentence per cause, without repeating the same for each chunk of a file."""
        out = [*self.errors, *(bad.sentence() for bad in self.bad_files)]
        by_file: dict[tuple[str, str], list[ChunkEntry]] = {}
        for entry in self.chunks:
            if entry.status == "failed":
                text = (entry.error or "").replace(
                    f" (entries {entry.chunk.start} to {entry.chunk.stop})", ""
                )
                by_file.setdefault((entry.chunk.path, text), []).append(entry)
        for (_, text), entries in by_file.items():
            events = sum(e.chunk.stop - e.chunk.start for e in entries)
            out.append(
                f"{text} [{len(entries)} chunk{'s' if len(entries) > 1 else ''}, {events} events lost]"
            )
        missing = [entry for entry in self.chunks if entry.status == "missing"]
        if missing and not self.errors:
            events = sum(e.chunk.stop - e.chunk.start for e in missing)
            out.append(
                f"{len(missing)} chunk{'s' if len(missing) > 1 else ''} ({events} events) were not reached"
            )
        if not out:
            out.extend(
                f"dataset {name!r}: the files hold a sum of generator weights of {read:.8g}, but sum_weights says {expected:.8g} (of the "
                "fileset, or of the trees Runs, which count these events). A file is missing from the fileset, or weights were "
                'changed; if the files are a skim, say "skimmed": true in its metadata'
                for name, (read, expected) in self.lost_weights().items()
            )
        return out

    def _weight_of_failed(self, dataset: str) -> float | None:
        """Sum of weights of the files that could not be opened; None if it is not known of all."""
        weights = [bad.weight for bad in self.bad_files if bad.dataset == dataset]
        return None if None in weights else float(sum(w for w in weights if w is not None))

    def loss(self) -> dict[str, Any] | None:
        """What is missing, as plain data that travels with the histograms; None if nothing is."""
        if self.complete:
            return None
        datasets = {}
        for dataset in sorted(self.expected):
            failed, missing = self.count("failed", dataset), self.count("missing", dataset)
            files = [bad for bad in self.bad_files if bad.dataset == dataset]
            read, expected = self.lost_weights().get(dataset, (None, None))
            if failed or missing or files or expected is not None:
                datasets[dataset] = {
                    "events_failed": failed,
                    "events_missing": missing,
                    "files_failed": len(files),
                    "weights_processed": read,
                    "weights_expected": expected,
                    "weights_of_failed_files": self._weight_of_failed(dataset),
                }
        return {"accepted": self.accepted_loss, "datasets": datasets, "problems": self.problems()[:20]}

    def as_dict(self) -> dict[str, Any]:
        """Contents of ``ledger.json``."""
        datasets = {}
        lost = self.lost_weights()
        for dataset, expected in sorted(self.expected.items()):
            read = self.processed_weights.get(dataset, 0.0)
            datasets[dataset] = {
                "events_expected": sum(
                    e.chunk.stop - e.chunk.start for e in self.chunks if e.chunk.dataset == dataset
                ),
                "events_in_files": sum(f["entries"] for f in self.files if f["dataset"] == dataset),
                "events_processed": self.count("processed", dataset),
                "events_failed": self.count("failed", dataset),
                "events_missing": self.count("missing", dataset),
                "files_failed": sum(bad.dataset == dataset for bad in self.bad_files),
                "weights_expected": expected,
                "weights_processed": read,
                "weights_lost": expected - read if expected is not None and dataset in lost else 0.0,
                "weights_of_failed_files": self._weight_of_failed(dataset),
                "skimmed": dataset in self.skimmed,
                "counted_as_nominal": self.counted_as_nominal.get(dataset, {}),
            }
        return {
            "format": "massgap-ledger/1",
            "complete": self.complete,
            "accepted_loss": self.accepted_loss,
            "problems": self.problems(),
            "remarks": self.remarks,
            "datasets": datasets,
            "duplicate_files": self.duplicates,
            "extrapolated": self.extrapolated,
            "files": self.files + [{"status": "failed", **asdict(bad)} for bad in self.bad_files],
            "chunks": [
                {
                    "dataset": e.chunk.dataset,
                    "file": e.chunk.path,
                    "start": e.chunk.start,
                    "stop": e.chunk.stop,
                    "status": e.status,
                    "error": e.error,
                    "exception": e.exception,
                    "host": e.host,
                    "attempts": e.attempts,
                }
                for e in sorted(self.chunks, key=lambda e: e.chunk)
            ],
        }
