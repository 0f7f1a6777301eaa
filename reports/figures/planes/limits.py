"""The limit on the cross section against one mass, with its bands and what theory says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.labels import plottable
from massgap.reports.figures.planes.view import (
    INK,
    ONE_SIGMA,
    SOFT,
    TWO_SIGMA,
    fitting_columns,
    is_good,
    line_axis,
    lumi_label,
    padded,
    points_at,
    view_of,
)
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from massgap.reports.figures.planes.contours import Overlay


def limit_against_mass(
    plane: Mapping[str, Any], lumi_fb: float, *, overlays: Sequence[Overlay] = ()
) -> Figure:
    """Draw upper limits on the cross section with the bands of one and two sigma, and the cross section itself.

    Lines and bands run between neighbours that both have a result; a point without one is a cross, and a gap.

    Parameters
    ----------
    plane : mapping
        Content of ``plane.json``, of points on a line.
    lumi_fb : float
        In fb-1.
    overlays : sequence of Overlay
        Others' limits: mass and limit in fb.
    """
    axis = line_axis(plane)
    points = sorted(points_at(plane, lumi_fb), key=lambda point: point[axis])
    x = np.array([float(point[axis]) for point in points])
    expected, observed = limits_fb(points)
    theory, spread = _theory(points)
    good = np.array([is_good(point) for point in points])
    with style():
        figure, (axes,) = new_figure(3.7)
        handles, labels = _bands(axes, x, expected)
        if np.isfinite(observed).any():
            handles.append(axes.plot(x, observed, "o-", color=INK, lw=1.8, ms=3.5, zorder=4)[0])
            labels.append("observed")
        if np.isfinite(theory).any():
            axes.fill_between(
                x, theory - spread, theory + spread, color="#d55e00", alpha=0.3, lw=0, zorder=2.5
            )
            handles.append(axes.plot(x, theory, color="#d55e00", lw=1.6, zorder=3)[0])
            if len(x) == 1:
                axes.plot(x, theory, "_", color="#d55e00", ms=14, mew=1.6, zorder=3)
            labels.append(r"cross section" + (r" $\pm 1\sigma$" if (spread > 0).any() else ""))
        for index, overlay in enumerate(overlays):
            colour = ("#0072b2", "#7f3c8d", SOFT)[index % 3]
            drawn = [
                axes.plot(*line.T, color=colour, lw=1.3, ls="-.", zorder=3.5)[0] for line in overlay.lines
            ]
            handles += drawn[:1]
            labels += [plottable(overlay.label)] if drawn else []
        limits = log_range([expected, observed, theory])
        if limits is None:
            nothing(axes, "no result")
        else:
            axes.set_yscale("log")
            axes.set_ylim(*limits)
            thin_log_ticks(axes)
        if not good.all():
            crosses = axes.plot(
                x[~good],
                np.full((~good).sum(), 0.04),
                "x",
                color=INK,
                ms=6,
                mew=1.5,
                transform=axes.get_xaxis_transform(),
            )
            handles.append(crosses[0])
            labels.append("no result")
        axes.set_xlim(*padded(x, 0.03))
        axes.set_xlabel(view_of(plane).x_label)
        axes.set_ylabel(f"{100 * float(plane['level']):g} % CL limit [fb], {lumi_label(lumi_fb)}")
        legend_above(figure, handles, labels, columns=fitting_columns(labels))
    return figure


def limits_fb(points: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Upper limits on the cross section in fb: expected, shape (n, 5), and observed, shape (n,); NaN where there is none."""
    expected, observed = np.full((len(points), 5), np.nan), np.full(len(points), np.nan)
    for index, point in enumerate(points):
        if not is_good(point):
            continue
        limit = point["limit_fb"]
        expected[index] = [np.nan if value is None else value for value in limit["expected"]]
        if limit["observed"] is not None:
            observed[index] = limit["observed"]
    return expected, observed


def _theory(points: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Cross sections and their uncertainties in fb."""
    sigma, error = (
        np.array([np.nan if point[key] is None else float(point[key]) for point in points])
        for key in ("cross_section_fb", "cross_section_uncertainty")
    )
    return sigma, np.where(np.isnan(error), 0.0, error)


def _bands(axes: Axes, x: np.ndarray, expected: np.ndarray) -> tuple[list[Any], list[str]]:
    handles: list[Any] = []
    # A point whose neighbours have no result has no area: it gets bars.
    alone = np.isfinite(expected[:, 2])
    alone &= ~np.r_[False, alone[:-1]] & ~np.r_[alone[1:], False]
    for low, high, colour in ((0, 4, TWO_SIGMA), (1, 3, ONE_SIGMA)):
        handles.append(
            axes.fill_between(x, expected[:, low], expected[:, high], color=colour, lw=0, zorder=1)
        )
        axes.vlines(x[alone], expected[alone, low], expected[alone, high], color=colour, lw=7, zorder=1)
    line = axes.plot(x, expected[:, 2], "--", color=INK, lw=1.6, zorder=3)[0]
    axes.plot(x[alone], expected[alone, 2], "_", color=INK, ms=9, mew=1.6, zorder=3)
    return [line, handles[1], handles[0]], ["expected", r"$\pm 1\sigma$", r"$\pm 2\sigma$"]
