"""The base of all analyses: what happens around the selection that each of them writes down.

An analysis is a coffea processor.  It says which observables, regions and scores it has and implements
:meth:`Analysis.select`, which reads like a paper; weights, systematic variations, exact sums, cutflow, regions, scores
and feature rows are handled here.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from coffea.processor import ProcessorABC

from massgap.contracts.description import Description, Feature, ProcessLabel, Region, Score
from massgap.events.event import MET_DEFINITIONS, Event, TaggerOptions
from massgap.events.variations import OBJECT_VARIATIONS, WEIGHT_VARIATIONS, varied_weights
from massgap.processors.base.axes import Regular
from massgap.processors.base.chunk_pass import ChunkPass
from massgap.processors.base.flow import Flow
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.named_scores import extrapolated_scores, load_models
from massgap.processors.base.options import collection_choice
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import DatasetTally, Tally
from massgap.processors.base.variation_choice import VariationChoice
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    import os

__all__ = ["Analysis"]

_CHUNK_KEYS = ("filename", "treename", "entrystart", "entrystop", "fileuuid")
_NOT_OPTIONS = ("model", "features", "options")
"""Parameters that change no number by themselves: models are told apart by their content."""


class Analysis(ProcessorABC):
    """Base class of analyses.

    Subclasses set ``name``, mostly ``observables`` and ``regions``, and implement :meth:`select`.

    Parameters
    ----------
    model
        Path of an ONNX model made by ``massgap train`` for the only score of the analysis, or score name -> path.  The
        score is then filled and kept, each event scored by the classifier that has not seen it.  Checked when the
        processor is made.
    met
        "detector", or "objects" for minus the vector sum of leptons and jets; by default that of the models' trainings, else the
        detector's.
    variations
        Names of systematics to run: ``jes``, ``jer``, ``unclustered``, ``muon_scale``, ``electron_scale``,
        ``lepton_scale`` (objects), ``isr``, ``fsr``, ``mur``, ``muf``,
        ``pdf``, ``btag``, ``mistag`` (weights), for all data sets, or by the name or a pattern of data sets, see
        :mod:`massgap.processors.base.variation_choice`.  Data are never varied; an event without such weights counts as
        nominal, and is counted.
    features
        Keep one row of features per selected event in the result.
    taggers
        Choice of b tagger, MET and identifications: options of
        :class:`massgap.events.event.TaggerOptions`, also as a dict of them.
    engine
        What scores a model of trees: "auto" (compiled trees where they agree with onnxruntime), "compiled trees" or
        "onnxruntime".
    collections
        What is read instead of the format's own collections, as the file calls it: jets=JetPUPPI,met=PuppiMissingET for a
        Delphes file, met=PuppiMET for NanoAOD; also as a dict.
    hypothesis
        Masses in GeV that models are asked about which are parameterised in them: T=1000, also as a dict.  Of one score with its
        name before them, any:T=1000.  Several make a score each of one model, named after their masses: any_800, any_1000.

    Raises
    ------
    ProcessorError
        If an option is unknown.
    massgap.models.errors.ModelError
        If a model does not fit the observables.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    """What a page about it is headed with; the name by default."""
    source: ClassVar[str] = ""
    """The paper that it follows."""
    channel: ClassVar[str] = ""
    """The channel of regions that name none."""
    observables: tuple[Feature, ...] = ()
    """What it computes for each event: histograms of these are made by themselves."""
    regions: tuple[Region, ...] = ()
    """Its regions, the widest of each channel first; one with all selected events by default."""
    scores: tuple[Score, ...] = (Score("score", "Score"),)
    """Its classifiers' scores, each filled where a model is given."""
    processes: ClassVar[dict[str, ProcessLabel]] = {}
    """How figures show its processes."""
    luminosity: ClassVar[float | None] = None
    """fb-1 of figures and fits where nobody says another one."""
    chunk_events: ClassVar[tuple[int, int]] = (100_000, 500_000)
    """Smallest and largest number of events in a chunk where none is asked for: less for one that reads much per event."""
    event_memory: ClassVar[int] = 350
    """Bytes of memory that a worker needs per event of a chunk, about: what preflight judges workers by.  Measured 216 for two
    muons, one jet and 27 observables, 310 with variations and feature tables."""

    def __init__(
        self,
        model: str | os.PathLike[str] | dict[str, Any] | None = None,
        *,
        met: str | None = None,
        variations: tuple[str, ...] | list[str] | str | dict[str, Any] = (),
        features: bool = False,
        taggers: TaggerOptions | dict[str, Any] | None = None,
        engine: str = "auto",
        collections: dict[str, str] | tuple[str, ...] | list[str] | str = (),
        hypothesis: Any = None,
    ) -> None:
        self.choice = VariationChoice.of_option(variations)
        """Which systematics are done for which data set."""
        if met is not None and met not in MET_DEFINITIONS:
            msg = f"met={met!r} (--met) is unknown; MET is one of {', '.join(MET_DEFINITIONS)}"
            raise ProcessorError(msg)
        self.met = met or "detector"
        self.variations = self.choice.every
        self.features = features
        self.engine = engine
        self.taggers = TaggerOptions(**taggers) if isinstance(taggers, dict) else taggers or TaggerOptions()
        self.collections = collection_choice(collections)
        loaded = load_models(
            self.name, tuple(self.scores), self.observables, model, engine=engine, hypothesis=hypothesis
        )
        self.scores = loaded.scores
        self.models = loaded.models
        """Score name -> model, for those that have one."""
        self.hypothesis = loaded.hypothesis
        self.met = self._met_of_models(met)

    # What an analysis says of itself

    def select(self, event: Event, flow: Flow) -> None:  # noqa: ARG002 (an analysis takes both)
        """Cut and fill: the analysis proper.  Called once per variation of the objects."""
        msg = f"{type(self).__name__} does not say which events it selects: give it a method select(self, event, flow)"
        raise ProcessorError(msg)

    def histograms(self) -> tuple[HistogramSpec, ...]:
        """Histograms beyond those of the observables, the N-1 distributions and the scores."""
        return ()

    def description(self) -> Description:
        """Observables, regions, scores and labels, as they go into a run folder."""
        return Description(
            analysis=self.name,
            title=self.title or self.name,
            features=tuple(self.observables),
            regions=self._all_regions(),
            scores=tuple(self.scores),
            processes=dict(self.processes),
            luminosity=self.luminosity,
            source=self.source,
        )

    def options(self) -> dict[str, Any]:
        """The options as plain data, for manifest and checkpoint keys.

        All parameters of the constructors, each taken from the attribute of its name.

        Raises
        ------
        ProcessorError
            If a constructor does not keep a parameter in an attribute of its name.
        """
        out: dict[str, Any] = {}
        for cls in type(self).__mro__:
            if "__init__" not in vars(cls) or not issubclass(cls, Analysis):
                continue
            for name, parameter in inspect.signature(cls.__init__).parameters.items():
                if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                    continue
                if name == "self" or name in _NOT_OPTIONS or name in out:
                    continue
                # An attribute of the class does not know what this object was given.
                kept = name in vars(self) or isinstance(getattr(type(self), name, None), property)
                if not kept:
                    msg = (
                        f"{type(self).__name__} does not keep its parameter {name!r}: write self.{name} = {name} in "
                        "__init__, or a result may be used again after it changed"
                    )
                    raise ProcessorError(msg)
                value = self.choice.plain if name == "variations" else getattr(self, name)
                out[name] = _plain(vars(value) if isinstance(value, TaggerOptions) else value)
        return out

    def _met_of_models(self, asked: str | None) -> str:
        """The MET that was asked for, else that of the models' trainings, else the detector's.

        Raises
        ------
        ProcessorError
            If a model was trained with another one.
        """
        trained = {name: model.metadata.get("massgap.met") for name, model in self.models.items()}
        met = asked or next((found for found in trained.values() if found), "detector")
        for name, found in trained.items():
            if found and found != met:
                msg = (
                    f"the model of the score {name!r} was trained with another MET: run with --met {found}, or train again on a "
                    f"run with --met {met}"
                )
                raise ProcessorError(msg)
        return met

    def notes(self) -> list[str]:
        """What somebody who runs it with these options should know, in sentences."""
        notes = [f"score {name!r}: {note}" for name, model in self.models.items() for note in model.notes]
        for score in self.scores:
            trained = (
                self.models[score.name].metadata.get("massgap.region") if score.name in self.models else None
            )
            # Two scores of the same features take each other's models without a word; what they were trained on differs.
            if trained and score.regions and not {trained, *trained.split("+")} & {"all", *score.regions}:
                notes.append(
                    f"score {score.name!r}: its model was trained on the region {trained}, and it is filled in "
                    f"{', '.join(score.regions)}: is it the one of this score (--model NAME=FILE)?"
                )
        return notes

    # What happens around the selection

    def _all_regions(self) -> tuple[Region, ...]:
        regions = tuple(self.regions) or (Region("selected", "Selected events"),)
        channel = self.channel or "all"
        return tuple(region if region.channel else replace(region, channel=channel) for region in regions)

    def layout(self) -> Layout:
        """All histograms and their places, models included."""
        folds = tuple(
            (score, self.models[score.name].n_folds) for score in self.scores if score.name in self.models
        )
        regions = self._all_regions()
        known = [region.name for region in regions]
        for score in self.scores:
            for name in score.filled:
                if name not in known:
                    msg = f"the score {score.name!r} is of the region {name!r}, which is not there; there are {', '.join(known)}"
                    raise ProcessorError(msg)
        return _layout(tuple(self.observables), regions, folds, self.histograms())

    def process(self, events: Any) -> dict[str, Tally]:
        """Process one chunk of coffea events; called by coffea's ``Runner`` and by ``massgap run``."""
        metadata = dict(getattr(events, "metadata", None) or {})
        chunk = {key: metadata.pop(key, None) for key in _CHUNK_KEYS}
        dataset = str(metadata.setdefault("dataset", "events"))
        event = Event(
            events,
            is_data=metadata.get("is_data"),
            taggers=self.taggers,
            met=self.met,
            collections=self.collections,
        )
        metadata["is_data"] = event.is_data

        regions = self._all_regions()
        layout = self.layout()
        part = DatasetTally(metadata, ())
        weights = {"nominal": event.weights}
        shifted: dict[str, Any] = {}
        part.systematics = () if event.is_data else self.choice.for_dataset(dataset, metadata)
        for systematic in part.systematics:
            if systematic in WEIGHT_VARIATIONS:
                remedy = self._remedy(systematic, dataset, metadata)
                varied = varied_weights(event, systematic, remedy, metadata.get("pdf_members"))
                weights.update(varied.weights)
                part.count_nominal(systematic, varied.nominal)
            else:
                shifted.update(OBJECT_VARIATIONS[systematic])

        if shifted:
            event = event.for_several_passes()
        part.histograms = HistogramSums((*weights, *shifted), layout.size)
        shared: dict[str, Any] = {
            "scores": tuple(self.scores),
            "models": self.models,
            "source": (str(chunk["filename"] or ""), int(chunk["entrystart"] or 0)),
            "keep_rows": self.features,
        }
        by_name = {region.name: region for region in regions}
        self._pass(event, ChunkPass(part, layout, by_name, nominal=True, **shared), weights)
        part.total += part.cutflow[regions[0].channel, "all events"]
        for variation, shift in shifted.items():
            one = ChunkPass(part, layout, by_name, nominal=False, **shared)
            self._pass(shift(event), one, {variation: event.weights})
        part.histograms.finish()

        tally = Tally(layout, tuple(dict.fromkeys(region.channel for region in regions)))
        tally.datasets[dataset] = part
        return {"tally": tally}

    def _remedy(self, systematic: str, dataset: str, metadata: dict[str, Any]) -> str:
        """What to do where the weights of a systematic cannot be used: without all of this branch."""
        branch = WEIGHT_VARIATIONS[systematic][0]
        alike = [name for name, (other, _) in WEIGHT_VARIATIONS.items() if other == branch]
        return f"Leave them out for this data set: {self.choice.without(alike, dataset, metadata)}"

    def _pass(self, event: Event, chunk: ChunkPass, weights: dict[str, Any]) -> None:
        # With one channel its flow is there from the start; with several, the analysis begins each of them.
        flow = Flow(chunk, weights, chunk.channels[0] if len(chunk.channels) == 1 else "")
        flow.count("all events")
        self.select(event, flow)
        flow.finish()
        chunk.finish_rows()

    def postprocess(self, accumulator: dict[str, Tally]) -> dict[str, Any]:
        """Turn the sum of all chunks into histograms, cutflow and tables in fb."""
        units = {feature.name: feature.unit for feature in self.observables}
        result = accumulator["tally"].result()
        extrapolated = extrapolated_scores(self.scores, self.models, result.pop("labels"))
        described = replace(self.description(), variations=result["variations"])
        return {**result, "extrapolated": extrapolated, "units": units, "description": described.as_dict()}


@functools.lru_cache(maxsize=32)
def _layout(
    observables: tuple[Feature, ...],
    regions: tuple[Region, ...],
    scores: tuple[tuple[Score, int], ...],
    further: tuple[HistogramSpec, ...],
) -> Layout:
    """Observables with the N-1 distributions of their cuts, then scores, then further histograms; the same for all chunks."""
    own = {spec.name: spec for spec in further}
    if len(own) != len(further):
        return Layout(
            further, tuple(region.name for region in regions)
        )  # which says which name is there twice
    specs: list[HistogramSpec] = []
    for feature in observables:
        axis = Regular(feature.bins, feature.low, feature.high, name=feature.name, label=feature.axis_label)
        specs.append(own.get(feature.name) or HistogramSpec(feature.name, axis))
        cut_in: dict[str, list[str]] = {}
        for region in regions:
            for cut in region.cuts:
                if cut.feature == feature.name:
                    cut_in.setdefault(f"nminus1_{cut.name}", []).append(region.name)
        specs += [HistogramSpec(name, axis, regions=where) for name, where in cut_in.items()]
    for score, folds in scores:
        axis = Regular(score.bins, score.low, score.high, name=score.column, label=score.label or score.name)
        specs.append(HistogramSpec(score.column, axis, regions=score.filled, folds=folds))
    known = {feature.name for feature in observables}
    specs += [spec for spec in further if spec.name not in known]
    return Layout(tuple(specs), tuple(region.name for region in regions))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # an array or a number of NumPy
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
