"""The masses that a parameterised model is asked about: given by name, constant for all events of a run."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "AS_COLUMNS",
    "Hypothesis",
    "checked_hypothesis",
    "hypothesis_of_text",
    "names_of",
    "outside_notes",
]

AS_COLUMNS = "columns"
"""As a hypothesis: it comes with the features, one value per event."""

Hypothesis = dict[str, float]
_PREFIX = "true_"


def names_of(properties: Mapping[str, str]) -> list[str]:
    """The inputs of a model that a hypothesis gives, from its metadata."""
    return list(json.loads(properties.get("massgap.hypothesis", "[]")))


def hypothesis_of_text(text: str) -> Hypothesis:
    """``NAME=GEV,...`` as a hypothesis.

    Raises
    ------
    ModelError
        If it is not that.

    Examples
    --------
    >>> hypothesis_of_text("T=1000,chi=1.5")
    {'T': 1000.0, 'chi': 1.5}
    """
    found: Hypothesis = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (name and equals and math.isfinite(number)) or name in found:
            msg = f"The hypothesis {text!r} is not a list of masses NAME=GEV, each name once: --hypothesis m_a=100,m_b=90."
            raise ModelError(msg)
        found[name] = number
    return found


def checked_hypothesis(names: list[str], given: Any, path: str) -> NDArray[np.float32] | None:
    """The values of the inputs of these names; None if they come with the features or there are none.

    Parameters
    ----------
    names
        Of the inputs, from the metadata of the model.
    given
        A hypothesis, mass -> GeV, `AS_COLUMNS`, or nothing.
    path
        What messages call the model.

    Raises
    ------
    ModelError
        If the model needs a hypothesis and has none, or has other masses.
    """
    if given == AS_COLUMNS or (not names and not given):
        return None
    masses = [name.removeprefix(_PREFIX) for name in names]
    if not names:
        msg = f"The model {path} is not parameterised in masses: leave out the hypothesis (--hypothesis)."
        raise ModelError(msg)
    if not given or sorted(given) != sorted(masses):
        has = f"; given are {', '.join(sorted(given))}" if given else ""
        wanted = ",".join(f"{mass}=GEV" for mass in masses)
        msg = f"The model {path} is parameterised in {', '.join(masses)}{has}: say for which hypothesis it scores, --hypothesis {wanted}."
        raise ModelError(msg)
    return np.array([given[mass] for mass in masses], dtype=np.float32)


def outside_notes(
    names: list[str], values: NDArray[np.float32] | None, properties: Mapping[str, str]
) -> list[str]:
    """A sentence for each mass of the hypothesis that lies outside those of the training."""
    ranges = json.loads(properties.get("massgap.ranges", "{}"))
    notes = []
    for name, value in zip(names, [] if values is None else values, strict=values is not None):
        low, high = ranges.get(name, (-math.inf, math.inf))
        if not low <= value <= high:
            notes.append(
                f"the hypothesis {name.removeprefix(_PREFIX)}={value:g} lies outside of the trained range {low:g} to {high:g}: "
                "all scores are extrapolated"
            )
    return notes
