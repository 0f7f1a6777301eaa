"""Figures of generated samples: merged slices, peaks, endpoints, responses, comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.labels import COLOURS as PALETTE
from massgap.reports.figures.labels import plottable
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1c2126"
COLOURS = (*[shade for shade in PALETTE[:6] if shade != "#94a4a2"], "#bd1f01", *PALETTE[6:])


def colour(index: int) -> str:
    """Return the colour of a curve."""
    return COLOURS[index % len(COLOURS)]


def _plain_log_x(axes: Axes) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 300 else (1, 3) if high / low < 1000 else (1,)
    marks = [s * 10.0**p for p in range(-1, 6) for s in steps if low <= s * 10.0**p <= high]
    axes.xaxis.set_major_locator(FixedLocator(marks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _cropped(edges: np.ndarray, contents: Sequence[np.ndarray]) -> slice:
    filled = np.flatnonzero(np.sum([np.abs(c) for c in contents], axis=0) > 0)
    if not len(filled):
        return slice(0, len(edges) - 1)
    return slice(max(0, filled[0] - 1), min(len(edges) - 1, filled[-1] + 2))


def merged_spectrum(
    edges: np.ndarray, curves: Mapping[str, np.ndarray], label: str, marks: Sequence[float] = ()
) -> Figure:
    """Draw each slice and the sum as densities (fb per GeV) on logarithmic axes.

    Parameters
    ----------
    edges
        Bin edges, > 0.
    curves
        Cross section (fb) per bin of each slice.
    marks
        Edges of slices, drawn as dotted lines.
    """
    part = _cropped(edges, list(curves.values()))
    edges, width = edges[part.start : part.stop + 1], np.diff(edges)[part]
    densities = {name: content[part] / width for name, content in curves.items()}
    total = np.sum(list(densities.values()), axis=0)
    with style():
        figure, (axes,) = new_figure(3.7, left=0.18)
        handles: list[Any] = []
        for index, density in enumerate(densities.values()):
            handles.append(
                axes.stairs(density, edges, fill=True, facecolor=colour(index), alpha=0.4, edgecolor="none")
            )
            axes.stairs(density, edges, color=colour(index), lw=1.0, baseline=None)
        handles.append(axes.stairs(total, edges, color=INK, lw=1.3, baseline=None))
        for mark in marks:
            axes.axvline(mark, color=INK, ls=":", lw=0.9)
        limits = log_range([total, *densities.values()], decades=9)
        if limits is None:
            nothing(axes, "no events")
        else:
            axes.set_yscale("log")
            axes.set_ylim(*limits)
            thin_log_ticks(axes)
        axes.set_xlim(edges[0], edges[-1])
        _plain_log_x(axes)
        axes.set_xlabel(plottable(label))
        axes.set_ylabel("Cross section [fb / GeV]")
        _legend(figure, handles, [*map(plottable, densities), "sum"])
    return figure


def _legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str], most: int = 3) -> None:
    """Legend above, in as many columns as the longest name leaves room for."""
    longest = max(map(len, labels), default=0)
    legend_above(figure, handles, labels, columns=max(1, min(most, 62 // (longest + 6))))


def peak(
    edges: np.ndarray, curves: Mapping[str, np.ndarray], label: str, line: float, fit: np.ndarray | None
) -> Figure:
    """Draw a mass peak per process, scaled to unit area, the fit to their sum, and the expected position."""
    centres = 0.5 * (edges[1:] + edges[:-1])
    with style():
        figure, (axes,) = new_figure(3.4)
        handles: list[Any] = []
        labels: list[str] = []
        for index, (name, content) in enumerate(curves.items()):
            total = content.sum()
            if total <= 0:
                continue
            handles.append(
                axes.errorbar(
                    centres,
                    content / total,
                    np.sqrt(content) / total,
                    fmt="o",
                    ms=2.2,
                    lw=0.7,
                    color=colour(index),
                )
            )
            labels.append(plottable(name))
        if fit is not None:
            handles.append(axes.plot(centres, fit / fit.sum(), color=INK, lw=1.2)[0])
            labels.append("fit")
        handles.append(axes.axvline(line, color=INK, ls="--", lw=0.9))
        labels.append(f"expected {line:g} GeV")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label)
        axes.set_ylabel("Fraction of entries per bin")
        _legend(figure, handles, labels)
    return figure


def shape_with_end(edges: np.ndarray, curves: Mapping[str, np.ndarray], label: str) -> Figure:
    """Draw distributions of value over endpoint, each of area one; nothing may lie beyond 1."""
    with style():
        figure, (axes,) = new_figure(3.4)
        handles: list[Any] = []
        for index, content in enumerate(curves.values()):
            area = content.sum()
            handles.append(
                axes.stairs(content / (area if area > 0 else 1), edges, baseline=None, color=colour(index))
            )
        handles.append(axes.axvline(1.0, color=INK, ls="--", lw=0.9))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(plottable(label))
        axes.set_ylabel("Fraction of events per bin")
        _legend(figure, handles, [*map(plottable, curves), "endpoint"])
    return figure


def response(
    edges: np.ndarray,
    found: Mapping[str, tuple[np.ndarray, np.ndarray]],
    expected: Mapping[str, np.ndarray] | None,
    label: str,
    ylabel: str,
    *,
    log_y: bool = False,
) -> Figure:
    """Draw measured points per region over the card's curves, and pulls below.

    Parameters
    ----------
    edges
        Bin edges in pT, > 0.
    found
        Value and error per bin and region; NaN where a bin has too few events.
    expected
        Expectation per bin and region; without it the lower panel is left out.
    """
    centres = np.sqrt(edges[1:] * edges[:-1])
    with style():
        figure, axes = new_figure(3.9, rows=(3, 1) if expected is not None else (1,))
        handles: list[Any] = []
        sizes: list[float] = []
        for index, (name, (value, error)) in enumerate(found.items()):
            points = centres * (1 + 0.015 * (index - 0.5 * (len(found) - 1)))
            handles.append(axes[0].errorbar(points, value, error, fmt="o", ms=3, lw=0.9, color=colour(index)))
            if expected is None:
                continue
            curve = expected[name]
            known = np.isfinite(value)
            axes[0].stairs(
                np.where(known, curve, np.nan), edges, color=colour(index), lw=1.2, baseline=None, alpha=0.8
            )
            with np.errstate(invalid="ignore", divide="ignore"):
                pull = (value - curve) / error
            axes[1].plot(points, pull, "o", ms=3, color=colour(index))
            sizes += np.abs(pull[np.isfinite(pull)]).tolist()
        if expected is not None:
            axes[1].axhspan(-3, 3, color="#e9edf1", zorder=0)
            axes[1].axhline(0, color="#9aa4ad", lw=0.7, zorder=0)
            reach = max([4.5, *(1.15 * size for size in sizes)])
            axes[1].set_ylim(-reach, reach)
            axes[1].set_ylabel("Pull", loc="center")
        shown = [value for value, _ in found.values()]
        limits = log_range([v[np.isfinite(v)] for v in shown], decades=5) if log_y else None
        if limits is not None:
            axes[0].set_yscale("log")
            axes[0].set_ylim(*limits)
            thin_log_ticks(axes[0])
        if not any(np.isfinite(v).any() for v in shown):
            nothing(axes[0], "not enough events per bin")
        filled = np.flatnonzero(np.any([np.isfinite(v) for v in shown], axis=0))
        last = filled[-1] + 1 if len(filled) else len(centres)
        axes[0].set_xlim(edges[filled[0] if len(filled) else 0], edges[last])
        _plain_log_x(axes[0])
        axes[-1].set_xlabel(label)
        axes[0].set_ylabel(ylabel)
        _legend(figure, handles, [plottable(name) for name in found])
    return figure


def overlay(
    edges: np.ndarray,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    label: str,
    *,
    log_x: bool = False,
    log_y: bool = True,
    ratio: bool = True,
) -> Figure:
    """Draw distributions of area one with errors, and below the first over the second.

    Parameters
    ----------
    curves
        Contents and their errors; the second one is the reference.
    """
    width = np.diff(edges)
    centres = np.sqrt(edges[1:] * edges[:-1]) if log_x else 0.5 * (edges[1:] + edges[:-1])
    with style():
        figure, axes = new_figure(3.9, rows=(3, 1) if ratio else (1,))
        handles: list[Any] = []
        shapes = []
        for index, (content, error) in enumerate(curves.values()):
            area = content.sum() or 1.0
            value, sigma = content / area / width, error / area / width
            shapes.append((value, sigma))
            handles.append(axes[0].stairs(value, edges, color=colour(index), lw=1.4, baseline=None))
            axes[0].errorbar(centres, value, sigma, fmt="none", ecolor=colour(index), elinewidth=0.9)
        limits = log_range([value for value, _ in shapes], decades=6)
        if limits is not None and log_y:
            axes[0].set_yscale("log")
            axes[0].set_ylim(*limits)
            thin_log_ticks(axes[0])
        elif limits is None:
            nothing(axes[0], "no events")
        else:
            axes[0].set_ylim(bottom=0)
        axes[0].set_xlim(edges[0], edges[-1])
        if log_x:
            _plain_log_x(axes[0])
        if ratio and len(shapes) > 1:
            (one, one_error), (two, two_error) = shapes[:2]
            usable = (one > 0) & (two > 0)
            quotient = one[usable] / two[usable]
            sigma = quotient * np.hypot(one_error[usable] / one[usable], two_error[usable] / two[usable])
            axes[1].errorbar(centres[usable], quotient, sigma, fmt="o", ms=2.6, lw=0.8, color=INK)
            axes[1].axhline(1, color="#9aa4ad", lw=0.7, zorder=0)
            axes[1].set_ylim(0, 2.2)
            axes[1].set_ylabel("Ratio", loc="center")
        axes[-1].set_xlabel(label)
        axes[0].set_ylabel("Fraction per unit of x")
        _legend(figure, handles, [plottable(name) for name in curves], most=2)
    return figure
