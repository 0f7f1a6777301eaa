"""Statements of the paper's text, and the steps of the authors' public files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.studies.slepton.numbers.folders import paper
from massgap.studies.slepton.numbers.replicas import paired
from massgap.studies.slepton.numbers.scans import at_precuts, highest, highest_at, normalised_scan
from massgap.studies.slepton.numbers.sums import fraction, ratio, shared_by_parts, shared_within, sum_of
from massgap.studies.slepton.numbers.tables import quotient
from massgap.studies.slepton.places import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.studies.slepton.numbers.folders import Folders

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["HARD_BACKGROUNDS", "endpoint_mt2", "statements", "steps"]

HARD_BACKGROUNDS = ("tt", "WW")
"""Those that no mass peak gives away: most of what is left after the pre-cuts."""

LEAST = 200
"""Effective events of a background with which a training tells which observable leads against it."""

STEPS = {
    "tau veto": ("no hadronic tau", "all events"),
    "forward jets": ("no forward hard jet", "a hard jet"),
    "b veto": ("no b jet", "no forward hard jet"),
    "MET": ("MET > 30", "no b jet"),
    "one jet": ("exactly one hard jet", "MET > 30"),
}
"""Step of the authors' tool -> ours, and that before it."""


def endpoint_mt2(m_parent: float, m_invisible: float, trial: float = 100.0) -> float:
    """Return where M_T2 of the signal ends without initial-state radiation, in GeV.

    For massless leptons: mu + sqrt(mu^2 + trial^2), mu = (M^2 - m^2) / (2 M).

    >>> round(endpoint_mt2(110.0, 80.0), 2)
    129.21
    """
    mu = (m_parent**2 - m_invisible**2) / (2 * m_parent)
    return float(mu + (mu**2 + trial**2) ** 0.5)


def _of_mt2(folders: Folders) -> Numbers:
    """Shares below the cut on M_T2, and its rank in the trainings."""
    numbers: Numbers = {}
    histogram = folders.opened.histograms.get("mt2_100")
    signal = folders.signal()
    if (
        histogram is not None
        and signal is not None
        and "precuts" in {str(r) for r in histogram.axes["region"]}
    ):
        there = {str(p) for p in histogram.axes["process"]}
        shared = folders.shared("mt2_100", "precuts")
        for what, names in (("the signal", (signal,)), ("tt + WW", HARD_BACKGROUNDS)):
            present = [name for name in names if name in there]
            part, whole = (
                np.sum(
                    [sum_of(histogram, name, "precuts", edge, shared=shared) for name in present]
                    or [(0.0, 0.0)],
                    axis=0,
                )
                for edge in (130.0, math.inf)
            )
            crossing = sum(
                shared_by_parts(
                    folders.opened, "mt2_100", "precuts", name, lambda x: x < 130.0, lambda x: x >= 130.0
                )
                for name in present
            )
            numbers[f"M_T2^100 < 130 keeps of {what}", "number"] = fraction(
                tuple(part), tuple(whole), crossing
            )
    for background in HARD_BACKGROUNDS:
        shares = folders.importance.get(background) or {}
        if "mt2_100" in shares:
            rank = 1 + sum(share > shares["mt2_100"] for share in shares.values())
            told = folders.trained_on(background) >= LEAST
            numbers[f"rank of M_T2^100 against {background}", "number"] = (
                float(rank),
                None if told else math.inf,
            )
    return numbers


def statements(folders: Folders) -> Numbers:
    """What the text says, as far as the folders can tell."""
    numbers = _of_mt2(folders)
    signal = folders.signal()
    if signal is not None and "mt2_100" in folders.opened.histograms:
        numbers["endpoint of M_T2^100 of the signal, by its formula", "number"] = (
            endpoint_mt2(110.0, 80.0),
            None,
        )
    score = folders.opened.histograms.get("score")
    there = set() if score is None else {str(p) for p in score.axes["process"]}
    for what, process in (("tautau", "tautau"), ("mumu", "mumu"), ("the signal", signal)):
        if process in there:
            shared = folders.shared("score", "precuts", above=True)
            part, whole = (_score_sum(score, process, edge, shared) for edge in (0.4, -math.inf))
            crossing = shared_by_parts(
                folders.opened, "score", "precuts", process, lambda x: x >= 0.4, lambda x: x < 0.4
            )
            share = fraction(part, whole, crossing)
            numbers[f"score > 0.4 keeps of {what}", "number"] = share
    numbers.update(_angles(folders))
    numbers.update(_ratios(folders))
    return numbers


def _score_sum(histogram: Any, process: str, above: float, shared: Mapping[str, Any]) -> tuple[float, float]:
    """Sum of a score's weights (fb) over its folds, of bins that begin at ``above`` or later, and its variance."""
    filled = histogram[{"process": process, "region": "precuts", "variation": "nominal"}]
    edges = filled.axes[-1].edges
    start = 0 if above == -math.inf else 1 + int(np.searchsorted(edges, above - 1e-9))
    values, variances = filled.values(flow=True), filled.variances(flow=True)
    extra = shared[process].sum(axis=0)[start:].sum() if process in shared else 0.0
    return float(values[..., start:].sum()), float(variances[..., start:].sum() + extra)


def _angles(folders: Folders) -> Numbers:
    """How flat |cos theta*| is in the topology: density from 0.4 to 0.8 over that below."""
    histogram = folders.opened.histograms.get("cos_theta_star")
    out: Numbers = {}
    if histogram is None:
        return out
    there = {str(p) for p in histogram.axes["process"]}
    for what, process in (("WW", "WW"), ("the signal", folders.signal())):
        if process not in there:
            continue
        filled: Any = histogram[{"process": process, "region": "topology", "variation": "nominal"}]
        middle = filled.axes[-1].centers
        parts = {}
        for part, inside in (("outer", _outer), ("inner", _inner)):
            at = inside(middle)
            extra = shared_within(folders.opened, "cos_theta_star", "topology", process, inside)
            parts[part] = float(filled.values()[at].sum()), float(filled.variances()[at].sum() + extra)
        shared = shared_by_parts(folders.opened, "cos_theta_star", "topology", process, _outer, _inner)
        name = f"density of |cos theta*| of {what}, 0.4 to 0.8 over below 0.4"
        out[name, "number"] = ratio(parts["outer"], parts["inner"], shared)
    return out


def _inner(cosine: Any) -> Any:
    return np.abs(cosine) < 0.4


def _outer(cosine: Any) -> Any:
    return (np.abs(cosine) >= 0.4) & (np.abs(cosine) < 0.8)


def _ratios(folders: Folders) -> Numbers:
    """By how much the pre-cuts, and the classifier against one cut, raise the best S/(1+B)."""
    signal = folders.signal()
    if signal is None:
        return {}
    best: dict[str, Number | None] = {}
    draws: dict[str, Any] = {}
    for row in ("this work", "no pre-cuts", "this work + MT2_100<130"):
        region, histogram, _ = VARIANTS[row]
        scan = normalised_scan(folders.opened, histogram, region, signal, {}, paper().luminosity)
        if scan is not None:
            best[row] = highest(scan, "S/(1+B)")
            if (index := highest_at(scan.combined, "S/(1+B)")) is not None:
                draws[row] = folders.replicas.threshold(scan, index, "S/(1+B)")
            if row.endswith("130"):
                error = at_precuts(scan)["S/(1+B)"][1]
                best["cut"] = (float(scan.combined.ratio[0]), error)
                draws["cut"] = folders.replicas.threshold(scan, 0, "S/(1+B)")
    return {
        (text, "number"): paired(
            quotient(best.get("this work"), best.get(other)), draws.get("this work"), draws.get(other)
        )
        for text, other in (
            ("best S/(1+B) with pre-cuts over without", "no pre-cuts"),
            ("best S/(1+B) over that of the pre-cuts and M_T2^100 < 130", "cut"),
        )
    }


def steps(folders: Folders) -> Numbers:
    """Efficiencies of the topology's steps, of a run in the authors' order."""
    out: Numbers = {}
    if folders.opened.manifest.get("options", {}).get("order") != "authors":
        return out
    names = {"signal": folders.signal(), **{name: name for name in ("WW", "tt", "WZ", "ZZ", "mumu")}}
    for row, process in names.items():
        rows = {entry["step"]: entry for entry in _cutflow(folders, process)}
        for column, (after, before) in STEPS.items():
            if after in rows and before in rows:
                kept, whole = ((rows[name]["weighted"], rows[name]["variance"]) for name in (after, before))
                out[row, column] = fraction(kept, whole)
    return out


def _cutflow(folders: Folders, process: str | None) -> list[dict[str, Any]]:
    """The cutflow of a process in the channel without b jets."""
    rows = folders.opened.cutflow["processes"].get(process, []) if process is not None else []
    return [row for row in rows if row["channel"] != "mumu1b"]
