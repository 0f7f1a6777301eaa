"""Tables of the study that the paper has not: which classifier wins, one for all masses or one for each, and the reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.contracts.plane_folder import open_plane
from massgap.studies.electroweakino.numbers.performance import EFFICIENCY, Performance
from massgap.studies.electroweakino.numbers.reach import opened_planes, reach
from massgap.studies.electroweakino.places import (
    CHANNELS,
    COMBINED,
    ENDLESS,
    KINDS,
    LUMINOSITIES,
    POINTS,
    SEEDS,
    PlanePlace,
    classifier,
    of_point,
)
from massgap.studies.markdown import FurtherTable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["further_tables"]

_GAPS = (2.5, 5.0, 10.0, 25.0, 50.0, 75.0)


def further_tables(folder: Path) -> list[FurtherTable]:
    """The tables that a folder has numbers for."""
    found = [reaches(folder), limits(folder), simulation(folder)]
    if (folder / "run" / "manifest.json").is_file():
        performance = Performance(folder)
        found = [kinds(performance), points(performance), importances(performance), *found]
    return [table for table in found if table.rows]


def kinds(performance: Performance) -> FurtherTable:
    """Classifiers of different kinds on the same events of the same folds."""
    rows = []
    for channel in CHANNELS:
        places = {kind: classifier(channel, kind) for kind in KINDS}
        found = performance.qualities(channel, list(places.values()))
        paper_s = found.get(places["tabnet"])
        for kind, place in places.items():
            if paper_s is not None and (quality := found.get(place)) is not None:
                gain = None if kind == "tabnet" else quality.better_than(paper_s)
                rows.append((channel, KINDS[kind], quality.auc_number, gain, quality.background_number))
    return FurtherTable(
        "Which classifier wins",
        ("channel", "classifier", "AUC", "AUC above TabNet", f"background at {EFFICIENCY:.1%} of the signal"),
        tuple(rows),
        "All signals of the study, each event once, against the backgrounds with their weights; errors from 100 bootstrap "
        "replicas of the events, the same for all classifiers.",
    )


def points(performance: Performance) -> FurtherTable:
    """A classifier of each signal beside the one for all masses."""
    rows = []
    for channel in CHANNELS:
        for name in POINTS:
            one, own = classifier(channel), of_point(channel, name)
            found = performance.qualities(channel, [one, own], [name])
            if one in found and own in found:
                gain = found[own].better_than(found[one])
                rows.append((channel, name, found[one].auc_number, found[own].auc_number, gain))
    return FurtherTable(
        "One classifier for all masses, or one for each",
        ("channel", "signal", "AUC, all masses", "AUC, its own", "its own above"),
        tuple(rows),
        "TabNet with the paper's settings, asked about one signal.",
    )


def importances(performance: Performance) -> FurtherTable:
    """Shares of the features in the attention masks, training by training."""
    rows = []
    for channel in CHANNELS:
        places = [classifier(channel, seed=seed) for seed in SEEDS]
        shares = [performance.importances(place) for place in places if performance.trained(place)]
        shares = [each for each in shares if each]
        if len(shares) > 1:
            for name in sorted(shares[0], key=lambda name: -shares[0][name]):
                values = [each[name] for each in shares]
                rows.append(
                    (channel, name, " / ".join(f"{v:.3f}" for v in values), (max(values) - min(values), None))
                )
    return FurtherTable(
        "Importances by seed",
        ("channel", "feature", "share of the attention, by seed", "spread"),
        tuple(rows),
    )


def reaches(folder: Path) -> FurtherTable:
    """Up to which mass each plane excludes, and expects 5 sigma, at three luminosities and with both normalisations."""
    rows = []
    for place, plane in opened_planes(folder).items():
        if place.channel != COMBINED:
            continue
        for gap in _GAPS:
            cells = [
                reach(plane, lumi, gap, what) for what in ("exclusion", "discovery") for lumi in LUMINOSITIES
            ]
            if any(cell is not None for cell in cells):
                shown = tuple(
                    cell if cell is None or isinstance(cell, str) else f"{cell:.0f}" for cell in cells
                )
                rows.append((place.model, place.normalisation, f"{gap:g}", *shown))
    heads = [f"{words}, {lumi:g} fb-1" for words in ("95 % CL", "5 sigma") for lumi in LUMINOSITIES]
    return FurtherTable(
        "Reach of the combination [GeV]",
        ("decays", "cross section", "gap [GeV]", *heads),
        tuple(rows),
        "Own: electroweak production of winos at leading order; paper: 9 exp(-(m - 200) ln 9 / 450) fb. Decays of W*, Z* are those of "
        "the standard model, where the paper has leptons alone.",
    )


def limits(folder: Path) -> FurtherTable:
    """Cross sections that the combination is expected to exclude beside those of the signals, at the largest luminosity."""
    lumi = LUMINOSITIES[-1]
    planes = {p: plane.points(lumi) for p, plane in opened_planes(folder).items() if p.channel == COMBINED}
    rows = []
    for place, points in planes.items():
        if place.normalisation != "own":
            continue
        theirs = {row["name"]: row for row in planes.get(place._replace(normalisation="paper"), [])}
        for row in (row for row in points if row["converged"]):
            other = theirs.get(row["name"])
            paper = None if other is None or not other["converged"] else other
            of_paper = None if paper is None else (paper["cross_section_fb"], None)
            z_paper = None if paper is None else (paper["significance"]["expected"], None)
            own = (row["cross_section_fb"], row["cross_section_uncertainty"])
            limit = (row["limit_fb"]["expected"][2], None)
            rows.append((row["name"], limit, own, of_paper, (row["significance"]["expected"], None), z_paper))
    return FurtherTable(
        f"Expected limits of the combination at {lumi:g} fb-1",
        ("signal", "limit [fb]", "own [fb]", "paper [fb]", "significance, own", "significance, paper"),
        tuple(rows),
    )


def simulation(folder: Path) -> FurtherTable:
    """Limits of the combination with the statistics of the simulation and without, at the largest luminosity."""
    places = (folder / PlanePlace("WZ", "own", COMBINED).folder, folder / ENDLESS)
    rows = []
    if all((place / "plane.json").is_file() for place in places):
        lumi = LUMINOSITIES[-1]
        finite, endless = ({row["name"]: row for row in open_plane(place).points(lumi)} for place in places)
        for name in (name for name in finite if name in endless):
            pair = [of[name]["upper_limit"] for of in (finite, endless)]
            if None not in pair:
                one, other = (limit["expected"][2] for limit in pair)
                rows.append((name, (one, None), (other, None), (one / other, None)))
    return FurtherTable(
        "How far the simulation limits the plane",
        ("signal", "limit", "had it no end", "ratio"),
        tuple(rows),
        f"Expected limits on the signal strength at {LUMINOSITIES[-1]:g} fb-1, own cross sections, all channels.",
    )
