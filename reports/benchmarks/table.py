"""The table of benchmarks in a text file: goals, what was measured, and where a line comes from."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import write_atomically
from massgap.reports.benchmarks.inputs import read_benchmarks
from massgap.reports.errors import MissingInput, ReportError
from massgap.reports.html.numbers import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.reports.benchmarks.inputs import Benchmarks, Line

__all__ = ["BEGIN", "END", "benchmarks_table", "write_benchmarks_table"]

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
"""Between these lines the table stands."""

_KINDS = re.compile(r"(?P<head>[^;]+); (?P<kind>[^:;]+): (?P<rest>.+)")
_HEADINGS = ("what", "goal", "measured", "")
# Those that say what was compared; all of them are in the file.
_MARKED = ("python", "numpy", "numba", "coffea", "uproot", "ROOT", "xgboost", "xgboost-cpu", "mt2")


def write_benchmarks_table(results: str | Path, text_file: str | Path) -> Path:
    """Write the table of all lines with a goal between the two markers of a text file; all else stays as it is.

    Parameters
    ----------
    results
        ``benchmarks.json``, its folder, or a file of measurements of several runs.
    text_file
        The file with the markers, for instance ``docs/performance.md``.

    Returns
    -------
    pathlib.Path
        The text file.

    Raises
    ------
    MissingInput
        If there are no such results or no such text file.
    UnreadableInput
        If the results are damaged, of another format, or lack a number.
    ReportError
        If no goal was measured, it was a quick run, the file has not the two markers once each, or it cannot be written.
    """
    measured = read_benchmarks(results)
    if measured.quick:
        message = f"{results} is of a quick run, which shows that all runs, not how fast: measure with make measured"
        raise ReportError(message)
    path = Path(text_file)
    if not path.is_file():
        message = f"{path}: no such file; the table goes between the lines {BEGIN} and {END} of a text file"
        raise MissingInput(message)
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or text.count(BEGIN) + text.count(END) != 2:
        message = f"{path} must have the lines {BEGIN} and {END} once each, in this order: the table goes between them"
        raise ReportError(message)
    content = f"{before}{BEGIN}\n\n{benchmarks_table(measured)}\n\n{END}{after}"
    try:
        write_atomically(path, content.encode())
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise ReportError(message) from error
    return path


def benchmarks_table(measured: Benchmarks) -> str:
    """All lines with a goal as a table of Markdown, with the dates, machines and versions below it.

    Lines that differ in the kind of events alone share a row: their medians, and the lowest and highest of all.

    Parameters
    ----------
    measured
        What was measured.

    Returns
    -------
    str

    Raises
    ------
    ReportError
        If no line has a goal.
    """
    goals = [line for line in measured.lines if line.goal is not None]
    if not goals:
        message = "no goal was measured: python -m benchmarks without a subject measures all of them"
        raise ReportError(message)
    origins = measured.origins or (
        {"date": measured.date, "machine": measured.machine, "versions": measured.versions},
    )
    # The run of most lines is told without a mark.
    used = sorted(
        {line.origin for line in goals}, key=lambda i: (-sum(line.origin == i for line in goals), i)
    )
    marks = {origin: f" ({place})" if place else "" for place, origin in enumerate(used)}
    rows = [_HEADINGS]
    for _, same in groupby(goals, key=_together):
        lines = list(same)
        rows.append(
            (_name(lines) + marks[lines[0].origin], _goal(lines[0]), _measured(lines), _verdict(lines))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    drawn = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    drawn.insert(1, " | ".join("-" * width for width in widths))
    table = "\n".join(f"| {row} |" for row in drawn)
    told = [f"{marks[origin].strip() or 'Measured'} {_origin(origins[origin])}".strip() for origin in used]
    return f"{table}\n\n" + "\n".join(
        f"{text}." if place == len(told) else f"{text};" for place, text in enumerate(told, 1)
    )


def _together(line: Line) -> tuple[Any, ...]:
    """What lines of one row have in common."""
    kinds = _KINDS.fullmatch(line.what)
    return (
        line.group,
        kinds.group("head", "rest") if kinds else line.what,
        line.unit,
        line.goal,
        line.at_least,
        line.origin,
    )


def _name(lines: Sequence[Line]) -> str:
    first = lines[0]
    kinds = _KINDS.fullmatch(first.what)
    what = first.what
    if kinds is not None:
        what = (
            f"{kinds['head']}, {kinds['rest']} ({f'{len(lines)} kinds' if len(lines) > 1 else kinds['kind']})"
        )
    return f"{first.group}: {what}".replace("|", "\\|")


def _goal(line: Line) -> str:
    return f"{'≥' if line.at_least else '≤'} {line.goal:,g} {_unit(line)}"


def _unit(line: Line) -> str:
    return "µs" if line.unit == "us" else line.unit


def _digits(line: Line) -> int:
    """Two, unless these hide on which side of its goal a number lies."""
    shown = float(number(line.median, 2).replace(",", ""))
    assert line.goal is not None
    return 2 if (shown >= line.goal if line.at_least else shown <= line.goal) == line.reached else 3


def _measured(lines: Sequence[Line]) -> str:
    digits = max(_digits(line) for line in lines)
    low, high = (
        number(n, digits) for n in (min(line.low for line in lines), max(line.high for line in lines))
    )
    medians = ", ".join(number(line.median, digits) for line in lines)
    spread = "" if low == high else f" ({low} to {high})"
    return f"{medians} {_unit(lines[0])}{spread}"


def _verdict(lines: Sequence[Line]) -> str:
    reached = [line.reached for line in lines]
    if all(reached):
        return "reached"
    return "**missed**" if not any(reached) else f"**missed** ({reached.count(False)} of {len(reached)})"


def _origin(origin: dict[str, Any]) -> str:
    machine, versions = origin["machine"], origin["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in _MARKED if name in versions)
    date = str(origin["date"])[:10]
    return f"on {date}, {machine.get('processor', 'unknown processor')}, {machine.get('cores', '?')} cores: {named}"
