"""A validation as a page of Markdown, for documentation: what was compared, when, with which versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgap.reports.html.numbers import measured, number
from massgap.studies.comparison import HEADER, by_table, causes_of, cells_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from massgap.studies.comparison import Compared

__all__ = ["FurtherTable", "markdown_page"]


@dataclass(frozen=True)
class FurtherTable:
    """A table of a study that has no counterpart in its paper.

    Parameters
    ----------
    title, note
        What it is.
    header
        Of its columns.
    rows
        Text, or a number with its standard error (None without), or None where there is none.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | tuple[float, float | None] | None, ...], ...]
    note: str = ""

    def texts(self) -> list[list[str]]:
        """The rows as they are shown."""
        return [[_text(cell) for cell in row] for row in self.rows]


def _text(cell: str | tuple[float, float | None] | None) -> str:
    if cell is None or isinstance(cell, str):
        return cell or "-"
    return measured(cell[0], cell[1]) if cell[1] else number(cell[0])


def markdown_page(
    title: str,
    about: Mapping[str, str],
    rows: Iterable[Compared],
    notes: Mapping[str, str],
    further: Sequence[FurtherTable] = (),
) -> str:
    """The page.

    Parameters
    ----------
    title
        Its heading.
    about
        What is said of it first: date, versions, size.
    rows
        Numbers beside those of the paper.
    notes
        Table -> what a reader should know of it.
    further
        Tables without a counterpart.

    Returns
    -------
    str
    """
    rows = list(rows)
    verdicts: dict[str, int] = {}
    for row in rows:
        verdicts[row.verdict] = verdicts.get(row.verdict, 0) + 1
    parts = [f"# {title}", "\n".join(f"- {name}: {text}" for name, text in about.items())]
    parts.append(f"{len(rows)} numbers: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.items())}.")
    for name, members in by_table(rows).items():
        parts.append(f"## {name}")
        if notes.get(name):
            parts.append(notes[name])
        told = [row for row in members if row.verdict != "absent"]
        if told:
            parts.append(_table([name, *HEADER], [cells_of(row) for row in told]))
        causes = causes_of(told)
        if causes:
            parts.append("\n".join(f"- {'; '.join(cells)}: {text}" for text, cells in causes.items()))
        absent = len(members) - len(told)
        if absent:
            parts.append(f"{absent} printed numbers have none here.")
    for more in further:
        parts.append(f"## {more.title}")
        if more.note:
            parts.append(more.note)
        parts.append(_table(list(more.header), more.texts()))
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(_escaped(cell) for cell in header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
