"""Scores that come with their models: as many as there are, each in the region that its model was trained on.

And the events of a score that its model extrapolates to: those with a label outside of the range that it was trained in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.contracts.description import Feature, Score

__all__ = ["LoadedModels", "extrapolated_events", "extrapolated_scores", "load_models", "named_scores"]


@dataclass(frozen=True)
class LoadedModels:
    """The scores of an analysis with their models.

    Parameters
    ----------
    scores
        Those of the analysis; one whose model is asked about several hypotheses stands there once for each of them.
    models
        Score name -> model.
    hypothesis
        As the analysis was given it, with the name of each score: what a run keeps, and what makes it again.
    """

    scores: tuple[Score, ...]
    models: dict[str, Any]
    hypothesis: Any


def load_models(
    analysis: str,
    scores: tuple[Score, ...],
    observables: Sequence[Feature],
    model: Any,
    *,
    engine: str = "auto",
    hypothesis: Any = None,
) -> LoadedModels:
    """The models of scores, read now: one that does not fit is refused here and not on a worker.

    Parameters
    ----------
    analysis
        Its name, for messages.
    scores
        Those that it has.
    observables
        What it computes.
    model
        Nothing, a path for the only score, or score name -> path.
    engine
        See :class:`massgap.models.scoring.scorer.OnnxScorer`.
    hypothesis
        See :func:`massgap.models.scoring.hypothesis.hypotheses_of`.

    Returns
    -------
    LoadedModels
        The file of a model is read once, however many hypotheses it is asked about.

    Raises
    ------
    ProcessorError
        If a score is unknown, or would be there twice.
    massgap.models.errors.ModelError
        If a model does not fit the observables, or has no hypothesis although it needs one, or one of other masses.
    """
    from massgap.models.scoring.hypothesis import hypotheses_of, points_by_name

    asked = hypotheses_of(hypothesis)
    files = _files(analysis, scores, model)
    if strange := sorted(set(asked) - {"", *files}):
        has = f"scores with a model are {', '.join(files)}" if files else "no score has a model"
        msg = f"{analysis} is given a hypothesis of {strange[0]!r}, and {has}: give that score its model, --model {strange[0]}=FILE"
        raise ProcessorError(msg)
    found: dict[str, Any] = {}
    made: dict[str, list[Score]] = {}
    taken: dict[str, dict[str, float]] = {}
    read: dict[Any, Any] = {}
    for name, path in files.items():
        score = _declared(analysis, name, scores, own=name in asked)
        points = asked.get(name) or (asked.get("") if len(files) == 1 or _masses_of(path) else None)
        for own, point in (points_by_name(name, points) if points else {name: None}).items():
            if own in found:
                raise ProcessorError(_twice(analysis, own))
            made.setdefault(name, []).append(_at(score, own, point))
            found[own] = _scorer(read, score, path, point, observables, engine, len(scores) > 1)
            taken |= {} if point is None else {own: point}
    if files and asked and not taken:
        msg = f"no model of {analysis} is parameterised in masses: leave out the hypothesis (--hypothesis)"
        raise ProcessorError(msg)
    # Where it is the same for all, a run keeps it as it is; else with the names of the scores.
    plain = list(asked) == [""] and len(asked[""]) == 1 and set(taken) == set(found)
    kept = asked[""][0] if plain else taken or hypothesis or {}
    return LoadedModels(_in_order(analysis, scores, made), found, kept)


def _in_order(analysis: str, scores: tuple[Score, ...], made: Mapping[str, list[Score]]) -> tuple[Score, ...]:
    """The scores of an analysis, those of models in the place of the one that they are like."""
    names = {score.name for score in scores}
    further = {name: those for name, those in made.items() if name not in names}
    patterns = {_declared(analysis, name, scores, own=True).name for name in further} - set(made)
    found = [one for score in scores if score.name not in patterns for one in made.get(score.name, [score])]
    found += [one for those in further.values() for one in those]
    columns = [score.column for score in found]
    if twice := [score.name for score in found if columns.count(score.column) > 1]:
        raise ProcessorError(_twice(analysis, twice[0]))
    return tuple(found)


def _twice(analysis: str, name: str) -> str:
    return f"two scores of {analysis} would be called {name!r}: give one of the models another name, --model NAME=FILE"


def _files(analysis: str, scores: tuple[Score, ...], model: Any) -> dict[str, Any]:
    """Score name -> file of its model."""
    if model is None:
        return {}
    if isinstance(model, Mapping):
        return dict(model)
    if len(scores) == 1:
        return {scores[0].name: model}
    has = ", ".join(score.name for score in scores)
    msg = f"{analysis} has more than one score ({has}): say which one the model is for, --model NAME=FILE"
    if not scores:
        msg = f"{analysis} has no score that a model could give: leave out --model, or give its class scores"
    raise ProcessorError(msg)


def _declared(analysis: str, name: str, scores: tuple[Score, ...], *, own: bool) -> Score:
    """The score of a name; of one with a hypothesis of its own also that whose name it begins with, else the plain one."""
    like = [score for score in scores if name == score.name]
    if own and not like:
        like = sorted((s for s in scores if name.startswith(f"{s.name}_")), key=lambda s: -len(s.name))
        like += [score for score in scores if score.name == "score"]
    if not like:
        has = ", ".join(score.name for score in scores) or "none"
        msg = f"{analysis} has no score {name!r} that a model could give; it has: {has}"
        raise ProcessorError(msg)
    return like[0]


def _at(score: Score, name: str, point: Mapping[str, float] | None) -> Score:
    """A score at a hypothesis, if it has another name for that."""
    if name == score.name:
        return score
    masses = ", ".join(f"{mass} = {value:g}" for mass, value in (point or {}).items())
    return replace(score, name=name, label=f"{score.label or score.name} at {masses} GeV")


def _masses_of(path: Any) -> list[str]:
    """The masses that a model is parameterised in."""
    from massgap.models.model_content import read_content
    from massgap.models.scoring.hypothesis import names_of
    from massgap.models.scoring.onnx_file import read_model

    name, content = read_content(path)
    return names_of(read_model(content, name, None)[1].properties)


def _scorer(
    read: dict[Any, Any],
    score: Score,
    path: Any,
    point: Mapping[str, float] | None,
    observables: Sequence[Feature],
    engine: str,
    several: bool,
) -> Any:
    """The model of a score at a hypothesis; one that was read before is asked again."""
    from massgap.models.errors import FeatureError
    from massgap.models.scoring.scorer import OnnxScorer

    every = [feature.name for feature in observables]
    features = list(score.features) or every
    key = (str(Path(path)), tuple(features))
    if point is not None and key in read:
        return read[key].at(point)
    try:
        made = OnnxScorer(path, features, engine=engine, hypothesis=point, beside=every)
    except FeatureError as error:
        again = f"massgap train RUN_FOLDER --name {score.name}" if several else "massgap train RUN_FOLDER"
        msg = f"{error} The score {score.name!r} takes the model of its own training: {again}."
        raise FeatureError(msg) from error
    if point is not None:
        read[key] = made
    return made


def named_scores(model: Any, declared: tuple[Score, ...]) -> tuple[Score, ...]:
    """The scores of an analysis that takes any number of models.

    Parameters
    ----------
    model
        Nothing or a path, for the scores that are declared; score name -> path.
    declared
        The scores that it has anyway.  One of another name is like the first of them, but in the region that its model names.

    Returns
    -------
    tuple of Score
        Those that are declared, then the others in the order of the models.

    Raises
    ------
    massgap.models.errors.ModelError
        If a model cannot be read.

    Examples
    --------
    >>> from massgap.contracts.description import Score
    >>> named_scores("model.onnx", (Score("score"),))[0].name
    'score'
    """
    if not isinstance(model, Mapping):
        return declared
    known = {score.name for score in declared}
    further = [
        replace(declared[0], name=name, label=f"{declared[0].label} ({name})", regions=_regions(path))
        for name, path in model.items()
        if name not in known
    ]
    return (
        *declared,
        *(score if score.regions else replace(score, regions=declared[0].regions) for score in further),
    )


def extrapolated_events(model: Any, columns: Mapping[str, Any], n: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Which events a model scores, and which of them are outside of the range of a label that it was trained in.

    Parameters
    ----------
    model
        A :class:`massgap.models.scoring.scorer.OnnxScorer`, or what scores in its place.
    columns
        Its features by name.
    n
        Number of events.

    Returns
    -------
    dict
        ``scored`` and ``outside``; nothing for a model without labels.
    """
    from massgap.models.scoring.hypothesis import outside_of_labels

    beyond = getattr(model, "outside_hypothesis", {})
    outside = outside_of_labels(getattr(model, "label_ranges", {}), columns)
    if outside is None and not beyond:
        return {}
    outside = np.ones(n, dtype=bool) if outside is None or beyond else outside
    return {"scored": np.ones(n, dtype=bool), "outside": outside}


def extrapolated_scores(
    scores: tuple[Score, ...],
    models: Mapping[str, Any],
    counts: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> dict[str, dict[str, Any]]:
    """What of the scores is extrapolated in each dataset.

    Parameters
    ----------
    scores, models
        Those of an analysis.
    counts
        Dataset -> ``scored`` and ``outside`` -> column of a score -> number of events in its regions.

    Returns
    -------
    dict
        Score -> ``labels`` (name -> ``low`` and ``high`` of the training, and the ``value`` of a hypothesis), and
        ``datasets`` (dataset -> ``events`` and how many of them are ``outside``); without scores of which nothing is outside.
    """
    found: dict[str, dict[str, Any]] = {}
    for score in scores:
        datasets = {
            name: {"events": kinds["scored"][score.column], "outside": kinds["outside"][score.column]}
            for name, kinds in sorted(counts.items())
            if kinds.get("outside", {}).get(score.column)
        }
        if datasets:
            model = models[score.name]
            labels: dict[str, dict[str, float]] = {
                name: {"low": low, "high": high} for name, (low, high) in model.label_ranges.items()
            }
            for name, (value, low, high) in model.outside_hypothesis.items():
                labels[name] = {"low": low, "high": high, "value": value}
            found[score.name] = {"labels": labels, "datasets": datasets}
    return found


def _regions(path: Any) -> tuple[str, ...]:
    """The region that a model says it was trained on; () where it does not, or on all events."""
    from massgap.models.scoring.scorer import OnnxScorer

    region = str(OnnxScorer(path, hypothesis="columns").metadata.get("massgap.region") or "")
    return () if region in ("", "all") else tuple(region.split("+"))
