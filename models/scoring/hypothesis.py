"""The masses that a parameterised model is asked about, constant for all events of a run, and the labels that come with events.

Beyond the range of a label in the training a score is extrapolated: such events are counted.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AS_COLUMNS",
    "Hypothesis",
    "checked_hypothesis",
    "hypothesis_of_text",
    "names_of",
    "outside_hypothesis",
    "outside_notes",
    "outside_of_labels",
    "trained_ranges",
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
    return [
        f"the hypothesis {mass}={value:g} lies outside of the trained range {low:g} to {high:g}: all scores are extrapolated"
        for mass, (value, low, high) in outside_hypothesis(names, values, properties).items()
    ]


def outside_hypothesis(
    names: list[str], values: NDArray[np.float32] | None, properties: Mapping[str, str]
) -> dict[str, tuple[float, float, float]]:
    """Mass -> its value, and the ends of the trained range, of those of the hypothesis that lie outside of it."""
    ranges = trained_ranges(properties)
    given = zip(names, [] if values is None else values, strict=values is not None)
    return {
        name.removeprefix(_PREFIX): (float(value), *ranges[name])
        for name, value in given
        if name in ranges and not ranges[name][0] <= value <= ranges[name][1]
    }


def trained_ranges(properties: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of each label in the training, from the metadata of a model.

    Examples
    --------
    >>> trained_ranges({"massgap.ranges": '{"m_ll": [5, 60]}'})
    {'m_ll': (5.0, 60.0)}
    """
    found = json.loads(properties.get("massgap.ranges", "{}"))
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def outside_of_labels(
    ranges: Mapping[str, tuple[float, float]], columns: Mapping[str, ArrayLike]
) -> NDArray[np.bool_] | None:
    """Which events have a label outside of its trained range, or none at all; shape (N,).

    Parameters
    ----------
    ranges
        Label -> ends of the range, see `trained_ranges`.
    columns
        Name -> one value per event; labels that are not among them are not looked at.

    Returns
    -------
    numpy.ndarray or None
        None if no label is among the columns.

    Examples
    --------
    >>> outside_of_labels({"m": (1.0, 2.0)}, {"m": np.array([0.5, 1.0, 2.0, np.nan])}).tolist()
    [True, False, False, True]
    """
    outside: NDArray[np.bool_] | None = None
    for name, (low, high) in ranges.items():
        if name in columns:
            with np.errstate(over="ignore"):
                label = np.asarray(columns[name]).astype(np.float32)  # as it was trained with
            beyond = ~((label >= low) & (label <= high))
            outside = beyond if outside is None else outside | beyond
    return outside
