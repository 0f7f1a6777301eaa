"""Events that were selected more than once: counted while the feature tables of a run are written.

Counted are selected events, the rows of the feature tables, which have a hash of run, luminosity block and event number
anyway: all events of the files would need three more columns of each, which no analysis reads otherwise, and only
selected ones can change a result.  For each a second hash, of its observables, is made.

What is told depends on what the numbers mean.  Each event of collision data has its own, whatever file or stream it is in:
the same number twice in a process is the same event twice.  Simulation numbers its events anew in each sample, and
privately made ones in each file: there, events are the same if their observables are, too.  Equal numbers of different
events within one data set are told as well, since they end up in the same fold of a training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.contracts.feature_table import is_feature
from massgap.models.folds import splitmix64

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["RepeatedEvents"]

Keys = npt.NDArray[np.uint64]


@dataclass
class _Process:
    """What was seen of a process.

    Attributes
    ----------
    is_data
        Whether its events are recorded ones.
    datasets
        Its datasets.
    keys, contents
        Of the events of each: hash of the numbers, and of numbers and observables.
    """

    is_data: bool
    datasets: list[str] = field(default_factory=list)
    keys: list[Keys] = field(default_factory=list)
    contents: list[Keys] = field(default_factory=list)

    def where(self) -> list[str]:
        """Datasets with an event that shares its numbers (data), or all it has, with another one of the process or dataset."""
        compared = self.keys if self.is_data else self.contents
        shared = _shared(np.concatenate(compared))
        return [
            name
            for name, keys, hashes in zip(self.datasets, self.keys, compared, strict=True)
            if np.isin(hashes, shared).any() or _repeats(keys)
        ]


class RepeatedEvents:
    """Counts events with the same run, luminosity block and event number; see :meth:`see`, then :meth:`found`.

    Parameters
    ----------
    datasets
        Dataset -> metadata, of which ``process`` and ``is_data`` are read.
    """

    def __init__(self, datasets: Mapping[str, Mapping[str, Any]]) -> None:
        self._datasets = datasets
        self._processes: dict[str, _Process] = {}
        self._found: dict[str, dict[str, Any]] | None = None

    def see(self, dataset: str, table: pd.DataFrame) -> None:
        """Take note of the rows of a feature table; one without keys of its events is left out."""
        if "fold_key" not in table:
            return
        self._found = None
        metadata = self._datasets.get(dataset, {})
        process = self._processes.setdefault(
            str(metadata.get("process", dataset)), _Process(bool(metadata.get("is_data")))
        )
        keys = table["fold_key"].to_numpy(dtype=np.uint64)
        if "channel" in table and len(table):
            # An event may have a row in each of several channels.
            codes = table["channel"].factorize(sort=True)[0]
            if codes.any():
                keys = splitmix64(keys ^ codes.astype(np.uint64))
        process.datasets.append(dataset)
        process.keys.append(keys)
        process.contents.append(_contents(keys, table))

    def found(self) -> dict[str, dict[str, Any]]:
        """What was counted.

        Returns
        -------
        dict
            Process -> number of ``events``; of those that share their numbers with an earlier one, ``repeated`` in the same
            dataset (for data in the process), and ``identical``, with the same observables as well, in the process;
            ``datasets`` that hold any of them.
        """
        if self._found is not None:
            return self._found
        out: dict[str, dict[str, Any]] = {}
        for name, process in sorted(self._processes.items()):
            within = [process.keys] if process.is_data else [[keys] for keys in process.keys]
            repeated = sum(_repeats(np.concatenate(group)) for group in within)
            identical = _repeats(np.concatenate(process.contents))
            out[name] = {
                "events": sum(map(len, process.keys)),
                "repeated": repeated,
                "identical": identical,
                "datasets": process.where() if repeated or identical else [],
            }
        self._found = out
        return out

    def warnings(self) -> list[str]:
        """A sentence for each process whose events count more than once."""
        out = []
        for name, entry in self.found().items():
            is_data = self._processes[name].is_data
            twice = entry["repeated"] if is_data else entry["identical"]
            if twice:
                also = "" if is_data else " and the same observables"
                out.append(
                    f"process {name!r}: {twice:,} {_of(entry)} are there more than once, with the same run, luminosity block and event "
                    f"number{also}, and count each time ({_where(entry)}). Look for files that hold the same events"
                )
        return out

    def notes(self) -> list[str]:
        """A sentence for each simulated process that has numbers of events more than once, but other events."""
        out = []
        for name, entry in self.found().items():
            if (other := entry["repeated"] - entry["identical"]) > 0 and not self._processes[name].is_data:
                copies = all(
                    int(self._datasets.get(dataset, {}).get("n_copies", 1)) > 1
                    for dataset in entry["datasets"]
                )
                why = (
                    "they are copies of it (massgap generate --repeat or --responses), and errors count all copies of one hard process as one event"
                    if copies
                    else "numbers begin anew in its files"
                )
                out.append(
                    f"process {name!r}: {other:,} {_of(entry)} share run, luminosity block and event number with another one, but "
                    f"not its observables ({_where(entry)}): {why}; such events are in one fold of a training"
                )
        return out


def _of(entry: dict[str, Any]) -> str:
    return f"of its {entry['events']:,} selected events"


def _where(entry: dict[str, Any]) -> str:
    names = entry["datasets"]
    return f"data set{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


def _contents(keys: Keys, table: pd.DataFrame) -> Keys:
    """A hash of the numbers and of all observables of each event."""
    # A polynomial in an odd number, modulo 2**64: two operations per observable.
    out = keys.copy()
    for name in filter(is_feature, table.columns):
        if table[name].dtype.kind in "fiub":
            values = table[name].to_numpy(dtype=np.float64)
            np.multiply(out, _FACTOR, out=out)
            np.add(out, values.view(np.uint64), out=out)
    return out


_FACTOR = np.uint64(0xD1342543DE82EF95)


def _repeats(keys: Keys) -> int:
    """How many equal an earlier one."""
    return len(_shared(keys))


def _shared(keys: Keys) -> Keys:
    """Those that equal an earlier one, in rising order.  Sorting is much faster here than numpy's unique."""
    ordered = np.sort(keys)
    return ordered[1:][ordered[1:] == ordered[:-1]]
