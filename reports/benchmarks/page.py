"""The page about the benchmarks: which goals are reached, which are missed, and every line that was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from massgap.reports.benchmarks.inputs import Benchmarks, Line, read_benchmarks, results_file
from massgap.reports.benchmarks.ratios import ratios
from massgap.reports.errors import ReportError
from massgap.reports.figures.style import render
from massgap.reports.html.html import (
    Markup,
    Section,
    banner,
    escape,
    figure,
    grid,
    join,
    lines,
    page,
    paragraph,
    table,
    value,
    write_page,
)
from massgap.reports.html.numbers import number

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["write_benchmarks_report"]

COLOURS = {True: "#2a7d3f", False: "#b3261e"}
MEANING = (
    (
        "A ratio is the CPU time of the other way over that of massgap, for the same work: above 1 massgap is faster. E is the "
        "other way round: the time of what cannot be avoided (decompression, and a compiled loop over arrays in memory) over "
        "massgap's. Before anything is timed the results of both sides are compared, as precisely as the details say."
    ),
    (
        "Times are CPU time of one thread, all libraries told to use one; lines about several workers or about memory say "
        "what they count. Each side is called once before it is timed, so compilation is left out."
    ),
    (
        "Both sides are measured right after each other, in an order that alternates from round to round, so that a busy "
        "machine disturbs both alike. The ratio is taken within each round; shown are the median of the rounds, the lowest "
        "and the highest. A goal is reached if the median reaches it."
    ),
)


def write_benchmarks_report(
    results: str | Path, out: str | Path | None = None, *, title: str | None = None
) -> Path:
    """Write the page of the benchmarks. It needs nothing but itself.

    Parameters
    ----------
    results
        ``benchmarks.json`` as ``python -m benchmarks`` writes it, or the folder that holds it.
    out
        The page to write; by default beside the results, with ``.html`` instead of ``.json``.
    title
        Title of the page.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    MissingInput
        If there are no such results.
    UnreadableInput
        If they are damaged, of another format, or lack a number.
    ReportError
        If the page cannot be written.
    """
    measured = read_benchmarks(results)
    source = results_file(results)
    path = Path(out) if out is not None else source.with_suffix(".html")
    if path.resolve() == source.resolve():
        message = (
            f"the page would overwrite the results that it shows, {path}: choose another file with --out."
        )
        raise ReportError(message)
    sections = [_goals(measured)]
    sections += [_subject(group, measured, f"subject-{i}") for i, group in enumerate(measured.groups, 1)]
    sections.append(_conditions(measured))
    write_page(path, page(title or "massgap benchmarks", _subtitle(measured), sections))
    return path


def _subtitle(measured: Benchmarks) -> str:
    machine = measured.machine
    where = f"{machine.get('processor', 'unknown machine')}, {machine.get('cores', '?')} cores"
    return f"{where}; {measured.date}; {len(measured.lines)} lines"


def quantity(shown: str, unit: str) -> str:
    """Write a number with its unit; ratios have none.

    >>> quantity("52.3", "x"), quantity("0.528", "ms"), quantity("3.00", "us")
    ('52.3', '0.528 ms', '3.00 µs')
    """
    return shown if unit == "x" else f"{shown} {'µs' if unit == 'us' else unit}".strip()


def duration(seconds: float) -> str:
    """Write CPU seconds in the unit that suits them.

    >>> duration(0.00052814), duration(2.5), duration(3.2e-8), duration(0.00099999)
    ('528 µs', '2.50 s', '32.0 ns', '1.00 ms')
    """
    # Rounded first, so that a little less than a millisecond does not become 1,000 microseconds.
    rounded = float(f"{seconds:.3g}")
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if rounded >= size:
            return f"{number(rounded / size)} {unit}"
    return f"{number(rounded / 1e-9)} ns"


def _call(line: Line) -> str:
    return " / ".join(duration(seconds) for seconds in (line.ours, line.theirs) if seconds) or "-"


def _goal(line: Line) -> str:
    if line.goal is None:
        return "-"
    return f"{'≥' if line.at_least else '≤'} {quantity(f'{line.goal:g}', line.unit)}"


def _verdict(line: Line) -> str:
    if line.reached is None:
        return ""
    doubt = " (not in every round)" if line.reached else " (some rounds reach it)"
    return ("reached" if line.reached else "missed") + (doubt if line.disputed else "")


def _name(line: Line, subject: bool) -> Markup:
    """What was compared, the verdict below it: in sight on a phone, too."""
    words = [escape(line.group)] if subject else []
    if line.reached is not None:
        words.append(Markup(f'<span style="color: {COLOURS[line.reached]}">{escape(_verdict(line))}</span>'))
    small = f'<span class="small">{join(*words, between=": ")}</span>' if words else ""
    # Without a width of its own the longest name would push the numbers out of sight.
    return Markup(f'<span class="what">{escape(line.what)}</span>{small}')


def _spread(line: Line) -> str:
    return f"{number(line.low)} to {number(line.high)}"


def _median(line: Line) -> Markup:
    return value(line.median, quantity(number(line.median), line.unit))


def _ratios(chosen: Sequence[Line], what: str, more: str = "") -> Markup:
    drawn = ratios(chosen)
    if drawn is None:
        return Markup("")
    caption = f"{what}. Point: median; bar: lowest to highest round; upright mark: goal; dotted line: equally fast. {more}"
    return grid([figure(render(drawn), alt=f"{what}: medians, spreads and goals.", caption=caption.strip())])


def _goals(measured: Benchmarks) -> Section:
    goals = [line for line in measured.lines if line.goal is not None]
    missed = [line for line in goals if not line.reached]
    parts: list[object] = []
    if not goals:
        parts.append(banner("warning", "No goal was measured.", paragraph("The lines below only inform.")))
    elif missed:
        items = "".join(f"<li>{escape(_missed(line))}</li>" for line in missed)
        title = f"{len(goals) - len(missed)} of {len(goals)} goals are reached, {len(missed)} missed."
        parts.append(banner("warning", title, Markup(f"<ul>{items}</ul>")))
    else:
        parts.append(banner("good", f"All {len(goals)} goals are reached."))
    if measured.quick:
        words = paragraph("Few events and rounds: it shows that all runs, not how fast.")
        parts.append(banner("warning", "A quick run.", words))
    if measured.skipped:
        items = "".join(f"<li>{escape(text)}</li>" for text in measured.skipped)
        parts.append(banner("warning", "Not measured", Markup(f"<ul>{items}</ul>")))
    if goals:
        rows = [[_name(line, True), _goal(line), _median(line), _spread(line), _call(line)] for line in goals]
        caption = "Goals and what was measured. The median of the rounds decides."
        parts.append(
            table(["What", "Goal", "Median", "Lowest to highest", "One call, CPU"], rows, caption=caption)
        )
        parts.append(_ratios(goals, "Ratios with a goal", "Goals in other units are in the table alone."))
    return Section("goals", "Goals", join(*parts))


def _missed(line: Line) -> str:
    shown = quantity(number(line.median), line.unit)
    doubt = f" (rounds from {_spread(line)}: some reach it)" if line.disputed else ""
    return f"{line.group}: {line.what}: {shown}, goal {_goal(line)}{doubt}"


def _subject(group: str, measured: Benchmarks, anchor: str) -> Section:
    own = [line for line in measured.lines if line.group == group]
    body = table(
        ["What", "Goal", "Median", "Lowest to highest", "One call, CPU", "Details"],
        [
            [
                _name(line, False),
                _goal(line),
                _median(line),
                lines(_spread(line), f"{line.rounds} {'round' if line.rounds == 1 else 'rounds'}"),
                _call(line),
                # On a phone the column would otherwise be a dozen lines of two words.
                Markup(f'<span class="detail">{escape(line.detail or "-")}</span>'),
            ]
            for line in own
        ],
        caption="One call: median CPU time, of massgap / of the other side where there is one.",
        text_columns=(5,),
    )
    drawn = _ratios(own, f"{group}: ratios") if sum(line.unit == "x" for line in own) > 1 else ""
    return Section(anchor, group, join(body, drawn))


def _conditions(measured: Benchmarks) -> Section:
    machine = [[key, str(found)] for key, found in measured.machine.items()]
    versions = [[name, str(found)] for name, found in measured.versions.items()]
    body = join(
        *(paragraph(text) for text in MEANING),
        paragraph(f"The run took {measured.seconds / 60:.1f} minutes. Repeat it with make bench."),
        table(["Machine", ""], machine, caption="What it was measured on.", text_columns=(1,)),
        table(["Package", "Version"], versions, caption="Versions of what was compared.", text_columns=(1,)),
    )
    return Section("conditions", "What the numbers mean, machine and versions", body)
