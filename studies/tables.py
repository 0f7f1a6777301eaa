"""The numbers that a paper prints, how exactly they should come out, and known causes where they do not.

They are a data file of its study, read by :func:`read_paper`; :mod:`massgap.studies.comparison` puts one's own beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from massgap.contracts.writing import read_json
from massgap.studies.errors import PaperError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "Cause",
    "Kind",
    "Paper",
    "PaperTable",
    "Tolerance",
    "read_paper",
]

PAPER_FORMAT = "massgap-paper/1"
Kind = Literal["hard", "moderate", "trend"]
KINDS: tuple[Kind, ...] = ("hard", "moderate", "trend")


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be from the printed one; one of the five is given.

    Parameters
    ----------
    relative
        Of the printed number: 0.2 for 20 %.
    absolute
        In its unit.
    factor
        At most so many times larger or smaller.
    at_least, at_most
        True where the printed number is a bound: any larger (or smaller) one agrees.

    Examples
    --------
    >>> Tolerance(relative=0.2).allowed(10.0), Tolerance(factor=2.0).allowed(10.0)
    ((8.0, 12.0), (5.0, 20.0))
    """

    relative: float | None = None
    absolute: float | None = None
    factor: float | None = None
    at_least: bool = False
    at_most: bool = False

    def __post_init__(self) -> None:
        given = [number for number in (self.relative, self.absolute, self.factor) if number is not None]
        bounds = int(self.at_least) + int(self.at_most)
        if len(given) + bounds != 1 or any(n < (0.0 if self.factor is None else 1.0) for n in given):
            message = (
                "a tolerance is one of relative, absolute (0 or more), factor (1 or more), at_least and at_most, "
                f"not {self}"
            )
            raise PaperError(message)

    def allowed(self, printed: float) -> tuple[float, float]:
        """Return the smallest and the largest number that agree with a printed one."""
        if self.at_least or self.at_most:
            return (printed, math.inf) if self.at_least else (-math.inf, printed)
        if self.factor is not None:
            ends = (printed / self.factor, printed * self.factor)
            return min(ends), max(ends)
        away = self.absolute if self.absolute is not None else abs(printed) * float(self.relative or 0.0)
        return printed - away, printed + away

    def __str__(self) -> str:
        if self.at_least or self.at_most:
            return "at least" if self.at_least else "at most"
        if self.factor is not None:
            return f"factor {self.factor:g}"
        return (
            f"± {self.absolute:g}"
            if self.absolute is not None
            else f"± {100 * float(self.relative or 0.0):g} %"
        )


@dataclass(frozen=True)
class PaperTable:
    """A table as a paper prints it.

    Parameters
    ----------
    name, title
        "Table I", and what it holds.
    rows, columns
        Their names; a cell is named by both.
    values
        Printed numbers, [row][column]; None where there is none.
    kinds
        Of each cell: ``hard`` must come out (arithmetic, orderings), ``moderate`` depends on details that the paper
        prints, ``trend`` on such that it does not.
    tolerances
        Of each cell.
    units
        Of each column.
    note
        What a reader should know.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    kinds: tuple[tuple[Kind, ...], ...]
    tolerances: tuple[tuple[Tolerance, ...], ...]
    units: tuple[str, ...] = ()
    title: str = ""
    note: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PaperTable:
        """Read a table of a data file.

        ``kind`` and ``tolerance`` are one for all cells, a list of one per column, or a list of such per row.

        Raises
        ------
        PaperError
            If shapes do not fit, or a kind or tolerance is unknown.
        """
        name = str(data.get("name", "a table without a name"))
        rows, columns = tuple(data["rows"]), tuple(data["columns"])
        values = tuple(tuple(row) for row in data["values"])
        if len(values) != len(rows) or any(len(row) != len(columns) for row in values):
            message = f"{name}: its values are not {len(rows)} rows of {len(columns)} columns"
            raise PaperError(message)
        kinds = _spread(name, "kind", data["kind"], len(rows), len(columns))
        unknown = {kind for row in kinds for kind in row} - set(KINDS)
        if unknown:
            message = (
                f"{name}: {', '.join(map(repr, sorted(unknown)))} is no kind; known are {', '.join(KINDS)}"
            )
            raise PaperError(message)
        spread = _spread(name, "tolerance", data["tolerance"], len(rows), len(columns))
        tolerances = tuple(tuple(Tolerance(**cell) for cell in row) for row in spread)
        units = tuple(data.get("units") or [""] * len(columns))
        return cls(
            name, rows, columns, values, kinds, tolerances, units, data.get("title", ""), data.get("note", "")
        )


def _spread(name: str, what: str, given: Any, rows: int, columns: int) -> tuple[tuple[Any, ...], ...]:
    """One entry per cell, of one entry, one per column, or one per cell."""
    if not isinstance(given, list):
        given = [given] * columns
    if not any(isinstance(entry, list) for entry in given):
        given = [given] * rows
    if len(given) != rows or any(len(row) != columns for row in given):
        message = f"{name}: its {what} is not one, one per column ({columns}), or {rows} rows of them"
        raise PaperError(message)
    return tuple(tuple(row) for row in given)


@dataclass(frozen=True)
class Cause:
    """Why some numbers of a table miss those of the paper, as far as is known.

    Parameters
    ----------
    table, rows, columns
        Which cells; all rows or columns where none are named.
    text
        The cause.
    evidence
        What shows that it is one: a measurement, with where it was made.
    side
        ``below`` or ``above``: which misses it explains; both where it is empty.
    when
        Facts about the run without which it does not hold, for instance options.
    size
        By what factor it moves the number at most, where the evidence tells; without, it explains a miss of any size.
    """

    table: str
    text: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    side: str = ""
    when: Mapping[str, Any] = field(default_factory=dict)
    evidence: str = ""
    size: float = math.inf

    def __post_init__(self) -> None:
        if not self.size >= 1.0:
            message = f"{self.table}: the size of a cause is a factor of 1 or more, not {self.size!r}"
            raise PaperError(message)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cause:
        """Read a cause of a data file."""
        rows, columns = tuple(data.get("rows", ())), tuple(data.get("columns", ()))
        rest = (data.get("side", ""), data.get("when", {}), data.get("evidence", ""))
        return cls(data["table"], data["text"], rows, columns, *rest, float(data.get("size", math.inf)))

    @property
    def words(self) -> str:
        """The cause and what shows it."""
        return f"{self.text} Evidence: {self.evidence}" if self.evidence else self.text

    def explains(self, table: str, row: str, column: str, side: str, facts: Mapping[str, Any]) -> bool:
        """Tell whether it explains a miss of this cell on this side, in a run of which these facts are true."""
        return (
            self.table == table
            and (not self.rows or row in self.rows)
            and (not self.columns or column in self.columns)
            and self.side in {"", side}
            and all(facts.get(name) == value for name, value in self.when.items())
        )


@dataclass(frozen=True)
class Paper:
    """The numbers of a paper.

    Parameters
    ----------
    source
        Which paper, and under which conditions its numbers hold.
    luminosity
        fb-1 of its expected events.
    tables, causes
        By name; and what is known of misses.
    """

    source: str
    luminosity: float
    tables: dict[str, PaperTable]
    causes: tuple[Cause, ...] = ()


def read_paper(path: str | Path) -> Paper:
    """Read the numbers of a paper from a data file.

    Raises
    ------
    PaperError
        If it is missing, damaged, or a table in it does not fit together.
    """
    data = read_json(path, PAPER_FORMAT, remedy="It is part of the study.", error=PaperError)
    tables = [PaperTable.from_dict(entry) for entry in data["tables"]]
    causes = tuple(Cause.from_dict(entry) for entry in data.get("causes", ()))
    return Paper(data["source"], float(data["luminosity"]), {table.name: table for table in tables}, causes)
