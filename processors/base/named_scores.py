"""Scores that come with their models: as many as there are, each in the region that its model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgap.contracts.description import Score

__all__ = ["named_scores"]


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


def _regions(path: Any) -> tuple[str, ...]:
    """The region that a model says it was trained on; () where it does not, or on all events."""
    from massgap.models.scoring.scorer import OnnxScorer

    region = str(OnnxScorer(path).metadata.get("massgap.region") or "")
    return () if region in ("", "all") else tuple(region.split("+"))
