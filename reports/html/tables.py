"""Tables as data, and as plain text for the command line."""

from __future__ import annotations

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
        Weighted efficiency with respect to the step before; None for the first step and where
        nothing was left before.
    cumulative
        Weighted efficiency with respect to the first step, None likewise.
    """

    step: str
    raw: int
    weighted: float
    error: float
    efficiency: float | None
    cumulative: float | None


def cutflow_rows(cutflow: Mapping[str, Any]) -> dict[str, list[CutflowRow]]:
    """Return the steps of each process of a ``cutflow.json``, with efficiencies.

    Raises
    ------
    UnreadableInput
        If a process lacks one of the steps.
    """
    steps = [str(step) for step in cutflow["steps"]]
    table: dict[str, list[CutflowRow]] = {}
    for process in sorted(cutflow["processes"]):
        entries = {str(entry["step"]): entry for entry in cutflow["processes"][process]}
        missing = [step for step in steps if step not in entries]
        if missing:
            message = f"the cutflow of {process} lacks the step {missing[0]!r}: run the analysis again."
            raise UnreadableInput(message)
        rows: list[CutflowRow] = []
        for step in steps:
            entry = entries[step]
            weighted = float(entry["weighted"])
            before = rows[-1].weighted if rows else 0.0
            start = rows[0].weighted if rows else 0.0
            rows.append(
                CutflowRow(
                    step=step,
                    raw=int(entry["raw"]),
                    weighted=weighted,
                    error=math.sqrt(max(0.0, float(entry["variance"]))),
                    efficiency=weighted / before if before > 0 else None,
                    cumulative=weighted / start if start > 0 else None,
                )
            )
        table[process] = rows
    return table


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
    """Return a cutflow as plain text, one block per process.

    Parameters
    ----------
    cutflow
        The content of ``cutflow.json``.

    Returns
    -------
    str
        Per process and step: simulated events, cross section in fb with its statistical
        uncertainty, efficiency with respect to the step before and to the first step.
    """
    blocks = []
    unit = str(cutflow.get("unit", "fb"))
    for process, rows in cutflow_rows(cutflow).items():
        header = [process, "raw", f"weighted [{unit}]", "of step before", "of first step"]
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
