"""Stacked distributions with the signal on top, N-1 plots, and the shape behind M_T2^100."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mplhep
import numpy as np
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from massgap.reports.figures.labels import feature_label, process_colours, process_label
from massgap.reports.figures.spectra import Spectra, spectra
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Cut:
    """Where a cut lies in an N-1 plot: events between or outside the edges are kept.

    Attributes
    ----------
    low, high
        Edges; None means open on that side.
    keep
        ``inside`` keeps low < x < high, ``outside`` vetoes that window.
    """

    low: float | None
    high: float | None
    keep: str = "inside"

    def removed(self, first: float, last: float) -> list[tuple[float, float]]:
        """Return the intervals of the axis from `first` to `last` that the cut removes."""
        low = first if self.low is None else self.low
        high = last if self.high is None else self.high
        if self.keep == "outside":
            return [(low, high)]
        return [(a, b) for a, b in ((first, low), (high, last)) if b > a]


def _draw_panels(
    drawn: Spectra,
    signals: Sequence[str],
    backgrounds: Sequence[str],
    masses: Mapping[str, Mapping[str, float]],
    unit: str,
    *,
    log: bool,
) -> tuple[Figure, list[Axes], list[Any], list[str]]:
    colours = process_colours([*backgrounds, *signals], signals)
    figure, axes = new_figure(3.9, rows=(3, 1))
    main, ratio = axes
    edges = drawn.edges
    total, variance = drawn.total(list(backgrounds))
    error = np.sqrt(variance)
    # Small processes at the bottom: on a logarithmic axis the last ones would be slivers.
    order = sorted(
        (b for b in backgrounds if b in drawn.values), key=lambda name: (drawn.values[name].sum(), name)
    )
    handles: list[Any] = []
    labels: list[str] = []
    if order:
        mplhep.histplot(
            [drawn.values[name] for name in order],
            edges,
            stack=True,
            histtype="fill",
            color=[colours[name] for name in order],
            ax=main,
            flow="none",
        )
        for name in reversed(order):
            # Not the artists that were drawn: mplhep returns those of a stack in reverse.
            handles.append(Patch(facecolor=colours[name]))
            labels.append(process_label(name))
        band = main.stairs(
            total + error,
            edges,
            baseline=np.maximum(total - error, 0),
            fill=True,
            facecolor="none",
            edgecolor="#30363c",
            hatch="//////",
            linewidth=0,
        )
        handles.append(band)
        labels.append("MC stat.")
    styles = ("-", "--", ":", "-.")
    lines = []
    for index, name in enumerate(signal for signal in signals if signal in drawn.values):
        artist = mplhep.histplot(
            drawn.values[name],
            edges,
            yerr=False,
            ax=main,
            color=colours[name],
            linewidth=1.9,
            linestyle=styles[index % len(styles)],
            flow="none",
            edges=False,
        )[0]
        lines.append(name)
        handles.insert(index, artist.stairs)
        labels.insert(index, process_label(name, masses.get(name)))
        _draw_ratio(ratio, edges, drawn, name, total, variance, colours[name])
    limits = log_range([total, *[drawn.values[name] for name in lines]])
    if limits is None:
        nothing(main, "no events")
    elif log:
        main.set_yscale("log")
        main.set_ylim(*limits)
        thin_log_ticks(main)
    else:
        main.set_ylim(0, 1.1 * max([float(np.max(total + error)), *[drawn.values[n].max() for n in lines]]))
    main.set_xlim(edges[0], edges[-1])
    main.set_ylabel(f"Cross section per bin [{unit}]" if unit == "fb" else "Events per bin")
    # The panels share this axis; its minor ticks alone would take a sixth of the time.
    ratio.xaxis.set_minor_locator(NullLocator())
    ratio.set_xlabel(feature_label(drawn.name, drawn.axis_label).axis)
    ratio.set_ylabel("S / B", loc="center")
    return figure, axes, handles, labels


def _draw_ratio(
    axes: Axes,
    edges: np.ndarray,
    drawn: Spectra,
    name: str,
    total: np.ndarray,
    variance: np.ndarray,
    colour: str,
) -> None:
    """Draw signal over background per bin, with the statistical error of both."""
    signal, signal_variance = drawn.values[name], drawn.variances[name]
    usable = (total > 0) & (signal > 0)
    if not usable.any():
        if not axes.has_data():
            nothing(axes, "no bin with signal and background")
        return
    ratio = np.full_like(signal, np.nan)
    ratio[usable] = signal[usable] / total[usable]
    error = np.zeros_like(signal)
    error[usable] = ratio[usable] * np.sqrt(
        signal_variance[usable] / signal[usable] ** 2 + variance[usable] / total[usable] ** 2
    )
    centres = 0.5 * (edges[1:] + edges[:-1])
    axes.errorbar(
        centres[usable], ratio[usable], error[usable], fmt="o", ms=2.4, lw=0.8, color=colour, capsize=0
    )
    axes.set_yscale("log")
    low, high = axes.get_ylim() if axes.has_data() and len(axes.containers) > 1 else (np.inf, 0.0)
    limits = log_range([ratio[usable]], decades=4)
    if limits is not None:
        axes.set_ylim(min(low, limits[0]), max(high, limits[1]))
        axes.axhline(1, color="#9aa4ad", lw=0.7, zorder=0)
        thin_log_ticks(axes, minor=False)


def stacked(
    histogram: Any,
    *,
    signals: Sequence[str] = (),
    backgrounds: Sequence[str] | None = None,
    selection: str | None = None,
    channel: str | None = None,
    variation: str = "nominal",
    masses: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "fb",
    log: bool = True,
) -> Figure:
    """Draw one distribution: backgrounds stacked, signals as lines, S/B per bin below.

    Parameters
    ----------
    histogram
        A run's `hist.Hist` (axes process, channel, selection, variation and one feature), in fb.
    signals, backgrounds
        Process names; without `backgrounds` all processes that are not signals.
    selection, channel, variation
        What to take from these axes; without `selection` all its categories are added up, so
        give one wherever the axis exists; without `channel` all channels are added up.
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
    drawn = spectra(histogram, selection=selection, channel=channel, variation=variation)
    others = [p for p in drawn.values if p not in signals] if backgrounds is None else list(backgrounds)
    with style():
        figure, _, handles, labels = _draw_panels(drawn, signals, others, masses or {}, unit, log=log)
        legend_above(figure, handles, labels, columns=4 if len(handles) > 5 else 5)
    return figure


def nminus1(
    histogram: Any,
    *,
    cut: Cut | None = None,
    signals: Sequence[str] = (),
    backgrounds: Sequence[str] | None = None,
    channel: str | None = None,
    variation: str = "nominal",
    masses: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "fb",
) -> Figure:
    """Draw a distribution after all pre-cuts but the one on itself, with that cut shown.

    Parameters are those of `stacked`; the region that `cut` removes is shaded.
    """
    drawn = spectra(histogram, channel=channel, variation=variation)
    others = [p for p in drawn.values if p not in signals] if backgrounds is None else list(backgrounds)
    with style():
        figure, axes, handles, labels = _draw_panels(drawn, signals, others, masses or {}, unit, log=True)
        if cut is not None:
            for panel in axes:
                for low, high in cut.removed(float(drawn.edges[0]), float(drawn.edges[-1])):
                    patch = panel.axvspan(low, high, color="#1c2126", alpha=0.16, lw=0, zorder=3)
                for edge in (cut.low, cut.high):
                    if edge is not None:
                        panel.axvline(edge, color="#1c2126", lw=1.2, ls="--", zorder=4)
            handles.append(patch)
            labels.append("removed")
        legend_above(figure, handles, labels, columns=4 if len(handles) > 5 else 5)
    return figure


def endpoint(
    histogram: Any,
    *,
    signals: Sequence[str],
    backgrounds: Sequence[str] = ("tt", "WW"),
    selection: str | None = "precuts",
    line: float | None = None,
    masses: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Draw the shape of a mass-like variable for signal and the sum of some backgrounds.

    The slepton paper's Fig. 5 with M_T2^100: each distribution has the area one.

    Parameters
    ----------
    line
        Where the signal ends without initial-state radiation, in the axis' unit.
    """
    drawn = spectra(histogram, selection=selection)
    total, variance = drawn.total(list(backgrounds))
    curves = [(" + ".join(process_label(b) for b in backgrounds), total, variance, "#3f90da", True)]
    colours = process_colours(signals, signals)
    curves += [
        (process_label(s, (masses or {}).get(s)), drawn.values[s], drawn.variances[s], colours[s], False)
        for s in signals
        if s in drawn.values
    ]
    with style():
        figure, (axes,) = new_figure(3.4)
        handles: list[Any] = []
        labels: list[str] = []
        for label, content, squared, colour, filled in curves:
            area = content.sum()
            if area <= 0:
                continue
            if filled:
                handle = axes.stairs(content / area, drawn.edges, fill=True, color=colour, alpha=0.45)
            else:
                handle = axes.stairs(content / area, drawn.edges, baseline=None, color=colour, lw=1.9)
            centres = 0.5 * (drawn.edges[1:] + drawn.edges[:-1])
            axes.errorbar(
                centres, content / area, np.sqrt(squared) / area, fmt="none", ecolor=colour, elinewidth=0.8
            )
            handles.append(handle)
            labels.append(label)
        if not handles:
            nothing(axes, "no events")
        else:
            axes.set_ylim(bottom=0)
        if line is not None:
            handles.append(axes.axvline(line, color="#1c2126", ls="--", lw=1.1))
            labels.append(f"endpoint {line:.1f} GeV")
        # Most of the axis may be empty: show what holds all but a thousandth of any curve.
        reached = [np.searchsorted(c.cumsum() / c.sum(), 0.999) for _, c, *_ in curves if c.sum() > 0]
        last = min(len(drawn.edges) - 1, max(reached, default=len(drawn.edges)) + 3)
        axes.set_xlim(drawn.edges[0], drawn.edges[last])
        axes.set_xlabel(feature_label(drawn.name, drawn.axis_label).axis)
        axes.set_ylabel("Fraction of events per bin")
        legend_above(figure, handles, labels, columns=3)
    return figure
