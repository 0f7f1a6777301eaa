"""The masses that a parameterised model is asked about, constant for all events of a run, and the labels that come with events.

One model may be asked about several hypotheses in one run, each of which is a score of its own. Beyond the range of a label in
the training a score is extrapolated: such events are counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AS_COLUMNS",
    "Hypothesis",
    "checked_hypothesis",
    "hypotheses_of",
    "hypothesis_of_score",
    "hypothesis_of_text",
    "names_of",
    "outside_hypothesis",
    "outside_notes",
    "outside_of_labels",
    "points_by_name",
    "text_of",
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


def text_of(hypothesis: Hypothesis) -> str:
    """As it is typed.

    Examples
    --------
    >>> text_of({"T": 1000.0, "chi": 1.5})
    'T=1000,chi=1.5'
    """
    return ",".join(f"{mass}={value:.10g}" for mass, value in hypothesis.items())


def hypotheses_of(given: Any) -> dict[str, list[Hypothesis]]:
    """The hypotheses of each score, those of all parameterised models under "".

    Parameters
    ----------
    given
        ``[SCORE:]NAME=GEV,...`` or several of them; mass -> GeV; score -> such a text, mass -> GeV, or several of either.

    Returns
    -------
    dict
        Score -> its hypotheses, in the order in which they are given.

    Raises
    ------
    ModelError
        If it is none of these, a hypothesis is there twice, or a mass is not finite.

    Examples
    --------
    >>> hypotheses_of(["any:m=110,n=80", "any:m=110,n=70"])
    {'any': [{'m': 110.0, 'n': 80.0}, {'m': 110.0, 'n': 70.0}]}
    >>> hypotheses_of({"T": 1000}), hypotheses_of({"low": {"T": 800}})
    ({'': [{'T': 1000.0}]}, {'low': [{'T': 800.0}]})
    """
    if given is None or given == "" or (isinstance(given, Mapping | list | tuple) and not given):
        return {}
    found: dict[str, list[Hypothesis]] = {}
    for score, point in _points(given):
        points = found.setdefault(score, [])
        if point in points:
            typed = f"{score}:{text_of(point)}" if score else text_of(point)
            msg = f"The hypothesis {typed} is given twice: leave one --hypothesis {typed} out."
            raise ModelError(msg)
        points.append(point)
    return found


def _points(given: Any) -> Iterable[tuple[str, Hypothesis]]:
    """Score (or "") and masses of each hypothesis."""
    if isinstance(given, str):
        score, colon, masses = given.rpartition(":")
        if colon and not score.strip():
            msg = f"The hypothesis {given!r} names no score before its colon: --hypothesis SCORE:m_a=100,m_b=90."
            raise ModelError(msg)
        yield score.strip(), hypothesis_of_text(masses)
    elif isinstance(given, list | tuple):
        for one in given:
            yield from _points(one)
    elif isinstance(given, Mapping) and all(
        isinstance(v, Mapping | list | tuple | str) for v in given.values()
    ):
        for score, points in given.items():
            for one in points if isinstance(points, list | tuple) else (points,):
                yield str(score), hypothesis_of_text(one) if isinstance(one, str) else _masses(one)
    else:
        yield "", _masses(given)


def _masses(given: Any) -> Hypothesis:
    """Mass -> GeV as finite numbers."""
    try:
        found = {str(mass): float(value) for mass, value in given.items()}
    except (AttributeError, TypeError, ValueError):
        found = {}
    if not found or not all(map(math.isfinite, found.values())):
        msg = f"The hypothesis {given!r} is not masses in GeV by name: --hypothesis m_a=100,m_b=90."
        raise ModelError(msg)
    return found


def points_by_name(score: str, points: list[Hypothesis]) -> dict[str, Hypothesis]:
    """Names of the scores of one model at its hypotheses: of one its own, of several with the masses behind it.

    Parameters
    ----------
    score
        Name of the score; behind the plain ``score`` stands nothing but the masses, as its histogram begins with that word anyway.
    points
        Hypotheses, the masses of each in the order of the first.

    Raises
    ------
    ModelError
        If two get the same name.

    Examples
    --------
    >>> list(points_by_name("any", [{"m": 110.0, "n": 80.0}, {"m": 110.0, "n": 72.5}]))
    ['any_110_80', 'any_110_72p5']
    >>> list(points_by_name("any", [{"m": 110.0}])), list(points_by_name("score", [{"m": 800.0}, {"m": 900.0}]))
    (['any'], ['800', '900'])
    """
    if len(points) == 1:
        return {score: points[0]}
    found: dict[str, Hypothesis] = {}
    for point in points:
        values = [f"{point.get(mass, math.nan):.10g}" for mass in points[0]]
        words = [*([] if score == "score" else [score]), *values]
        name = "_".join(words).replace(".", "p").replace("-", "m").replace("+", "")
        if name in found:
            msg = f"The hypotheses {text_of(found[name])} and {text_of(point)} of the score {score!r} would share the name {name!r}: leave one --hypothesis out."
            raise ModelError(msg)
        found[name] = point
    return found


def hypothesis_of_score(given: Any, score: str) -> Hypothesis | None:
    """The hypothesis of a score of a finished run, of the option that its manifest holds; None without.

    Examples
    --------
    >>> hypothesis_of_score({"any_110": {"m": 110.0}}, "any_110"), hypothesis_of_score({"m": 90.0}, "any")
    ({'m': 110.0}, {'m': 90.0})
    """
    found = hypotheses_of(given)
    points = found.get(score) or found.get("") or [None]  # type: ignore[list-item]
    return points[0]


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
