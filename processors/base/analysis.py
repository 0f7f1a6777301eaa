"""The base of all analyses: what happens around the selection that each of them writes down.

An analysis is a coffea processor.  It names its channel and histograms and implements
:meth:`Analysis.select`, which reads like a paper; weights, systematic variations, exact sums,
cutflow and feature rows are handled here.
"""

from __future__ import annotations

from typing import Any, ClassVar

from coffea.processor import ProcessorABC

from massgap.events.event import Event, TaggerOptions
from massgap.events.variations import (
    OBJECT_VARIATIONS,
    WEIGHT_VARIATIONS,
    known_variations,
    weight_variation,
)
from massgap.processors.base.flow import Flow
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import DatasetTally, Tally
from massgap.processors.errors import ProcessorError

__all__ = ["Analysis"]

_CHUNK_KEYS = ("filename", "treename", "entrystart", "entrystop", "fileuuid")


class Analysis(ProcessorABC):
    """Base class of analyses.

    Subclasses set ``name`` and ``channel`` and implement :meth:`histograms` and :meth:`select`.

    Parameters
    ----------
    variations
        Names of systematics to run: ``jes``, ``muon_scale`` (objects), ``isr``, ``fsr``, ``mur``, ``muf``
        (weights).  Data are never varied.
    features
        Keep one row of features per selected event in the result.
    taggers
        Choice of b tagger, MET and muon identification: options of
        :class:`massgap.events.event.TaggerOptions`, also as a dict of them.

    Raises
    ------
    ProcessorError
        If an option is unknown.
    """

    name: ClassVar[str] = ""
    channel: ClassVar[str] = ""
    units: ClassVar[dict[str, str]] = {}
    """Unit of each column that :meth:`Flow.write_rows` gets as a feature: "GeV", "rad", or "" for a pure number."""

    def __init__(
        self,
        *,
        variations: tuple[str, ...] | list[str] | str = (),
        features: bool = False,
        taggers: TaggerOptions | dict[str, Any] | None = None,
    ) -> None:
        if isinstance(variations, str):
            variations = (variations,)
        unknown = sorted(set(variations) - set(known_variations()))
        if unknown:
            msg = f"unknown variation {', '.join(map(repr, unknown))}; known are {', '.join(known_variations())}"
            raise ProcessorError(msg)
        self.variations = tuple(sorted(set(variations)))
        self.features = features
        self.taggers = TaggerOptions(**taggers) if isinstance(taggers, dict) else taggers or TaggerOptions()

    def histograms(self) -> tuple[HistogramSpec, ...]:
        """The histograms that :meth:`select` fills."""
        raise NotImplementedError

    def select(self, event: Event, flow: Flow) -> None:
        """Cut and fill: the analysis proper.  Called once per variation of the objects."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """The options as plain data, for manifest and checkpoint keys."""
        return {
            "variations": list(self.variations),
            "taggers": vars(self.taggers),
        }

    def process(self, events: Any) -> dict[str, Tally]:
        """Process one chunk of coffea events; called by coffea's ``Runner`` and by ``massgap run``."""
        metadata = dict(getattr(events, "metadata", None) or {})
        chunk = {key: metadata.pop(key, None) for key in _CHUNK_KEYS}
        dataset = str(metadata.setdefault("dataset", "events"))
        source = (str(chunk["filename"] or ""), int(chunk["entrystart"] or 0))
        event = Event(events, is_data=metadata.get("is_data"), taggers=self.taggers)
        metadata["is_data"] = event.is_data

        layout = Layout(self.histograms())
        part = DatasetTally(metadata, ())
        weights = {"nominal": event.weights}
        shifted: dict[str, Any] = {}
        for systematic in () if event.is_data else self.variations:
            if systematic in WEIGHT_VARIATIONS:
                weights.update(weight_variation(event, systematic))
            else:
                shifted.update(OBJECT_VARIATIONS[systematic])

        part.histograms = HistogramSums((*weights, *shifted), layout.size)
        nominal = Flow(part, layout, weights, source=source, nominal=True)
        nominal.count("all events")
        part.total += part.cutflow["all events"]
        self.select(event, nominal)
        nominal.finish()
        for variation, shift in shifted.items():
            flow = Flow(part, layout, {variation: event.weights}, source=source, nominal=False)
            self.select(shift(event), flow)
            flow.finish()
        part.histograms.finish()

        tally = Tally(layout, self.channel)
        tally.datasets[dataset] = part
        return {"tally": tally}

    def postprocess(self, accumulator: dict[str, Tally]) -> dict[str, Any]:
        """Turn the sum of all chunks into histograms, cutflow and tables in fb."""
        return {**accumulator["tally"].result(), "units": dict(self.units)}
