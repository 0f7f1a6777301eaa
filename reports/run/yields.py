"""Cutflow, samples, and the cross sections beside those of the paper's Table I."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from massgap.reports import paper
from massgap.reports.errors import UnreadableInput
from massgap.reports.figures.spectra import selections, spectra
from massgap.reports.html.html import Markup, Section, join, lines, paragraph, table, value
from massgap.reports.html.numbers import measured, number, percent
from massgap.reports.html.tables import cutflow_rows

if TYPE_CHECKING:
    from massgap.reports.run.inputs import Inputs


def cutflow_section(inputs: Inputs) -> Section:
    """Return the cutflow of all processes and Table I."""
    rows = cutflow_rows(inputs.cutflow)
    processes = [p for p in inputs.processes if p in rows]
    steps = [str(step) for step in inputs.cutflow["steps"]]
    unit = str(inputs.cutflow.get("unit", "fb"))
    body = []
    for index, step in enumerate(steps):
        cells: list[object] = [step]
        for process in processes:
            row = rows[process][index]
            cells.append(
                lines(
                    value(row.weighted, measured(row.weighted, row.error)),
                    Markup(f"{value(row.raw, f'{row.raw:,}')} events"),
                    "" if row.efficiency is None else f"{percent(row.efficiency)} of step",
                    "" if row.cumulative is None else f"{percent(row.cumulative)} of all",
                )
            )
        body.append(cells)
    shown = table(
        ["Step", *processes],
        body,
        caption=f"Cross section in {unit} after each step, channel {inputs.cutflow.get('channel', '')}",
    )
    text = paragraph(
        "Each cell: the cross section that is left with its statistical uncertainty, the number of "
        "simulated events, and the weighted efficiency with respect to the step before and to the first step."
    )
    return Section("cutflow", "Cutflow", join(text, shown, _table_one(inputs)))


def _table_one(inputs: Inputs) -> Markup:
    histogram = inputs.histograms.get("m_ll")
    if inputs.manifest.get("analysis") != paper.ANALYSIS or histogram is None:
        return Markup("")
    if not {"topology", "precuts"} <= set(selections(histogram)):
        return Markup("")
    try:
        before, after = (spectra(histogram, selection=name) for name in ("topology", "precuts"))
    except UnreadableInput:
        return Markup("")
    body: list[list[object]] = []
    for process in inputs.processes:
        printed = paper.TABLE_I.get(process)
        if printed is None or process not in before.values:
            continue
        # m_ll is defined for every event, so its bins and what lies outside are the whole selection.
        first = float(before.values[process].sum()) + before.outside[process]
        last = float(after.values[process].sum()) + after.outside[process]
        efficiency = last / first if first > 0 else None
        error = math.sqrt(float(after.variances[process].sum()))
        body.append(
            [
                process,
                value(first, number(first)),
                f"{printed[0]:,g}",
                value(last, measured(last, error)),
                f"{printed[1]:g}",
                value(efficiency, percent(efficiency)),
                percent(printed[1] / printed[0]),
            ]
        )
    if not body:
        return Markup("")
    return join(
        Markup("<h3>Beside the paper's Table I</h3>"),
        table(
            ["Process", "Topology [fb]", "paper", "Pre-cuts [fb]", "paper", "Efficiency", "paper"],
            body,
            caption=f"Cross sections of this run and of {paper.SOURCE}",
        ),
        paragraph(
            "The absolute cross sections after the topology depend on the jet matching and on thresholds "
            "that the paper does not print; the efficiencies of the pre-cuts compare better."
        ),
    )


def sample_section(inputs: Inputs) -> Section:
    """Return the table of datasets."""
    body: list[list[object]] = []
    order = {process: index for index, process in enumerate(inputs.processes)}
    datasets = sorted(
        inputs.manifest.get("datasets", {}).items(),
        key=lambda item: (order.get(str(item[1].get("process")), len(order)), item[0]),
    )
    for dataset, metadata in datasets:
        cross_section = metadata.get("xsec_fb")
        events = metadata.get("events", metadata.get("n_events"))
        scale = metadata.get("scale")
        body.append(
            [
                dataset,
                metadata.get("process", ""),
                "data" if metadata.get("is_data") else value(cross_section, number(cross_section, 4)),
                value(events, "-" if events is None else f"{events:,}"),
                value(scale, number(scale)),
                _tranche(metadata.get("tranche")),
            ]
        )
    return Section(
        "samples",
        "Samples",
        table(
            ["Dataset", "Process", "Cross section [fb]", "Events", "fb per unit weight", "Tranche"],
            body,
            caption="Datasets of this run",
            text_columns=(1, 5),
        ),
    )


def _tranche(tranche: dict[str, object] | None) -> str:
    if not tranche:
        return "inclusive"
    low, high = tranche.get("min"), tranche.get("max")
    upper = "∞" if high is None else f"{high:g}"
    return f"{tranche.get('variable', '')} {low:g} to {upper}"
