"""What a folder of the study says: efficiencies of the cuts, orderings of the classifiers, the background's shape."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.contracts.run_folder import open_run
from massgap.models.recipes.vlq import BALANCE, MASS
from massgap.studies.vlq.classifiers import FLAT, MASS_UNSPECIFIC, OTHERS, of_mass
from massgap.studies.vlq.performance import AtMass, Performance, Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["MASSES", "SIGMAS", "Shapes", "cut_efficiencies", "mass_edges", "orderings", "shapes"]

MASSES = (1000.0, 2000.0, 4000.0, 6000.0)
"""Where classifiers are compared, GeV."""
SIGMAS = 2.0
_AS_GOOD = 1.1
_CHI2, _P_VALUE = 1.5, 0.05
_JOINED, _LEAST_NDF = (1, 2, 4, 7), 3
"""How many bins of the trainings are taken together, until at least so many of them tell something."""
_FIXED = "models/munn"
"""The classifier whose fixed threshold is shown beside: its score is not made flat."""


def mass_edges() -> NDArray[np.float64]:
    """Bins of the reconstructed mass of the trainings, GeV."""
    return np.arange(BALANCE["low"], BALANCE["high"] + 1.0, BALANCE["width"])


def cut_efficiencies(run_folder: Path) -> Numbers:
    """Cumulative efficiencies of the six cuts, of all events before the filters of the generation.

    The filter of the samples (three leptons) lies below the cuts; its counted efficiency is a factor.
    """
    run = open_run(run_folder)
    of = {str(m["process"]): m for m in run.manifest["datasets"].values() if m.get("is_signal")}
    numbers: Numbers = {}
    for process, rows in (run.cutflow or {}).get("processes", {}).items():
        metadata = of.get(process)
        if metadata is None or len(rows) < 7:
            continue
        every, kept = rows[0]["raw"], float(metadata.get("filter_efficiency", 1.0))
        found = []
        for k, row in enumerate(rows[1:7], 1):
            share = row["raw"] / every
            error = math.sqrt(share * (1 - share) / every)
            relative = metadata.get("filter_efficiency_error", 0.0) / kept
            numbers[process, f"cut {k}"] = (kept * share, kept * math.hypot(error, share * relative))
            found.append(row["raw"])
        if found[2]:
            quotient = found[3] / found[2]
            numbers[process, "cut 4 / cut 3"] = (
                quotient,
                math.sqrt(quotient * (1 - quotient) / found[2]),
            )
    return numbers


class Shapes(NamedTuple):
    """Shares of the background that are kept: by the flat score, by a fixed threshold on another one, and thresholds of
    classifiers in bins of the reconstructed mass, NaN where there are too few events."""

    flat: Shape
    fixed: Shape | None
    thresholds: dict[str, NDArray[np.float64]]


def shapes(performance: Performance) -> Shapes:
    """The background of the run, cut at the study's background efficiency.

    Every event is scored by the classifier that has not seen it.  A fixed threshold is one that keeps the same share of the
    background, all bins of the reconstructed mass counting alike.
    """
    table = performance.table
    table = table[performance.is_background(table)]
    mass, weight = table[MASS].to_numpy(float), table["weight"].to_numpy(float)
    edges, share = mass_edges(), performance.background_efficiency
    flat = _told(mass, weight, performance.score(FLAT, table, 0.0) > 1 - share)
    places = {c.place for c in performance.classifiers}
    fixed, thresholds = None, {}
    for place in (_FIXED, *(p for p in OTHERS[:2] if p in places)):
        if place not in places:
            continue
        score = performance.score(place, table, 0.0)
        thresholds[place] = _thresholds(score, mass, weight, edges, share)
        if place == _FIXED:
            fixed = _told(mass, weight, score > _fixed_threshold(score, mass, weight, edges, share))
    return Shapes(flat, fixed, thresholds)


def _told(mass: NDArray[np.float64], weight: NDArray[np.float64], kept: NDArray[np.bool_]) -> Shape:
    """The shape in the bins of the trainings, or in fewer where too few events are kept to say anything in these."""
    for joined in _JOINED:
        found = shape_of(mass, weight, kept, mass_edges()[::joined])
        if found.ndf >= _LEAST_NDF:
            break
    return found


def _thresholds(
    score: NDArray[np.float64],
    mass: NDArray[np.float64],
    weight: NDArray[np.float64],
    edges: NDArray[np.float64],
    share: float,
) -> NDArray[np.float64]:
    found = np.full(len(edges) - 1, np.nan)
    for k, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (mass >= low) & (mass < high)
        w = weight[inside]
        if w.sum() > 0 and share * w.sum() ** 2 / (w**2).sum() >= 1.0:
            found[k] = _above(score[inside], w, share)
    return found


def _fixed_threshold(
    score: NDArray[np.float64],
    mass: NDArray[np.float64],
    weight: NDArray[np.float64],
    edges: NDArray[np.float64],
    share: float,
) -> float:
    place = np.digitize(mass, edges) - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    total = np.bincount(place[inside], weight[inside], len(edges) - 1)
    return _above(score[inside], weight[inside] / total[place[inside]], share)


def _above(score: NDArray[np.float64], weight: NDArray[np.float64], share: float) -> float:
    """The threshold above which this share of the weight lies."""
    order = np.argsort(score)
    along = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return float(np.interp(1 - share, along, score[order]))


def orderings(points: Sequence[AtMass], flat: Shape | None) -> Numbers:
    """The statements of the text: 1 where they hold, 0 where they do not; absent where events are too few."""
    by_mass = {point.mass: point for point in points if point.found}
    numbers: Numbers = {}
    checks = [
        (one, other, point)
        for point in by_mass.values()
        for one in MASS_UNSPECIFIC
        for other in OTHERS
        if {one, other} <= set(point.found)
    ]
    if checks:
        holds = all(not _clearly_worse(point, one, other) for one, other, point in checks)
        numbers["muBDT and muNN are nowhere worse than pNN, pNN_B, pNN_X, wNN, wBDT", "number"] = (
            float(holds),
            None,
        )
    highest = by_mass.get(6000.0)
    for better, worse, words in (
        ("models/pnn_b", "models/pnn", "pNN_B is better than pNN at 6 TeV"),
        ("models/mubdt", "models/pnn_b", "muBDT is better than pNN_B at 6 TeV"),
    ):
        if highest is not None and {better, worse} <= set(highest.found):
            numbers[words, "number"] = (float(_clearly_worse(highest, worse, better)), None)
    for mass in (1000.0, 6000.0):
        own, point = of_mass(mass), by_mass.get(mass)
        if own is not None and point is not None and {own, FLAT} <= set(point.found):
            a, b = point.found[FLAT], point.found[own]
            excess = (1 - a.auc) - _AS_GOOD * (1 - b.auc)
            error = float(np.std((1 - a.auc_replicas) - _AS_GOOD * (1 - b.auc_replicas)))
            words = f"muBDT is as good as the classifier of {mass / 1000:g} TeV"
            numbers[words, "number"] = (float(excess <= SIGMAS * error), None)
    if flat is not None and flat.ndf > 0 and math.isfinite(flat.p_value):
        good = flat.chi2 / flat.ndf < _CHI2 and flat.p_value > _P_VALUE
        numbers["the background keeps its shape", "number"] = (float(good), None)
    return numbers


def _clearly_worse(point: AtMass, one: str, other: str) -> bool:
    difference, error = point.found[one].worse_than(point.found[other])
    return difference > SIGMAS * error
