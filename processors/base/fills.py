"""What is filled into the histograms of a chunk, until its regions are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    from massgap.processors.base.histograms import Layout

__all__ = ["Fills", "Undefined"]

Bools = npt.NDArray[np.bool_]


@compiled
def _move(
    places: npt.NDArray[np.int32], rows: npt.NDArray[np.int64], first: int, out: npt.NDArray[np.int32]
) -> None:
    """Bins of some events in the buffer; those below 0 (undefined) stay."""
    for i in range(rows.size):
        place = places[rows[i]]
        out[i] = place if place < 0 else place + first


class _Fill(NamedTuple):
    histogram: str
    places: npt.NDArray[np.int32]
    mask: Bools | None
    region: str


class Fills:
    """Fills of one channel.

    Parameters
    ----------
    layout
        The histograms.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._fills: list[_Fill] = []

    def __bool__(self) -> bool:
        return bool(self._fills)

    def add(
        self, histogram: str, places: npt.NDArray[np.int32], mask: Bools | None = None, region: str = ""
    ) -> None:
        """Fill events into a histogram.

        Parameters
        ----------
        histogram
            Its name.
        places
            Bin of each event within those of one region, -1 for none.
        mask
            The events that are filled; all by default.
        region
            Into this region alone, whether the event is in it or not (N-1); by default into each that the event is in.
        """
        self._fills.append(_Fill(histogram, places, mask, region))

    def resolve(
        self, regions: dict[str, Bools]
    ) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64] | None]]:
        """Bins in the buffer and rows of the events, for :meth:`massgap.processors.base.sums.HistogramSums.fill`.

        What fills the same events is one fill with a row of bins for each histogram.

        Parameters
        ----------
        regions
            Which events are in each region of the channel.
        """
        rows = {name: np.flatnonzero(mask) for name, mask in regions.items()}
        alike: dict[int, tuple[npt.NDArray[np.int64], list[tuple[npt.NDArray[np.int32], int]]]] = {}
        for histogram, places, mask, only in self._fills:
            chosen = np.flatnonzero(mask) if mask is not None else None
            for region in self._layout.regions[histogram]:
                if (only and region != only) or (not only and region not in rows):
                    continue
                if only:
                    here = chosen if chosen is not None else np.arange(len(places))
                elif mask is None:
                    here = rows[region]
                else:
                    here = np.flatnonzero(mask & regions[region])
                # By identity: the events are kept with it, so that the number stays their own.
                fills = alike.setdefault(id(here), (here, []))[1]
                fills.append((places, self._layout.first_bin(histogram, region)))
        out: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64] | None]] = []
        for here, fills in alike.values():
            bins = np.empty((len(fills), len(here)), np.int32)
            for k, (places, first) in enumerate(fills):
                _move(places, here, first, bins[k])
            out.append((bins, here))
        return out


class Undefined:
    """Events whose value in a histogram is undefined; each counts once, however often it is filled."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, bool], Bools] = {}

    def add(self, histogram: str, events: Bools, *, everywhere: bool = False) -> None:
        """Mark events.

        Parameters
        ----------
        histogram
            Its name.
        events
            Those that are filled with an undefined value.
        everywhere
            Whether events count that are in none of its regions (N-1), which otherwise are not filled at all.
        """
        key = histogram, everywhere
        self._events[key] = events if key not in self._events else self._events[key] | events

    def add_to(self, counts: dict[str, int], layout: Layout, regions: dict[str, Bools]) -> None:
        """Add the numbers of events to those of the dataset.

        Parameters
        ----------
        counts
            Histogram -> number.
        layout
            The histograms.
        regions
            Which events are in each region of the channel.
        """
        for (name, everywhere), events in self._events.items():
            inside = [regions[region] for region in layout.regions[name] if region in regions]
            if not everywhere and not inside:
                continue
            left_out = events if everywhere else events & np.logical_or.reduce(inside)
            if left_out.any():
                counts[name] = counts.get(name, 0) + int(left_out.sum())
