"""Whether scores are probabilities: of signal among events of a bin of the reconstructed mass in which both weigh the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.models.conditioning.balance import balanced
from massgap.models.measures.calibration import calibration
from massgap.models.recipes.vlq import BALANCE, MASS, RECIPES
from massgap.studies.markdown import FurtherTable
from massgap.studies.vlq.classifiers import CLASSIFIERS, label_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.studies.vlq.numbers.performance import Performance

__all__ = ["Calibrated", "calibration_table", "calibrations"]


class Calibrated(NamedTuple):
    """Of one classifier, in bins of its score: mean score, share of signal, and its error, shape (n,)."""

    place: str
    score: NDArray[np.float64]
    signal: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def distance(self) -> float:
        """Mean absolute difference of share and score."""
        return float(np.mean(np.abs(self.signal - self.score)))


def calibrations(performance: Performance) -> list[Calibrated]:
    """Of the classifiers that are trained with bins of equal weight, which is what their scores are probabilities for.

    A score that is made flat is none, and those of one mass are left out; so are parameterised ones, which have a score for
    each mass that they are asked about.
    """
    table = performance.table
    background = performance.is_background(table)
    place = np.floor((table[MASS].to_numpy(float) - BALANCE["low"]) / BALANCE["width"]).astype(np.int64)
    last = round((BALANCE["high"] - BALANCE["low"]) / BALANCE["width"])
    inside = (place >= 0) & (place < last)
    table, label, place = table[inside], ~background[inside], place[inside]
    weight = np.where(label, 1.0, table["weight"].to_numpy(float))
    weight = balanced(weight, label.astype(np.float32), place)
    found = []
    for classifier in performance.classifiers:
        recipe = RECIPES[classifier.recipe]
        told = recipe.balance is not None and recipe.flatten is None and recipe.label is None
        if told and recipe.weighting == "signal_counts" and not classifier.mass:
            made = calibration(performance.score(classifier.place, table, 0.0), label, weight)
            found.append(
                Calibrated(classifier.place, *(np.array(made[k]) for k in ("score", "signal", "uncertainty")))
            )
    return found


def calibration_table(performance: Performance) -> FurtherTable:
    """The distance of each from a probability."""
    order = [c.place for c in CLASSIFIERS]
    found = sorted(calibrations(performance), key=lambda one: order.index(one.place))
    rows = tuple(
        (label_of(one.place), f"{one.distance:.3f}", f"{float(np.median(one.error)):.3f}") for one in found
    )
    return FurtherTable(
        "Calibration",
        ("classifier", "mean distance", "error of a bin"),
        rows,
        "Ten bins of the score: the share of signal among held-out events, both classes of the same weight in each bin of the "
        "reconstructed mass, against the mean score.",
    )
