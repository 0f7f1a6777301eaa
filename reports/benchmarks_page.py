"""The page about the benchmarks: what was compared with what, the goals, and whether they are reached."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from massgap.reports.errors import MissingInput, UnreadableInput
from massgap.reports.figures.ratios import ratios
from massgap.reports.figures.style import render
from massgap.reports.numbers import number
from massgap.reports.page import (
    Markup,
    Section,
    banner,
    escape,
    figure,
    join,
    lines,
    page,
    paragraph,
    table,
    value,
    write_page,
)

__all__ = ["write_benchmarks_report"]

FORMAT = "massgap-benchmarks/1"
_FIELDS = ("machine", "versions", "rows", "skipped", "seconds", "quick")
_ROW = ("group", "what", "measured", "unit", "goal", "at_least", "detail", "reached")
_MEASURED = ("median", "low", "high", "rounds", "ours", "theirs")


def write_benchmarks_report(
    results: str | Path, out: str | Path | None = None, *, title: str | None = None
) -> Path:
    """Write the page about a run of the benchmarks.

    Parameters
    ----------
    results
        ``benchmarks.json`` as ``make bench`` writes it, or its folder.
    out
        The page to write; by default beside the results, with the ending ``.html``.
    title
        Title of the page.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    MissingInput
        If the file does not exist.
    UnreadableInput
        If it is damaged or of another format.
    ReportError
        If the page cannot be written.
    """
    path = Path(results)
    if path.is_dir():
        path /= "benchmarks.json"
    content = _read(path)
    rows = content["rows"]
    goals = [row for row in rows if row["goal"] is not None]
    sections = [_goals(content, goals)]
    for number_, group in enumerate(dict.fromkeys(row["group"] for row in rows)):
        sections.append(_group(f"group-{number_}", group, [row for row in rows if row["group"] == group]))
    sections.append(_conditions(content))
    machine = content["machine"]
    subtitle = f"{machine.get('processor', 'unknown machine')}, {machine.get('cores', '?')} cores; {content.get('date', '')}"
    target = Path(out) if out is not None else path.with_suffix(".html")
    write_page(target, page(title or "massgap benchmarks", subtitle, sections))
    return target


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        msg = f"{path}: no such file; make bench (or python -m benchmarks) writes it"
        raise MissingInput(msg)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: is damaged ({error}); run make bench again"
        raise UnreadableInput(msg) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        msg = f"{path}: is no result of the benchmarks (format {found!r} instead of {FORMAT!r})"
        raise UnreadableInput(msg)
    missing = [name for name in _FIELDS if name not in content]
    for row in content.get("rows") or ():
        missing += [name for name in _ROW if name not in row]
        missing += [name for name in _MEASURED if name not in row.get("measured", {})]
    if missing:
        msg = f"{path}: lacks {missing[0]!r}; run make bench again"
        raise UnreadableInput(msg)
    return content


def _goals(content: dict[str, Any], goals: list[dict[str, Any]]) -> Section:
    missed = [row for row in goals if not row["reached"]]
    reached = len(goals) - len(missed)
    if not goals:
        box = banner("warning", "No goal was measured.", paragraph("The lines below only inform."))
    elif missed:
        names = join(
            *(Markup(f"<li>{escape(row['what'])}: {_shown(row)}, goal {_goal(row)}</li>") for row in missed)
        )
        box = banner(
            "warning",
            f"{reached} of {len(goals)} goals are reached, {len(missed)} missed.",
            Markup(f"<ul>{names}</ul>"),
        )
    else:
        box = banner("good", f"All {len(goals)} goals are reached.")
    parts: list[object] = [box]
    if content["quick"]:
        parts.append(
            banner(
                "warning",
                "A quick run.",
                paragraph("Few events and rounds: it shows that all runs, not how fast."),
            )
        )
    if content["skipped"]:
        items = join(*(Markup(f"<li>{escape(text)}</li>") for text in content["skipped"]))
        parts.append(banner("warning", "Not measured", Markup(f"<ul>{items}</ul>")))
    if goals:
        parts.append(_table("Goals and what was measured.", goals, with_goal=True, details=False))
    drawn = [row for row in goals if row["unit"] == "x"]
    if drawn:
        parts.append(
            figure(
                render(ratios(drawn)),
                alt="Measured ratios with their spread, and the goals.",
                caption="Ratios with a goal: higher is better. Green reaches its goal (bar), red misses it.",
            )
        )
    parts.append(
        paragraph(
            "A ratio is the CPU time of the other way over that of massgap, one thread, both measured right after each "
            "other in alternating order; shown are the median of the rounds, and the lowest and highest. Before, the results "
            "of both were compared. E is the other way round: the time of what cannot be avoided (decompression, and a "
            "compiled loop over arrays in memory) over massgap's."
        )
    )
    return Section("goals", "Goals", join(*parts))


def _group(anchor: str, name: str, rows: list[dict[str, Any]]) -> Section:
    parts: list[object] = [
        _table(f"{name}: all lines.", rows, with_goal=any(row["goal"] is not None for row in rows))
    ]
    drawn = [row for row in rows if row["unit"] == "x"]
    if len(drawn) > 1:
        parts.append(
            figure(
                render(ratios(drawn)),
                alt=f"{name}: ratios with their spread.",
                caption=f"{name}: ratios with their spread, higher is better.",
            )
        )
    return Section(anchor, name, join(*parts))


def _table(caption: str, rows: list[dict[str, Any]], *, with_goal: bool, details: bool = True) -> Markup:
    header = ["What", *(["Goal"] if with_goal else []), "Median and rounds", "One call, CPU"]
    header += ["Details"] if details else []
    cells = []
    for row in rows:
        m = row["measured"]
        spread = f"{number(m['low'])} to {number(m['high'])}"
        cells.append(
            [
                _name(str(row["what"])),
                *([_mark(row)] if with_goal else []),
                lines(value(m["median"], _shown(row)), spread),
                _times(m),
                *([row["detail"] or "-"] if details else []),
            ]
        )
    return table(header, cells, caption=caption, text_columns=(len(header) - 1,) if details else ())


def _name(what: str) -> Markup:
    """A name in two lines, so that it does not push the numbers out of sight."""
    for sign in ("; ", ": ", ", "):
        first, found, rest = what.partition(sign)
        if found and len(what) > 40:
            return lines(first, rest)
    return escape(what)


def _shown(row: dict[str, Any]) -> str:
    unit = row["unit"]
    return f"{number(row['measured']['median'])}{'' if unit == 'x' else ' ' + unit}"


def _goal(row: dict[str, Any]) -> str:
    if row["goal"] is None:
        return "-"
    return (
        f"{'≥' if row['at_least'] else '≤'} {row['goal']:g}{'' if row['unit'] == 'x' else ' ' + row['unit']}"
    )


def _mark(row: dict[str, Any]) -> Markup:
    if row["goal"] is None:
        return escape("-")
    return lines(_goal(row), "reached" if row["reached"] else "missed")


def _times(m: dict[str, Any]) -> str:
    shown = [t for t in (m["ours"], m["theirs"]) if t and math.isfinite(t)]
    return " / ".join(_seconds(t) for t in shown) or "-"


def _seconds(t: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if t >= size:
            return f"{number(t / size)} {unit}"
    return f"{number(t / 1e-9)} ns"


def _conditions(content: dict[str, Any]) -> Section:
    machine = [[str(key), str(text)] for key, text in content["machine"].items()]
    versions = [[str(key), str(text)] for key, text in content["versions"].items()]
    body = join(
        paragraph(f"The run took {content['seconds'] / 60:.0f} minutes. Repeat it with make bench."),
        table(["Machine", ""], machine, caption="What it was measured on.", text_columns=(1,)),
        table(["Package", "Version"], versions, caption="Versions of what was compared.", text_columns=(1,)),
    )
    return Section("conditions", "Machine and versions", body)
