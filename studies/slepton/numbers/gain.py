"""What each step buys in expected significance, on the same events; none of it is in the paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.studies.slepton.numbers.detectors import detector_table
from massgap.studies.slepton.numbers.scans import highest
from massgap.studies.slepton.numbers.tables import quotient
from massgap.studies.slepton.places import (
    BACKGROUNDS,
    LEFT_OUT,
    SPECTRA,
    any_fit,
    benchmark_fit,
    parameterised_fit,
    retrained_fit,
)

if TYPE_CHECKING:
    from massgap.studies.markdown import FurtherTable
    from massgap.studies.slepton.numbers.folders import Folders

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["Step", "beyond", "further_tables", "gain_steps", "normalisations", "of_spectra"]


class Step(NamedTuple):
    """A row of the table: what is done, and the expected significance with the error of the finite simulation."""

    what: str
    number: Number


def gain_steps(folders: Folders) -> list[Step]:
    """The steps of which there are fits, in the order in which they build on one another."""
    out: list[Step] = []
    scan = folders.scan
    if scan is not None:
        folds = [highest_of_fold(rows) for rows in scan.folds]
        usable = [value for value in folds if value is not None]
        if usable:
            # What the folds scatter by is what a third of the sample does to one of them.
            spread = float(np.std(usable, ddof=1)) if len(usable) > 1 else None
            out.append(
                Step("one threshold, mean over the folds (the paper)", (float(np.mean(usable)), spread))
            )
        if (best := highest(scan, "significance")) is not None:
            out.append(Step("one threshold, cross-fitted scores of all events", best))
    for what, place in (
        ("binned score, statistics alone", "fits/benchmark"),
        ("the same of a classifier in small steps and ten folds", "fits/ten_folds"),
        (
            "binned score, 20 % on each background, luminosity, variations, finite simulation",
            "fits/systematics",
        ),
        ("of the paper's classifier with tt free and two control regions", "fits/controls"),
        ("the same, had the simulation no end", "fits/large_simulation"),
        ("with a third control region, of an electron and a muon", "fits/emu"),
        ("that, had the simulation no end", "fits/emu_large_simulation"),
    ):
        if (number := significance(folders.results(place))) is not None:
            out.append(Step(what, number))
    return out


def further_tables(folders: Folders) -> list[FurtherTable]:
    """The significance of the benchmark step by step, and that of each spectrum with four classifiers."""
    from massgap.studies.markdown import FurtherTable

    note = (
        "The same events throughout, 300 fb-1. The error is what the finite simulation does: over replicas of it for fits, over "
        "the folds for their mean, from the effective numbers of events for a threshold."
    )
    rows = tuple((step.what, step.number) for step in gain_steps(folders))
    out = [FurtherTable("What each step buys", ("Step", "Expected significance"), rows, note)]
    spectra = tuple(
        (f"{m}/{m - gap}", *found.values())
        for (m, gap), found in of_spectra(folders).items()
        if any(found.values())
    )
    if len(spectra) > 1:
        header = (
            "Slepton/invisible [GeV]",
            "Classifier of the benchmark",
            "Retrained",
            "One for all spectra",
            "One for all, told the masses",
        )
        note = (
            "Expected significance of the binned score, statistics alone, 300 fb-1. The last classifier takes the masses as inputs "
            "and is asked at those of the spectrum. Neither one for all was trained on "
            f"{' and '.join(f'{m}/{m - gap}' for m, gap in LEFT_OUT)}."
        )
        out.append(FurtherTable("All spectra with four classifiers", header, spectra, note))
    known = normalisations(folders)
    if known:
        columns = ("Background", "Prior", "Finite simulation", "Had the simulation no end")
        note = (
            "Relative uncertainty of the normalisations after the fit with control regions, of Asimov data. What lies between the two "
            "columns is the number of simulated events, what is left is the number of recorded ones and the variations."
        )
        out.append(FurtherTable("What the control regions know", columns, known, note))
    if (detectors := detector_table(folders)) is not None:
        out.append(detectors)
    return out


def highest_of_fold(rows: Any) -> float | None:
    """The largest smoothed significance of a fold where its events suffice."""
    usable = rows.quotable()
    return float(np.max(rows.significance_smooth[usable])) if usable.any() else None


def significance(results: dict[str, Any] | None) -> Number | None:
    """Expected significance of a fit and what the finite simulation does to it."""
    if results is None:
        return None
    spread = (results.get("simulation") or {}).get("expected_significance") or {}
    return float(results["discovery"]["expected_significance"]), spread.get("std")


def of_spectra(folders: Folders) -> dict[tuple[int, int], dict[str, Number | None]]:
    """Spectrum -> expected significance (binned, statistics alone) with each of four classifiers."""
    places = {
        "benchmark": benchmark_fit,
        "retrained": retrained_fit,
        "one for all": any_fit,
        "told the masses": parameterised_fit,
    }
    return {
        spectrum: {name: significance(folders.results(place(*spectrum))) for name, place in places.items()}
        for spectrum in SPECTRA
    }


def normalisations(folders: Folders) -> tuple[tuple[str | Number | None, ...], ...]:
    """Background, prior, and relative uncertainty of its normalisation with finite and with endless simulation."""
    fits = [folders.results(f"fits/{place}") for place in ("controls", "large_simulation")]
    rows = []
    for background in BACKGROUNDS:
        name = f"norm_{background}"
        pulls = [((found or {}).get("pulls") or {}).get(name) for found in fits]
        if not any(pulls):
            continue
        model = next(found for found in fits if found)["options"]["model"]
        own = model["normalisation"].get(background, model["default_normalisation"])
        errors = [_relative(pull, own) for pull in pulls]
        rows.append((background, "free" if own == "free" else f"{float(own):.0%}", *errors))
    return tuple(rows)


def _relative(pull: dict[str, float] | None, prior: float | str) -> Number | None:
    """Relative uncertainty of a normalisation: of a free factor, or of a parameter in units of its prior."""
    if not pull or (prior == "free" and not pull["value"]):
        return None
    return (abs(pull["error"] / pull["value"]) if prior == "free" else pull["error"] * float(prior)), None


def beyond(folders: Folders) -> Numbers:
    """The goals of the study."""
    numbers = {step.what: step.number for step in gain_steps(folders)}
    names = list(numbers)

    def of(word: str) -> Number | None:
        return next((numbers[name] for name in names if name.startswith(word)), None)

    fits = {
        place: significance(folders.results(f"fits/{place}"))
        for place in ("benchmark", "ten_folds", "controls", "large_simulation", "emu", "emu_large_simulation")
    }
    out: Numbers = {
        ("binned fit over the best threshold", "number"): quotient(
            fits["benchmark"], of("one threshold, mean")
        ),
        ("the same in small steps and ten folds", "number"): quotient(
            fits["ten_folds"], of("one threshold, mean")
        ),
        ("with control regions over statistics alone", "number"): quotient(
            fits["controls"], fits["benchmark"]
        ),
        ("the same, had the simulation no end", "number"): quotient(
            fits["large_simulation"], fits["benchmark"]
        ),
        ("with a third one, of an electron and a muon", "number"): quotient(fits["emu"], fits["benchmark"]),
        ("that, had the simulation no end", "number"): quotient(
            fits["emu_large_simulation"], fits["benchmark"]
        ),
        ("relative uncertainty of tt in the fit with control regions", "number"): _of_tt(folders),
    }
    spectra = of_spectra(folders)
    for one, what in (("one for all", "one classifier"), ("told the masses", "one told the masses")):
        ratios = {spectrum: quotient(found[one], found["retrained"]) for spectrum, found in spectra.items()}
        known = [ratio for ratio in ratios.values() if ratio is not None]
        if known:
            error = math.sqrt(sum((ratio[1] or 0.0) ** 2 for ratio in known)) / len(known)
            out[f"{what} over retrained ones, mean", "number"] = (
                float(np.mean([r[0] for r in known])),
                error,
            )
        for m, gap in LEFT_OUT:
            out[f"{what} over retrained, {m}/{m - gap} (not trained on)", "number"] = ratios[m, gap]
    return out


def _of_tt(folders: Folders) -> Number | None:
    """Uncertainty of the free normalisation of tt after the fit, relative to its value."""
    pull = ((folders.results("fits/controls") or {}).get("pulls") or {}).get("norm_tt")
    return _relative(pull, "free")
