"""How events flow through an analysis: cuts that are counted, regions, histograms and rows that are filled.

A :class:`Flow` goes with one pass over a chunk (the nominal one, which may carry several weight variations
at once, or one shifted version of the objects) in one channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.arrays.jagged.choice import Choice
from massgap.arrays.jagged.columns import frozen
from massgap.arrays.kernels.selecting import taken, true_places
from massgap.models.folds import fold_key
from massgap.processors.base.cutflow import Cutflow
from massgap.processors.base.fills import Fills, Undefined
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from massgap.contracts.description import Region
    from massgap.events.event import Event
    from massgap.processors.base.chunk_pass import ChunkPass

__all__ = ["Flow"]

Bools = npt.NDArray[np.bool_]


class Flow:
    """The events of a chunk on their way through one channel of an analysis.

    Parameters
    ----------
    chunk
        What all channels of this pass share: histograms, models, where results are added.
    weights
        Variation -> weight of each event; the first one counts in the cutflow.
    channel
        The channel, "" before the events are split into channels.
    rows
        Index in the chunk of each event.
    """

    def __init__(
        self,
        chunk: ChunkPass,
        weights: dict[str, npt.NDArray[np.float64]],
        channel: str,
        rows: Choice | None = None,
    ) -> None:
        self.chunk = chunk
        self.weights = weights
        self.name = channel
        self._left = rows or Choice()
        self._cutflow = Cutflow(self.weight) if chunk.nominal else None
        self._regions: dict[str, Bools] = {}
        self._fills = Fills(chunk.layout)
        self._undefined = Undefined()
        self._labels = {"scored": Undefined(), "outside": Undefined()}
        self._channels: dict[str, Flow] = {}

    def __len__(self) -> int:
        """Number of events that are left."""
        return len(self.weight)

    @property
    def weight(self) -> npt.NDArray[np.float64]:
        """The nominal weight of the events that are left."""
        return next(iter(self.weights.values()))

    # Cuts

    def count(self, step: str, mask: Any = None) -> None:
        """Count the events that are left (or those where ``mask`` is true) as a step of the cutflow.

        Raises
        ------
        ProcessorError
            If the mask has not one entry per event.
        """
        if self._cutflow is None:
            return
        weight = self.weight
        self._cutflow.count(step, weight if mask is None else weight[self._mask(f"step {step!r}", mask)])

    def keep(self, event: Any, step: str, mask: Any) -> Any:
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
        mask = self._mask(f"step {step!r}", mask)
        # A named channel may go on with cuts of its own after another has branched off.
        if self._fills or self._regions or (self._channels and not self.name):
            msg = (
                f"step {step!r}: cut before regions, channels and histograms; "
                "use count() for steps that follow the first region(), channel(), fill() or record()"
            )
            raise ProcessorError(msg)
        kept = true_places(frozen(mask))
        if len(kept) != len(mask):
            kept = frozen(kept)
            self.weights = {name: taken(frozen(weight), kept) for name, weight in self.weights.items()}
            self._left = self._left.then(kept)
            event = event.at(kept)
        self.count(step)
        return event

    def channel(self, name: str) -> Flow:
        """A flow of its own for a channel, which begins with the events that are left here.

        Its cutflow begins with the steps counted so far.  A channel may branch off another one, which then goes on.
        No event may end up in regions of two channels.

        Raises
        ------
        ProcessorError
            If no region of the analysis belongs to the channel, or it was asked for before.
        """
        known = self.chunk.channels
        if name not in known:
            msg = f"no region belongs to the channel {name!r}; the regions' channels are {', '.join(known)}"
            raise ProcessorError(msg)
        if name == self.name:
            msg = f"this is the flow of the channel {name!r}, which begins by itself where it is the only one: use it as it is"
            raise ProcessorError(msg)
        if name in self._channels:
            msg = f"the channel {name!r} was begun before: keep the flow that channel({name!r}) gave"
            raise ProcessorError(msg)
        out = Flow(self.chunk, dict(self.weights), name, self._left)
        if self._cutflow is not None:
            out._cutflow = Cutflow(self.weight, self._cutflow.counts())
        self._channels[name] = out
        return out

    # Regions

    def region(self, name: str, mask: Any) -> None:
        """Say which of the events that are left are in a region.

        Where the region lies ``within`` another one, only events of that one are in it.

        Raises
        ------
        ProcessorError
            If the analysis has no such region in this channel, if it was set before, or if the mask has not one
            entry per event.
        """
        region = self._own(name)
        if name in self._regions:
            msg = f"the region {name!r} was set before"
            raise ProcessorError(msg)
        mask = self._own_mask(f"region {name!r}", mask)
        self._set(name, mask & self.passes(region.within) if region.within else mask)

    def _set(self, name: str, mask: Bools) -> None:
        mask.flags.writeable = False  # passes() hands it out
        self._regions[name] = mask

    def passes(self, name: str) -> Bools:
        """Which of the events that are left are in a region, shape (n,).

        A channel's first region holds all of its events unless it was set.

        Raises
        ------
        ProcessorError
            If the region was not set, or belongs to another channel.
        """
        region = self._own(name)
        if name not in self._regions:
            if name != self._own_regions()[0].name or region.cuts:
                msg = f"the region {name!r} was not set: call flow.region({name!r}, mask), or give it cuts and call flow.record()"
                raise ProcessorError(msg)
            self._set(name, np.ones(len(self), dtype=bool))
        return self._regions[name]

    def _own_regions(self) -> list[Region]:
        return [region for region in self.chunk.regions.values() if region.channel == self.name]

    def _own(self, name: str) -> Region:
        region = self.chunk.regions.get(name)
        if region is not None and not self.name:
            msg = f"the region {name!r} belongs to the channel {region.channel!r}: begin it with flow.channel({region.channel!r})"
            raise ProcessorError(msg)
        if region is None or region.channel != self.name:
            own = ", ".join(r.name for r in self._own_regions()) or "no region"
            msg = f"there is no region {name!r} in the channel {self.name!r}, which has {own}"
            raise ProcessorError(msg)
        return region

    # Histograms and rows

    def fill(self, name: str, *values: Any, mask: Any = None, fold: Any = None) -> None:
        """Fill a histogram in every region that an event is in.

        Parameters
        ----------
        name
            Name of the histogram.
        *values
            One array per axis, with one value per event that is left; NaN, masked and None (undefined) are left out and counted.
        mask
            Fill only events where it is true.
        fold
            Fold of each event, for histograms with such an axis.

        Raises
        ------
        ProcessorError
            If there is no such histogram, or an array has not one value per event.
        """
        keep = None if mask is None else self._own_mask(f"histogram {name!r}", mask)
        self._fills.add(name, self._places(name, tuple(map(_plain, values)), keep, fold), keep)

    def _places(
        self,
        name: str,
        values: tuple[Any, ...],
        keep: Bools | None,
        fold: Any = None,
        *,
        everywhere: bool = False,
    ) -> npt.NDArray[np.int32]:
        spec = self.chunk.layout.specs.get(name)
        if spec is None:
            msg = f"there is no histogram {name!r}; the analysis has {', '.join(self.chunk.layout.specs)}"
            raise ProcessorError(msg)
        for value in values:
            if len(value) != len(self):
                msg = f"histogram {name!r}: {len(value)} values are given, but {len(self)} events are left"
                raise ProcessorError(msg)
        places = spec.places(*values)
        undefined = places < 0
        if undefined.any():
            self._undefined.add(name, undefined if keep is None else undefined & keep, everywhere=everywhere)
        if spec.folds:
            places = np.where(undefined, -1, places + np.asarray(fold, np.int32) * spec.bins).astype(np.int32)
        return places

    def record(self, event: Event, observables: dict[str, Any]) -> None:
        """Do all that follows from the observables: cuts of regions, histograms, scores and rows.

        Regions that are defined by cuts on observables, or on scores by their columns, are set, each cut is counted in the
        cutflow after those before it, and its N-1 histogram filled.  Each observable that has a histogram of its name is filled in every
        region.  Scores are computed and filled, and rows are written where the run keeps them.

        Parameters
        ----------
        event
            The events that are left.
        observables
            Name -> one value per event; what is masked, or None in an awkward array, is undefined as NaN is.

        Raises
        ------
        ProcessorError
            If an observable has not one value per event, or a cut needs one that is missing.
        """
        x = {name: _plain(values) for name, values in observables.items()}
        for name, values in x.items():
            if values.shape != (len(self),):
                msg = f"observable {name!r} has the shape {values.shape}, but {len(self)} events are left: give one value for each"
                raise ProcessorError(msg)
        key = fold_key(*event.identifiers.T) if self.chunk.models or self.chunk.keep_rows else None
        regions = {region.name for region in self._own_regions()}
        scores = self.chunk.scored(event, x, key, regions, self._labels) if self.chunk.models else {}
        cut_on = {**x, **{name: values.astype(np.float64) for name, (values, _) in scores.items()}}
        for region in self._own_regions():
            if region.cuts and region.name not in self._regions:
                self._cut(region, cut_on)
        for name, values in x.items():
            if name in self.chunk.layout.specs:
                self.fill(name, values)
        for name, (_, fold) in scores.items():
            self.fill(name, cut_on[name], fold=fold)
        if self.chunk.keep_rows:
            self.write_rows({**x, "fold_key": key, **{name: values for name, (values, _) in scores.items()}})

    def _cut(self, region: Region, x: dict[str, Any]) -> None:
        within = self.passes(region.within) if region.within else np.ones(len(self), dtype=bool)
        passed: dict[str, Bools] = {}
        selected = within.copy()
        for cut in region.cuts:
            if cut.passes is None or cut.feature not in x:
                missing = "has no function" if cut.passes is None else f"needs the observable {cut.feature!r}"
                msg = f"the cut {cut.name!r} of the region {region.name!r} {missing}; give it to the Cut, or to record()"
                raise ProcessorError(msg)
            passed[cut.name] = np.asarray(cut.passes(x[cut.feature]), dtype=bool)
            selected &= passed[cut.name]
            self._count_cut(cut.name, region.name, selected)
        self._set(region.name, selected)
        for cut in region.cuts:
            name = f"nminus1_{cut.name}"
            if name in self.chunk.layout.specs:
                others = np.logical_and.reduce([within, *(m for key, m in passed.items() if key != cut.name)])
                places = self._places(name, (x[cut.feature],), others, everywhere=True)
                self._fills.add(name, places, others, region.name)

    def _count_cut(self, cut: str, region: str, selected: Bools) -> None:
        # Alternative regions may share a cut, which is a step of its own in each of them.
        known = self._cutflow is not None and self._cutflow.has(cut)
        self.count(f"{cut} ({region})" if known else cut, selected)

    def write_rows(self, columns: dict[str, Any]) -> None:
        """Keep one row per event that is left for the feature table (nominal pass only).

        Parameters
        ----------
        columns
            Column name -> values; the generator weight and the regions are added.  :meth:`record` does this by itself.
        """
        if self.chunk.nominal:
            rows = self._left.among(len(self))
            self.chunk.add_rows(self.name, rows, {**columns, "weight": self.weight.copy()})

    # The end

    def finish(self) -> None:
        """Add what was filled to the tally, once for every variation."""
        chunk = self.chunk
        for flow in self._channels.values():
            flow.finish()
        # Before the split the events belong to all channels, also to one that this chunk did not come to.
        begun = self._begun()
        for name in [self.name] if self.name else [c for c in chunk.channels if c not in begun]:
            if self._cutflow is not None:
                chunk.add_steps(name, self._cutflow.counts())
        own = self._own_regions()
        masks: dict[str, Bools] = {}
        if own:
            masks = {region.name: self.passes(region.name) for region in own if self._is_set(region)}
            chunk.add_channel(self.name, self._left, masks)
            fills = self._fills.resolve(masks)
            for variation, weights in self.weights.items():
                chunk.part.histograms.fill(variation, fills, weights)
        elif self._fills or chunk.has_rows(self.name):
            msg = (
                "histograms or rows were filled before the events were split into channels: fill the flow of a channel, "
                f"flow.channel({chunk.channels[0]!r})"
            )
            raise ProcessorError(msg)
        if chunk.nominal:
            self._undefined.add_to(chunk.part.undefined, chunk.layout, masks)
            for kind, events in self._labels.items():
                events.add_to(chunk.part.labels.setdefault(kind, {}), chunk.layout, masks)

    def _begun(self) -> set[str]:
        """The channels that were begun here, and those that branched off them."""
        return {*self._channels, *(name for flow in self._channels.values() for name in flow._begun())}

    def _is_set(self, region: Region) -> bool:
        """Whether a region has to do with what was filled; one that should and was not set is an error in passes()."""
        return bool(self._fills) or region.name in self._regions or self.chunk.has_rows(self.name)

    def _mask(self, what: str, mask: Any) -> Bools:
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != (len(self),):
            msg = f"{what}: the mask has shape {mask.shape}, but there are {len(self)} events"
            raise ProcessorError(msg)
        return mask

    def _own_mask(self, what: str, mask: Any) -> Bools:
        """A copy: the mask is used when the pass ends, and may be changed in place until then."""
        return self._mask(what, mask).copy()


def _plain(values: Any) -> Any:
    """An array of one value per event, undefined ones NaN."""
    if type(values) is np.ndarray:
        return values
    if any(cls.__module__.startswith("awkward.") for cls in type(values).__mro__):
        import awkward as ak

        values = ak.to_numpy(values, allow_missing=True)
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.float64), np.nan)
    return np.asarray(values)
