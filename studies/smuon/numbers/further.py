"""Tables of the study that the paper has not: what each step buys, how each limit is computed, one network for the plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.studies.markdown import FurtherTable
from massgap.studies.smuon.numbers.folders import Folders
from massgap.studies.smuon.numbers.performance import scored
from massgap.studies.smuon.numbers.trainings import learning_curve
from massgap.studies.smuon.places import COUNTED, LUMINOSITIES, signal_name
from massgap.studies.smuon.planes import REGIONS, UNCERTAINTIES
from massgap.studies.smuon.reach import excluded_events, reach
from massgap.studies.smuon.validation import find_run
from massgap.studies.smuon.yields import MIXTURES, PAPER_FB, Yields, signal_factors

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.studies.smuon.reach import Method

    Number = tuple[float, float | None]

__all__ = ["further_tables", "gain_steps"]

_METHODS: tuple[Method, ...] = ("asymptotic", "exact", "exact lnN", "exact gauss")
_XSEC = ("own", "nlo", "paper")
LEAST = 5
"""Fewer simulated events of a class have no area worth telling."""
_GAIN = {
    "count_static_veto": "static jet veto, counted",
    "count_bdt": "boosted trees above 0.7, counted",
    "count_high": "the paper's high network above 0.7, counted",
    "binned_bdt": "boosted trees in bins, statistics alone",
    "binned_high": "the paper's high network in bins, statistics alone",
    "binned_all": "one network for all masses in bins, statistics alone",
    "uncertain_high": "high network in bins, 20 % on each background, luminosity, finite simulation",
    "controls_high": "the same with tt free and a control region of tops",
    "uncertain_all": "one network for all masses, with uncertainties",
    "controls_all": "the same with tt free and a control region of tops",
}


def further_tables(folder: str | Path) -> list[FurtherTable]:
    """All of them that the folder has numbers for."""
    folders, yields = Folders.of(folder), Yields(find_run(folder))
    tables = (
        _gain(folders),
        _by_background(yields),
        _methods(yields),
        _sections(yields),
        _one_for_all(folders),
        _curve(folders),
        _importance(folders),
    )
    return [table for table in tables if table.rows]


def gain_steps(folders: Folders) -> list[tuple[str, Number, Number]]:
    """What is done, expected limit on the signal strength and expected significance, each with the error of the finite simulation."""
    out = []
    for name, words in _GAIN.items():
        if (results := folders.fit(name)) is None:
            continue
        spread = results.get("simulation") or {}
        limit = float(results["upper_limit"]["expected"][2])
        significance = float(results["discovery"]["expected_significance"])
        errors = ((spread.get(key) or {}).get("std") for key in ("upper_limit", "expected_significance"))
        out.append((words, (limit, next(errors)), (significance, next(errors))))
    return out


def _gain(folders: Folders) -> FurtherTable:
    note = (
        f"Signal {COUNTED}, 139 fb-1, leading-order samples without K factors on either side, the same events throughout. The "
        "error is what the finite simulation does, over replicas of it."
    )
    header = ("Step", "Expected limit on mu", "Expected significance")
    return FurtherTable("What each step buys", header, tuple(gain_steps(folders)), note)


def _methods(yields: Yields) -> FurtherTable:
    """Excluded events of the regions by each way to compute them."""
    rows = []
    for region in (name for name in REGIONS if name in yields.regions):
        b = 139.0 * yields.background(region, "as Table VIII").value
        for uncertainty in UNCERTAINTIES:
            if uncertainty == 0.0:
                methods: tuple[Method | None, ...] = ("asymptotic", "exact", None, None)
            else:
                methods = ("asymptotic", None, "exact lnN", "exact gauss")
            cells = [
                None if m is None else (excluded_events(b, uncertainty, method=m), None) for m in methods
            ]
            rows.append((f"{region}, b = {b:.3g}, {100 * uncertainty:g} %", *cells))
    note = (
        "Signal events that are expected to be excluded at 139 fb-1, background as in Tables VIII and IX; of 50 % with a log-normal "
        "and with a Gaussian that is truncated at zero. The asymptotic likelihood has a Gaussian constraint."
    )
    return FurtherTable("Excluded events by method", ("Region", *_METHODS), tuple(rows), note)


def _by_background(yields: Yields) -> FurtherTable:
    """One minus the area of the network of all features, against each background alone."""
    from massgap.models.measures.delong import delong

    title = "One minus the area, by background"
    found = scored(yields)
    if found is None or not found.has("all"):
        return FurtherTable(title, (), ())
    rows = []
    for masses in ((200, 0), (300, 0), (500, 0)):
        if (signal := signal_name(*masses)) not in yields.masses:
            continue
        cells: list[Number | None] = []
        for background in PAPER_FB:
            used = (found.process == signal) | (found.process == background)
            label, weight = (found.process == signal)[used], found.weight[used]
            if min(label.sum(), (~label).sum()) < LEAST:
                cells.append(None)
                continue
            score = found.table["score_all"].to_numpy(float)[used]
            area = delong([score], label, weight, found.group[used])
            cells.append((float(1.0 - area.area[0]), math.sqrt(area.covariance[0, 0])))
        rows.append((signal, *cells))
    note = (
        "Network of all features. tt, which has jets, is far from the signal; W pairs off their mass shells are near to it, and they are "
        "41 % of the background of Table III."
    )
    return FurtherTable(title, ("Signal", *PAPER_FB), tuple(rows), note)


def _sections(yields: Yields) -> FurtherTable:
    """How far each region reaches with each set of cross sections."""
    factors = {name: signal_factors(yields, name) for name in _XSEC}
    rows = []
    for region in (name for name in REGIONS if name in yields.regions):
        for mixture in MIXTURES:
            excluded = excluded_events(139.0 * yields.background(region, mixture).value, method="exact")
            cells: list[Number | None] = []
            for name in _XSEC:
                events = {
                    yields.masses[process][0]: 139.0 * factor * yields.one(process, region).value
                    for process, factor in factors[name].items()
                    if yields.masses[process][1] == 0.0
                }
                events = {mass: s for mass, s in events.items() if s > 0.0}
                gev = reach(events, excluded) if len(events) > 1 else None
                cells.append(None if gev is None else (gev, None))
            rows.append((f"{region}, {mixture}", *cells))
    note = "GeV, massless neutralino, 139 fb-1, no uncertainty, exact CLs. LO: the samples' own; NLO+NLL: `--xsec nlo`; `--xsec paper`."
    return FurtherTable(
        "Reach by cross sections of the signal", ("Region", "LO", "NLO+NLL", "paper"), tuple(rows), note
    )


def _one_for_all(folders: Folders) -> FurtherTable:
    """Expected limits of the one network beside the better of the two, point by point, as the mean of the logarithm."""
    planes = {score: folders.plane(score) for score in ("low", "high", "all")}
    if any(found is None for found in planes.values()):
        return FurtherTable("One network for the whole plane", (), ())
    rows = []
    for lumi in LUMINOSITIES:
        limits: dict[str, dict[str, float]] = {}
        for score, found in planes.items():
            points: Any = [] if found is None else found["points"]
            limits[score] = {
                p["name"]: p["upper_limit"]["expected"][2]
                for p in points
                if p["lumi_fb"] == lumi and p["converged"]
            }
        names = sorted(set.intersection(*(set(found) for found in limits.values())))
        if len(names) < 2:
            continue
        logs = [math.log(limits["all"][n] / min(limits["low"][n], limits["high"][n])) for n in names]
        mean = sum(logs) / len(logs)
        spread = math.sqrt(sum((x - mean) ** 2 for x in logs) / (len(logs) - 1))
        rows.append((f"{lumi:g} fb-1, {len(names)} points", (math.exp(mean), math.exp(mean) * spread)))
    note = "Limit of the network of all masses over the better one of low and high, NLO+NLL: geometric mean and scatter of the points."
    return FurtherTable(
        "One network for the whole plane", ("Points", "Ratio of expected limits"), tuple(rows), note
    )


def _curve(folders: Folders) -> FurtherTable:
    rows = tuple((f"{part:g}", missed) for part, missed in learning_curve(folders).items())
    note = "Network of all features, mean over the held-out folds and its error from their scatter; evaluated on the same events."
    return FurtherTable(
        "Learning curve", ("Share of the training events", "1 - AUC"), rows if len(rows) > 1 else (), note
    )


def _importance(folders: Folders) -> FurtherTable:
    """The most important features of both networks."""
    rows = []
    for score in ("low", "high"):
        shares = ((folders.training(f"models/{score}") or {}).get("importance") or {}).get("all") or {}
        best = sorted(shares, key=lambda name: -shares[name])[:8]
        if best:
            rows.append((score, ", ".join(f"{name} {100 * shares[name]:.0f} %" for name in best)))
    note = "Share of the rise of the log loss of unseen events when a feature is shuffled."
    return FurtherTable("Features by permutation", ("Network", "Features"), tuple(rows), note)
