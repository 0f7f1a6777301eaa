"""How well one interpolates between the points of a plane: each left out once and interpolated from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.labels import plottable
from massgap.reports.figures.planes.view import INK, LUMINOSITY_COLOURS, SOFT, lumi_label, padded
from massgap.reports.figures.style import legend_above, new_figure, nothing, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

MARKERS = "osD^vP"


def interpolation_check(checks: Sequence[Mapping[str, Any]], *, label: str = "") -> Figure:
    """Draw what was interpolated against what was computed at points that were left out, and the difference.

    Points that do not lie inside the others cannot be foretold: they are ticks at the lower edge.

    Parameters
    ----------
    checks : sequence of mapping
        Entries of ``interpolation`` of ``plane.json`` that belong into one figure, as of several luminosities.
    label : str
        What was interpolated, in whose units all axes are.
    """
    handles, labels = [], []
    everything, lost = [], []
    with style():
        figure, (main, difference) = new_figure(4.2, rows=(2.4, 1))
        for index, check in enumerate(checks):
            true, found, edge = left_out(check)
            everything += [true, found, edge]
            lost.append(edge)
            options: dict[str, Any] = {
                "color": LUMINOSITY_COLOURS[index % len(LUMINOSITY_COLOURS)],
                "marker": MARKERS[index % len(MARKERS)],
                "ls": "none",
                "ms": 4.5,
                "mew": 0,
            }
            handles.append(main.plot(true, found, **options)[0])
            labels.append(lumi_label(check["lumi_fb"]))
            difference.plot(true, found - true, **options)
        values, edges = np.concatenate(everything or [np.zeros(0)]), np.concatenate(lost or [np.zeros(0)])
        if not len(values) or len(values) == len(edges):
            nothing(main, "no point could be left out")
        else:
            limits = padded(values)
            main.set_xlim(*limits)
            main.set_ylim(*limits)
            main.plot(limits, limits, color=SOFT, lw=0.9, zorder=0)
        if len(edges) and len(values) > len(edges):
            ticks = main.plot(
                edges,
                np.zeros(len(edges)),
                "|",
                color=SOFT,
                ms=9,
                mew=1.2,
                transform=main.get_xaxis_transform(),
            )
            handles.append(ticks[0])
            labels.append("at the edge, not foretold")
        difference.axhline(0, color=INK, lw=0.9)
        difference.set_ylabel("difference", loc="center")
        main.set_ylabel("interpolated")
        difference.set_xlabel(f"{plottable(label) or 'value'}, at the point itself")
        legend_above(figure, handles, labels, columns=4)
    return figure


def left_out(check: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of points that were left out: what was computed, what was interpolated; what was computed where nothing could be."""
    entries = [entry for entry in check["left_out"] if entry["true"] is not None]
    found = [entry for entry in entries if entry["inside"] and entry["interpolated"] is not None]
    true, interpolated = (
        np.array([float(entry[key]) for entry in found]) for key in ("true", "interpolated")
    )
    return true, interpolated, np.array([float(entry["true"]) for entry in entries if entry not in found])
