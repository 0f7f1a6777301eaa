"""The score of the classifier and the scan of its threshold (the paper's Figs. 1 to 3, Table III)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports import paper
from massgap.reports.figures import render, residual_cross_section, score_density, threshold_scan
from massgap.reports.figures.scores import residual_from_histogram
from massgap.reports.figures.spectra import folds
from massgap.reports.html.html import Markup, Section, figure, grid, heading, join, paragraph, table, value
from massgap.reports.html.numbers import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.reports.run.inputs import Inputs

ALL = "all folds combined"


def score_section(inputs: Inputs) -> Section | None:
    """Return the chapter on the score, if the run has one."""
    histogram = inputs.histograms.get("score")
    if histogram is None:
        return None
    scans = {int(entry["fold"]): entry for entry in (inputs.scan or {}).get("folds", [])}
    combined = (inputs.scan or {}).get("combined")
    held_out: list[int | None] = [None, *folds(histogram)]
    shared: dict[str, Any] = {"signals": inputs.signals, "masses": inputs.masses}
    densities, residuals, scanned = [], [], []
    for fold in held_out:
        where = ALL if fold is None else f"held-out fold {fold}"
        densities.append(
            figure(
                render(score_density(histogram, fold=fold, **shared)),
                alt=f"Density of the score per process, {where}, each normalised to one.",
                caption=f"Densities, {where}.",
            )
        )
        entry = combined if fold is None else scans.get(fold)
        if entry is not None and entry.get("xsec_fb"):
            threshold, above = entry["threshold"], entry["xsec_fb"]
        else:
            threshold, above = residual_from_histogram(histogram, fold)
        residuals.append(
            figure(
                render(residual_cross_section(threshold, above, **shared)),
                alt=f"Cross section above a score threshold per process, {where}.",
                caption=f"Cross section above a threshold, {where}.",
            )
        )
        if entry is not None:
            scanned.append(
                figure(
                    render(threshold_scan(entry, lumi_fb=(inputs.scan or {}).get("lumi_fb"))),
                    alt=f"S, S/(1+B) and Asimov significance against the score threshold, {where}.",
                    caption=f"Scan of the threshold, {where}.",
                )
            )
    parts = [
        paragraph(
            "Events after the pre-cuts. Every event is scored by the model that has not seen it, "
            "so all folds together are the whole sample."
        ),
        heading("Densities"),
        grid(densities, wide=True),
        heading("Cross section above a threshold"),
        grid(residuals, wide=True),
    ]
    if scanned:
        parts += [
            heading("Threshold scan"),
            paragraph(
                "Shaded is the raw histogram: where few simulated events are left it jumps and is no estimate. "
                "The lines are smoothed. The dotted line is S/(1+B) = 0.15, from which on thresholds are quoted."
            ),
            grid(scanned, wide=True),
            _table_three(inputs),
        ]
    return Section("score", "Score and threshold scan", join(*parts))


def _range(pair: Sequence[float | None] | None) -> Markup | str:
    if not pair or pair[0] is None or pair[1] is None:
        return "-"
    return join(value(pair[0], number(pair[0])), "to", value(pair[1], number(pair[1])), between=" ")


def _table_three(inputs: Inputs) -> Markup:
    rows: Mapping[str, Any] = (inputs.scan or {}).get("table_iii") or {}
    precuts, bdt = rows.get("precuts") or {}, rows.get("bdt") or {}
    compared = (
        inputs.manifest.get("analysis") == paper.ANALYSIS
        and (inputs.scan or {}).get("signal") == paper.SIGNAL
    )
    names = {"threshold": "Threshold", "S": "S", "s_over_1pb": "S/(1+B)", "asimov": "Asimov significance"}
    body: list[list[object]] = []
    for key in ("S", "s_over_1pb", "asimov"):
        exact = precuts.get(key)
        row: list[object] = [f"Pre-cuts: {names[key]}", value(exact, number(exact))]
        if compared:
            row.append(f"{paper.TABLE_III_PRECUTS[key]:g}")
        body.append(row)
    for key, name in names.items():
        row = [f"With the score: {name}", _range(bdt.get(key))]
        if compared:
            low, high = paper.TABLE_III_BDT[key]
            row.append(f"{low:g} to {high:g}")
        body.append(row)
    lumi = (inputs.scan or {}).get("lumi_fb")
    header = ["Quantity", f"This run, {lumi:g} fb⁻¹" if lumi else "This run"]
    if compared:
        header.append(f"Paper, {paper.LUMI_FB:g} fb⁻¹")
    return join(
        heading("Table III"),
        table(
            header,
            body,
            caption="Ranges are over the thresholds where S/(1+B) is at least 0.15 on all folds"
            + (f"; printed values: {paper.SOURCE}" if compared else ""),
        ),
    )
