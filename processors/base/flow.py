"""How events flow through an analysis: cuts that are counted, histograms and rows that are filled.

A :class:`Flow` goes with one pass over a chunk: the nominal one, which may carry several weight variations
at once, or one shifted version of the objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.arrays.exact_sum import ExactSum
from massgap.processors.base.tally import CutCount, DatasetTally
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from massgap.events.event import Event
    from massgap.processors.base.histograms import Layout

__all__ = ["Flow"]


class Flow:
    """One pass of a chunk of events through an analysis.

    Parameters
    ----------
    part
        Where the results are added.
    layout
        The histograms.
    weights
        Variation -> weight of each event; the first one counts in the cutflow if ``nominal``.
    source
        File and first entry of the chunk: rows of features are sorted by it at the end.
    nominal
        Whether this pass has unshifted objects: only then cutflow, undefined values and rows count.
    """

    def __init__(
        self,
        part: DatasetTally,
        layout: Layout,
        weights: dict[str, npt.NDArray[np.float64]],
        *,
        source: tuple[str, int] = ("", 0),
        nominal: bool = True,
    ) -> None:
        self.part = part
        self.layout = layout
        self.weights = weights
        self.source = source
        self.nominal = nominal
        self._fills: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64] | None]] = []
        self._mask: tuple[Any, npt.NDArray[np.int64]] | None = None
        self._undefined: dict[str, npt.NDArray[np.bool_]] = {}

    @property
    def weight(self) -> npt.NDArray[np.float64]:
        """The nominal weight of the events that are left."""
        return next(iter(self.weights.values()))

    def count(self, step: str, mask: npt.NDArray[np.bool_] | None = None) -> None:
        """Count the events that are left (or those where ``mask`` is true) as a step of the cutflow."""
        if not self.nominal:
            return
        self._add_step(step)
        self.part.cutflow[step].fill(self.weight if mask is None else self.weight[mask])

    def keep(self, event: Event, step: str, mask: Any) -> Event:
        """Keep the events where ``mask`` is true and count them under the name ``step``.

        Returns
        -------
        Event
            The events that are left.

        Raises
        ------
        ProcessorError
            If the mask has not one entry per event, or if histograms were filled before the cut.
        """
        mask = np.asarray(mask, dtype=bool)
        self._check(step, mask)
        self.weights = {name: w[mask] for name, w in self.weights.items()}
        self.count(step)
        return event[mask]

    def reach(self, steps: tuple[str, ...], reached: npt.NDArray[np.int8]) -> None:
        """Count steps of a compiled selection, and keep the events that pass all of them.

        Parameters
        ----------
        steps
            Names of the steps in order.
        reached
            How many of them each event passes.

        Raises
        ------
        ProcessorError
            As :meth:`keep`.
        """
        self._check(steps[-1], reached)
        if self.nominal:
            sums = ExactSum(2 * len(steps) + 2)
            some = np.flatnonzero(reached)
            bins, weight = reached[some].astype(np.int64), self.weight[some]
            sums.fill(2 * bins, weight)
            sums.fill(2 * bins + 1, weight * weight)
            raw = np.bincount(bins, minlength=len(steps) + 1)
            for k, step in enumerate(steps, start=1):
                self._add_step(step)
                self.part.cutflow[step] += CutCount(
                    int(raw[k:].sum()), sums.regrouped(np.arange(2 * k, sums.size).reshape(-1, 2).T)
                )
        passed = np.flatnonzero(reached == len(steps))
        self.weights = {name: w[passed] for name, w in self.weights.items()}

    def _add_step(self, step: str) -> None:
        if step not in self.part.steps:
            self.part.steps = (*self.part.steps, step)
            self.part.cutflow[step] = CutCount()

    def _check(self, step: str, mask: npt.NDArray[Any]) -> None:
        if mask.shape != (len(self.weight),):
            msg = f"step {step!r}: the mask has shape {mask.shape}, but there are {len(self.weight)} events"
            raise ProcessorError(msg)
        if self._fills:
            msg = f"step {step!r}: cut before filling; use count() for steps that follow the first fill()"
            raise ProcessorError(msg)

    def fill(
        self,
        name: str,
        values: npt.NDArray[np.float64],
        mask: npt.NDArray[np.bool_] | None = None,
        classes: npt.NDArray[np.int64] | int = 0,
    ) -> None:
        """Fill a histogram with one value per event that is left.

        Parameters
        ----------
        name
            Name of the histogram.
        values
            One value per event; NaN (undefined) is left out and counted.
        mask
            Fill only events where it is true.
        classes
            Class number of each event (or of all) for histograms with an axis of classes.
        """
        rows = None if mask is None else self._rows_of(mask)
        values = np.asarray(values, dtype=np.float64)
        if np.ndim(classes):
            classes = np.broadcast_to(np.asarray(classes, dtype=np.int64), (len(self.weight),))
            classes = classes if rows is None else classes[rows]
        bins = self.layout.specs[name].index(
            values if rows is None else values[rows], classes, self.layout.start[name]
        )
        if len(bins) and bins.min() < 0:
            # An event may be filled several times, before and after cuts: it counts once.
            seen = self._undefined.setdefault(name, np.zeros(len(self.weight), dtype=bool))
            seen[np.flatnonzero(bins < 0) if rows is None else rows[bins < 0]] = True
        self._fills.append((bins, rows))

    def _rows_of(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        mask = np.asarray(mask, dtype=bool)  # also of awkward arrays
        # Compared by content: a mask may be narrowed in place between two fills.
        if self._mask is None or not np.array_equal(self._mask[0], mask):
            self._mask = (mask.copy(), np.flatnonzero(mask))
        return self._mask[1]

    def write_rows(self, columns: dict[str, npt.NDArray[Any]]) -> None:
        """Keep one row per event that is left for the feature table (nominal pass only).

        Parameters
        ----------
        columns
            Column name -> values; the generator weight is added as ``weight``.
        """
        if self.nominal:
            self.part.features[self.source] = {**columns, "weight": self.weight.copy()}

    def finish(self) -> None:
        """Add what was filled to the tally, once for every variation."""
        if self.nominal:
            for name, seen in self._undefined.items():
                self.part.undefined[name] = self.part.undefined.get(name, 0) + int(seen.sum())
        for variation, weights in self.weights.items():
            self.part.histograms.fill(variation, self._fills, weights)
