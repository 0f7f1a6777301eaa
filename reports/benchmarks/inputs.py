"""What the page about benchmarks reads: the file that ``python -m benchmarks`` writes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgap.reports.errors import MissingInput, UnreadableInput

FORMAT = "massgap-benchmarks/1"
REMEDY = "run make bench again"


@dataclass(frozen=True)
class Line:
    """One line of the benchmarks.

    Attributes
    ----------
    median, low, high
        Median, lowest and highest of the rounds, in `unit` ("x" for a ratio).
    ours, theirs
        CPU seconds of one call of each side; None where there is no such side.
    goal
        The number to reach, None for a line that only informs.
    origin
        Which of the origins of a file of several runs.
    """

    group: str
    what: str
    unit: str
    median: float
    low: float
    high: float
    rounds: int
    ours: float | None
    theirs: float | None
    goal: float | None
    at_least: bool
    detail: str
    origin: int = 0

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the goal; None without a goal."""
        return None if self.goal is None else self._beyond(self.median, self.goal)

    @property
    def disputed(self) -> bool:
        """Whether some rounds reach the goal and others do not."""
        return self.goal is not None and self._beyond(self.low, self.goal) != self._beyond(
            self.high, self.goal
        )

    def _beyond(self, number: float, goal: float) -> bool:
        return number >= goal if self.at_least else number <= goal


@dataclass(frozen=True)
class Benchmarks:
    """All that one call measured, or several of them: then ``origins`` has date, machine and versions of each."""

    date: str
    machine: dict[str, Any]
    versions: dict[str, Any]
    quick: bool
    seconds: float
    skipped: list[str]
    lines: list[Line]
    origins: tuple[dict[str, Any], ...] = ()

    @property
    def groups(self) -> list[str]:
        """The subjects, in the order of their first lines."""
        return list(dict.fromkeys(line.group for line in self.lines))


def results_file(path: str | Path) -> Path:
    """Return the file itself for ``benchmarks.json`` or its folder."""
    return Path(path) / "benchmarks.json" if Path(path).is_dir() else Path(path)


def read_benchmarks(path: str | Path) -> Benchmarks:
    """Read the results of the benchmarks.

    Parameters
    ----------
    path
        ``benchmarks.json``, or the folder that holds it.

    Returns
    -------
    Benchmarks

    Raises
    ------
    MissingInput
        If there is no such file.
    UnreadableInput
        If it is damaged, of another format, or a number that is needed is none.
    """
    file = results_file(path)
    if not file.is_file():
        message = f"{file}: no such file; make bench (or python -m benchmarks) writes it"
        raise MissingInput(message)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{file}: is damaged ({error}); {REMEDY}"
        raise UnreadableInput(message) from error
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if found != FORMAT:
        message = f"{file}: is no result of the benchmarks (format {found!r} instead of {FORMAT!r}); {REMEDY}"
        raise UnreadableInput(message)
    try:
        origins = _origins(content)
        return Benchmarks(
            date=str(content.get("date", "")),
            machine=_kept(content, "machine", dict),
            versions=_kept(content, "versions", dict),
            quick=_kept(content, "quick", bool),
            seconds=_number(content, "seconds"),
            skipped=[str(text) for text in _kept(content, "skipped", list)],
            lines=[_line(entry, i, len(origins)) for i, entry in enumerate(_kept(content, "rows", list), 1)],
            origins=origins,
        )
    except _Wrong as error:
        message = f"{file}: {error}; {REMEDY}"
        raise UnreadableInput(message) from None


class _Wrong(Exception):
    """What is wrong, in words that follow the name of the file."""


def _kept(content: Any, key: str, kind: type, where: str = "") -> Any:
    if not isinstance(content, dict) or key not in content:
        message = f"{where}lacks {key!r}"
        raise _Wrong(message)
    if not isinstance(content[key], kind):
        message = f"{where}has {content[key]!r:.40} as {key!r}, which is no {kind.__name__}"
        raise _Wrong(message)
    return content[key]


def _number(content: Any, key: str, where: str = "") -> float:
    found = _kept(content, key, object, where)
    # A truth value is an int to Python, but no measurement.
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        message = f"{where}has {found!r:.40} as {key!r}, which is no finite number"
        raise _Wrong(message)
    return float(found)


def _seconds(content: Any, key: str, where: str) -> float | None:
    """CPU seconds; NaN or zero stand for a side that was not timed."""
    found = _kept(content, key, object, where)
    timed = isinstance(found, int | float) and not isinstance(found, bool) and 0 < found < math.inf
    return float(found) if timed else None


def _origins(content: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Where the lines of a file of several runs come from; a file of one run has none."""
    if "origins" not in content:
        return ()
    found = tuple(_kept(content, "origins", list))
    for i, origin in enumerate(found, 1):
        for key, kind in (("date", str), ("machine", dict), ("versions", dict)):
            _kept(origin, key, kind, f"origin {i} ")
    return found


def _line(entry: Any, place: int, origins: int) -> Line:
    what = _kept(entry, "what", str, f"line {place} ")
    where = f"line {place} ({what}) "
    measured = _kept(entry, "measured", dict, where)
    line = Line(
        group=_kept(entry, "group", str, where),
        what=what,
        unit=_kept(entry, "unit", str, where),
        median=_number(measured, "median", where),
        low=_number(measured, "low", where),
        high=_number(measured, "high", where),
        rounds=round(_number(measured, "rounds", where)),
        ours=_seconds(measured, "ours", where),
        theirs=_seconds(measured, "theirs", where),
        goal=None if _kept(entry, "goal", object, where) is None else _number(entry, "goal", where),
        at_least=_kept(entry, "at_least", bool, where),
        detail=_kept(entry, "detail", str, where),
        origin=_kept(entry, "origin", int, where) if origins else 0,
    )
    if origins and not 0 <= line.origin < origins:
        message = f"{where}has the origin {line.origin}, but there are {origins}"
        raise _Wrong(message)
    if not line.low <= line.median <= line.high:
        message = f"{where}has the median {line.median:g} outside of its spread {line.low:g} to {line.high:g}"
        raise _Wrong(message)
    return line
