"""Contours of a plane: exclusion with its band, observed, evidence and discovery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.labels import plottable
from massgap.reports.figures.planes.bands import band_surface
from massgap.reports.figures.planes.view import (
    INK,
    LUMINOSITY_COLOURS,
    SOFT,
    View,
    fitting_columns,
    hatch_forbidden,
    is_good,
    lumi_label,
    mark_failures,
    points_at,
    positions,
    set_range,
    view_of,
)
from massgap.reports.figures.style import legend_above, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {"exclusion": "--", "evidence": (0, (4, 1.2, 1, 1.2)), "discovery": (0, (1, 1.1))}
OVERLAY_COLOURS = ("#7f3c8d", "#a5761d", "#4d4d4d")


@dataclass(frozen=True)
class Overlay:
    """Somebody else's contours, drawn beside ours.

    Attributes
    ----------
    label : str
        What the legend says.
    lines : list of array
        Each of shape (n, 2): places on the axes of the plane (for a plane of one dimension: mass, limit in fb).
    source : str
        Where they were read.
    """

    label: str
    lines: list[np.ndarray] = field(repr=False)
    source: str = ""


def contours_of(
    plane: Mapping[str, Any], lumi_fb: float, what: str, band: int | str = 0, cross_section: int = 0
) -> list[np.ndarray]:
    """Lines of one contour, each of shape (n, 2), on the axes of the plane.

    Parameters
    ----------
    what : str
        ``exclusion``, ``evidence`` or ``discovery``.
    band : int or str
        0 for the expected one, -1 and 1 for its band, "observed".
    cross_section : int
        0 for the nominal one, -1 and 1 for what its uncertainty makes of it.
    """
    return [
        np.asarray(line, dtype=float).reshape(-1, 2)
        for contour in plane["contours"]
        if (contour["lumi_fb"], contour["what"], contour["band"]) == (lumi_fb, what, band)
        and contour["cross_section"] == cross_section
        for line in contour["lines"]
    ]


def exclusion(
    plane: Mapping[str, Any],
    *,
    luminosities: Sequence[float] | None = None,
    view: str = "masses",
    overlays: Sequence[Overlay] = (),
) -> Figure:
    """Draw what is excluded and what could be discovered, with the points of the plane.

    Expected exclusion is dashed, with the band of one sigma where one luminosity is drawn; observed is full; evidence (3
    sigma) is dash-dotted, discovery (5 sigma) dotted, observed ones thicker and, of one luminosity, black.

    Parameters
    ----------
    plane : mapping
        Content of ``plane.json``, with two axes.
    luminosities : sequence of float
        In fb-1, a colour for each; all of the plane by default.
    view : str
        ``masses``, or ``gap`` for the mass and the gap.
    overlays : sequence of Overlay
        Others' contours.
    """
    chosen = list(plane["luminosities"] if luminosities is None else luminosities)
    seen = view_of(plane, view)
    points = points_at(plane, chosen[0])
    xy = seen.place(positions(points))
    with style():
        figure, (axes,) = new_figure(3.9)
        set_range(axes, seen, xy)
        handles, labels = _draw_lines(axes, plane, chosen, seen)
        for index, overlay in enumerate(overlays):
            colour = OVERLAY_COLOURS[index % len(OVERLAY_COLOURS)]
            drawn = [
                axes.plot(*seen.place(line).T, color=colour, lw=1.3, zorder=3.5)[0] for line in overlay.lines
            ]
            handles += drawn[:1]
            labels += [plottable(overlay.label)] if drawn else []
        forbidden = hatch_forbidden(axes, seen)
        failed = {point["name"] for lumi in chosen for point in points_at(plane, lumi) if not is_good(point)}
        everywhere = np.array([point["name"] not in failed for point in points])
        good, bad = xy[everywhere], xy[~everywhere]
        if len(good):
            handles.append(axes.scatter(good[:, 0], good[:, 1], s=9, color=SOFT, zorder=4, linewidths=0))
            labels.append("points")
        if len(bad):
            handles.append(mark_failures(axes, bad))
            labels.append("no result")
        if forbidden is not None:
            handles.append(forbidden)
            labels.append("forbidden")
        legend_above(figure, handles, labels, columns=fitting_columns(labels))
    return figure


def _draw_lines(
    axes: Axes, plane: Mapping[str, Any], luminosities: Sequence[float], view: View
) -> tuple[list[Any], list[str]]:
    """All contours, and what the legend says of them: with several luminosities one entry for each, and one per line."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    alone = len(luminosities) == 1
    level = f"{100 * float(plane['level']):g} % CL"
    names = {
        "exclusion": f"{level} expected",
        "evidence": r"3$\sigma$ expected",
        "discovery": r"5$\sigma$ expected",
    }
    entries: dict[str, Any] = {}
    colours: dict[str, Any] = {}
    for index, lumi in enumerate(luminosities):
        colour = LUMINOSITY_COLOURS[index % len(LUMINOSITY_COLOURS)]
        if not alone:
            colours[lumi_label(lumi)] = Patch(color=colour)
        if alone and draw_band(axes, plane, lumi, view, colour):
            entries[r"$\pm 1\sigma$"] = Patch(facecolor=colour, alpha=0.22, edgecolor=colour, linewidth=0.6)
        for what, dashes in LINES.items():
            for line in contours_of(plane, lumi, what):
                axes.plot(*view.place(line).T, color=colour, ls=dashes, lw=1.7, zorder=3)
                entries.setdefault(
                    names[what] + (f", {lumi_label(lumi)}" if alone and what == "exclusion" else ""),
                    Line2D([], [], color=colour if alone else INK, ls=dashes, lw=1.7),
                )
        seen = INK if alone else colour  # not the colour of what was expected, which it may cover
        for line in contours_of(plane, lumi, "exclusion", "observed"):
            axes.plot(*view.place(line).T, color=seen, lw=2.1, zorder=3.2)
            entries.setdefault(f"{level} observed", Line2D([], [], color=INK, lw=2.1))
        for what in ("evidence", "discovery"):
            for line in contours_of(plane, lumi, what, "observed"):
                axes.plot(*view.place(line).T, color=seen, ls=LINES[what], lw=2.1, zorder=3.2)
                name = names[what].replace("expected", "observed")
                entries.setdefault(name, Line2D([], [], color=INK, ls=LINES[what], lw=2.1))
        for sign in (-1, 1) if alone else ():
            for line in contours_of(plane, lumi, "exclusion", "observed", sign):
                axes.plot(*view.place(line).T, color=seen, lw=0.9, ls=":", zorder=3.1)
                entries.setdefault(r"$\pm 1\sigma$ cross section", Line2D([], [], color=seen, lw=0.9, ls=":"))
    entries = {**colours, **entries}
    return list(entries.values()), list(entries)


def draw_band(axes: Axes, plane: Mapping[str, Any], lumi: float, view: View, colour: str) -> bool:
    """The one-sigma band of the exclusion, filled, and its edges; returns whether there is one."""
    lines = [line for band in (-1, 1) for line in contours_of(plane, lumi, "exclusion", band)]
    for line in lines:
        axes.plot(*view.place(line).T, color=colour, lw=0.6, alpha=0.8, zorder=2)
    surface = band_surface(plane, lumi) if lines else None
    if surface is not None and (surface[2] > 0).any():
        *places, inside = surface
        x, y = view.place(np.column_stack([place.ravel() for place in places])).T
        limits = axes.axis()
        options: dict[str, Any] = {"colors": [colour], "alpha": 0.22, "zorder": 1}
        axes.contourf(
            x.reshape(inside.shape),
            y.reshape(inside.shape),
            np.ma.masked_invalid(inside),
            levels=[0, np.inf],
            **options,
        )
        axes.axis(limits)
    return bool(lines)
