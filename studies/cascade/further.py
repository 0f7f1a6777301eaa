"""Tables of a study folder that the paper has not: shares of the background, S/B, the mass scale, intervals, and the spectrum as input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.studies.cascade.validation import scan_of
from massgap.studies.markdown import FurtherTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["further_tables", "tables_of"]

NO_EVENT = 2.303
"""Expected events of which none is seen in one of ten experiments."""


def further_tables(folder: str | Path) -> list[FurtherTable]:
    """The tables of a folder of the study, or of a scan; none where nothing was scanned."""
    found = scan_of(folder)
    return [] if found is None else tables_of(found)


def tables_of(found: Mapping[str, Any]) -> list[FurtherTable]:
    """Those of what a scan holds; the ones without rows are left out."""
    models = found["models"]
    made = [
        _shares(found),
        _ratios(models),
        _masses(models),
        _intervals(models),
        _mixtures(found.get("spin", {})),
        _optima(models),
        _likelihoods(models),
        _missing(models),
    ]
    return [table for table in made if table.rows]


def _shares(found: Mapping[str, Any]) -> FurtherTable:
    rows = []
    for name, told in found.get("processes", {}).items():
        left = [
            of["purified"]["left_fb"].get(name)
            for of in found["models"].values()
            if "left_fb" in of.get("purified", {})
        ]
        rows.append(
            (
                name,
                (told["fb"], told["error"]),
                f"{told['effective']:,.0f}",
                *(_left(one, told) for one in left if one is not None),
            )
        )
    names = [model for model, of in found["models"].items() if "left_fb" in of.get("purified", {})]
    return FurtherTable(
        "Background after the selection, and behind the discovery cut",
        (
            "process",
            "selected [fb]",
            "effective events",
            *(f"behind the cut of {model} [fb]" for model in names),
        ),
        tuple(rows),
        "The paper has 2.88 fb. Networks are trained against those processes alone that can be in it; taus are scored as well.",
    )


def _left(left: tuple[float, float], told: Mapping[str, float]) -> tuple[float, float] | str:
    """What a cut leaves; of nothing the limit at 90 % by the weight of one event, for no event is not no cross section."""
    if left[0] > 0.0 or not told["effective"]:
        return left[0], left[1]
    return f"below {NO_EVENT * told['fb'] / told['effective']:.2g} (90 %)"


def _ratios(models: Mapping[str, Any]) -> FurtherTable:
    rows = []
    for model, of in models.items():
        for ratio, told in of.get("purified", {}).get("ratio", {}).items():
            same, other = told["same"], told["benchmark"]
            row = (model, ratio, (same["mean"], None), (same["width"], None))
            rows.append((*row, (other["estimate"], other["spread"])))
    return FurtherTable(
        "(S/B)_est of eq. (5.1) over 5,000 pseudo-experiments",
        ("model", "S/B", "mean pull", "width of the pull", "estimate of the benchmark, standard deviation"),
        tuple(rows),
        "Pulls: signal at the testing spectrum, as the efficiencies are. The benchmark has another efficiency, which nobody knows beforehand.",
    )


def _masses(models: Mapping[str, Any]) -> FurtherTable:
    rows = []
    for model, of in models.items():
        for edges, kind in (("fixed", "estimates"), ("0.5 GeV off", "other_edges")):
            for row in of.get("mass", {}).get(kind, ()):
                near = abs(row["mean"] - row["mass"]) <= row["spread"]
                values = ((row["mean"], row["mean_error"]), (row["spread"], row["spread_error"]))
                about = (model, edges, f"{row['mass']:g}", f"{row['ratio']:g}")
                rows.append((*about, *values, "yes" if near else "no"))
    return FurtherTable(
        "Mass scale from maps of Delta_4",
        ("model", "edges", "M_chi [GeV]", "S/B", "mean [GeV]", "standard deviation [GeV]", "within one"),
        tuple(rows),
        "Fixed: hypotheses have the edges of the data, as section VII takes them from the stage before; else the data have those of the testing spectrum.",
    )


def _intervals(models: Mapping[str, Any]) -> FurtherTable:
    rows = []
    for model, of in models.items():
        beyond = of.get("mass", {}).get("beyond", {})
        for way, told in beyond.get("ways", {}).items():
            for mass, one in told["masses"].items():
                told_one = (one["coverage"], one["error"])
                width = "-" if one["width"] is None else (one["width"], one.get("width_error"))
                shares = (
                    f"{100 * one[key]:.0f} %" if key in one else "-" for key in ("at_the_ends", "empty")
                )
                rows.append((model, f"{beyond['ratio']:g}", way, mass, told_one, width, *shares))
    return FurtherTable(
        "Intervals of the mass scale at 68.27 % (Neyman), nuisance parameters varied in each ensemble",
        (
            "model",
            "S/B",
            "way",
            "M_chi [GeV]",
            "coverage",
            "median width [GeV]",
            "ending at 100 or 900 GeV",
            "empty",
        ),
        tuple(rows),
        "Maps: the paper's; sets: a network of the events themselves; template: a binned fit of Delta_4. All see the same ensembles. "
        "Intervals that end where the tested masses do are cut off there, and wider in truth.",
    )


def _mixtures(found: Mapping[str, Any]) -> FurtherTable:
    rows = []
    for name, told in found.get("networks", {}).items():
        for share, one in told.get("belt", {}).get("shares", {}).items():
            coverage, width = (one["coverage"], one["error"]), (one["width"], None)
            rows.append((name, f"{told['belt']['ratio']:g}", share, coverage, width))
    return FurtherTable(
        "Intervals of the share of sDM in a mixture of both models at 68.27 % (Neyman)",
        ("network", "S/B", "share", "coverage", "median width"),
        tuple(rows),
        "The normalisation of the background varies in the ensembles.",
    )


def _optima(models: Mapping[str, Any]) -> FurtherTable:
    rows = []
    for model, of in models.items():
        for name, told in of.get("hypotheses", {}).get("lines", {}).items():
            pair = (told["one"], told["separate"])
            difference = pair[0][0] - pair[1][0]
            error = None if None in (pair[0][1], pair[1][1]) else math.hypot(pair[0][1], pair[1][1])
            shown = (
                f"{place:g} (highest point)" if of_it is None else (place, of_it) for place, of_it in pair
            )
            rows.append((model, name, *shown, (difference, error)))
    return FurtherTable(
        "Largest gain along lines of spectra: one network with the spectrum as input, and separate ones",
        ("model", "parameter", "one network [GeV]", "separate [GeV]", "difference [GeV]"),
        tuple(rows),
        "Places of the vertex of a parabola; errors from the scatter of the points about it. Where the points make no parabola that opens "
        "downwards, the scanned value of the largest gain is told, which has no error.",
    )


def _likelihoods(models: Mapping[str, Any]) -> FurtherTable:
    rows: list[tuple[Any, ...]] = []
    for model, of in models.items():
        told = of.get("likelihood", [])
        for one in told if isinstance(told, list) else []:
            for name, numbers in one["parameters"].items():
                values: tuple[Any, ...] = ("-", "-", "-")
                if numbers["mean"] is not None:
                    values = (
                        (numbers["mean"], numbers["mean_error"]),
                        (numbers["spread"], None),
                        "-" if numbers["error"] is None else (numbers["error"], None),
                    )
                lost = (f"{n} of {one['toys']}" for n in (numbers.get("at_edge", 0), one["without_minimum"]))
                rows.append((model, f"{one['ratio']:g}", name, *values, *lost))
    return FurtherTable(
        "Likelihood of all four parameters with the network that has the spectrum as input",
        (
            "model",
            "S/B",
            "parameter",
            "mean [GeV]",
            "standard deviation [GeV]",
            "error of the fits [GeV]",
            "ending at a scanned scale's edge",
            "fits without a minimum",
        ),
        tuple(rows),
        "The benchmark is at alpha = beta = 0, gamma = -1, delta = -300.5 GeV. Fits without a minimum are in none of the numbers; where the scale, "
        "delta, is not known it ends at an edge of those about the lowest expected value, without an error.",
    )


def _missing(models: Mapping[str, Any]) -> FurtherTable:
    """Stages that could not be done, and why."""
    rows: Iterable[tuple[str, str, str]] = (
        (model, stage, of[stage]["missing"])
        for model, of in models.items()
        for stage in ("purified", "hypotheses", "likelihood", "mass")
        if isinstance(of.get(stage), dict) and "missing" in of[stage]
    )
    return FurtherTable("Not done", ("model", "stage", "why"), tuple(rows))
