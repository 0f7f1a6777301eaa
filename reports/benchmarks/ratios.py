"""Measured ratios with their spread, and the goals that they should reach."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from massgap.reports.figures.labels import plottable
from massgap.reports.figures.style import legend_above, new_figure, style
from massgap.reports.html.numbers import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from massgap.reports.benchmarks.inputs import Line

INK, SOFT = "#1c2126", "#56606a"
# Shapes differ as well as colours: not everybody sees the colours.
LOOKS: dict[bool | None, tuple[str, str, str]] = {
    True: ("reached", "o", "#2a7d3f"),
    False: ("missed", "X", "#b3261e"),
    None: ("no goal", "D", "#3f6b96"),
}
#: Inches: a line of text, what a bar takes with the room below it, the margins.
TEXT, BAR, BOTTOM, TOP = 0.145, 0.24, 0.5, 0.55
#: Letters of a label that fit beside the number at its end.
LETTERS = 62


def ratios(lines: Sequence[Line]) -> Figure | None:
    """Draw the median of each ratio as a point, its spread as a bar, its goal as an upright mark.

    Parameters
    ----------
    lines
        Lines of the benchmarks; those that are no ratios, or not positive, are left out.

    Returns
    -------
    matplotlib.figure.Figure or None
        None if no line is left.
    """
    drawn = [line for line in lines if line.unit == "x" and line.low > 0]
    if not drawn:
        return None
    labels = [textwrap.wrap(line.what, LETTERS) or [""] for line in drawn]
    height = sum(TEXT * len(label) + BAR for label in labels)
    numbers = [n for line in drawn for n in (line.low, line.high, line.goal or line.median)]
    with style():
        figure, axes = _panel(height)
        axes.set_xscale("log")
        axes.set_xlim(min(*numbers, 1.0) / 1.5, max(*numbers, 1.0) * 1.5)
        axes.set_ylim(height, 0.0)
        axes.axvline(1.0, color=SOFT, lw=0.8, ls=":")
        handles: dict[str, Any] = {}
        y = 0.0
        for line, label in zip(drawn, labels, strict=True):
            _words(axes, y, label, number(line.median))
            y += TEXT * len(label) + BAR
            handles |= _bar(axes, y - 0.65 * BAR, line)
        _ticks(axes)
        axes.set_xlabel("Ratio")
        legend_above(figure, list(handles.values()), list(handles), columns=4)
    return figure


def _panel(height: float) -> tuple[Figure, Axes]:
    figure, (axes,) = new_figure(height + BOTTOM + TOP, left=0.035)
    figure.subplots_adjust(
        bottom=BOTTOM / (height + BOTTOM + TOP), top=1 - TOP / (height + BOTTOM + TOP), right=0.965
    )
    return figure, axes


def _words(axes: Axes, y: float, label: Sequence[str], end: str) -> None:
    where = axes.get_yaxis_transform()
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    common: dict[str, Any] = {
        "transform": where, "va": "center", "fontsize": 7.8, "color": INK, "bbox": paper,
    }  # fmt: skip
    for i, text in enumerate(label):
        axes.text(0.012, y + TEXT * (i + 0.75), plottable(text), ha="left", **common)
    axes.text(0.988, y + TEXT * (len(label) - 0.25), end, ha="right", **common)


def _bar(axes: Axes, y: float, line: Line) -> dict[str, Any]:
    name, marker, colour = LOOKS[line.reached]
    axes.plot([line.low, line.high], [y, y], color=colour, lw=2.2, alpha=0.45, solid_capstyle="butt")
    handles = {name: axes.plot([line.median], [y], marker, ms=4.5, color=colour, mew=0)[0]}
    if line.goal:
        mark: dict[str, Any] = {"marker": "|", "ms": 9, "mew": 1.6, "color": INK, "ls": "none"}
        handles["goal"] = axes.plot([line.goal], [y], **mark)[0]
    return handles


def _ticks(axes: Axes) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 300 else (1, 3) if high / low < 3000 else (1,)
    marks = [s * 10.0**p for p in range(-12, 13) for s in steps if low <= s * 10.0**p <= high]
    axes.xaxis.set_major_locator(FixedLocator(marks[:: 1 + len(marks) // 12]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks([])
