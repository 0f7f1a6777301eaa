"""Measured ratios with their spread, and the goals that they should reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.figures.style import new_figure, nothing, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

GOOD, MISSED, PLAIN = "#2a7d3f", "#b3261e", "#33608c"


def ratios(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw each ratio as a point on a logarithmic axis, its lowest and highest round as a line, its goal as a bar.

    Parameters
    ----------
    rows
        Lines of ``benchmarks.json`` whose unit is ``x``.
    """
    with style():
        figure, (axes,) = new_figure(0.9 + 0.24 * max(len(rows), 2), width=7.2, left=0.52)
        if not rows:
            nothing(axes, "No ratio was measured.")
            return figure
        places = range(len(rows), 0, -1)
        for place, row in zip(places, rows, strict=True):
            measured = row["measured"]
            colour = PLAIN if row["reached"] is None else GOOD if row["reached"] else MISSED
            axes.plot([measured["low"], measured["high"]], [place, place], color=colour, lw=1.5)
            axes.plot([measured["median"]], [place], "o", color=colour, ms=4)
            if row["goal"] is not None:
                axes.plot([row["goal"]] * 2, [place - 0.35, place + 0.35], color="black", lw=1.2)
        axes.set_xscale("log")
        axes.axvline(1.0, color="#9aa4ad", lw=0.8, ls=":")
        axes.set_yticks(list(places), [_short(str(row["what"])) for row in rows], fontsize=7)
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(0.3, len(rows) + 0.7)
        axes.set_xlabel("Ratio (points: median; lines: all rounds; bars: goals)", fontsize=8)
    return figure


def _short(text: str) -> str:
    return text if len(text) <= 62 else text[:61] + "…"
