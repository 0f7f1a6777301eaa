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
    names = list(histogram.axes.name)
    drawn = drawn_axes(histogram)
    if "process" not in names or len(drawn) != 1:
        message = (
            f"a histogram with the axes {', '.join(names) or 'none'} cannot be drawn: "
            "it needs the axis process and exactly one axis of values."
        )
        raise UnreadableInput(message)
    if region is None and len(regions(histogram)) == 1:
        region = regions(histogram)[0]
    elif region is None and "region" in names:
        message = f"the histogram of {drawn[0]} has several regions; choose one with region=: {', '.join(regions(histogram))}."
        raise UnreadableInput(message)
    # values(flow=True) keeps the bins outside the range; they are cut off by name below.
    values = np.asarray(histogram.values(flow=True), dtype=float)
    variances = histogram.variances(flow=True)
    variances = np.abs(values) if variances is None else np.asarray(variances, dtype=float)
    wanted = {"region": region, "variation": variation, "fold": fold}
    for position in reversed(range(len(names))):
        if names[position] in wanted:
            index = _index(histogram.axes[position], wanted[names[position]])
            values, variances = _taken(values, index, position), _taken(variances, index, position)
    if names.index("process") > names.index(drawn[0]):
        values, variances = values.T, variances.T
    axis = histogram.axes[drawn[0]]
    first = 1 if axis.traits.underflow else 0
    shown = slice(first, first + len(axis))
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
