"""Events that two regions, or two runs, share: found in the feature tables, which have a key of every selected event.

What a key means depends on what it is of.  Each event of collision data has its own run, luminosity block and event number,
whatever file it is in: equal keys are one event.  Simulation numbers its events anew in each sample: equal keys are one
event where the two runs have read the same file.  Where they have read different files, of which one may be a copy or a
skim of the other, events are one if all observables that both runs have are equal as well.  Where a dataset has a key more
than once, its files number their events anew each: there the observables decide, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from massgap.contracts.feature_table import is_feature, selected_events

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from massgap.contracts.run_folder import RunFolder

__all__ = ["Overlap", "SharedEvents", "shared_between_regions", "shared_between_runs"]

Keys = NDArray[np.uint64]
_KEY = "fold_key"


@dataclass(frozen=True)
class SharedEvents:
    """Events of one process that are in two places.

    Attributes
    ----------
    events : int
    process : str
    datasets : tuple of str
        One, or that of either run.
    regions : tuple of str
        Those of either side that have some of these events, "" where the table does not tell.
    """

    events: int
    process: str
    datasets: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """What a comparison of two regions or runs has found.

    Attributes
    ----------
    compared : tuple of int
        Selected events on either side.
    shared : list of SharedEvents
        Empty if there are none.
    unknown : str
        Why the comparison says nothing or not all, "" if it is complete.
    common_files : int
        Files that both runs have read.
    """

    compared: tuple[int, int]
    shared: list[SharedEvents] = field(default_factory=list)
    unknown: str = ""
    common_files: int = 0

    @property
    def events(self) -> int:
        """How many events are shared."""
        return sum(entry.events for entry in self.shared)

    def words(self) -> str:
        """How many, of which process, and where."""
        processes = dict.fromkeys(entry.process for entry in self.shared)
        return ", ".join(
            _words([entry for entry in self.shared if entry.process == name]) for name in processes
        )


def _words(shared: list[SharedEvents]) -> str:
    """What is shared of one process."""
    largest = max(shared, key=lambda entry: entry.events)
    regions = " and ".join(filter(None, dict.fromkeys(largest.regions)))
    datasets = " and ".join(f"'{name}'" for name in dict.fromkeys(largest.datasets))
    more = f", and {len(shared) - 1} others" if len(shared) > 1 else ""
    return (
        f"{sum(entry.events for entry in shared):,} of '{largest.process}' ("
        f"{f'in {regions}; ' if regions else ''}dataset{'s' if len(set(largest.datasets)) > 1 else ''} {datasets}{more})"
    )


def shared_between_regions(run: RunFolder, one: str, two: str) -> Overlap:
    """Events that two regions of a run share.

    Parameters
    ----------
    run : RunFolder
    one, two : str
        Regions of one channel: an event has one row for both.

    Returns
    -------
    Overlap

    Raises
    ------
    TableError
        If a table that the run names cannot be read.
    """
    columns = (f"region_{one}", f"region_{two}")
    counts = [0, 0]
    shared = []
    seen = False
    for found in selected_events(run.path, run.manifest, columns):
        if len(found.table.columns) < len(columns):
            return Overlap(
                (0, 0), unknown=f"the feature table of '{found.dataset}' does not tell its regions"
            )
        seen = True
        masks = [found.table[column].to_numpy(dtype=bool) for column in columns]
        counts = [n + int(mask.sum()) for n, mask in zip(counts, masks, strict=True)]
        if both := int(np.count_nonzero(masks[0] & masks[1])):
            shared.append(SharedEvents(both, found.process, (found.dataset,), (one, two)))
    return Overlap((counts[0], counts[1]), shared, "" if seen else f"{run.path} has no feature tables")


@dataclass(frozen=True, eq=False)
class _Events:
    """The selected events of one dataset in the regions that are fitted: keys, regions, and observables where they are needed."""

    run: RunFolder
    dataset: str
    process: str
    is_data: bool
    files: frozenset[str]
    rows: NDArray[np.int64]
    table: pd.DataFrame = field(repr=False)
    _hashes: dict[tuple[str, ...], Keys] = field(default_factory=dict, repr=False)

    @cached_property
    def keys(self) -> Keys:
        return np.asarray(self.table[_KEY].to_numpy(), dtype=np.uint64)

    @cached_property
    def _ordered(self) -> Keys:
        return np.sort(self.keys)

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """Whether each of some keys is one of these; quick for few keys."""
        at = np.minimum(np.searchsorted(self._ordered, keys), len(self._ordered) - 1)
        return np.asarray(self._ordered[at] == keys)

    @cached_property
    def observables(self) -> pd.DataFrame:
        """All observables of these events that are numbers; most comparisons need none of them."""
        manifest = {
            **self.run.manifest,
            "datasets": {self.dataset: self.run.manifest["datasets"][self.dataset]},
        }
        (found,) = selected_events(self.run.path, manifest, is_feature)
        table = found.table.iloc[self.rows]
        return table[[name for name in table.columns if table[name].dtype.kind in "fiub"]]

    @cached_property
    def numbered_anew(self) -> bool:
        """Whether a key stands for several events."""
        return len(np.unique(self.keys)) < len(self.table)

    def contents(self, features: tuple[str, ...]) -> Keys:
        """A hash of the key and of some observables of each event."""
        import pandas as pd

        if features not in self._hashes:
            plain = self.observables[list(features)].astype(np.float64).assign(**{_KEY: self.keys})
            self._hashes[features] = np.asarray(
                pd.util.hash_pandas_object(plain, index=False), dtype=np.uint64
            )
        return self._hashes[features]


def shared_between_runs(
    one: RunFolder, regions_one: Iterable[str], two: RunFolder, regions_two: Iterable[str]
) -> Overlap:
    """Events in some regions of a run that are in some regions of another one as well.

    Parameters
    ----------
    one, two : RunFolder
    regions_one, regions_two : iterable of str
        Regions of either; a table that does not tell them is taken whole.

    Returns
    -------
    Overlap

    Raises
    ------
    TableError
        If a table that a run names cannot be read.
    """
    regions = (tuple(regions_one), tuple(regions_two))
    left, right = (_events(run, names) for run, names in zip((one, two), regions, strict=True))
    counts = (sum(len(e.table) for e in left), sum(len(e.table) for e in right))
    for run in (one, two):
        if not run.manifest.get("features"):
            return Overlap(counts, unknown=f"{run.path} has no feature tables")
    if unkeyed := [e for e in (*left, *right) if _KEY not in e.table]:
        return Overlap(
            counts, unknown=f"the feature table of '{unkeyed[0].dataset}' has no keys of its events"
        )
    shared = _all_shared(left, right, regions)
    files = [frozenset().union(*(e.files for e in events)) for events in (left, right)]
    blind = [e.dataset for e in (*left, *right) if not e.is_data and not e.files]
    unknown = (
        f"{one.path} or {two.path} does not tell which files it has read for '{blind[0]}'" if blind else ""
    )
    return Overlap(counts, shared, unknown, len(files[0] & files[1]))


def _all_shared(
    left: list[_Events], right: list[_Events], regions: tuple[tuple[str, ...], tuple[str, ...]]
) -> list[SharedEvents]:
    """Of all pairs of datasets, those that have a key in common are compared; that is found for all of them at once."""
    if not left or not right:
        return []
    every = [np.concatenate([events.keys for events in side]) for side in (left, right)]
    common = np.intersect1d(every[0], every[1])
    shared = []
    for a in left:
        mine = common[a.has(common)]
        if len(mine):
            shared += [
                found for b in right if b.has(mine).any() and (found := _shared(a, b, regions)) is not None
            ]
    return shared


def _shared(a: _Events, b: _Events, regions: tuple[tuple[str, ...], tuple[str, ...]]) -> SharedEvents | None:
    """Events of two datasets that are the same."""
    if a.is_data != b.is_data:
        return None
    hashes = (a.keys, b.keys)
    same_file = bool(a.files & b.files)
    if not a.is_data and (not same_file or a.numbered_anew or b.numbered_anew):
        features = _common_features(a, b)
        if features:
            hashes = (a.contents(features), b.contents(features))
        elif not same_file:
            return None
    common = np.intersect1d(*hashes)
    if not len(common):
        return None
    places = [
        _places(e, np.isin(h, common), names) for e, h, names in zip((a, b), hashes, regions, strict=True)
    ]
    return SharedEvents(len(common), a.process, (a.dataset, b.dataset), tuple(places))


def _events(run: RunFolder, regions: tuple[str, ...]) -> list[_Events]:
    columns = [f"region_{name}" for name in regions]
    files: dict[str, set[str]] = {}
    for entry in run.ledger.get("files", ()):
        # A file that was copied has the same UUID inside.
        files.setdefault(entry["dataset"], set()).add(str(entry.get("uuid") or entry["path"]))
    out = []
    for found in selected_events(run.path, run.manifest, [*columns, _KEY]):
        table = found.table
        rows = np.arange(len(table))
        if set(columns) <= set(table.columns):
            rows = np.flatnonzero(table[columns].to_numpy(dtype=bool).any(axis=1))
            table = table.iloc[rows]
        if len(table):
            of = frozenset(files.get(found.dataset, ()))
            out.append(_Events(run, found.dataset, found.process, found.is_data, of, rows, table))
    return out


def _common_features(a: _Events, b: _Events) -> tuple[str, ...]:
    """Observables that both have; whole numbers, as a number of jets, are equal too often to say anything by themselves."""
    common = tuple(name for name in a.observables.columns if name in b.observables.columns)
    return common if any(_is_real(a.observables[name]) for name in common) else ()


def _is_real(column: Any) -> bool:
    values = column.to_numpy()
    return bool(values.dtype.kind == "f" and np.any(np.isfinite(values) & (values != np.round(values))))


def _places(events: _Events, shared: NDArray[np.bool_], regions: tuple[str, ...]) -> str:
    rows = events.table[shared]
    return ", ".join(name for name in regions if f"region_{name}" in rows and rows[f"region_{name}"].any())
