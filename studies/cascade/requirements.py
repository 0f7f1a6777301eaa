"""What the study has to reach and its paper prints no table of, from what a scan holds: calibration, calibrated intervals, spreads."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["between", "grows", "requirements"]

PURIFYING = "met,delta4,m_mumugamma"
PULLS = 5000
"""Pseudo-experiments of each pull."""
ITERATIONS = 50
"""Of a scan of spectra."""
SIGMAS = 2.0
"""A spread that falls by less than so many of its errors does not fall."""

Numbers = dict[tuple[str, str], tuple[float, float | None] | None]


def between(values: Sequence[float]) -> float:
    """Standard deviation of what lies anywhere between neighbouring values of a scan, which tells of none of it.

    Examples
    --------
    >>> round(between([0.0, 2.0, 4.0]), 3)
    0.577
    """
    return (max(values) - min(values)) / max(len(values) - 1, 1) / math.sqrt(12.0)


def requirements(found: Mapping[str, Any]) -> dict[str, Numbers]:
    """Table -> (row, column) -> number and error."""
    models = found["models"]
    return {
        "Table I": _scanned(models, "momenta"),
        "Table IV": _scanned(models, PURIFYING),
        "Mass gaps": _scanned(models, PURIFYING),
        "Spread of delta": _deltas(models),
        "One network": _optima(models),
        "Pulls": _pulls(models),
        "Distance of the mass scale": _distances(models),
        "Spread of other masses": _other_spreads(models),
        "Coverage of the mass scale": _coverages(models),
        "Width against the template": _widths(models),
        "Coverage of the spin": _spin_coverage(found.get("spin", {})),
    }


def grows(spreads: Sequence[float], iterations: int = ITERATIONS) -> bool:
    """Whether spreads grow from the first to the last: that one is the larger, and on the way none falls by more than its errors.

    Examples
    --------
    >>> grows([0.0, 1.0, 4.0]), grows([1.0, 1.0, 1.0]), grows([0.0, 4.0, 1.0])
    (True, False, False)
    """
    relative = 1.0 / math.sqrt(2.0 * (iterations - 1))
    falls = [a - b > SIGMAS * relative * math.hypot(a, b) for a, b in itertools.pairwise(spreads)]
    return spreads[-1] > spreads[0] and not any(falls)


def _scanned(models: Mapping[str, Any], names: str) -> Numbers:
    """Mean of the best value along each line; the error is one iteration's, and what the distance of values leaves open."""
    numbers: Numbers = {}
    for model, of in models.items():
        for line, sets in of["lines"].items():
            told = sets.get(names, {})
            for ratio, best in told.get("best", {}).items():
                error = math.hypot(best["spread"], between(told["values"]))
                numbers[f"{model}, S/B = {ratio}, {line}", "number"] = (best["mean"], error)
    return numbers


def _deltas(models: Mapping[str, Any]) -> Numbers:
    numbers: Numbers = {}
    for model, of in models.items():
        told = of["lines"].get("delta", {}).get(PURIFYING, {})
        for ratio, best in told.get("best", {}).items():
            error = best["spread"] / math.sqrt(2.0 * (ITERATIONS - 1))
            numbers[f"S/B = {ratio}", model] = (best["spread"], error)
    return numbers


def _optima(models: Mapping[str, Any]) -> Numbers:
    """Difference of the optima; a highest point without a parabola is known as well as its neighbours are far."""
    numbers: Numbers = {}
    for model, of in models.items():
        hypotheses = of.get("hypotheses", {})
        for line, told in hypotheses.get("lines", {}).items():
            (one, first), (separate, second) = told["one"], told["separate"]
            step = between(told["values"])
            errors = [step if error is None else error for error in (first, second)]
            numbers[line, model] = (one - separate, math.hypot(*errors))
    return numbers


def _pulls(models: Mapping[str, Any]) -> Numbers:
    numbers: Numbers = {}
    for model, of in models.items():
        told = of["networks"].get(PURIFYING, {}).get("ratio", {})
        for ratio, pull in told.items():
            width = pull["width"]
            numbers[f"mean, S/B = {ratio}", model] = (pull["mean"], width / math.sqrt(PULLS))
            numbers[f"width, S/B = {ratio}", model] = (width, width / math.sqrt(2.0 * PULLS))
    return numbers


def _estimates(models: Mapping[str, Any]) -> Iterator[tuple[str, float, list[Mapping[str, float]]]]:
    """Model, mass, and its estimates for each S/B; the benchmark's mass is the first."""
    for model, of in models.items():
        rows = of.get("mass", {}).get("estimates", ())
        for mass in dict.fromkeys(row["mass"] for row in rows):
            yield model, mass, [row for row in rows if row["mass"] == mass]


def _distances(models: Mapping[str, Any]) -> Numbers:
    """Of each mass the distance of the mean estimate in standard deviations of one experiment, where it is largest of all S/B."""
    numbers: Numbers = {}
    for model, mass, rows in _estimates(models):
        far = [
            (abs(row["mean"] - mass) / row["spread"], row["mean_error"] / row["spread"])
            for row in rows
            if row["spread"] > 0.0
        ]
        numbers[f"M_chi = {mass:g} GeV", model] = max(far, default=None)
    return numbers


def _other_spreads(models: Mapping[str, Any]) -> Numbers:
    return {
        (f"M_chi = {mass:g} GeV, S/B = {row['ratio']:g}", model): (row["spread"], row["spread_error"])
        for model, mass, rows in _estimates(models)
        for row in rows
    }


def _ways(models: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for model, of in models.items():
        if ways := of.get("mass", {}).get("beyond", {}).get("ways"):
            yield model, ways


def _coverages(models: Mapping[str, Any]) -> Numbers:
    """Of each way at each mass: in their mean, one that covers too little would be hidden by one that covers too much."""
    return {
        (f"{way}, M_chi = {mass} GeV", model): (one["coverage"], one["error"])
        for model, ways in _ways(models)
        for way, told in ways.items()
        for mass, one in told["masses"].items()
    }


def _widths(models: Mapping[str, Any]) -> Numbers:
    """Median widths over that of the template fit on the same ensembles."""
    numbers: Numbers = {}
    for model, ways in _ways(models):
        for way, told in ways.items():
            for mass, one in told["masses"].items():
                other = ways.get("template", {}).get("masses", {}).get(mass, {})
                if way != "template" and one["width"] is not None and other.get("width"):
                    quotient = one["width"] / other["width"]
                    parts = [part.get("width_error") for part in (one, other)]
                    error = (
                        None if None in parts else math.hypot(parts[0], quotient * parts[1]) / other["width"]
                    )
                    numbers[f"{way}, M_chi = {mass} GeV", model] = (quotient, error)
    return numbers


def _spin_coverage(found: Mapping[str, Any]) -> Numbers:
    told = found.get("networks", {}).get("m_mumu,met", {}).get("belt", {}).get("shares", {})
    return {
        (f"share of sDM = {share}", "number"): (one["coverage"], one["error"]) for share, one in told.items()
    }
