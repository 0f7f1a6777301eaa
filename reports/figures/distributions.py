"""Stacked distributions with the signal on top, N-1 plots, and shapes of area one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mplhep
import numpy as np
from matplotlib.ticker import NullLocator

from massgap.reports.figures.labels import axis_label, process_colours, process_label
from massgap.reports.figures.spectra import Spectra, spectra
from massgap.reports.figures.stack import draw_stack
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from massgap.contracts.description import Cut, Description

DARK = "#1c2126"
LINES = ("-", "--", ":", "-.")


def stacked(
    histogram: Any,
    *,
    signals: Sequence[str] = (),
    backgrounds: Sequence[str] | None = None,
    region: str | None = None,
    variation: str = "nominal",
    description: Description | None = None,
    masses: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "fb",
    log: bool = True,
) -> Figure:
    """Draw one distribution: backgrounds stacked, signals as lines, S/B per bin below.

    Parameters
    ----------
    histogram
        A run's `hist.Hist` (axes process, region, variation and one observable), in fb.
    signals, backgrounds
        Process names; without `backgrounds` all processes that are not signals.
    region, variation
        What to take from these axes; `region` may be left out where there is only one.
    description
        The run's own, for labels and colours; names without it.
    masses
        Masses per signal, for the legend.
    unit
        ``fb``, or ``events`` for data.
    log
        Logarithmic contents.

    Returns
    -------
    matplotlib.figure.Figure
        The hatched band is the statistical uncertainty of the simulated background.
    """
    drawn = spectra(histogram, region=region, variation=variation)
    panels = _Panels(drawn, signals, backgrounds, description, masses, unit)
    with style():
        panels.draw(log=log)
        return panels.finished()


def nminus1(
    histogram: Any,
    *,
    cut: Cut | None = None,
    signals: Sequence[str] = (),
    backgrounds: Sequence[str] | None = None,
    region: str | None = None,
    variation: str = "nominal",
    description: Description | None = None,
    masses: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "fb",
) -> Figure:
    """Draw a distribution after all cuts of a region but the one on itself, with that cut shown.

    Parameters are those of `stacked`; lines are drawn at the edges of `cut`, and what it removes is shaded.
    """
    drawn = spectra(histogram, region=region, variation=variation)
    panels = _Panels(drawn, signals, backgrounds, description, masses, unit)
    with style():
        panels.draw(log=True)
        if cut is not None and cut.edges:
            panels.show(cut)
        return panels.finished()


def removed(cut: Cut, first: float, last: float) -> list[tuple[float, float]]:
    """Return the intervals of the axis from `first` to `last` that a cut removes, none if it does not say which.

    >>> from massgap.contracts.description import Cut
    >>> removed(Cut("met", "met", edges=(110.0,), keeps=(False, True)), 0.0, 500.0)
    [(0.0, 110.0)]
    """
    ends = [first, *(min(max(edge, first), last) for edge in cut.edges), last]
    return [
        (low, high)
        for low, high, keep in zip(ends[:-1], ends[1:], cut.kept, strict=False)
        if high > low and not keep
    ]


class _Panels:
    """The stack above, signal over background below, and what the legend gets."""

    def __init__(
        self,
        drawn: Spectra,
        signals: Sequence[str],
        backgrounds: Sequence[str] | None,
        description: Description | None,
        masses: Mapping[str, Mapping[str, float]] | None,
        unit: str,
    ) -> None:
        others = [p for p in drawn.values if p not in signals] if backgrounds is None else list(backgrounds)
        self.drawn, self.description, self.masses, self.unit = drawn, description, masses or {}, unit
        self.colours = process_colours([*others, *signals], signals, description)
        self.signals = [name for name in signals if name in drawn.values]
        self.stack = {name: drawn.values[name] for name in others if name in drawn.values}
        self.total, self.variance = drawn.total(others)
        self.handles: list[Any] = []
        self.labels: list[str] = []

    def label(self, process: str) -> str:
        return process_label(process, self.description, self.masses.get(process))

    def draw(self, *, log: bool) -> None:
        drawn, edges = self.drawn, self.drawn.edges
        self.figure, (main, ratio) = new_figure(3.9, rows=(3, 1))
        self.axes = (main, ratio)
        error = np.sqrt(self.variance)
        handles, labels = draw_stack(main, edges, self.stack, error, self.colours, self.label)
        for index, name in enumerate(self.signals):
            artist = mplhep.histplot(
                drawn.values[name],
                edges,
                yerr=False,
                ax=main,
                color=self.colours[name],
                linewidth=1.9,
                linestyle=LINES[index % len(LINES)],
                flow="none",
                edges=False,
            )[0]
            self.handles.append(artist.stairs)
            self.labels.append(self.label(name))
            _draw_ratio(ratio, drawn, name, self.total, self.variance, self.colours[name])
        self.handles += handles
        self.labels += labels
        tops = [drawn.values[name] for name in self.signals]
        limits = log_range([self.total, *tops])
        if limits is None:
            nothing(main, "no events")
        elif log:
            main.set_yscale("log")
            main.set_ylim(*limits)
            thin_log_ticks(main)
        else:
            main.set_ylim(0, 1.1 * max(float(np.max(top)) for top in (self.total + error, *tops)))
        main.set_xlim(edges[0], edges[-1])
        main.set_ylabel(f"Cross section per bin [{self.unit}]" if self.unit == "fb" else "Events per bin")
        # The panels share this axis; its minor ticks alone would take a sixth of the time.
        ratio.xaxis.set_minor_locator(NullLocator())
        ratio.set_xlabel(axis_label(drawn.name, self.description, drawn.axis_label))
        ratio.set_ylabel("S / B", loc="center")

    def show(self, cut: Cut) -> None:
        """Lines at the edges of a cut, a shade over what it removes."""
        first, last = float(self.drawn.edges[0]), float(self.drawn.edges[-1])
        gone = removed(cut, first, last)
        for panel in self.axes:
            patches = [panel.axvspan(*part, color=DARK, alpha=0.16, lw=0, zorder=3) for part in gone]
            lines = [panel.axvline(edge, color=DARK, lw=1.2, ls="--", zorder=4) for edge in cut.edges]
        self.handles.append((patches or lines)[0])
        self.labels.append("removed" if patches else "cut")

    def finished(self) -> Figure:
        legend_above(self.figure, self.handles, self.labels, columns=4 if len(self.handles) > 5 else 5)
        return self.figure


def _draw_ratio(
    axes: Axes, drawn: Spectra, name: str, total: np.ndarray, variance: np.ndarray, colour: str
) -> None:
    """Draw signal over background per bin, with the statistical error of both."""
    signal, signal_variance = drawn.values[name], drawn.variances[name]
    usable = (total > 0) & (signal > 0)
    if not usable.any():
        if not axes.has_data():
            nothing(axes, "no bin with signal and background")
        return
    ratio = signal[usable] / total[usable]
    error = ratio * np.sqrt(
        signal_variance[usable] / signal[usable] ** 2 + variance[usable] / total[usable] ** 2
    )
    centres = 0.5 * (drawn.edges[1:] + drawn.edges[:-1])
    axes.errorbar(centres[usable], ratio, error, fmt="o", ms=2.4, lw=0.8, color=colour, capsize=0)
    axes.set_yscale("log")
    low, high = axes.get_ylim() if axes.has_data() and len(axes.containers) > 1 else (np.inf, 0.0)
    limits = log_range([ratio], decades=4)
    if limits is not None:
        axes.set_ylim(min(low, limits[0]), max(high, limits[1]))
        axes.axhline(1, color="#9aa4ad", lw=0.7, zorder=0)
        thin_log_ticks(axes, minor=False)


def shapes(
    histogram: Any,
    *,
    signals: Sequence[str],
    backgrounds: Sequence[str],
    region: str | None = None,
    line: float | None = None,
    line_label: str = "",
    description: Description | None = None,
    masses: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Draw the shape of a distribution for signals and for the sum of some backgrounds, each of area one.

    Parameters
    ----------
    histogram, signals, region, description, masses
        As in `stacked`.
    backgrounds
        The processes that are added up.
    line, line_label
        Where a dashed line is drawn, in the axis' unit, and what the legend says of it.
    """
    drawn = spectra(histogram, region=region)
    colours = process_colours([*backgrounds, *signals], signals, description)
    summed = " + ".join(process_label(b, description) for b in backgrounds)
    curves = [(summed, *drawn.total(list(backgrounds)), colours[backgrounds[0]], True)]
    for name in (name for name in signals if name in drawn.values):
        label = process_label(name, description, (masses or {}).get(name))
        curves.append((label, drawn.values[name], drawn.variances[name], colours[name], False))
    curves = [curve for curve in curves if curve[1].sum() > 0]
    with style():
        figure, (axes,) = new_figure(3.4)
        handles: list[Any] = [_draw_shape(axes, drawn.edges, *curve[1:]) for curve in curves]
        labels = [curve[0] for curve in curves]
        if not handles:
            nothing(axes, "no events")
        else:
            axes.set_ylim(bottom=0)
        if line is not None:
            handles.append(axes.axvline(line, color=DARK, ls="--", lw=1.1))
            labels.append(line_label or f"{line:g}")
        # Most of the axis may be empty: show what holds all but a thousandth of any curve.
        reached = [np.searchsorted(c.cumsum() / c.sum(), 0.999) for _, c, *_ in curves]
        last = min(len(drawn.edges) - 1, max(reached, default=len(drawn.edges)) + 3)
        axes.set_xlim(drawn.edges[0], drawn.edges[last])
        axes.set_xlabel(axis_label(drawn.name, description, drawn.axis_label))
        axes.set_ylabel("Fraction of events per bin")
        legend_above(figure, handles, labels, columns=3)
    return figure


def _draw_shape(
    axes: Axes, edges: np.ndarray, content: np.ndarray, variance: np.ndarray, colour: str, filled: bool
) -> Any:
    area = content.sum()
    if filled:
        handle = axes.stairs(content / area, edges, fill=True, color=colour, alpha=0.45)
    else:
        handle = axes.stairs(content / area, edges, baseline=None, color=colour, lw=1.9)
    centres = 0.5 * (edges[1:] + edges[:-1])
    error = np.sqrt(variance) / area
    axes.errorbar(centres, content / area, error, fmt="none", ecolor=colour, elinewidth=0.8)
    return handle
