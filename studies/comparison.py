"""One's own numbers beside those of a paper: how far apart, how far they may be, and why where they are further."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from massgap.reports.html.html import Markup
    from massgap.studies.tables import Cause, Kind, Paper, PaperTable, Tolerance

__all__ = [
    "HEADER",
    "Compared",
    "by_table",
    "causes_of",
    "cells_of",
    "compare",
    "compared_html",
    "compared_text",
]

SIGMAS = 2.0
"""A number that misses its tolerance by less than this many of its standard errors is no miss yet."""

Verdict = Literal["agrees", "few events", "unclear", "explained", "differs", "absent"]


@dataclass(frozen=True)
class Compared:
    """One number of a paper and one's own.

    Parameters
    ----------
    table, row, column, unit
        Which number.
    paper
        As printed.
    ours, error
        One's own with its standard error; None where there is none.
    kind, tolerance
        How exactly it should come out.
    verdict
        ``agrees``; ``few events``: one's own standard error is larger than the tolerance, so that it says nothing either way (a miss
        by more than two standard errors is one even so); ``unclear``: misses the tolerance by less than two of its own standard errors; ``explained``: misses it
        for a cause that is known; ``differs``: for one that is not, or by more than what is known can do; ``absent``: no number of one's own.
    causes
        Of a miss, where they are known.
    """

    table: str
    row: str
    column: str
    unit: str
    paper: float
    ours: float | None
    error: float | None
    kind: Kind
    tolerance: Tolerance
    verdict: Verdict
    causes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        out = asdict(self)
        given = asdict(self.tolerance).items()
        out["tolerance"] = {key: value for key, value in given if value is not None and value is not False}
        return out


def compare(
    table: PaperTable,
    ours: Mapping[tuple[str, str], tuple[float, float | None] | None],
    causes: Sequence[Cause] = (),
    facts: Mapping[str, Any] | None = None,
) -> list[Compared]:
    """Put one's own numbers beside those of a table.

    Parameters
    ----------
    table
        As printed.
    ours
        (row, column) -> number and its standard error (None if it has none); what is not there is absent.
    causes
        Known causes of misses.
    facts
        About the run, for causes that hold with some only.

    Returns
    -------
    list of Compared
        One per printed number, row by row.
    """
    out = []
    for i, row in enumerate(table.rows):
        for j, column in enumerate(table.columns):
            printed = table.values[i][j]
            if printed is None:
                continue
            number, error = ours.get((row, column)) or (None, None)
            if number is not None and not math.isfinite(number):
                number = error = None
            tolerance = table.tolerances[i][j]
            allowed = tolerance.allowed(printed)
            side = _side(number, error, allowed)
            verdict: Verdict = "absent"
            known: tuple[str, ...] = ()
            if side in {"", "unclear"} and number is not None:
                verdict = (
                    "few events"
                    if _tells_nothing(printed, error, allowed)
                    else "unclear"
                    if side
                    else "agrees"
                )
            elif number is not None:
                found = [c for c in causes if c.explains(table.name, row, column, side, facts or {})]
                known = tuple(c.words for c in found)
                enough = bool(found) and _undone(
                    number, error, allowed, side, math.prod(c.size for c in found)
                )
                verdict = "explained" if enough else "differs"
            unit = table.units[j] if table.units else ""
            known_error = error if error is None or math.isfinite(error) else None
            cell = (table.name, row, column, unit, printed, number, known_error)
            out.append(Compared(*cell, table.kinds[i][j], tolerance, verdict, known))
    return out


def _side(number: float | None, error: float | None, allowed: tuple[float, float]) -> str:
    """Where a number lies: "" within what is allowed, "unclear" near it, or on which side."""
    low, high = allowed
    if number is None or low <= number <= high:
        return ""
    if max(low - number, number - high) <= SIGMAS * (error or 0.0):
        return "unclear"
    return "below" if number < low else "above"


def _undone(number: float, error: float | None, allowed: tuple[float, float], side: str, size: float) -> bool:
    """Whether a number that misses on a side would not, were it without causes that move it by a factor in all."""
    if math.isinf(size):
        return True
    by = size if side == "below" else 1.0 / size
    return _side(number * by, None if error is None else error * by, allowed) != side


def _tells_nothing(printed: float, error: float | None, allowed: tuple[float, float]) -> bool:
    """Whether a standard error is larger than the tolerance on its wider side (a bound has none), or is not finite."""
    if error is not None and not math.isfinite(error):
        return True
    widths = [abs(end - printed) for end in allowed if math.isfinite(end)]
    return len(widths) == 2 and max(widths) > 0.0 and (error or 0.0) > max(widths)


def cells_of(row: Compared) -> list[str]:
    """What a table shows of a number: its name, and a cell for each of `HEADER`."""
    from massgap.reports.html.numbers import measured, number

    ours = "-" if row.ours is None else number(row.ours)
    if row.ours is not None and row.error and math.isfinite(row.error):
        ours = measured(row.ours, row.error)
    ratio = "-" if row.ours is None or not row.paper else f"{row.ours / row.paper:.2f}"
    column = f"{row.column} [{row.unit}]" if row.unit else row.column
    # A list of statements has one column, which says nothing more.
    name = row.row if column == "number" else f"{row.row}: {column}"
    return [name, f"{row.paper:g}", ours, ratio, str(row.tolerance), row.kind, row.verdict]


HEADER: tuple[str, ...] = ("paper", "here", "ratio", "tolerance", "kind", "verdict")


def compared_text(rows: Iterable[Compared]) -> str:
    """Return plain text: a block per table, below it the causes of misses and the rows of which a run says nothing."""
    from massgap.reports.html.tables import plain_table

    blocks = []
    for name, members in by_table(rows).items():
        shown, absent = _told(members)
        lines = [plain_table([name, *HEADER], [cells_of(row) for row in shown])] if shown else [name]
        lines += [f"{'; '.join(cells)}: {text}" for text, cells in causes_of(shown).items()]
        if absent:
            lines.append(f"no numbers here: {', '.join(absent)}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def compared_html(rows: Iterable[Compared], paper: Paper) -> Markup:
    """Return a table per table of the paper, with the causes of misses and its note below each."""
    from massgap.reports.html.html import Markup, escape, heading, join, paragraph, table, value

    parts = []
    for name, members in by_table(rows).items():
        shown, absent = _told(members)
        body: list[list[object]] = []
        for row in shown:
            title, printed, ours, *rest = cells_of(row)
            body.append([title, value(row.paper, printed), value(row.ours, ours), *rest])
        items = "".join(
            f"<li>{escape('; '.join(cells))}: {escape(text)}</li>" for text, cells in causes_of(shown).items()
        )
        header = [name, *(word.capitalize() for word in HEADER)]
        known = paper.tables.get(name)
        caption = f"{known.title if known else name}; the paper: {paper.source}"
        parts += [
            heading(name),
            table(header, body, caption=caption, text_columns=(4, 5, 6)) if body else "",
            Markup(f"<p>Known causes of misses:</p><ul>{items}</ul>") if items else "",
            paragraph(known.note) if known and known.note else "",
            paragraph(f"No numbers of this run for: {', '.join(absent)}.") if absent else "",
        ]
    return join(*parts)


def by_table(rows: Iterable[Compared]) -> dict[str, list[Compared]]:
    """Table -> its numbers."""
    tables: dict[str, list[Compared]] = {}
    for row in rows:
        tables.setdefault(row.table, []).append(row)
    return tables


def _told(rows: Sequence[Compared]) -> tuple[list[Compared], list[str]]:
    """The rows of a table with a number of one's own in any column, and the names of the others."""
    present = {row.row for row in rows if row.ours is not None}
    absent = dict.fromkeys(row.row for row in rows if row.row not in present)
    return [row for row in rows if row.row in present], list(absent)


def causes_of(rows: Iterable[Compared]) -> dict[str, list[str]]:
    """Cause -> the cells that it explains."""
    causes: dict[str, list[str]] = {}
    for row in rows:
        for cause in row.causes:
            causes.setdefault(cause, []).append(f"{row.row}, {row.column}")
    return causes
