"""Replicas of the histograms of a run: what they would hold if the same simulation had been made anew.

Where the feature tables of the run hold the events of a histogram, those are resampled; it is checked that they add up to its
contents. Otherwise its bins are, as fine as the run has filled them. Either way replicas are made of the finest bins and then
merged, so that a fit and a scan of the same histogram see the same replicas, and so do the points of a plane, which share
their backgrounds.

A bootstrap tells what the events that are there could have been. It knows nothing of bins in which no event is.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import TableError
from massgap.contracts.feature_table import is_feature, selected_events
from massgap.contracts.run_folder import RunFolder
from massgap.fits.contents import read_region
from massgap.fits.errors import FitError
from massgap.fits.inference.bootstrap.resampling import number_of, resampled_bins, resampled_events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from massgap.fits.contents import RegionContents
    from massgap.fits.plan import PlannedRun

    Floats = NDArray[np.float64]

__all__ = ["EVENTS", "HISTOGRAM", "ProcessReplicas", "ReplicaSource", "how_made"]

EVENTS, HISTOGRAM = "events", "histogram"
"""What was resampled: events of the feature tables, or bins of a histogram."""

_KEPT = 64
"""Replicas of this many processes are kept; those of the signals of a plane come and go."""


@dataclass(frozen=True)
class ProcessReplicas:
    """One process in one region of a histogram.

    Attributes
    ----------
    edges : ndarray of shape (bins + 1,)
    contents, variances : ndarray of shape (folds, bins + 2, replicas)
        Sums of weights and of their squares in fb and its square, the first bin below, the last above the edges. One fold where
        the histogram has none.
    method : {"events", "histogram"}
        What was resampled.
    reason : str
        Why not events.
    """

    edges: Floats
    contents: Floats = field(repr=False)
    variances: Floats = field(repr=False)
    method: str
    reason: str = ""

    def merged(self, edges: Floats) -> tuple[Floats, Floats]:
        """Contents and variances in coarser bins, all folds together, shape (bins, replicas).

        What lies outside belongs to the outermost bins, as in a fit.
        """
        starts = np.searchsorted(self.edges, edges[:-1]) + 1
        starts[0] = 0
        one, two = (
            np.add.reduceat(array.sum(axis=0), starts, axis=0) for array in (self.contents, self.variances)
        )
        return one, two


def how_made(replicas: Iterable[ProcessReplicas]) -> dict[str, Any]:
    """What was resampled, for the results: ``method`` ("events", "histogram" or "mixed") and ``why`` not only events."""
    found = list(replicas)
    methods = {entry.method for entry in found}
    return {
        "method": methods.pop() if len(methods) == 1 else "mixed",
        "why": sorted({entry.reason for entry in found if entry.reason}),
    }


class ReplicaSource:
    """Replicas of the histograms of one or several runs, each made when it is asked for.

    Parameters
    ----------
    runs : RunFolder, or sequence of PlannedRun
    replicas : int
        How many; the relative error of a standard deviation found with R of them is 1/sqrt(2 R).
    seed : int
        The same seed gives the same replicas, for any order of the questions and number of processes that ask.

    Raises
    ------
    FitError
        If there are less than two replicas.
    """

    def __init__(self, runs: RunFolder | Sequence[PlannedRun], replicas: int = 100, seed: int = 1) -> None:
        if replicas < 2:
            message = (
                f"A bootstrap needs two replicas at least, not {replicas}: give some 50 to 100, or 0 for none "
                "(replicas=..., --replicas)."
            )
            raise FitError(message)
        self.replicas = replicas
        self.seed = seed
        self._runs: dict[str, RunFolder] = {}
        self._own_names: dict[str, dict[str, str]] = {"": {}}
        if isinstance(runs, RunFolder):
            self._runs[""] = runs
        else:
            for planned in runs:
                self._runs[planned.label] = planned.run
                self._own_names[planned.label] = {new: own for own, new in planned.renamed.items()}
        self._contents: dict[tuple[str, str, str], RegionContents] = {}
        self._kept: OrderedDict[tuple[str, str, str, str], ProcessReplicas] = OrderedDict()

    def of(self, histogram: str, region: str, process: str, run: str = "") -> ProcessReplicas:
        """Replicas of a process in a region of a histogram.

        Parameters
        ----------
        histogram, region : str
        process : str
            As the likelihood calls it.
        run : str
            Label of the run where there are several.

        Raises
        ------
        HistogramError
            If the histogram or the region is not there.
        """
        return self.of_run(histogram, region, self._own_names[run].get(process, process), run)

    def of_run(self, histogram: str, region: str, process: str, run: str = "") -> ProcessReplicas:
        """The same, with the process as the run itself calls it."""
        name = (run, histogram, region, process)
        if name not in self._kept:
            self._kept[name] = self._made(*name)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(name)
        return self._kept[name]

    def _made(self, label: str, histogram: str, region: str, process: str) -> ProcessReplicas:
        run = self._runs[label]
        if (label, histogram, region) not in self._contents:
            self._contents[label, histogram, region] = read_region(run.histogram(histogram), region)
        contents = self._contents[label, histogram, region]
        values, variances = contents.with_outside(process)
        if not variances.any():
            same = np.repeat(values[..., np.newaxis], self.replicas, axis=2)
            return ProcessReplicas(contents.edges, same, np.zeros_like(same), EVENTS)
        made, reason = self._from_events(label, contents, histogram, process, values)
        if made is None:
            names = (label, histogram, region, process)
            made = resampled_bins(values, variances, self.replicas, self.seed, *names)
            return ProcessReplicas(contents.edges, *made, HISTOGRAM, reason)
        return ProcessReplicas(contents.edges, *made, EVENTS)

    def _from_events(
        self, label: str, contents: RegionContents, histogram: str, process: str, values: Floats
    ) -> tuple[tuple[Floats, Floats] | None, str]:
        """Sums of resampled events, or None and why there are none."""
        run, (folds, bins) = self._runs[label], values.shape
        if not run.manifest.get("features"):
            return None, "the run has kept no feature tables"
        nominal, size = np.zeros(values.size), np.zeros(values.size)
        sums = np.zeros((values.size, self.replicas))
        squares = np.zeros_like(sums)
        needed = ("fold_key", "weight", histogram, f"region_{contents.region}")
        try:
            for dataset, table in _tables(run, process, needed):
                missing = [name for name in needed if name not in table]
                if missing:
                    return None, f"the feature tables have no column '{missing[0]}'"
                inside = table[table[needed[3]].to_numpy(bool)]
                places = _places(run.histogram(histogram).axes[-1], contents, inside, histogram, bins)
                weights = inside["weight"].to_numpy(np.float64)
                defined = places >= 0
                nominal += np.bincount(places[defined], weights[defined], values.size)
                size += np.bincount(places[defined], np.abs(weights[defined]), values.size)
                events = _keys(run, label, dataset, process, inside), weights, places
                if _has_copies(run, dataset):
                    events = _joined_copies(*events)
                more = resampled_events(*events, sums.shape, self.seed)
                sums += more[0]
                squares += more[1]
        except TableError as error:
            return None, str(error)
        off = np.abs(nominal - values.ravel()) > 1e-6 * size
        if off.any():
            return None, (
                f"the events of the feature tables are not those of the histogram '{histogram}' in the region "
                f"'{contents.region}'"
            )
        shape = (folds, bins, self.replicas)
        return (sums.reshape(shape), squares.reshape(shape)), ""


def _tables(
    run: RunFolder, process: str, columns: Collection[str] | Callable[[str], bool], dataset: str | None = None
) -> Iterable[tuple[str, pd.DataFrame]]:
    """Tables of the datasets of a process, or of one of them."""
    own = {
        name: metadata
        for name, metadata in run.manifest["datasets"].items()
        if metadata.get("process") == process and dataset in (None, name)
    }
    for found in selected_events(run.path, {**run.manifest, "datasets": own}, columns):
        yield found.dataset, found.table


def _keys(run: RunFolder, label: str, dataset: str, process: str, table: pd.DataFrame) -> NDArray[np.uint64]:
    """What tells the events of all datasets apart: simulation counts its events anew in each of them."""
    keys = table["fold_key"].to_numpy(np.uint64) ^ np.uint64(number_of("dataset", label, dataset))
    again = table.duplicated("fold_key", keep=False).to_numpy()
    if again.any() and not _has_copies(run, dataset):
        # Files that count anew: other events, unless all that is known of them is the same.
        import pandas as pd

        ((_, whole),) = _tables(run, process, is_feature, dataset)
        keys[again] ^= pd.util.hash_pandas_object(whole.loc[table.index[again]], index=False).to_numpy(
            np.uint64
        )
    return keys


def _has_copies(run: RunFolder, dataset: str) -> bool:
    """Whether one hard process is there several times (massgap generate --repeat, --responses): copies are kept or lost together."""
    return int(run.manifest["datasets"][dataset].get("n_copies", 1)) > 1


def _joined_copies(
    keys: NDArray[np.uint64], weights: Floats, places: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], Floats, NDArray[np.int64]]:
    """Copies in one bin as one event with the sum of their weights, which is what its square is of."""
    order = np.lexsort((keys, places))
    keys, weights, places = keys[order], weights[order], places[order]
    first = np.flatnonzero(
        (np.diff(places, prepend=-2) != 0) | np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)]
    )
    return keys[first], np.add.reduceat(weights, first) if len(first) else weights, places[first]


def _places(
    axis: Any, contents: RegionContents, table: pd.DataFrame, column: str, bins: int
) -> NDArray[np.int64]:
    """Bin of each event, the folds one after the other; negative where the observable is undefined."""
    observable = table[column].to_numpy(np.float64)
    places = np.asarray(axis.index(observable), dtype=np.int64) + 1
    if contents.folds:
        fold = table["fold_key"].to_numpy(np.uint64) % np.uint64(contents.folds)
        places += bins * fold.astype(np.int64)
    return np.where(np.isnan(observable), -1, places)
