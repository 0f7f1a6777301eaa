"""A number of each point of a plane: colour and text, nothing between the points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.planes.contours import contours_of
from massgap.reports.figures.planes.view import (
    INK,
    QUANTITIES,
    hatch_forbidden,
    lumi_label,
    mark_failures,
    points_at,
    positions,
    quantity,
    set_range,
    view_of,
)
from massgap.reports.figures.style import legend_above, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST, SMALLEST_WITH_TEXT = 24.0, 15.0
"""Width of a marker, and from which on a number fits into it, in typographic points."""
TEXT = (19.0, 6.5)
"""Width and height of a number, in typographic points."""
CONTOURS: dict[str, tuple[tuple[str, int | str, Any], ...]] = {
    "limit": (("exclusion", 0, "--"),),
    "observed limit": (("exclusion", "observed", "-"),),
    "cls": (("exclusion", 0, "--"),),
    "observed cls": (("exclusion", "observed", "-"),),
    "significance": (("evidence", 0, (0, (4, 1.2, 1, 1.2))), ("discovery", 0, (0, (1, 1.1)))),
    "observed significance": (
        ("evidence", "observed", (0, (4, 1.2, 1, 1.2))),
        ("discovery", "observed", (0, (1, 1.1))),
    ),
}


def point_map(plane: Mapping[str, Any], what: str, lumi_fb: float, *, view: str = "masses") -> Figure:
    """Draw a number of each point as a colour, and as text where there is room.

    Parameters
    ----------
    plane : mapping
        Content of ``plane.json``, with two axes.
    what : str
        One of :data:`massgap.reports.figures.planes.view.QUANTITIES`.
    lumi_fb : float
        In fb-1.
    view : str
        ``masses``, or ``gap`` for the mass and the gap.
    """
    label, scale = QUANTITIES[what]
    seen = view_of(plane, view)
    points = points_at(plane, lumi_fb)
    xy = seen.place(positions(points))
    values = np.array([quantity(point, what) for point in points])
    values *= 100 if "%" in label else 1
    known = np.isfinite(values)
    with style():
        figure, (axes,) = new_figure(3.7)
        set_range(axes, seen, xy, 0.13)  # markers are wide, and a number may stand beside the last one
        handles, labels = [], []
        if known.any():
            points_per_unit = _scale(figure, axes)
            width = _width(xy * points_per_unit)
            norm = _norm(values[known], scale)
            style_of: dict[str, Any] = {"marker": "s", "norm": norm, "cmap": "viridis", "linewidths": 0}
            drawn = axes.scatter(
                xy[known, 0], xy[known, 1], c=values[known], s=width**2, zorder=3, **style_of
            )
            _bar(figure, axes, drawn, label)
            if width >= SMALLEST_WITH_TEXT:
                _write_inside(axes, xy[known], values[known], drawn)
            elif _is_room(xy * points_per_unit, width):
                _write_beside(axes, xy[known], values[known], width)
            for contour, band, dashes in CONTOURS.get(what, ()):
                for line in contours_of(plane, lumi_fb, contour, band):
                    axes.plot(*seen.place(line).T, color="#d55e00", ls=dashes, lw=1.7, zorder=4)
        if not known.all():
            handles.append(mark_failures(axes, xy[~known]))
            labels.append("no result")
        if (forbidden := hatch_forbidden(axes, seen)) is not None:
            handles.append(forbidden)
            labels.append("forbidden")
        legend_above(figure, handles, labels)
        if what != "efficiency":
            axes.set_title(lumi_label(lumi_fb), loc="left", fontsize=9)
    return figure


def _norm(values: np.ndarray, scale: str) -> Any:
    """Colours on a logarithmic scale where the numbers differ by much."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(values.min()), float(values.max())
    if scale == "log" and low > 0 and high > 5 * low:
        return LogNorm(low, high)
    return Normalize(*((low, high) if high > low else (low - 0.5 * abs(low), high + 0.5 * abs(high) + 1e-12)))


def _bar(figure: Figure, axes: Axes, drawn: Any, label: str) -> None:
    """The bar of colours, with plain numbers also on a logarithmic scale."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    bar = figure.colorbar(drawn, ax=axes, pad=0.02)
    bar.set_label(label)
    if isinstance(drawn.norm, LogNorm):
        low, high = drawn.get_clim()
        wide = high > 100 * low
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=9))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())


def _scale(figure: Figure, axes: Axes) -> np.ndarray:
    """Typographic points per unit of x and of y; the bar of colours takes its share of the width."""
    box = axes.get_position()
    size = 72 * np.array([0.83 * box.width * figure.get_figwidth(), box.height * figure.get_figheight()])
    return size / [np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())]


def _width(places: np.ndarray) -> float:
    """Width of the markers with which neighbours do not touch; all lengths in typographic points."""
    distances = np.abs(places[:, None] - places[None]).max(axis=2)
    nearest = distances[distances > 0].min(initial=math.inf)
    return float(np.clip(0.9 * nearest, 2.5, LARGEST))


def _is_room(places: np.ndarray, width: float) -> bool:
    """Whether a number fits at the right of each marker; all lengths in typographic points."""
    apart = places[None] - places[:, None]
    level = np.abs(apart[..., 1]) < 0.5 * width + TEXT[1] / 2
    taken = level & (apart[..., 0] > 0) & (apart[..., 0] < width + TEXT[0])
    lines = (np.abs(apart[..., 1]) < TEXT[1]) & (np.abs(apart[..., 0]) < TEXT[0])
    return not taken.any() and lines.sum() == len(places)


def _write_inside(axes: Axes, xy: np.ndarray, values: np.ndarray, drawn: Any) -> None:
    """Numbers in the markers, dark on light and light on dark."""
    colours = drawn.cmap(drawn.norm(values))
    for place, value, colour in zip(xy, values, colours, strict=True):
        bright = colour[:3] @ np.array([0.2126, 0.7152, 0.0722])
        axes.text(
            place[0],
            place[1],
            short(value),
            ha="center",
            va="center",
            fontsize=6.2,
            color=INK if bright > 0.45 else "white",
            zorder=5,
            clip_on=True,
        )


def _write_beside(axes: Axes, xy: np.ndarray, values: np.ndarray, width: float) -> None:
    """Numbers at the right of the markers."""
    for place, value in zip(xy, values, strict=True):
        axes.annotate(
            short(value),
            place,
            xytext=(0.5 * width + 1.5, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.2,
            color=INK,
            zorder=5,
            annotation_clip=True,
        )


def short(value: float) -> str:
    """Write a number in at most five characters or so.

    >>> short(0.0123), short(1.234), short(23.4), short(1234.0), short(0.00012), short(2.5e6), short(0.0)
    ('.012', '1.23', '23.4', '1234', '1e-4', '2e6', '0')
    >>> short(1.0), short(0.5), short(0.9996), short(99.96), short(0.00099)
    ('1.00', '.50', '1.00', '100', '1e-3')
    """
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 99999.5:
        mantissa, _, power = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(power)}"
    if size >= 99.95:
        return f"{value:.0f}"
    if size < 0.9995:
        return f"{value:#.2g}".replace("0.", ".", 1)
    return f"{value:#.3g}"
