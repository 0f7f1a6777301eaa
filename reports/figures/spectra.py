"""Cut plain arrays out of a run's histograms, by the names of the axes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from massgap.reports.errors import UnreadableInput

FloatArray = npt.NDArray[np.float64]

# Axes that choose something, as opposed to the one that is drawn.
CHOOSING_AXES = ("process", "region", "variation", "fold")


@dataclass(frozen=True)
class Spectra:
    """One distribution for several processes.

    Attributes
    ----------
    name, axis_label
        The drawn axis.
    edges
        Bin edges, n + 1.
    values, variances
        Per process: contents of the n bins in fb and their variances in fb^2.
    outside
        Per process: contents outside the drawn range (underflow plus overflow) in fb.
    """

    name: str
    axis_label: str
    edges: FloatArray
    values: dict[str, FloatArray]
    variances: dict[str, FloatArray]
    outside: dict[str, float]

    def total(self, processes: list[str]) -> tuple[FloatArray, FloatArray]:
        """Return the sum of some processes and its variance, zero for those that are absent."""
        zero = np.zeros(len(self.edges) - 1)
        present = [process for process in processes if process in self.values]
        return (
            zero + sum((self.values[p] for p in present), zero),
            zero + sum((self.variances[p] for p in present), zero),
        )

    def merged(self, bins: int) -> Spectra:
        """Return the same spectra with `bins` adjacent bins added up (a divisor of their number)."""
        n = len(self.edges) - 1
        if bins <= 1 or n % bins:
            return self

        def add(array: FloatArray) -> FloatArray:
            return array.reshape(-1, bins).sum(axis=1)

        return replace(
            self,
            edges=self.edges[::bins],
            values={p: add(v) for p, v in self.values.items()},
            variances={p: add(v) for p, v in self.variances.items()},
        )


@dataclass(frozen=True)
class Plane:
    """The distribution of two observables for several processes.

    Attributes
    ----------
    names, axis_labels
        The axes, x and y.
    edges
        Bin edges of x, n + 1, and of y, m + 1.
    values
        Per process: contents in fb, shape (n, m).
    """

    names: tuple[str, str]
    axis_labels: tuple[str, str]
    edges: tuple[FloatArray, FloatArray]
    values: dict[str, FloatArray]


def regions(histogram: Any) -> list[str]:
    """Return the categories of the axis ``region``, none without that axis."""
    return [str(name) for name in histogram.axes["region"]] if "region" in histogram.axes.name else []


def folds(histogram: Any) -> list[int]:
    """Return the held-out folds of a score histogram."""
    return [int(fold) for fold in histogram.axes["fold"]] if "fold" in histogram.axes.name else []


def drawn_axes(histogram: Any) -> list[str]:
    """Return the names of the axes that are observables."""
    return [name for name in histogram.axes.name if name not in CHOOSING_AXES]


def spectra(
    histogram: Any, *, region: str | None = None, variation: str = "nominal", fold: int | None = None
) -> Spectra:
    """Return one distribution per process.

    Parameters
    ----------
    histogram
        `hist.Hist` with Weight storage, a ``process`` axis, any of the axes ``region``, ``variation``, ``fold``, and
        exactly one more axis, which is drawn.
    region, variation
        The category to take; ``region`` may be left out where there is only one.
    fold
        The held-out fold to take; None adds all up.

    Raises
    ------
    UnreadableInput
        If the axes are not those, or the category is not there.
    """
    drawn, values, variances = _chosen(histogram, 1, region, variation, fold)
    axis = histogram.axes[drawn[0]]
    shown = _inside(axis)
    rows = {str(process): row for row, process in enumerate(histogram.axes["process"])}
    return Spectra(
        name=drawn[0],
        axis_label=str(axis.label or drawn[0]),
        edges=np.asarray(axis.edges, dtype=float),
        values={process: values[row, shown] for process, row in rows.items()},
        variances={process: variances[row, shown] for process, row in rows.items()},
        outside={
            process: float(values[row].sum() - values[row, shown].sum()) for process, row in rows.items()
        },
    )


def plane(histogram: Any, *, region: str | None = None, variation: str = "nominal") -> Plane:
    """Return the distribution of two observables per process; arguments and errors are those of `spectra`."""
    drawn, values, _ = _chosen(histogram, 2, region, variation, None)
    x, y = (histogram.axes[name] for name in drawn)
    return Plane(
        names=(drawn[0], drawn[1]),
        axis_labels=(str(x.label or drawn[0]), str(y.label or drawn[1])),
        edges=(np.asarray(x.edges, dtype=float), np.asarray(y.edges, dtype=float)),
        values={
            str(process): values[row][_inside(x), _inside(y)]
            for row, process in enumerate(histogram.axes["process"])
        },
    )


def _inside(axis: Any) -> slice:
    """The bins of an axis without those outside its range."""
    first = 1 if axis.traits.underflow else 0
    return slice(first, first + len(axis))


def _chosen(
    histogram: Any, dimensions: int, region: str | None, variation: str, fold: int | None
) -> tuple[list[str], FloatArray, FloatArray]:
    """Names of the axes of values, and contents and variances [process, values...] with the bins outside the range."""
    names = list(histogram.axes.name)
    drawn = drawn_axes(histogram)
    if "process" not in names or len(drawn) != dimensions:
        number = {1: "exactly one axis", 2: "exactly two axes"}[dimensions]
        message = (
            f"a histogram with the axes {', '.join(names) or 'none'} cannot be drawn: "
            f"it needs the axis process and {number} of values."
        )
        raise UnreadableInput(message)
    if region is None and len(regions(histogram)) == 1:
        region = regions(histogram)[0]
    elif region is None and "region" in names:
        message = f"the histogram of {drawn[0]} has several regions; choose one with region=: {', '.join(regions(histogram))}."
        raise UnreadableInput(message)
    # values(flow=True) keeps the bins outside the range; they are cut off by name later.
    values = np.asarray(histogram.values(flow=True), dtype=float)
    variances = histogram.variances(flow=True)
    variances = np.abs(values) if variances is None else np.asarray(variances, dtype=float)
    wanted = {"region": region, "variation": variation, "fold": fold}
    for position in reversed(range(len(names))):
        if names[position] in wanted:
            index = _index(histogram.axes[position], wanted[names[position]])
            values, variances = _taken(values, index, position), _taken(variances, index, position)
    left = [name for name in names if name not in wanted]
    first = left.index("process")
    return drawn, np.moveaxis(values, first, 0), np.moveaxis(variances, first, 0)


def _index(axis: Any, category: str | int | None) -> int | list[int]:
    """Where a category lies in an array with the bins outside the range; all categories for None."""
    first = 1 if axis.traits.underflow else 0
    if category is None:
        return list(range(first, first + len(axis)))
    categories = [str(known) for known in axis]
    if str(category) not in categories:
        message = f"the histogram's axis {axis.name} has no {category!r}, only {', '.join(categories)}."
        raise UnreadableInput(message)
    return first + categories.index(str(category))


def _taken(array: FloatArray, index: int | list[int], position: int) -> FloatArray:
    taken = array.take(index, axis=position)
    return taken.sum(axis=position) if isinstance(index, list) else taken
