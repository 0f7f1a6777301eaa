"""The fit: events in its bins, the expected limit, and pulls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.labels import axis_label, plottable, process_colours, process_label
from massgap.reports.figures.stack import draw_stack
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from massgap.contracts.description import Description


def fitted_bins(
    results: Mapping[str, Any],
    part: int = 0,
    *,
    description: Description | None = None,
    masses: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Draw the expected events in the fit's bins, which are drawn equally wide.

    Parameters
    ----------
    results
        ``results.json`` of a fit: ``signal``, ``backgrounds``, ``lumi_fb``, and ``parts``, each with ``observable``,
        ``binning``, ``yields`` and ``stat_errors`` per sample.
    part
        Which of the parts, of a fit of several regions.
    description, masses
        As in :func:`massgap.reports.figures.distributions.stacked`.
    """
    fitted = results["parts"][part]
    edges = [float(edge) for edge in fitted["binning"]]
    bins = np.arange(len(edges), dtype=float)
    yields = {name: np.asarray(values, dtype=float) for name, values in fitted["yields"].items()}
    signal = str(results["signal"])
    stack = {name: yields[name] for name in results["backgrounds"] if name in yields}
    colours = process_colours([*stack, signal], [signal], description)
    zero = np.zeros(len(bins) - 1)
    total = sum(stack.values(), zero)
    errors = fitted.get("stat_errors") or {}
    error = np.sqrt(sum((np.asarray(errors[b], dtype=float) ** 2 for b in stack if b in errors), zero))

    def label(process: str) -> str:
        return process_label(process, description, (masses or {}).get(process))

    with style():
        figure, (main, ratio) = new_figure(3.9, rows=(3, 1))
        handles, labels = draw_stack(main, bins, stack, error, colours, label)
        if signal in yields:
            handles.insert(0, main.stairs(yields[signal], bins, color=colours[signal], lw=2))
            labels.insert(0, label(signal))
            over = np.where(total > 0, yields[signal] / np.where(total > 0, total, 1), np.nan)
            ratio.stairs(over, bins, color=colours[signal])
        limits = log_range([total, yields.get(signal, zero)])
        if limits is None:
            nothing(main, "no events")
        else:
            main.set_yscale("log")
            main.set_ylim(*limits)
            thin_log_ticks(main)
        main.set_ylabel(f"Events at {results['lumi_fb']:g} fb$^{{-1}}$")
        ratio.set_ylabel("S / B", loc="center")
        ratio.set_ylim(bottom=0)
        _number_bins(main, ratio, edges)
        ratio.set_xlabel(f"{axis_label(str(fitted['observable']), description)} (bins of the fit)")
        legend_above(figure, handles, labels, columns=4)
    return figure


def _number_bins(main: Axes, ratio: Axes, edges: Sequence[float]) -> None:
    """Write the edges of bins that are drawn equally wide, about ten of them."""
    step = -(-len(edges) // 11)
    ratio.set_xlim(0, len(edges) - 1)
    ratio.minorticks_off()
    main.tick_params(axis="x", which="minor", bottom=False)
    ratio.set_xticks(range(0, len(edges), step), [f"{edge:.3g}" for edge in edges[::step]])


def upper_limit(limit: Mapping[str, Any], spread: Mapping[str, Any] | None = None) -> Figure:
    """Draw the upper limit on the signal strength with the bands of one and two sigma.

    Parameters
    ----------
    limit
        ``upper_limit`` of ``results.json``: ``expected`` (five values, -2 to +2 sigma),
        ``observed`` (or None), ``level``.
    spread
        Their spreads over replicas of the simulation; that of the median is drawn.
    """
    low2, low1, median, high1, high2 = (float(v) for v in limit["expected"])
    observed = limit.get("observed")
    with style():
        figure, (axes,) = new_figure(1.9, left=0.05)
        handles = [
            axes.barh(0, high2 - low2, left=low2, height=0.7, color="#ffd24d"),
            axes.barh(0, high1 - low1, left=low1, height=0.7, color="#5cb878"),
            axes.plot([median, median], [-0.35, 0.35], color="#1c2126", ls="--", lw=1.8)[0],
        ]
        labels = [r"$\pm 2\sigma$", r"$\pm 1\sigma$", f"expected {median:.3g}"]
        std = None if spread is None else spread["expected"][2]["std"]
        if std is not None:
            axes.errorbar(median, 0.0, xerr=std, color="#1c2126", capsize=4, lw=1.3)
        if observed is not None:
            handles.append(axes.plot([observed, observed], [-0.35, 0.35], color="#1c2126", lw=2)[0])
            labels.append(f"observed {observed:.3g}")
        largest = max(1.0, high2, observed or 0.0)
        handles.append(axes.axvline(1, color="#bd1f01", lw=1.3, ls=":"))
        labels.append("this model")
        axes.set_xlim(0, 1.1 * largest)
        axes.set_ylim(-0.6, 0.6)
        axes.set_yticks([])
        axes.tick_params(axis="y", which="both", left=False, right=False)
        axes.set_xlabel(rf"Upper limit on the signal strength, {100 * float(limit['level']):g} % CL")
        legend_above(figure, handles, labels, columns=4 if observed is None else 3)
    return figure


def pulls(entries: Sequence[tuple[str, float, float]]) -> Figure:
    """Draw nuisance parameters after the fit, in units of their prior uncertainty.

    Parameters
    ----------
    entries
        Name, pull and uncertainty of each parameter.
    """
    with style():
        figure, (axes,) = new_figure(1.0 + 0.2 * max(3, len(entries)), left=0.42)
        figure.subplots_adjust(top=1 - 0.15 / figure.get_figheight())
        positions = np.arange(len(entries))[::-1]
        axes.axvspan(-2, 2, color="#fff1c2", lw=0)
        axes.axvspan(-1, 1, color="#d8f0df", lw=0)
        axes.errorbar(
            [e[1] for e in entries],
            positions,
            xerr=[e[2] for e in entries],
            fmt="o",
            ms=3.5,
            color="#1c2126",
            lw=1,
        )
        axes.set_yticks(positions, [plottable(e[0]) for e in entries])
        axes.minorticks_off()
        axes.tick_params(axis="y", which="both", length=0)
        axes.set_ylim(-0.7, len(entries) - 0.3)
        reach = max([3.0, *[abs(e[1]) + e[2] for e in entries]])
        axes.set_xlim(-reach, reach)
        axes.set_xlabel("Pull (units of the prior uncertainty)")
    return figure
