"""The numbers of the cascade-decays paper beside those of a study folder, or of a scan."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.study_folder import STUDY_FILE, open_study
from massgap.contracts.writing import read_json
from massgap.fits.counting.neyman import binomial_error
from massgap.studies.cascade.requirements import PURIFYING, Numbers, grows, requirements
from massgap.studies.comparison import Compared, compare
from massgap.studies.errors import StudyError
from massgap.studies.tables import Paper, read_paper

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["measured", "paper", "scan_of", "validate"]

FORMAT = "massgap-scan/1"
LEAST_ENSEMBLES = 20_000
"""Of each spin model in the small form of the study, for scans that do not say how many theirs had."""

Pair = tuple[float, float]


def paper() -> Paper:
    """The paper's numbers, out of the data file beside this module."""
    return read_paper(Path(__file__).with_name("paper_tables.json"))


def validate(folder: str | Path) -> list[Compared]:
    """Compare a study or a scan with the paper; what is not measured is absent.

    Parameters
    ----------
    folder
        Folder of the study, or one with scan.json.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no scan, or its file cannot be read.
    """
    found = scan_of(folder)
    if found is None:
        message = f"{folder} holds no scan (scan.json, or scan in it){_why(Path(folder))}: `massgap study cascade --out {folder}` makes all."
        raise StudyError(message)
    printed, numbers = paper(), measured(found)
    return [
        row
        for name, table in printed.tables.items()
        for row in compare(table, numbers.get(name, {}), printed.causes)
    ]


def scan_of(folder: str | Path) -> dict[str, Any] | None:
    """What the scan of a study's folder has found, or of one with scan.json; None where there is none.

    A scan of an earlier call, which the study has begun anew and not finished, is none: it may be of other samples or of other code.
    """
    folder = Path(folder)
    places = [folder / "scan", folder]
    if (folder / STUDY_FILE).is_file() and "scan" not in open_study(folder).scans:
        places = [folder]
    place = next((p for p in places if (p / "scan.json").is_file()), None)
    if place is None:
        return None
    found: dict[str, Any] = read_json(place / "scan.json", FORMAT, remedy="massgap scan cascade makes it.")
    return found


def _why(folder: Path) -> str:
    """Why the study in a folder has no scan, if it says so."""
    if not (folder / STUDY_FILE).is_file():
        return ""
    said = open_study(folder).failed.get("scan")
    return f", for the study has not done it: {said}" if said else ", for the study has not come so far"


def measured(found: Mapping[str, Any]) -> dict[str, Numbers]:
    """Table -> (row, column) -> number and error, of what a scan holds.

    Raises
    ------
    StudyError
        If an earlier version wrote it, which has not scored the benchmark.
    """
    if any("benchmark" not in told for of in found["models"].values() for told in of["networks"].values()):
        message = (
            "the scan is of an earlier version, whose networks have not scored the benchmark: scan again, "
            "`massgap scan cascade --background RUN`, or `massgap study cascade` in a new folder"
        )
        raise StudyError(message)
    numbers: dict[str, Numbers] = {name: {} for name in ("Table II", "Table III", "Discovery cut")}
    for model, of in found["models"].items():
        for name, (value, error) in of["orderings"].items():
            numbers["Table II"][name, model] = (value, error)
        for name, told in of["networks"].items():
            value, error = told["benchmark"]["auc"]
            numbers["Table III"][name, model] = (value, error)
        told = of["networks"].get(PURIFYING, {})
        if "cut" in told:
            share, error = told["benchmark"]["eps_s"]
            numbers["Discovery cut"]["eps_S", model] = (share, error)
    numbers |= _spin(found.get("spin", {}))
    numbers |= _background(found) | _masses(found["models"]) | requirements(found)
    numbers["Gaps"] = _gaps(found["models"])
    numbers["Orderings"] = {
        (name, "number"): (float(holds), None) for name, holds in _statements(found).items()
    }
    return numbers


def _background(found: Mapping[str, Any]) -> dict[str, Numbers]:
    """Cross section after the selection of what networks are trained against."""
    shares = found.get("processes", {})
    return {"Background": {(name, "number"): (told["fb"], told["error"]) for name, told in shares.items()}}


def _masses(models: Mapping[str, Any]) -> dict[str, Numbers]:
    """Estimates of the benchmark's mass scale, and of the largest S/B the standard deviation."""
    means: Numbers = {}
    spreads: Numbers = {}
    for model, of in models.items():
        rows = of.get("mass", {}).get("estimates", ())
        for row in rows:
            if row["mass"] == rows[0]["mass"]:
                # the paper's number is one experiment's: its standard deviation is what a miss is measured by
                means[f"S/B = {row['ratio']:g}", model] = (row["mean"], row["spread"])
                spreads[f"S/B = {row['ratio']:g}", model] = (row["spread"], row["spread_error"])
    return {"Mass scale": means, "Spread of the mass scale": spreads}


def _spin(found: Mapping[str, Any]) -> dict[str, Numbers]:
    networks = found.get("networks", {})
    areas: Numbers = {(name, "number"): (told["auc"][0], told["auc"][1]) for name, told in networks.items()}
    rates: Numbers = {
        (f"S/B = {row['ratio']:g}", "number"): (row["accuracy"], _accuracy_error(row))
        for row in networks.get("m_mumu,met", {}).get("accuracies", ())
    }
    return {"Table V": areas, "Spin accuracy": rates}


def _accuracy_error(row: Mapping[str, float]) -> float:
    """Binomial, of the ensembles of both models."""
    return binomial_error(row["accuracy"], 2.0 * row.get("ensembles", LEAST_ENSEMBLES))


def _best_areas(networks: Mapping[str, Any]) -> tuple[Pair, Pair, Pair] | None:
    """AUC for the benchmark and its error, of the momenta and of the best triplets with Delta_4 and without; None where one is missing."""
    areas = {
        name: (told["benchmark"]["auc"][0], told["benchmark"]["auc"][1]) for name, told in networks.items()
    }
    triplets = {name: value for name, value in areas.items() if name.count(",") == 2}
    with_it = [value for name, value in triplets.items() if "delta4" in name]
    without = [value for name, value in triplets.items() if "delta4" not in name]
    return (areas["momenta"], max(with_it), max(without)) if with_it and without else None


def _gaps(models: Mapping[str, Any]) -> Numbers:
    """What the momenta have above the best triplet, and that above the best one without Delta_4.

    All are scored on the same events, so that the errors of areas do not add up: the larger one is an upper bound.
    """
    gaps: Numbers = {}
    for model, of in models.items():
        best = _best_areas(of["networks"])
        if best is not None:
            momenta, with_it, without = best
            found = {
                "momenta, best triplet": (momenta, with_it),
                "best triplet, best without Delta_4": (with_it, without),
            }
            for name, ((more, first), (less, second)) in found.items():
                for bound in ("at least", "at most"):
                    gaps[f"{name}, {bound}", model] = (more - less, max(first, second))
    return gaps


def _statements(found: Mapping[str, Any]) -> dict[str, bool]:
    """Statements of the text, those of which a scan says something."""
    said: dict[str, bool] = {}
    differences = []
    for model, of in found["models"].items():
        ado = {name: value for name, (value, _) in of["orderings"].items()}
        momenta = max(ado[name] for name in ("pt_plus", "pt_minus", "pt_gamma"))
        masses = max(value for name, value in ado.items() if name.startswith("m_"))
        said[f"MET, Delta_4, pT and masses in this order, {model}"] = (
            ado["met"] > ado["delta4"] > momenta > masses
        )
        differences += [
            abs(ado["pt_plus"] - ado["pt_minus"]),
            abs(ado["m_plus_gamma"] - ado["m_minus_gamma"]),
        ]
        best = _best_areas(of["networks"])
        if best is not None:
            said[f"a triplet with Delta_4 is better than all without, {model}"] = best[1][0] > best[2][0]
            said[f"the momenta are at least as good as the best triplet, {model}"] = best[0][0] >= best[1][0]
        if "search" in of:
            reached, wanted = max(of["search"]["aucs"]), of["networks"]["momenta"]["auc"][0]
            said[f"three observables reach the momenta within 0.01, {model}"] = reached >= wanted - 0.01
        for line in ("alpha", "beta", "gamma"):
            best = of["lines"].get(line, {}).get(PURIFYING, {}).get("best", {})
            falling = sorted(best, key=float, reverse=True)
            if len(falling) > 1:
                spreads = [best[ratio]["spread"] for ratio in falling]
                said[f"spread of {line} grows as S/B falls, {model}"] = grows(spreads)
        if near := _mass_is_near(of):
            said[f"the benchmark's mass is within one standard deviation at every S/B, {model}"] = all(near)
    if differences:
        said["positive and negative muon alike within 0.02"] = max(differences) <= 0.02
    rates = [(row["accuracy"], _accuracy_error(row)) for row in _rates(found)]
    if rates:
        said["accuracy of the spin rises with S/B"] = all(
            a - b <= 2.0 * math.hypot(first, second) for (a, first), (b, second) in itertools.pairwise(rates)
        )
    return said


def _mass_is_near(of: Mapping[str, Any]) -> list[bool]:
    """Whether the mean estimate of the benchmark's mass is within one standard deviation of an experiment, for each S/B."""
    rows = of.get("mass", {}).get("estimates", ())
    first = [row for row in rows if row["mass"] == rows[0]["mass"]]
    return [abs(row["mean"] - row["mass"]) <= row["spread"] for row in first]


def _rates(found: Mapping[str, Any]) -> list[Mapping[str, float]]:
    rows = found.get("spin", {}).get("networks", {}).get("m_mumu,met", {}).get("accuracies", [])
    return sorted(rows, key=lambda row: row["ratio"])
