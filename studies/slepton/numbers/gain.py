"""What each step buys in expected significance, on the same events; none of it is in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.fit_folder import open_fit
from massgap.studies.slepton.numbers.detectors import detector_table
from massgap.studies.slepton.numbers.replicas import mean_error, paired, spread
from massgap.studies.slepton.numbers.resources import resources
from massgap.studies.slepton.numbers.scans import highest_at
from massgap.studies.slepton.numbers.systematics import systematics_table
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
    from numpy.typing import NDArray

    from massgap.studies.markdown import FurtherTable
    from massgap.studies.slepton.numbers.folders import Folders

    Floats = NDArray[np.float64]
    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["Step", "beyond", "further_tables", "gain_steps", "normalisations", "of_spectra"]


FITS = {
    "benchmark": benchmark_fit,
    "retrained": retrained_fit,
    "one for all": any_fit,
    "told the masses": parameterised_fit,
}
"""Classifier -> fit of a spectrum with it."""


class Step(NamedTuple):
    """A row of the table: what is done, and the expected significance with the error of the finite simulation."""

    what: str
    number: Number


def gain_steps(folders: Folders) -> list[Step]:
    """The steps of which there are fits, in the order in which they build on one another."""
    out: list[Step] = []
    if (found := best_of_folds(folders)) is not None:
        out.append(Step("one threshold, mean over the folds (the paper)", (found[0], spread(found[1]))))
    scan = folders.scan
    if scan is not None and (index := highest_at(scan.combined, "significance")) is not None:
        draws = folders.replicas.threshold(scan, index, "significance")
        best = (float(scan.combined.significance_smooth[index]), spread(draws))
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
        "The same events throughout, 300 fb-1. The error is the scatter over replicas of the simulation, signal and backgrounds, with the "
        "classifier and the bins as they are. A threshold is chosen on the events that give its significance, which is too large for "
        "it: " + _optimism(folders)
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
        columns = (
            "Background",
            "Prior",
            "Finite simulation",
            "Had the simulation no end",
            "Events after the pre-cuts",
            "Events with a b jet",
        )
        note = (
            "Relative uncertainty after the fit with control regions, of Asimov data: of the normalisations, then, with finite simulation, of the "
            "events themselves, which all parameters together move. What lies between the first two is the number of simulated events, what is left "
            "is the number of recorded ones and the variations. A free factor is known no better than the scales that move all events alike; its "
            "events are known by their own number. The simulation of a bin is one number for all processes in it."
        )
        out.append(FurtherTable("What the control regions know", columns, known, note))
    if (systematics := systematics_table(folders)) is not None:
        out.append(systematics)
    if (detectors := detector_table(folders)) is not None:
        out.append(detectors)
    return out


def best_of_folds(folders: Folders) -> tuple[float, Floats | None] | None:
    """Largest smoothed significance of a threshold in each fold where its events suffice: the mean over the folds, and its replicas.

    The error of the mean is that of its replicas. The folds' scatter is none: it is that of a third of the events, known from three.
    """
    scan = folders.scan
    if scan is None:
        return None
    found = [
        (float(rows.significance_smooth[index]), fold, index)
        for fold, rows in enumerate(scan.folds)
        if (index := highest_at(rows, "significance")) is not None
    ]
    if not found:
        return None
    draws = [folders.replicas.threshold(scan, index, "significance", fold=fold) for _, fold, index in found]
    there = [each for each in draws if each is not None]
    return float(np.mean([value for value, _, _ in found])), np.mean(there, axis=0) if there else None


def _optimism(folders: Folders) -> str:
    """By how much, as the fit has measured it with its replicas."""
    scans = [] if folders.fit is None else open_fit(folders.fit).scans
    best = next(
        (scan.get("simulation", {}).get("best") for scan in scans if scan["histogram"] == "score"), None
    )
    by = None if best is None else best.get("optimism")
    return "not measured here." if by is None else f"by {by:.2g} for that of all events."


def significance(results: dict[str, Any] | None) -> Number | None:
    """Expected significance of a fit and what the finite simulation does to it."""
    if results is None:
        return None
    found = (results.get("simulation") or {}).get("expected_significance") or {}
    return float(results["discovery"]["expected_significance"]), found.get("std")


def of_spectra(folders: Folders) -> dict[tuple[int, int], dict[str, Number | None]]:
    """Spectrum -> expected significance (binned, statistics alone) with each of four classifiers."""
    return {
        spectrum: {name: significance(folders.results(place(*spectrum))) for name, place in FITS.items()}
        for spectrum in SPECTRA
    }


def draws_of_spectra(folders: Folders) -> dict[tuple[int, int], dict[str, Floats | None]]:
    """The same in the replicas of the simulation."""
    found: dict[tuple[int, int], dict[str, Floats | None]] = {spectrum: {} for spectrum in SPECTRA}
    for name, place in FITS.items():
        # One classifier after the other: its replicas of the backgrounds serve all spectra.
        for spectrum in SPECTRA:
            results = folders.results(place(*spectrum)) if name != "benchmark" else None
            found[spectrum][name] = folders.replicas.binned(results)
    return found


def normalisations(folders: Folders) -> tuple[tuple[str | Number | None, ...], ...]:
    """Background, prior, relative uncertainty of its normalisation with finite and with endless simulation, and of its events in two channels."""
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
        events = (_of_events(folders, background, channel) for channel in ("precuts", "mumu1b"))
        rows.append((background, "free" if own == "free" else f"{float(own):.0%}", *errors, *events))
    return tuple(rows)


def _relative(pull: dict[str, float] | None, prior: float | str) -> Number | None:
    """Relative uncertainty of a normalisation: of a free factor, or of a parameter in units of its prior."""
    if not pull or (prior == "free" and not pull["value"]):
        return None
    return (abs(pull["error"] / pull["value"]) if prior == "free" else pull["error"] * float(prior)), None


def beyond(folders: Folders) -> Numbers:
    """The goals of the study."""
    best = best_of_folds(folders)
    threshold = None if best is None else (best[0], spread(best[1]))

    def over_best(place: str) -> Number | None:
        ratio = quotient(fits[place], threshold)
        above = folders.replicas.binned(folders.results(f"fits/{place}"))
        return ratio if best is None else paired(ratio, above, best[1])

    fits = {
        place: significance(folders.results(f"fits/{place}"))
        for place in ("benchmark", "ten_folds", "controls", "large_simulation", "emu", "emu_large_simulation")
    }
    out: Numbers = {
        ("binned fit over the best threshold", "number"): over_best("benchmark"),
        ("the same in small steps and ten folds", "number"): over_best("ten_folds"),
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
        ("relative uncertainty of tt after the fit with control regions", "number"): _of_events(
            folders, "tt", "precuts"
        ),
        ("the same in their control region", "number"): _of_events(folders, "tt", "mumu1b"),
    }
    out.update(resources(folders))
    spectra, draws = of_spectra(folders), draws_of_spectra(folders)
    for one, what in (("one for all", "one classifier"), ("told the masses", "one told the masses")):
        pairs = {spectrum: (found[one], found["retrained"]) for spectrum, found in draws.items()}
        ratios = {
            spectrum: paired(quotient(found[one], found["retrained"]), *pairs[spectrum])
            for spectrum, found in spectra.items()
        }
        known = {spectrum: ratio for spectrum, ratio in ratios.items() if ratio is not None}
        if known:
            # All spectra have the same backgrounds: their quotients are not independent.
            error = mean_error({spectrum: (ratio[0], *pairs[spectrum]) for spectrum, ratio in known.items()})
            if error is None:
                error = float(np.mean([ratio[1] or 0.0 for ratio in known.values()]))
            mean = float(np.mean([ratio[0] for ratio in known.values()]))
            out[f"{what} over retrained ones, mean", "number"] = (mean, error)
        for m, gap in LEFT_OUT:
            out[f"{what} over retrained, {m}/{m - gap} (not trained on)", "number"] = ratios[m, gap]
    return out


def _of_events(folders: Folders, process: str, channel: str) -> Number | None:
    """What the fit with control regions leaves open of the events of a process in a channel, relative to their number there.

    Not the error of a free factor: that is known as little as the scales, which move all events alike.
    """
    for entry in (folders.results("fits/controls") or {}).get("yields", ()):
        if (entry["channel"], entry["process"]) == (channel, process):
            events, error = entry["postfit"]
            return (error / events, None) if events else None
    return None
