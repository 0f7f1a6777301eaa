"""What a folder of the study says: efficiencies of the cuts, orderings of the classifiers, the background's shape."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.contracts.run_folder import open_run
from massgap.models.recipes.vlq import BALANCE, MASS
from massgap.studies.vlq.classifiers import FLAT, OTHERS
from massgap.studies.vlq.numbers.bins import bin_counts, smallest
from massgap.studies.vlq.numbers.claims import claims_at
from massgap.studies.vlq.numbers.edges import Jumps, jumps_at
from massgap.studies.vlq.numbers.performance import AtMass, Performance, Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = [
    "MASSES",
    "Shapes",
    "cut_efficiencies",
    "edge_jumps",
    "event_numbers",
    "keeps_shape",
    "mass_edges",
    "orderings",
    "shapes",
]

MASSES = (1000.0, 2000.0, 4000.0, 6000.0)
"""Where classifiers are compared, GeV."""
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


def shapes(performance: Performance, share: float | None = None) -> Shapes:
    """The background of the run, cut at a background efficiency, by default the study's.

    Every event is scored by the classifier that has not seen it.  A fixed threshold is one that keeps the same share of the
    background, all bins of the reconstructed mass counting alike.
    """
    table = performance.table
    table = table[performance.is_background(table)]
    mass, weight = table[MASS].to_numpy(float), table["weight"].to_numpy(float)
    edges, share = mass_edges(), performance.background_efficiency if share is None else share
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


def edge_jumps(performance: Performance) -> Jumps:
    """Steps of the background's flat score where bins of the trainings meet."""
    table = performance.table
    table = table[performance.is_background(table)]
    columns = (
        table[MASS].to_numpy(float),
        performance.score(FLAT, table, 0.0),
        table["weight"].to_numpy(float),
    )
    return jumps_at(mass_edges()[1:-1], *columns, reach=BALANCE["width"] / 2)


def event_numbers(performance: Performance, points: Sequence[AtMass]) -> Numbers:
    """How many events the smallest bin has, and the windows of the masses with a classifier of their own."""
    counts = bin_counts(performance.table, performance.is_background(performance.table))
    numbers: Numbers = {
        (f"smallest bin, {name}", "events"): (n, None) for name, n in smallest(counts).items()
    }
    for point in points:
        numbers[f"test at {point.mass / 1000:g} TeV, signal", "events"] = (point.n_signal, None)
        numbers[f"test at {point.mass / 1000:g} TeV, background", "events"] = (point.n_background, None)
    return numbers


def keeps_shape(shape: Shape) -> bool:
    """Whether a cut keeps the background's shape."""
    return shape.chi2 / shape.ndf < _CHI2 and shape.p_value > _P_VALUE


def orderings(points: Sequence[AtMass], found: Shapes | None, jumps: Jumps | None = None) -> Numbers:
    """The statements of the text: 1 where they hold, 0 where they do not; absent where events are too few."""
    claims = claims_at(points)
    numbers: Numbers = {}
    if kept := [claim for claim in claims if claim.kind == "not worse"]:
        holds = all(claim.verdict == "confirmed" for claim in kept)
        numbers["muBDT and muNN are nowhere worse than pNN, pNN_B, pNN_X, wNN, wBDT", "number"] = (
            float(holds),
            None,
        )
    for claim in claims:
        if claim.kind == "better":
            words = f"{claim.words} at {claim.mass / 1000:g} TeV"
        elif claim.kind == "as good":
            words = f"muBDT is as good as the classifier of {claim.mass / 1000:g} TeV"
        else:
            continue
        # As good: within two errors, as it was said before the numbers were there.
        holds = claim.verdict == "confirmed" or (claim.kind == "as good" and claim.verdict != "contradicted")
        numbers[words, "number"] = (float(holds), None)
    if found is not None:
        for words, shape, wanted in (
            ("the background keeps its shape", found.flat, True),
            ("a fixed threshold does not keep it", found.fixed, False),
        ):
            if shape is not None and shape.ndf > 0 and math.isfinite(shape.p_value):
                numbers[words, "number"] = (float(keeps_shape(shape) == wanted), None)
    if jumps is not None and jumps.ndf:
        numbers["the score has no jump at the edges of the bins", "number"] = (float(jumps.none), None)
    return numbers
