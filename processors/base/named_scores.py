"""Scores that come with their models: as many as there are, each in the region that its model was trained on.

And the events of a score that its model extrapolates to: those with a label outside of the range that it was trained in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from massgap.contracts.description import Score

__all__ = ["extrapolated_events", "extrapolated_scores", "named_scores"]


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

    region = str(OnnxScorer(path).metadata.get("massgap.region") or "")
    return () if region in ("", "all") else tuple(region.split("+"))
