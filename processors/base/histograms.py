"""Which histograms an analysis fills, and where each bin lies in one flat buffer.

All histograms of a dataset and variation share one flat array of bins: filling, sending between workers and
merging then cost one array operation each instead of one per histogram.  ``hist.Hist`` objects are made
at the end of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import hist

__all__ = ["HistogramSpec", "Layout"]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _index(values, classes, low, high, bins, start, out):
    """Flat indices by the arithmetic of boost-histogram's regular axis; one class for all, or one per value."""
    one = len(classes) == 1
    width = high - low
    for i in range(len(values)):
        z = (values[i] - low) / width * bins
        place = 0 if z < 0.0 else bins + 1
        if 0.0 <= z < bins:
            place = int(z) + 1
        c = classes[0] if one else classes[i]
        out[i] = -1 if values[i] != values[i] else start + c * (bins + 2) + place


@dataclass(frozen=True)
class HistogramSpec:
    """One histogram: a regular axis with flow bins, behind an optional axis of a few classes.

    Attributes
    ----------
    name
        Name of the histogram in the output.
    axis
        Name of the regular axis (the observable).
    label
        Its label for plots.
    bins, low, high
        Its binning; ``high`` itself belongs to the overflow bin, as in boost-histogram.
    classes
        Labels of the axis ``class_axis`` (for instance selections); empty for none.  Integers for folds.
    class_axis
        Name of the axis of classes.
    """

    name: str
    axis: str
    label: str
    bins: int
    low: float
    high: float
    classes: tuple[str, ...] | tuple[int, ...] = ()
    class_axis: str = ""

    @property
    def size(self) -> int:
        """Number of bins in the flat buffer, flow bins included."""
        return max(len(self.classes), 1) * (self.bins + 2)

    def index(
        self, values: npt.NDArray[np.float64], classes: npt.NDArray[np.int64] | int = 0, start: int = 0
    ) -> npt.NDArray[np.int32]:
        """Flat index of each value, counted from ``start``; -1 for NaN."""
        values = np.ascontiguousarray(values, dtype=np.float64)
        out = np.empty(len(values), dtype=np.int32)
        each = np.atleast_1d(np.asarray(classes, dtype=np.int64))
        _index(values, each, self.low, self.high, self.bins, start, out)
        return out

    def empty(self, processes: list[str], channel: str, variations: list[str]) -> hist.Hist[Any]:
        """An empty histogram with the axes process, channel, [classes], variation, observable."""
        import hist

        axes: list[Any] = [
            hist.axis.StrCategory(processes, name="process", label="Process", overflow=False),
            hist.axis.StrCategory([channel], name="channel", label="Channel", overflow=False),
        ]
        if self.classes and isinstance(self.classes[0], str):
            axes.append(
                hist.axis.StrCategory(
                    list(self.classes),
                    name=self.class_axis,
                    label=self.class_axis.capitalize(),
                    overflow=False,
                )
            )
        axes.append(hist.axis.StrCategory(variations, name="variation", label="Variation", overflow=False))
        if self.classes and not isinstance(self.classes[0], str):
            axes.append(
                hist.axis.Integer(
                    int(self.classes[0]),
                    int(self.classes[-1]) + 1,
                    name=self.class_axis,
                    label=self.class_axis.capitalize(),
                    underflow=False,
                    overflow=False,
                )
            )
        axes.append(hist.axis.Regular(self.bins, self.low, self.high, name=self.axis, label=self.label))
        return hist.Hist(*axes, storage=hist.storage.Weight(), name=self.name, label="Cross section [fb]")


class Layout:
    """The histograms of an analysis and their places in the flat buffer.

    Parameters
    ----------
    specs
        The histograms, names unique.
    """

    def __init__(self, specs: tuple[HistogramSpec, ...]) -> None:
        self.specs = {spec.name: spec for spec in specs}
        if len(self.specs) != len(specs):
            msg = "two histograms of the analysis have the same name"
            raise ValueError(msg)
        self.start: dict[str, int] = {}
        self.size = 0
        for spec in specs:
            self.start[spec.name] = self.size
            self.size += spec.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.specs == other.specs

    __hash__ = None  # type: ignore[assignment]

    def block(self, name: str) -> slice:
        """Where a histogram lies in the buffer."""
        return slice(self.start[name], self.start[name] + self.specs[name].size)
