"""How well one interpolates between the points of a plane: each left out once and interpolated from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from massgap.reports.figures.planes.view import INK, LUMINOSITY_COLOURS, SOFT, lumi_label
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

MARKERS = "osD^vP"


def interpolation_check(checks: Sequence[Mapping[str, Any]], *, label: str = "") -> Figure:
    """Draw what was interpolated against what was computed at points that were left out, and the ratio.

    Parameters
    ----------
    checks : sequence of mapping
        Entries of ``interpolation`` of ``plane.json`` that belong into one figure, as of several luminosities.
    label : str
        What was interpolated.
    """
    with style():
        figure, (main, ratio) = new_figure(4.2, rows=(2.4, 1))
        handles, labels, everything, outside = [], [], [], False
        for index, check in enumerate(checks):
            true, found, inside = left_out(check)
            everything += [true, found]
            colour = LUMINOSITY_COLOURS[index % len(LUMINOSITY_COLOURS)]
            marker = MARKERS[index % len(MARKERS)]
            options: dict[str, Any] = {"color": colour, "ls": "none", "marker": marker, "ms": 4.5}
            with np.errstate(divide="ignore", invalid="ignore"):
                shares = found / true
            for chosen, face in ((inside, colour), (~inside, "white")):
                main.plot(true[chosen], found[chosen], markerfacecolor=face, **options)
                ratio.plot(true[chosen], shares[chosen], markerfacecolor=face, **options)
            handles.append(Line2D([], [], **options))
            labels.append(lumi_label(check["lumi_fb"]))
            outside |= bool((~inside).any())
        if outside:
            handles.append(Line2D([], [], color=INK, ls="none", marker="o", ms=4.5, markerfacecolor="white"))
            labels.append("at the edge (extrapolated)")
        limits = log_range(everything)
        if limits is None:
            nothing(main, "no point could be left out")
        else:
            main.set_xscale("log")
            main.set_yscale("log")
            main.set_xlim(*limits)
            main.set_ylim(*limits)
            main.plot(limits, limits, color=SOFT, lw=0.9, zorder=0)
            ratio.axhspan(0.9, 1.1, color="#e9edf1", zorder=0)
        ratio.axhline(1, color=INK, lw=0.9)
        ratio.set_ylabel("ratio", loc="center")
        main.set_ylabel("interpolated")
        ratio.set_xlabel(f"{label or 'value'} at the point itself")
        legend_above(figure, handles, labels)
    return figure


def left_out(check: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was computed and interpolated at each point that was left out, and whether it lies inside the others."""
    found = [
        entry
        for entry in check["left_out"]
        if entry["true"] is not None and entry["interpolated"] is not None
    ]
    true, interpolated = (
        np.array([float(entry[key]) for entry in found]) for key in ("true", "interpolated")
    )
    return true, interpolated, np.array([bool(entry["inside"]) for entry in found], dtype=bool)
