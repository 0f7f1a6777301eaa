"""Axes of histograms, with the arguments that those of ``hist`` have.

They are plain data: an analysis states them again for every chunk, and workers send them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    import hist

__all__ = ["Axis", "Integer", "Regular", "Variable", "as_axis"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]


@compiled
def _regular(values: Any, low: float, high: float, bins: int, out: Any) -> None:
    """Bins by the arithmetic of boost-histogram's regular axis: 0 underflow, bins + 1 overflow, -1 undefined."""
    width = high - low
    for i in range(values.size):
        z = (values[i] - low) / width * bins
        place = 0 if z < 0.0 else bins + 1
        if 0.0 <= z < bins:
            place = int(z) + 1
        out[i] = -1 if values[i] != values[i] else place


@dataclass(frozen=True)
class Regular:
    """Bins of equal width with flow bins; ``stop`` itself belongs to the overflow, as in boost-histogram.

    Parameters
    ----------
    bins, start, stop
        Number of bins and range.
    name
        Name of the axis, that of the observable.
    label
        Label for plots, with the unit.

    Examples
    --------
    >>> Regular(2, 0.0, 10.0, name="pt").places(np.array([-1.0, 0.0, 5.0, 10.0, np.nan])).tolist()
    [0, 1, 2, 3, -1]
    """

    bins: int
    start: float
    stop: float
    name: str = ""
    label: str = ""

    @property
    def extent(self) -> int:
        """Number of bins, flow bins included."""
        return self.bins + 2

    def places(self, values: Floats) -> Places:
        """Bin of each value, flow bins counted; -1 for NaN."""
        out = np.empty(len(values), dtype=np.int32)
        _regular(values, float(self.start), float(self.stop), int(self.bins), out)
        return out

    def as_hist(self) -> hist.axis.Regular:
        """The axis of the library ``hist``."""
        import hist

        return hist.axis.Regular(self.bins, self.start, self.stop, name=self.name, label=self.label)


@dataclass(frozen=True)
class Variable:
    """Bins between rising edges, with flow bins.

    Parameters
    ----------
    edges
        At least two.
    name, label
        As of :class:`Regular`.

    Examples
    --------
    >>> Variable((0.0, 10.0, 100.0), name="pt").places(np.array([-1.0, 10.0, 100.0])).tolist()
    [0, 2, 3]
    """

    edges: tuple[float, ...]
    name: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        edges = tuple(float(edge) for edge in self.edges)
        if len(edges) < 2 or not all(a < b for a, b in itertools.pairwise(edges)):
            msg = f"axis {self.name!r}: the edges {edges} must be two or more that rise"
            raise ProcessorError(msg)
        object.__setattr__(self, "edges", edges)

    @property
    def extent(self) -> int:
        """Number of bins, flow bins included."""
        return len(self.edges) + 1

    def places(self, values: Floats) -> Places:
        """Bin of each value, flow bins counted; -1 for NaN."""
        out = np.searchsorted(np.array(self.edges), values, side="right").astype(np.int32)
        out[np.isnan(values)] = -1
        return out

    def as_hist(self) -> hist.axis.Variable:
        """The axis of the library ``hist``."""
        import hist

        return hist.axis.Variable(list(self.edges), name=self.name, label=self.label)


@dataclass(frozen=True)
class Integer:
    """One bin for each whole number from ``start`` to ``stop`` (exclusive), with flow bins.

    Parameters
    ----------
    start, stop
        Range.
    name, label
        As of :class:`Regular`.

    Examples
    --------
    >>> Integer(0, 3, name="n_jets").places(np.array([-1.0, 0.0, 2.0, 3.0])).tolist()
    [0, 1, 3, 4]
    """

    start: int
    stop: int
    name: str = ""
    label: str = ""

    @property
    def extent(self) -> int:
        """Number of bins, flow bins included."""
        return self.stop - self.start + 2

    def places(self, values: Floats) -> Places:
        """Bin of each value, flow bins counted; -1 for NaN."""
        defined = np.where(np.isnan(values), 0.0, values)
        out = np.clip(np.floor(defined) - self.start + 1, 0, self.extent - 1).astype(np.int32)
        out[np.isnan(values)] = -1
        return out

    def as_hist(self) -> hist.axis.Integer:
        """The axis of the library ``hist``."""
        import hist

        return hist.axis.Integer(self.start, self.stop, name=self.name, label=self.label)


Axis: TypeAlias = Regular | Variable | Integer


def as_axis(axis: Any) -> Axis:
    """An axis of ours, or one of ``hist`` or boost-histogram with flow bins, as one of ours.

    Raises
    ------
    ProcessorError
        If it is of another kind, has no flow bins, or has options that are not supported (circular, growing, transformed).
    """
    if isinstance(axis, Regular | Variable | Integer):
        return axis
    kind = type(axis).__name__
    traits = getattr(axis, "traits", None)
    name, label = getattr(axis, "name", ""), getattr(axis, "label", "")
    plain = (
        traits is not None and traits.underflow and traits.overflow and not (traits.circular or traits.growth)
    )
    if plain and getattr(axis, "transform", None) is None:
        if kind == "Regular":
            return Regular(axis.size, float(axis.edges[0]), float(axis.edges[-1]), name=name, label=label)
        if kind == "Variable":
            return Variable(tuple(axis.edges), name=name, label=label)
        if kind == "Integer":
            return Integer(int(axis.edges[0]), int(axis.edges[-1]), name=name, label=label)
    msg = f"{axis!r} cannot be filled: axes are Regular, Variable or Integer of massgap.processors or of hist, with flow bins"
    raise ProcessorError(msg)
