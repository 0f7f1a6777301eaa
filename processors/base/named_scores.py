"""Scores that come with their models: as many as there are, each in the region that its model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgap.contracts.description import Score

__all__ = ["named_scores"]


def named_scores(model: Any, usual: Score) -> tuple[Score, ...]:
    """The scores of an analysis that takes any number of models.

    Parameters
    ----------
    model
        Nothing or a path, for the usual score alone; score name -> path.
    usual
        The score that it has without models; one of another name is like it, but in the region that its model names.

    Returns
    -------
    tuple of Score
        The usual one first if it is among them, else in the order of the models.

    Raises
    ------
    massgap.models.errors.ModelError
        If a model cannot be read.

    Examples
    --------
    >>> from massgap.contracts.description import Score
    >>> named_scores("model.onnx", Score("score"))[0].name
    'score'
    """
    if not isinstance(model, Mapping):
        return (usual,)
    named = [usual] if usual.name in model else []
    for name, path in model.items():
        if name != usual.name:
            label = f"{usual.label} ({name})"
            named.append(replace(usual, name=name, label=label, regions=_regions(path) or usual.regions))
    return tuple(named)


def _regions(path: Any) -> tuple[str, ...]:
    """The region that a model says it was trained on; () where it does not, or on all events."""
    from massgap.models.scoring.scorer import OnnxScorer

    region = str(OnnxScorer(path).metadata.get("massgap.region") or "")
    return () if region in ("", "all") else tuple(region.split("+"))
