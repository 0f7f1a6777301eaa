"""What the page about samples reads: the fileset, the detector card, and the events in chunks."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.errors import MissingInput, UnreadableInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Events in memory at a time.
STEP = 20_000
SUMMARY_KEY = "massgap"


@dataclass
class Dataset:
    """One entry of a fileset.

    Attributes
    ----------
    files
        Files and the name of the tree of events in each.
    blocks
        The summaries that the files carry, in the order of the files; empty for files of another origin.
        They and `runs` are known once the files were read.
    runs
        Number of events and sum of weights by the ``Runs`` tree of each file that has one.
    """

    name: str
    metadata: dict[str, Any]
    files: dict[Path, str]
    blocks: list[dict[str, Any]] = field(default_factory=list)
    runs: list[tuple[int, float]] = field(default_factory=list)

    @property
    def process(self) -> str:
        """Name of the process."""
        return str(self.metadata.get("process", self.name))

    @property
    def tranche(self) -> dict[str, Any]:
        """The slice: name, group, variable, min, max; empty for a sample that is not sliced."""
        return self.metadata.get("tranche") or {}

    @property
    def group(self) -> str:
        """What this dataset is a slice of."""
        return str(self.tranche.get("group", self.name))

    @property
    def per_weight(self) -> float:
        """Cross section (fb) per unit of event weight."""
        return float(self.metadata.get("xsec_fb", 0.0)) / float(self.metadata.get("sum_weights") or 1.0)

    def count(self, key: str) -> int | None:
        """Return the sum of a counter over the blocks; None if a block lacks it."""
        found = [(block.get("counters") or {}).get(key) for block in self.blocks]
        known = [int(value) for value in found if value is not None]
        return sum(known) if found and len(known) == len(found) else None


@dataclass
class SampleFolder:
    """A folder of samples: the datasets, the card, and what cannot be read, in words."""

    path: Path
    datasets: list[Dataset]
    card: dict[str, Any] | None
    problems: list[str]


def read_folder(folder: str | Path) -> SampleFolder:
    """Read what a folder of samples says about itself.

    Raises
    ------
    MissingInput
        Without a ``fileset.json``.
    UnreadableInput
        If ``fileset.json`` or ``detector.toml`` is damaged.
    """
    path = Path(folder)
    try:
        fileset = json.loads((path / "fileset.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = (
            f"{path} holds no fileset.json: give a folder that `massgap generate` has written to its end."
        )
        raise MissingInput(message) from None
    except (OSError, ValueError) as error:
        message = f"{path / 'fileset.json'} cannot be read ({error}): generate the samples again."
        raise UnreadableInput(message) from None
    if not isinstance(fileset, dict) or not all(
        isinstance(entry, dict) and isinstance(entry.get("files"), dict) for entry in fileset.values()
    ):
        message = f"{path / 'fileset.json'} is not a fileset: it must map datasets to their files."
        raise UnreadableInput(message)
    card = None
    if (path / "detector.toml").is_file():
        try:
            card = tomllib.loads((path / "detector.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            message = f"{path / 'detector.toml'} cannot be read ({error})."
            raise UnreadableInput(message) from None
    problems: list[str] = []
    datasets = [
        Dataset(
            str(name),
            entry.get("metadata") or {},
            {path / file: str(tree) for file, tree in entry["files"].items()},
        )
        for name, entry in fileset.items()
    ]
    return SampleFolder(path, datasets, card, problems)


def _note_summary(dataset: Dataset, file: Any) -> None:
    """Keep the block's own summary and its sums of weights."""
    keys = set(file.keys(cycle=False))
    if SUMMARY_KEY in keys:
        dataset.blocks.append(json.loads(str(file[SUMMARY_KEY])))
    if "Runs" in keys and {"genEventCount", "genEventSumw"} <= set(file["Runs"].keys()):
        runs = file["Runs"].arrays(["genEventCount", "genEventSumw"], library="np")
        dataset.runs.append((int(runs["genEventCount"].sum()), float(runs["genEventSumw"].sum())))


class Chunk:
    """Some events of one dataset, as flat arrays.

    A collection's column is one array over all events; ``starts`` tells where each event begins in it.
    """

    def __init__(self, dataset: Dataset, arrays: Any) -> None:
        self.dataset, self._arrays, self.n = dataset, arrays, len(arrays)
        self._fields = set(arrays.fields)
        self._kept: dict[str, np.ndarray] = {}
        self.raw_weight = self.values("genWeight").astype(float) if self.has("genWeight") else np.ones(self.n)
        self.weight = self.raw_weight * dataset.per_weight

    def has(self, *names: str) -> bool:
        """Tell whether the file has all these branches."""
        return self._fields.issuperset(names)

    def values(self, name: str) -> np.ndarray:
        """Return a branch with one number per event."""
        import awkward as ak

        return np.asarray(ak.to_numpy(self._arrays[name]))

    def flat(self, name: str) -> np.ndarray:
        """Return a branch of a collection; floating point numbers in double precision."""
        import awkward as ak

        if name not in self._kept:
            column = np.asarray(ak.to_numpy(ak.flatten(self._arrays[name])))
            self._kept[name] = column.astype(np.float64) if column.dtype.kind == "f" else column
        return self._kept[name]

    def counts(self, collection: str) -> np.ndarray:
        """Return the number of objects per event."""
        import awkward as ak

        key = f"n{collection}"
        if key not in self._kept:
            column = next(name for name in self._arrays.fields if name.startswith(f"{collection}_"))
            self._kept[key] = np.asarray(ak.to_numpy(ak.num(self._arrays[column])))
        return self._kept[key]

    def starts(self, collection: str) -> np.ndarray:
        """Return each event's first row."""
        counts = self.counts(collection)
        return np.cumsum(counts) - counts

    def event(self, collection: str) -> np.ndarray:
        """Return the event of each row."""
        return np.repeat(np.arange(self.n), self.counts(collection))

    def rows(self, collection: str, column: str, target: str) -> np.ndarray:
        """Follow an index column into another collection: rows there, -1 where it points nowhere."""
        index = self.flat(f"{collection}_{column}").astype(np.int64)
        event = self.event(collection)
        valid = (index >= 0) & (index < self.counts(target)[event])
        return np.where(valid, self.starts(target)[event] + index, -1)

    def leading(self, collection: str, values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Return the largest value per event; -1 without an object that passes the mask."""
        found = np.full(self.n, -1.0)
        where = slice(None) if mask is None else mask
        np.maximum.at(found, self.event(collection)[where], values[where])
        return found


def chunks(dataset: Dataset, branches: Iterable[str], problems: list[str]) -> Iterator[Chunk]:
    """Read a dataset's events, `STEP` at a time, with those of the branches that its files have.

    A file that cannot be read is added to `problems`, in words.
    """
    import uproot

    wanted = set(branches)
    for path, tree_name in dataset.files.items():
        try:
            with uproot.open({path: None}) as file:  # a colon is part of the name
                tree = file[tree_name]
                _note_summary(dataset, file)
                names = sorted(wanted.intersection(tree.keys()))
                if not tree.num_entries or not names:
                    continue
                for arrays in tree.iterate(names, step_size=STEP, library="ak"):
                    yield Chunk(dataset, arrays)
        except Exception as error:  # noqa: BLE001  (damaged files fail in many ways; the page names them)
            problems.append(f"{path.parent.name}/{path.name}: {type(error).__name__}: {str(error)[:160]}")
