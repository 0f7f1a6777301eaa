"""Which histograms an analysis fills, and where each bin lies in one flat buffer.

All histograms of a dataset and variation share one flat array of bins: filling, sending between workers and
merging then cost one array operation each instead of one per histogram.  ``hist.Hist`` objects are made
at the end of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.processors.base.axes import Axis, as_axis
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    import hist

__all__ = ["HistogramSpec", "Layout"]


@dataclass(frozen=True, init=False)
class HistogramSpec:
    """One histogram: one or two observables, in some or all regions of the analysis.

    Parameters
    ----------
    name
        Name of the histogram in the output.
    *axes
        :class:`~massgap.processors.base.axes.Regular`, ``Variable`` or ``Integer`` axes, or those of ``hist``; a name each.
    regions
        Names of the regions in which it is filled; all by default.
    folds
        Number of classifiers with an entry each on an axis ``fold``; 0 for no such axis.

    Raises
    ------
    ProcessorError
        If there are no axes or more than two, or one has no name.

    Examples
    --------
    >>> from massgap.processors.base.axes import Regular
    >>> HistogramSpec("pt", Regular(50, 0, 250, name="pt", label="$p_T$ [GeV]")).bins
    52
    """

    name: str
    axes: tuple[Axis, ...]
    regions: tuple[str, ...]
    folds: int

    def __init__(
        self, name: str, *axes: Any, regions: tuple[str, ...] | list[str] = (), folds: int = 0
    ) -> None:
        made = tuple(as_axis(axis) for axis in axes)
        if not 1 <= len(made) <= 2 or not all(axis.name for axis in made):
            msg = (
                f"histogram {name!r}: give one or two axes with a name each, "
                f'for instance HistogramSpec({name!r}, Regular(50, 0, 250, name="pt"))'
            )
            raise ProcessorError(msg)
        for key, value in (
            ("name", name),
            ("axes", made),
            ("regions", tuple(regions)),
            ("folds", int(folds)),
        ):
            object.__setattr__(self, key, value)

    @property
    def bins(self) -> int:
        """Number of bins of one region and fold, flow bins included."""
        return prod(axis.extent for axis in self.axes)

    def places(self, *values: Any) -> npt.NDArray[np.int32]:
        """Flat index of each event within the bins of one region; -1 where a value is NaN.

        Parameters
        ----------
        *values
            One array per axis, with one value per event.
        """
        if len(values) != len(self.axes):
            names = ", ".join(axis.name for axis in self.axes)
            msg = (
                f"histogram {self.name!r} is filled with {len(self.axes)} arrays ({names}), not {len(values)}"
            )
            raise ProcessorError(msg)
        each = [
            axis.places(np.ascontiguousarray(v, dtype=np.float64))
            for axis, v in zip(self.axes, values, strict=True)
        ]
        if len(each) == 1:
            return each[0]
        first, second = each
        if len(first) != len(second):
            msg = f"histogram {self.name!r}: its two arrays have {len(first)} and {len(second)} values"
            raise ProcessorError(msg)
        out = first * self.axes[1].extent + second
        out[(first < 0) | (second < 0)] = -1
        return out

    def empty(self, processes: list[str], regions: list[str], variations: list[str]) -> hist.Hist[Any]:
        """An empty histogram with the axes process, region, variation, [fold], observables."""
        import hist

        axes: list[Any] = [
            hist.axis.StrCategory(processes, name="process", label="Process", overflow=False),
            hist.axis.StrCategory(regions, name="region", label="Region", overflow=False),
            hist.axis.StrCategory(variations, name="variation", label="Variation", overflow=False),
        ]
        if self.folds:
            axes.append(
                hist.axis.Integer(0, self.folds, name="fold", label="Fold", underflow=False, overflow=False)
            )
        axes += [axis.as_hist() for axis in self.axes]
        return hist.Hist(*axes, storage=hist.storage.Weight(), name=self.name, label="Cross section [fb]")


class Layout:
    """The histograms of an analysis and their places in the flat buffer.

    A histogram is a block of regions, folds and bins, in this order.

    Parameters
    ----------
    specs
        The histograms, names unique.
    regions
        All regions of the analysis.

    Raises
    ------
    ProcessorError
        If two histograms have one name, or one names a region that the analysis does not have.
    """

    def __init__(self, specs: tuple[HistogramSpec, ...], regions: tuple[str, ...]) -> None:
        self.specs = {spec.name: spec for spec in specs}
        if len(self.specs) != len(specs):
            names = [spec.name for spec in specs]
            double = sorted({name for name in names if names.count(name) > 1})
            msg = (
                f"two histograms of the analysis are called {', '.join(double)}: give each a name of its own"
            )
            raise ProcessorError(msg)
        self.all_regions = tuple(regions)
        self.regions: dict[str, tuple[str, ...]] = {}
        self.start: dict[str, int] = {}
        self._first: dict[tuple[str, str], int] = {}
        self.size = 0
        for spec in specs:
            unknown = [name for name in spec.regions if name not in regions]
            if unknown:
                msg = f"histogram {spec.name!r}: there is no region {unknown[0]!r}; there are {', '.join(regions)}"
                raise ProcessorError(msg)
            self.regions[spec.name] = spec.regions or tuple(regions)
            self.start[spec.name] = self.size
            self.size += self.shape_size(spec.name)
            for k, region in enumerate(self.regions[spec.name]):
                # Asked for in every chunk.
                self._first[spec.name, region] = self.start[spec.name] + k * max(spec.folds, 1) * spec.bins

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Layout) and self.specs == other.specs and self.regions == other.regions

    __hash__ = None  # type: ignore[assignment]

    def shape_size(self, name: str) -> int:
        """Number of bins of a histogram in the buffer."""
        return prod(self.shape(name))

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a histogram in the buffer: regions, [folds], bins of each axis."""
        spec = self.specs[name]
        folds = (spec.folds,) if spec.folds else ()
        return (len(self.regions[name]), *folds, *(axis.extent for axis in spec.axes))

    def block(self, name: str) -> slice:
        """Where a histogram lies in the buffer."""
        return slice(self.start[name], self.start[name] + self.shape_size(name))

    def first_bin(self, name: str, region: str) -> int:
        """Where the bins of a histogram in a region begin in the buffer."""
        return self._first[name, region]
