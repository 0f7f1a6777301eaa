"""Tables as data, and as plain text for the command line."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.reports.errors import UnreadableInput
from massgap.reports.html.numbers import measured, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class CutflowRow:
    """One step for one process.

    Attributes
    ----------
    raw
        Number of simulated events.
    weighted, error
        Cross section that is left and its statistical uncertainty, in fb.
    efficiency
        Weighted efficiency with respect to the step before; None for the first step, where a further selection begins
        (a region of control, say), and where nothing was left before or what was left had another sign than the sample.
    cumulative
        Weighted efficiency with respect to the first step, None likewise.
    """

    step: str
    raw: int
    weighted: float
    error: float
    efficiency: float | None
    cumulative: float | None


def cutflow_rows(cutflow: Mapping[str, Any]) -> dict[str, dict[str, list[CutflowRow]]]:
    """Return the steps of each process of a ``cutflow.json``, with efficiencies.

    Returns
    -------
    dict
        Channel -> process -> its steps in order; the first one is "all events".

    Raises
    ------
    UnreadableInput
        If a process lacks one of the steps of a channel.
    """
    table: dict[str, dict[str, list[CutflowRow]]] = {}
    for channel in map(str, cutflow["channels"]):
        found = {
            str(process): [entry for entry in entries if str(entry["channel"]) == channel]
            for process, entries in sorted(cutflow["processes"].items())
        }
        longest = max(found.values(), key=len, default=[])
        # Each channel has its own steps; where there is one only, the list of all of them is its own.
        steps = cutflow["steps"] if len(cutflow["channels"]) == 1 else [e["step"] for e in longest]
        for process, entries in found.items():
            missing = [str(step) for step in steps if step not in {entry["step"] for entry in entries}]
            if missing:
                message = f"the cutflow of {process} lacks the step {missing[0]!r}: run the analysis again."
                raise UnreadableInput(message)
        begins = _begins(list(found.values()))
        table[channel] = {process: _rows(entries, begins) for process, entries in found.items()}
    return table


def _begins(cutflows: Sequence[Sequence[Mapping[str, Any]]]) -> set[str]:
    """Steps with more events than those before them: no cut does that, a further selection begins there."""
    return {
        str(entry["step"])
        for entries in cutflows
        for before, entry in itertools.pairwise(entries)
        if int(entry["raw"]) > int(before["raw"])
    }


def _rows(entries: Sequence[Mapping[str, Any]], begins: set[str]) -> list[CutflowRow]:
    rows: list[CutflowRow] = []
    for entry in entries:
        weighted = float(entry["weighted"])
        before = rows[-1].weighted if rows else 0.0
        start = rows[0].weighted if rows else 0.0
        rows.append(
            CutflowRow(
                step=str(entry["step"]),
                raw=int(entry["raw"]),
                weighted=weighted,
                error=math.sqrt(max(0.0, float(entry["variance"]))),
                # Of a negative sample as well; not where weights of both signs have turned the sum round.
                efficiency=weighted / before
                if before * start > 0 and str(entry["step"]) not in begins
                else None,
                cumulative=weighted / start if start else None,
            )
        )
    return rows


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Set a table in plain text: first column to the left, all others to the right.

    >>> print(plain_table(["step", "raw"], [["all", "1,000"], ["met", "10"]]))
    step    raw
    ----  -----
    all   1,000
    met      10
    """
    cells = [list(map(str, header)), *[list(map(str, row)) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join([first, *rest]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(cells[0]), rule, *[line(row) for row in cells[1:]]])


def cutflow_text(cutflow: Mapping[str, Any]) -> str:
    """Return a cutflow as plain text, one block per channel and process.

    Parameters
    ----------
    cutflow
        The content of ``cutflow.json``.

    Returns
    -------
    str
        Per step: simulated events, cross section in fb with its statistical uncertainty, efficiency with respect to
        the step before and to the first step. The channel is named where there are several.
    """
    blocks = []
    unit = str(cutflow.get("unit", "fb"))
    channels = cutflow_rows(cutflow)
    for channel, processes in channels.items():
        for process, rows in processes.items():
            name = f"{process}, {channel}" if len(channels) > 1 else process
            header = [name, "raw", f"weighted [{unit}]", "of step before", "of first step"]
            body = [
                [
                    row.step,
                    f"{row.raw:,}",
                    measured(row.weighted, row.error),
                    percent(row.efficiency),
                    percent(row.cumulative),
                ]
                for row in rows
            ]
            blocks.append(plain_table(header, body))
    return "\n\n".join(blocks)
