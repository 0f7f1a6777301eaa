"""The classifier's score: densities, what is left above a threshold, and how significant that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.labels import axis_label, process_colours, process_label
from massgap.reports.figures.spectra import spectra
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from massgap.contracts.description import Description


def score_density(
    histogram: Any,
    *,
    signals: Sequence[str] = (),
    region: str | None = None,
    fold: int | None = None,
    bins: int = 25,
    description: Description | None = None,
    masses: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Draw the score of every process, each normalised to the area one.

    Parameters
    ----------
    histogram
        A run's histogram of a score.
    region
        The region to take; may be left out where there is only one.
    fold
        The held-out fold to take; None takes all events, each scored by the model that has not
        seen it.
    bins
        Number of bins to draw; those of the histogram are merged.
    description, masses
        As in :func:`massgap.reports.figures.distributions.stacked`.
    """
    drawn = spectra(histogram, region=region, fold=fold)
    drawn = drawn.merged(max(1, (len(drawn.edges) - 1) // bins))
    width = np.diff(drawn.edges)
    processes = [*[s for s in signals if s in drawn.values], *sorted(set(drawn.values) - set(signals))]
    colours = process_colours(processes, signals, description)
    with style():
        figure, (axes,) = new_figure(3.4)
        handles, labels, densities = [], [], []
        for process in processes:
            area = drawn.values[process].sum()
            if area <= 0:
                continue
            density = drawn.values[process] / area / width
            densities.append(density)
            is_signal = process in signals
            handles.append(
                axes.stairs(
                    # Empty bins are gaps: on a logarithmic axis they would be lines to the bottom.
                    np.where(density > 0, density, np.nan),
                    drawn.edges,
                    baseline=None,
                    color=colours[process],
                    lw=2.1 if is_signal else 1.3,
                    zorder=3 if is_signal else 2,
                )
            )
            labels.append(process_label(process, description, (masses or {}).get(process)))
        limits = log_range(densities, decades=4)
        if limits is None:
            nothing(axes, "no events with a score")
        else:
            axes.set_yscale("log")
            axes.set_ylim(*limits)
            thin_log_ticks(axes)
        axes.set_xlim(drawn.edges[0], drawn.edges[-1])
        axes.set_xlabel(axis_label(drawn.name, description, drawn.axis_label))
        axes.set_ylabel("Density, each of area 1")
        legend_above(figure, handles, labels, columns=4)
    return figure


def residual_cross_section(
    threshold: Sequence[float],
    cross_sections: Mapping[str, Sequence[float]],
    *,
    signals: Sequence[str] = (),
    description: Description | None = None,
    masses: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Draw the cross section with a score above a threshold, per process.

    Parameters
    ----------
    threshold
        Score thresholds, shape (n,).
    cross_sections
        Per process, in fb, shape (n,).
    signals, description, masses
        As in :func:`massgap.reports.figures.distributions.stacked`.
    """
    processes = [*[s for s in signals if s in cross_sections], *sorted(set(cross_sections) - set(signals))]
    colours = process_colours(processes, signals, description)
    x = np.asarray(threshold, dtype=float)
    with style():
        figure, (axes,) = new_figure(3.4)
        handles, labels, curves = [], [], []
        for process in processes:
            y = np.asarray(cross_sections[process], dtype=float)
            if not (y > 0).any():
                continue
            curves.append(y)
            is_signal = process in signals
            handles.append(
                axes.plot(
                    x,
                    np.where(y > 0, y, np.nan),
                    color=colours[process],
                    lw=2.1 if is_signal else 1.3,
                    drawstyle="steps-post",
                )[0]
            )
            labels.append(process_label(process, description, (masses or {}).get(process)))
        limits = log_range(curves, decades=5)
        if limits is None:
            nothing(axes, "no events with a score")
        else:
            axes.set_yscale("log")
            axes.set_ylim(*limits)
            thin_log_ticks(axes)
        axes.set_xlim(*_reach(x))
        axes.set_xlabel("Score threshold")
        axes.set_ylabel("Cross section above threshold [fb]")
        legend_above(figure, handles, labels, columns=4)
    return figure


def residual_from_histogram(
    histogram: Any, fold: int | None = None, *, region: str | None = None
) -> tuple[list[float], dict[str, list[float]]]:
    """Return thresholds and the cross section above each, per process, from a score histogram.

    A single fold holds a part of the sample and is not scaled up here.
    """
    drawn = spectra(histogram, region=region, fold=fold)
    above = {process: content[::-1].cumsum()[::-1].tolist() for process, content in drawn.values.items()}
    return drawn.edges[:-1].tolist(), above


def threshold_scan(
    scan: Mapping[str, Any], *, lumi_fb: float | None = None, minimum_ratio: float | None = None
) -> Figure:
    """Draw S, S/(1+B) and the Asimov significance against the score threshold.

    Parameters
    ----------
    scan
        One entry of ``scan.json``: ``threshold``, ``S``, ``s_over_1pb``, ``asimov`` and the
        smoothed ``S_smooth``, ``s_over_1pb_smooth``, ``asimov_smooth``, each of shape (n,); ``std``, if it is there, has
        standard deviations of the same names.
    minimum_ratio
        The S/(1+B) from which on thresholds are quoted, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
        Shaded: the raw scan, with the jumps of single simulated events; lines: smoothed, with a band of one standard deviation.
    """
    x = np.asarray(scan["threshold"], dtype=float)
    panels = (
        ("S", "S [events]", "#1f6fb5"),
        ("s_over_1pb", "S / (1+B)", "#d9730d"),
        ("asimov", r"$\sigma_{A}$", "#2a7d3f"),
    )
    band = None
    with style():
        figure, axes = new_figure(4.6, rows=(1, 1, 1))
        for panel, (key, label, colour) in zip(axes, panels, strict=True):
            raw = np.asarray(scan[key], dtype=float)
            smooth = np.asarray(scan.get(f"{key}_smooth", raw), dtype=float)
            raw_shade = panel.fill_between(
                x, 0, np.nan_to_num(raw), step="post", color=colour, alpha=0.25, lw=0
            )
            line = panel.plot(x, smooth, color=colour, lw=1.8)[0]
            upper = smooth
            if f"{key}_smooth" in scan.get("std", {}):
                std = np.asarray(scan["std"][f"{key}_smooth"], dtype=float)
                # A band that is wider than the curve is high says only that nothing is known there.
                upper = np.where(std <= smooth, smooth + std, smooth)
                band = panel.fill_between(x, smooth - std, smooth + std, color=colour, alpha=0.4, lw=0)
            # The raw scan's last simulated events may jump far above all that is credible.
            credible = np.nanmax(upper) if np.isfinite(upper).any() else 1.0
            panel.set_ylim(0, 1.25 * credible if credible > 0 else 1)
            panel.set_ylabel(label, loc="center")
            panel.yaxis.set_label_coords(-0.12, 0.5)
            if key == "s_over_1pb" and minimum_ratio is not None:
                panel.axhline(minimum_ratio, color="#56606a", lw=0.8, ls=":")
        axes[0].set_xlim(*_reach(x))
        axes[-1].set_xlabel("Score threshold")
        title = "smoothed" if lumi_fb is None else f"smoothed, {lumi_fb:g} fb$^{{-1}}$"
        handles, labels = [line, raw_shade], [title, "raw histogram"]
        if band is not None:
            handles.append(band)
            labels.append(r"$\pm 1\sigma$ (simulation)")
        legend_above(figure, handles, labels, columns=3)
    return figure


def _reach(thresholds: np.ndarray) -> tuple[float, float]:
    """The range of a score, from the lower edges of its bins."""
    if len(thresholds) < 2:
        return 0.0, 1.0
    return float(thresholds[0]), float(2 * thresholds[-1] - thresholds[-2])
