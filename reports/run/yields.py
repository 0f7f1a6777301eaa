"""Cutflow and samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.reports.html.html import Markup, Section, join, lines, paragraph, table, value
from massgap.reports.html.numbers import measured, number, percent
from massgap.reports.html.tables import CutflowRow, cutflow_rows

if TYPE_CHECKING:
    from massgap.reports.run.inputs import Inputs


def cutflow_section(inputs: Inputs) -> Section | None:
    """Return the cutflow of all processes, a table per channel; None for a processor that counts nothing."""
    if inputs.cutflow is None:
        return None
    unit = str(inputs.cutflow.get("unit", "fb"))
    text = paragraph(
        "Each cell: the cross section that is left with its statistical uncertainty, the number of "
        "simulated events, and the weighted efficiency with respect to the step before and to the first step. Where there are more "
        "events than in the step before, a further selection begins."
    )
    channels = cutflow_rows(inputs.cutflow)
    shown = []
    for channel, rows in channels.items():
        processes = [process for process in inputs.processes if rows.get(process)]
        steps = [row.step for row in rows[processes[0]]] if processes else []
        body = [
            [step, *[_cell(rows[process][index]) for process in processes]]
            for index, step in enumerate(steps)
        ]
        named = f", channel {channel}" if channel else ""
        caption = f"Cross section in {unit} after each step{named}"
        shown.append(table(["Step", *processes], body, caption=caption))
    return Section("cutflow", "Cutflow", join(text, *shown))


def _cell(row: CutflowRow) -> Markup:
    return lines(
        value(row.weighted, measured(row.weighted, row.error)),
        Markup(f"{value(row.raw, f'{row.raw:,}')} events"),
        "" if row.efficiency is None else f"{percent(row.efficiency)} of step",
        "" if row.cumulative is None else f"{percent(row.cumulative)} of all",
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
