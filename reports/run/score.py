"""The scores of classifiers: densities, what is left above a threshold, and the scan of the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.contracts.description import Score
from massgap.reports.figures import render, residual_cross_section, score_density, threshold_scan
from massgap.reports.figures.labels import region_label
from massgap.reports.figures.scores import residual_from_histogram
from massgap.reports.figures.spectra import folds
from massgap.reports.html.html import Markup, Section, figure, grid, heading, join, paragraph, table
from massgap.reports.run.expected import expected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.reports.run.inputs import Inputs

ALL = "all folds combined"
MERITS = {
    "threshold": "Threshold",
    "S": "S",
    "B": "B",
    "s_over_1pb": "S/(1+B)",
    "asimov": "Asimov significance",
    "asimov_uncertain": "Asimov significance, background uncertain",
}


def filled_scores(inputs: Inputs) -> list[Score]:
    """Return the scores that this run has filled: those described, in their order, then any with folds."""
    described = {score.column: score for score in inputs.description.scores}
    strangers = sorted(name for name, h in inputs.histograms.items() if folds(h) and name not in described)
    scores = [*described.values(), *(Score(name.removeprefix("score_")) for name in strangers)]
    return [score for score in scores if score.column in inputs.histograms]


def score_section(inputs: Inputs) -> Section | None:
    """Return the chapter on the scores, a block for each score and region, if the run has any."""
    blocks: list[Markup] = []
    scores = filled_scores(inputs)
    for score in scores:
        channels = inputs.regions(inputs.histograms[score.column])
        names = [region for members in channels.values() for region in members]
        for region in names:
            title = []
            if len(scores) > 1:
                title.append(score.label or score.name)
            if region is not None and len(names) > 1:
                title.append(region_label(region, inputs.description))
            blocks.append(_block(inputs, score, region, ", ".join(title)))
    if not blocks:
        return None
    text = paragraph(
        "Every event is scored by the model that has not seen it, so all folds together are the whole sample."
    )
    return Section("score", "Score and threshold scan", join(text, *blocks))


def _block(inputs: Inputs, score: Score, region: str | None, title: str) -> Markup:
    """All figures of one score in one region."""
    histogram = inputs.histograms[score.column]
    scan = _scan_of(inputs, score.column, region)
    entries: dict[int | None, Any] = {int(entry["fold"]): entry for entry in scan.get("folds", [])}
    entries[None] = scan.get("combined")
    held_out: list[int | None] = [None, *folds(histogram)]
    level = 4 if title else 3
    where = "" if region is None else f"Events of the region {region_label(region, inputs.description)}."
    parts = [
        heading(title) if title else "",
        paragraph(where) if where else "",
        heading("Densities", level),
        grid([_density(inputs, histogram, region, fold, title) for fold in held_out], wide=True),
        heading("Cross section above a threshold", level),
        grid(
            [_residual(inputs, histogram, region, fold, entries.get(fold), title) for fold in held_out],
            wide=True,
        ),
    ]
    if entries[None] is not None:
        parts += _scan(scan, [(fold, entries[fold]) for fold in held_out if entries.get(fold)], level, title)
    return join(*parts)


def _scan_of(inputs: Inputs, histogram: str, region: str | None) -> Mapping[str, Any]:
    return next(
        (
            scan
            for scan in inputs.scans
            if scan["histogram"] == histogram and region in {None, scan["region"]}
        ),
        {},
    )


def _named(fold: int | None, title: str) -> str:
    where = ALL if fold is None else f"held-out fold {fold}"
    return f"{title}, {where}" if title else where


def _density(inputs: Inputs, histogram: Any, region: str | None, fold: int | None, title: str) -> Markup:
    drawn = score_density(
        histogram,
        signals=inputs.signals,
        region=region,
        fold=fold,
        description=inputs.description,
        masses=inputs.masses,
    )
    return figure(
        render(drawn),
        alt=f"Density of the score per process, {_named(fold, title)}, each normalised to one.",
        caption=f"Densities, {_named(fold, title)}.",
    )


def _residual(
    inputs: Inputs, histogram: Any, region: str | None, fold: int | None, entry: Any, title: str
) -> Markup:
    if entry is not None and entry.get("xsec_fb"):
        threshold, above = entry["threshold"], entry["xsec_fb"]
    else:
        threshold, above = residual_from_histogram(histogram, fold, region=region)
    drawn = residual_cross_section(
        threshold, above, signals=inputs.signals, description=inputs.description, masses=inputs.masses
    )
    return figure(
        render(drawn),
        alt=f"Cross section above a score threshold per process, {_named(fold, title)}.",
        caption=f"Cross section above a threshold, {_named(fold, title)}.",
    )


def _scan(
    scan: Mapping[str, Any], entries: list[tuple[int | None, Any]], level: int, title: str
) -> list[Any]:
    least = float((scan.get("options") or {}).get("min_s_over_1pb") or 0.0)
    text = (
        "Shaded is the raw histogram: where few simulated events are left it jumps and is no estimate. "
        "The lines are smoothed."
    )
    if scan.get("simulation"):
        text += " The bands around them are the standard deviation that the number of simulated events gives them."
    if least > 0:
        text += f" The dotted line is S/(1+B) = {least:g}, from which on thresholds are quoted."
    figures = [
        figure(
            render(threshold_scan(entry, lumi_fb=scan["lumi_fb"], minimum_ratio=least or None)),
            alt=f"S, S/(1+B) and Asimov significance against the score threshold, {_named(fold, title)}.",
            caption=f"Scan of the threshold, {_named(fold, title)}.",
        )
        for fold, entry in entries
    ]
    return [heading("Threshold scan", level), paragraph(text), grid(figures, wide=True), _scan_table(scan)]


def _scan_table(scan: Mapping[str, Any]) -> Markup:
    """Figures of merit without a threshold and at the best one."""
    columns = {"All events": "all_events", "Best threshold": "best"}
    found = {name: (scan[key], _spread_of(scan, key)) for name, key in columns.items() if scan.get(key)}
    rows: list[list[object]] = [
        [name, *[expected(entry[key], spread.get(key)) for entry, spread in found.values()]]
        for key, name in MERITS.items()
        if all(key in entry for entry, _ in found.values())
    ]
    note = "" if scan.get("best") else "; no threshold has enough simulated events to be quoted"
    shown = table(
        [f"Signal {scan['signal']}", *found],
        rows,
        caption=f"Figures of merit at {scan['lumi_fb']:g} fb⁻¹: of all events, and at the threshold of the largest "
        f"significance{note}",
    )
    return join(shown, _optimism(scan))


def _spread_of(scan: Mapping[str, Any], which: str) -> Mapping[str, Any]:
    return (scan.get("simulation") or {}).get(which) or {}


def _optimism(scan: Mapping[str, Any]) -> Markup:
    """What it does that the threshold was chosen on the events that it is judged with."""
    best = _spread_of(scan, "best")
    if best.get("optimism") is None or best["maximum"]["std"] is None:
        return Markup("")
    low, high = best["threshold"]["interval"]
    return paragraph(
        "The best threshold was chosen on the events that its figures are of, which favours gaps of the background. "
        f"{scan['simulation']['replicas']} replicas of the simulation, each with its own best threshold, see "
        f"{best['optimism']:+.2f} σ more at it than the sample does at the same threshold: by so much the best significance "
        f"is too large on average. 68 % of their thresholds are between {low:.3g} and {high:.3g}."
    )
