"""What a histogram of a run holds in one region, as plain arrays: the common ground of fits and threshold scans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import HistogramError

if TYPE_CHECKING:
    import hist
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["RegionContents", "read_region", "regions_of"]

_NEEDED = ("process", "region", "variation")


@dataclass(frozen=True)
class RegionContents:
    """One region of a histogram.

    Attributes
    ----------
    observable, region : str
        Name of the axis that is left, and of the region.
    edges : ndarray
        Bin edges, n + 1 of them.
    processes, variations : tuple of str
        Categories of the first two axes of the arrays.
    folds : int or None
        Number of folds of a histogram that has them.
    values, variances : ndarray
        Shape (process, variation, fold, bin), one fold where there are none; in fb (squared) for simulation, in
        events for recorded data. The bins are those inside the edges.
    below, above : ndarray
        Values and variances of what lies below and above all edges, shape (2, process, variation, fold).
    """

    observable: str
    region: str
    edges: Floats
    processes: tuple[str, ...]
    variations: tuple[str, ...]
    folds: int | None
    values: Floats
    variances: Floats
    below: Floats
    above: Floats

    def with_flow(self, *, below: bool = True, above: bool = True) -> tuple[Floats, Floats]:
        """Values and variances with what lies outside added to the first and the last bin.

        A score of exactly 1 is above the last edge of its histogram.
        """
        out = self.values.copy(), self.variances.copy()
        for array, under, over in zip(out, self.below, self.above, strict=True):
            if below:
                array[..., 0] += under
            if above:
                array[..., -1] += over
        return out

    def with_outside(self, process: str) -> tuple[Floats, Floats]:
        """Nominal values and variances of a process, shape (folds, bins + 2): below, inside and above the edges.

        All 0 for a process that is not on the axis.
        """
        if process not in self.processes:
            nothing = np.zeros((self.values.shape[2], self.values.shape[3] + 2))
            return nothing, nothing.copy()
        at = self.processes.index(process), self.nominal
        one, two = (
            np.column_stack([below[at], inner[at], above[at]])
            for below, inner, above in zip(self.below, (self.values, self.variances), self.above, strict=True)
        )
        return one, two

    def over_folds(self) -> RegionContents:
        """The sum of all folds; its arrays have no axis of folds."""
        return replace(
            self,
            values=self.values.sum(axis=2),
            variances=self.variances.sum(axis=2),
            below=self.below.sum(axis=3),
            above=self.above.sum(axis=3),
        )

    @property
    def nominal(self) -> int:
        """Position of the events as they are on the axis of variations.

        Raises
        ------
        HistogramError
            If it is not there.
        """
        if "nominal" not in self.variations:
            message = (
                f"The variation axis of the histogram over '{self.observable}' has no 'nominal': run the analysis "
                "again."
            )
            raise HistogramError(message)
        return self.variations.index("nominal")

    def positions(self, processes: tuple[str, ...]) -> list[int]:
        """Positions of processes on the first axis.

        Raises
        ------
        HistogramError
            If one is not there.
        """
        for name in processes:
            if name not in self.processes:
                message = (
                    f"The histogram over '{self.observable}' has no process '{name}'; it has: "
                    f"{', '.join(self.processes) or 'none'}. Choose among these."
                )
                raise HistogramError(message)
        return [self.processes.index(name) for name in processes]


def regions_of(histogram: hist.Hist[Any]) -> tuple[str, ...]:
    """Regions in which a histogram is filled, in its order.

    Raises
    ------
    HistogramError
        If it has no axis of regions.
    """
    _check_axes(histogram)
    return tuple(str(name) for name in histogram.axes["region"])


def read_region(histogram: hist.Hist[Any], region: str | None = None) -> RegionContents:
    """Take one region out of a histogram of a run.

    Parameters
    ----------
    histogram : hist.Hist
        Named axes ``process``, ``region``, ``variation``, ``fold`` for a score, and one observable last; Weight
        storage.
    region : str, optional
        Region; may be left out if the histogram has only one.

    Returns
    -------
    RegionContents

    Raises
    ------
    HistogramError
        If an axis or a category is missing, the storage holds no variances, entries lie outside the categories of
        an axis, or a content is not finite.
    """
    regions = regions_of(histogram)
    observable = str(histogram.axes[-1].name)
    region = _pick(region, regions, observable)
    names = [str(axis.name) for axis in histogram.axes]
    arrays = []
    for content in _contents(histogram):
        array = np.take(content, regions.index(region), axis=names.index("region"))
        left = [name for name in names if name != "region"]
        if "fold" not in left:
            array, left = array[np.newaxis], ["fold", *left]
        order = [left.index(name) for name in ("process", "variation", "fold")]
        arrays.append(array.transpose([*order, len(left) - 1]))
    if not all(np.isfinite(array).all() for array in arrays):
        message = (
            f"The histogram over '{observable}' has contents that are not finite in the region '{region}': check the "
            "event weights, and run the analysis again."
        )
        raise HistogramError(message)
    axis = histogram.axes[-1]
    low, high = int(bool(axis.traits.underflow)), int(bool(axis.traits.overflow))
    inner = [array[..., low : array.shape[-1] - high] for array in arrays]
    return RegionContents(
        observable,
        region,
        np.asarray(axis.edges, dtype=np.float64),
        tuple(str(name) for name in histogram.axes["process"]),
        tuple(str(name) for name in histogram.axes["variation"]),
        len(histogram.axes["fold"]) if "fold" in names else None,
        inner[0],
        inner[1],
        np.stack([a[..., 0] if low else np.zeros(a.shape[:-1]) for a in arrays]),
        np.stack([a[..., -1] if high else np.zeros(a.shape[:-1]) for a in arrays]),
    )


def _check_axes(histogram: hist.Hist[Any]) -> None:
    names = [str(axis.name) for axis in histogram.axes]
    for needed in _NEEDED:
        if needed not in names[:-1]:
            message = (
                f"The histogram over '{names[-1]}' has no axis '{needed}'; its axes are {', '.join(names)}. Histograms "
                "of an analysis of massgap have it: run the analysis again."
            )
            raise HistogramError(message)
    unknown = set(names[:-1]) - {*_NEEDED, "fold"}
    if unknown:
        message = (
            f"The histogram over '{names[-1]}' has the axis {min(unknown)!r}, which a one-dimensional "
            "fit cannot use. Project it out first."
        )
        raise HistogramError(message)


def _pick(wanted: str | None, present: tuple[str, ...], observable: str) -> str:
    if wanted is None and len(present) == 1:
        return present[0]
    if wanted is None or wanted not in present:
        asked = "several regions" if wanted is None else f"no region '{wanted}'"
        message = (
            f"The histogram over '{observable}' has {asked}; it has: {', '.join(present) or 'none'}. "
            "Choose one of them (region=..., --region)."
        )
        raise HistogramError(message)
    return wanted


def _contents(histogram: hist.Hist[Any]) -> tuple[Floats, Floats]:
    """Contents with the flow bins of the observable axis only."""
    variances = histogram.variances(flow=True)
    values = histogram.values(flow=True)
    if variances is None:
        message = f"The histogram over '{histogram.axes[-1].name}' holds no variances: use Weight storage."
        raise HistogramError(message)
    inner = []
    for axis in histogram.axes[:-1]:
        has_underflow = bool(axis.traits.underflow)
        inner.append(slice(int(has_underflow), int(has_underflow) + len(axis)))
        outside = [np.take(values, -1, axis=len(inner) - 1)] if axis.traits.overflow else []
        outside += [np.take(values, 0, axis=len(inner) - 1)] if has_underflow else []
        if any(np.any(x != 0.0) for x in outside):
            message = (
                f"The histogram over '{histogram.axes[-1].name}' has entries outside the categories of its axis "
                f"'{axis.name}': they would be lost. Run the analysis again."
            )
            raise HistogramError(message)
    index = (*inner, slice(None))
    return np.asarray(values, dtype=np.float64)[index], np.asarray(variances, dtype=np.float64)[index]
