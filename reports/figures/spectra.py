"""Cut plain arrays out of a run's histograms, by the names of the axes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from massgap.reports.errors import UnreadableInput

FloatArray = npt.NDArray[np.float64]

# Axes that choose something, as opposed to the one that is drawn.
CHOOSING_AXES = ("process", "channel", "selection", "variation", "fold")


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


def selections(histogram: Any) -> list[str]:
    """Return the categories of the selection axis, in the order topology, pre-cuts, others."""
    if "selection" not in histogram.axes.name:
        return []
    order = {"topology": 0, "precuts": 1}
    return sorted(histogram.axes["selection"], key=lambda name: (order.get(name, 2), name))


def folds(histogram: Any) -> list[int]:
    """Return the held-out folds of a score histogram."""
    return [int(fold) for fold in histogram.axes["fold"]] if "fold" in histogram.axes.name else []


def spectra(
    histogram: Any,
    *,
    selection: str | None = None,
    variation: str = "nominal",
    channel: str | None = None,
    fold: int | None = None,
) -> Spectra:
    """Return one distribution per process.

    Parameters
    ----------
    histogram
        `hist.Hist` with Weight storage, a ``process`` axis, any of the axes ``channel``,
        ``selection``, ``variation``, ``fold``, and exactly one more axis, which is drawn.
    selection, variation
        The category to take.
    channel, fold
        The category to take; None adds all up.

    Raises
    ------
    UnreadableInput
        If the axes are not those.
    """
    names = list(histogram.axes.name)
    drawn = [name for name in names if name not in CHOOSING_AXES]
    if "process" not in names or len(drawn) != 1:
        message = (
            f"a histogram with the axes {', '.join(names) or 'none'} cannot be drawn: "
            "it needs the axis process and exactly one axis of values."
        )
        raise UnreadableInput(message)
    wanted: dict[str, Any] = {
        "selection": selection,
        "variation": variation,
        "channel": channel,
        "fold": fold,
    }
    # values(flow=True) keeps the bins outside the range; they are cut off by name below.
    values = np.asarray(histogram.values(flow=True), dtype=float)
    variances = histogram.variances(flow=True)
    variances = np.abs(values) if variances is None else np.asarray(variances, dtype=float)
    for position in reversed(range(len(names))):
        name, axis = names[position], histogram.axes[position]
        if name not in wanted:
            continue
        offset = 1 if axis.traits.underflow else 0
        category = wanted[name]
        if category is None:
            inside = range(offset, offset + len(axis))
            values = values.take(inside, axis=position).sum(axis=position)
            variances = variances.take(inside, axis=position).sum(axis=position)
            continue
        if category not in list(axis):
            message = f"the histogram's axis {name} has no {category!r}, only {', '.join(map(str, axis))}."
            raise UnreadableInput(message)
        index = offset + list(axis).index(category)
        values = values.take(index, axis=position)
        variances = variances.take(index, axis=position)
    process_first = names.index("process") < names.index(drawn[0])
    if not process_first:
        values, variances = values.T, variances.T
    axis = histogram.axes[drawn[0]]
    first = 1 if axis.traits.underflow else 0
    shown = slice(first, first + len(axis))
    rows = dict(enumerate(histogram.axes["process"]))
    return Spectra(
        name=drawn[0],
        axis_label=str(axis.label or drawn[0]),
        edges=np.asarray(axis.edges, dtype=float),
        values={process: values[row, shown] for row, process in rows.items()},
        variances={process: variances[row, shown] for row, process in rows.items()},
        outside={
            process: float(values[row].sum() - values[row, shown].sum()) for row, process in rows.items()
        },
    )
