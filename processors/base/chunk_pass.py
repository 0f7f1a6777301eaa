"""One pass over a chunk of events: what its channels share, and where their results come together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.models.folds import fold_of
from massgap.processors.base.named_scores import extrapolated_events
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from massgap.arrays.jagged.choice import Choice
    from massgap.contracts.description import Region, Score
    from massgap.events.event import Event
    from massgap.processors.base.fills import Undefined
    from massgap.processors.base.histograms import Layout
    from massgap.processors.base.tally import CutCount, DatasetTally

__all__ = ["ChunkPass"]

Bools = npt.NDArray[np.bool_]


class ChunkPass:
    """One pass of a chunk through an analysis: with unshifted objects, or with one variation of them.

    Parameters
    ----------
    part
        Where the results are added.
    layout
        The histograms.
    regions
        The regions of the analysis by name, each with its channel.
    scores, models
        The scores, and the models of those that have one.
    source
        File and first entry of the chunk: rows of features are sorted by it at the end.
    nominal
        Whether this pass has unshifted objects: only then cutflow, undefined values and rows count.
    keep_rows
        Whether rows of features are kept.
    """

    def __init__(
        self,
        part: DatasetTally,
        layout: Layout,
        regions: dict[str, Region],
        *,
        scores: tuple[Score, ...] = (),
        models: dict[str, Any] | None = None,
        source: tuple[str, int] = ("", 0),
        nominal: bool = True,
        keep_rows: bool = False,
    ) -> None:
        self.part = part
        self.layout = layout
        self.regions = regions
        self.channels = tuple(dict.fromkeys(region.channel for region in regions.values()))
        self.scores = scores
        self.models = models or {}
        self.source = source
        self.nominal = nominal
        self.keep_rows = keep_rows and nominal
        self._rows: dict[str, tuple[npt.NDArray[np.int64], dict[str, Any]]] = {}
        self._taken: dict[str, npt.NDArray[np.int64]] = {}
        self._masks: dict[str, dict[str, Bools]] = {}

    def add_steps(self, channel: str, steps: list[tuple[str, CutCount]]) -> None:
        """Add the cutflow of a channel."""
        for step, count in steps:
            key = (channel, step)
            if key not in self.part.cutflow:
                self.part.steps = (*self.part.steps, key)
                self.part.cutflow[key] = count.copy()
            else:
                self.part.cutflow[key] += count

    def add_channel(self, channel: str, left: Choice, masks: dict[str, Bools]) -> None:
        """Take note of which events of the chunk are in the regions of a channel.

        Raises
        ------
        ProcessorError
            If an event is in regions of two channels, or in two that the analysis calls disjoint.
        """
        self._masks[channel] = masks
        self._check_disjoint(masks)
        if len(self.channels) < 2 or not masks:
            return
        any_region = np.logical_or.reduce(list(masks.values()))
        events = left.then(np.flatnonzero(any_region)).among(0)
        for other, taken in self._taken.items():
            common = np.intersect1d(events, taken, assume_unique=True)
            if len(common):
                msg = (
                    f"{len(common)} events are in regions of both channels {other!r} and {channel!r}, which must share none, as "
                    "fits combine them: make the channels exclusive, or give the regions one channel"
                )
                raise ProcessorError(msg)
        self._taken[channel] = events

    def _check_disjoint(self, masks: dict[str, Bools]) -> None:
        for name, mask in masks.items():
            for other in self.regions[name].disjoint:
                if other not in self.regions:
                    msg = f"the region {name!r} is said to be disjoint from {other!r}, which is not there; there are {', '.join(self.regions)}"
                    raise ProcessorError(msg)
                if other in masks and (shared := int(np.count_nonzero(mask & masks[other]))):
                    msg = (
                        f"{shared} events are in both regions {name!r} and {other!r}, which are said to be disjoint, as fits "
                        "combine them: make them exclusive, or take the name out of what the region is disjoint from"
                    )
                    raise ProcessorError(msg)

    def scored(
        self,
        event: Event,
        x: dict[str, Any],
        key: Any,
        regions: set[str],
        labels: dict[str, Undefined],
    ) -> dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
        """The scores that have a model and are filled in one of the regions, each event by the classifier that has not seen it.

        Parameters
        ----------
        event
            The events that are left.
        x
            Their observables by name.
        key
            Their fold keys.
        regions
            Those of the channel.
        labels
            ``scored`` and ``outside``: where events are marked of models that know a range of a label.

        Returns
        -------
        dict
            Column of a score -> the scores, and the fold of each event.

        Raises
        ------
        ProcessorError
            If a model needs an observable that is missing.
        """
        out = {}
        prepared: dict[Any, Any] = {}
        for score in self.scores:
            model = self.models.get(score.name)
            if model is None or regions.isdisjoint(self.layout.regions[score.column]):
                continue
            missing = [name for name in model.features if name not in x]
            if missing:
                msg = f"the score {score.name!r} needs the observable {missing[0]!r}: give it to record()"
                raise ProcessorError(msg)
            fold = fold_of(model.fold_rule, key, event.identifiers[:, 2], model.n_folds)
            columns = {name: x[name] for name in model.features}
            out[score.column] = _answers(model, columns, fold, prepared), fold
            if self.nominal:
                for kind, events in extrapolated_events(model, columns, len(fold)).items():
                    labels[kind].add(score.column, events)
        return out

    def add_rows(self, channel: str, events: npt.NDArray[np.int64], columns: dict[str, Any]) -> None:
        """Take the rows of a channel: index of each event in the chunk, and name -> one value per event.

        Raises
        ------
        ProcessorError
            If the channel has written its rows before.
        """
        if channel in self._rows:
            msg = f"the rows of the channel {channel!r} were written twice: record() writes them by itself"
            raise ProcessorError(msg)
        self._rows[channel] = (events, columns)

    def has_rows(self, channel: str) -> bool:
        """Whether the channel has written its rows."""
        return channel in self._rows

    def finish_rows(self) -> None:
        """Add the rows of all channels, with a column for each region, to the tally."""
        if not self._rows:
            return
        blocks = [self._block(channel, columns) for channel, (_, columns) in self._rows.items()]
        sizes = [len(block["weight"]) for block in blocks]
        names = list(dict.fromkeys(name for block in blocks for name in block))
        joined = {name: _joined([block.get(name) for block in blocks], sizes) for name in names}
        if len(blocks) > 1:
            # In the order of the events, which does not depend on where a chunk begins.
            events = np.concatenate([events for events, _ in self._rows.values()])
            order = np.lexsort((joined["channel"], events))
            joined = {name: values[order] for name, values in joined.items()}
        self.part.features[self.source] = joined

    def _block(self, channel: str, columns: dict[str, Any]) -> dict[str, Any]:
        weight = columns["weight"]
        masks = self._masks.get(channel, {})
        nowhere = np.zeros(len(weight), dtype=bool)
        regions = {f"region_{name}": masks.get(name, nowhere) for name in self.regions}
        out = {name: values for name, values in columns.items() if name != "weight"}
        code = np.full(len(weight), self.channels.index(channel) if channel else 0, dtype=np.int8)
        return {**out, **regions, "weight": weight, "channel": code}


def _answers(
    model: Any, columns: dict[str, Any], fold: npt.NDArray[Any], prepared: dict[Any, Any]
) -> npt.NDArray[np.float32]:
    """The scores of a model, whose inputs are prepared once for all its hypotheses."""
    whole = getattr(model, "whole", None)
    if whole is None:
        found: npt.NDArray[np.float32] = model.score(columns, fold)
        return found
    if id(whole) not in prepared:
        prepared[id(whole)] = model.inputs(columns)
    answered: npt.NDArray[np.float32] = model.score_inputs(prepared[id(whole)], fold)
    return answered


def _joined(parts: list[Any], sizes: list[int]) -> npt.NDArray[Any]:
    """Columns of several channels one after the other; NaN where a channel does not have it."""
    if len(parts) == 1:
        return np.asarray(parts[0])
    return np.concatenate(
        [
            np.full(n, np.nan) if values is None else np.asarray(values)
            for values, n in zip(parts, sizes, strict=True)
        ]
    )
