"""The fit: the score in its bins, the expected limit, and pulls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mplhep
import numpy as np
from matplotlib.patches import Patch

from massgap.reports.figures.labels import plottable, process_colours, process_label
from massgap.reports.figures.style import legend_above, log_range, new_figure, nothing, style, thin_log_ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure


def fitted_score(
    results: Mapping[str, Any], *, masses: Mapping[str, Mapping[str, float]] | None = None
) -> Figure:
    """Draw the expected events in the fit's bins, which are drawn equally wide.

    Parameters
    ----------
    results
        ``results.json`` of a fit: ``binning``, ``yields`` and ``stat_errors`` per sample,
        ``signal``, ``backgrounds``, ``lumi_fb``.
    """
    edges = [float(edge) for edge in results["binning"]]
    bins = np.arange(len(edges), dtype=float)
    yields = {name: np.asarray(values, dtype=float) for name, values in results["yields"].items()}
    signal = str(results["signal"])
    backgrounds = sorted(
        (b for b in results["backgrounds"] if b in yields), key=lambda b: (yields[b].sum(), b)
    )
    errors = {
        name: np.asarray(values, dtype=float) for name, values in results.get("stat_errors", {}).items()
    }
    colours = process_colours([*backgrounds, signal], [signal])
    zero = np.zeros(len(bins) - 1)
    total = zero + sum((yields[b] for b in backgrounds), zero)
    error = np.sqrt(zero + sum((errors[b] ** 2 for b in backgrounds if b in errors), zero))
    with style():
        figure, (main, ratio) = new_figure(3.9, rows=(3, 1))
        handles, labels = [], []
        if backgrounds:
            mplhep.histplot(
                [yields[b] for b in backgrounds],
                bins,
                stack=True,
                histtype="fill",
                color=[colours[b] for b in backgrounds],
                ax=main,
                flow="none",
            )
            for name in reversed(backgrounds):
                # Not the artists that were drawn: mplhep returns those of a stack in reverse.
                handles.append(Patch(facecolor=colours[name]))
                labels.append(process_label(name))
            handles.append(
                main.stairs(
                    total + error,
                    bins,
                    baseline=np.maximum(total - error, 0),
                    fill=True,
                    facecolor="none",
                    edgecolor="#30363c",
                    hatch="//////",
                    linewidth=0,
                )
            )
            labels.append("MC stat.")
        if signal in yields:
            handles.insert(0, main.stairs(yields[signal], bins, color=colours[signal], lw=2))
            labels.insert(0, process_label(signal, (masses or {}).get(signal)))
            usable = total > 0
            ratio.stairs(
                np.where(usable, yields[signal] / np.where(usable, total, 1), np.nan),
                bins,
                color=colours[signal],
            )
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
        ratio.set_xlim(bins[0], bins[-1])
        step = -(-len(edges) // 11)
        ratio.minorticks_off()
        main.tick_params(axis="x", which="minor", bottom=False)
        ratio.set_xticks(bins[::step], [f"{edge:.3g}" for edge in edges[::step]])
        ratio.set_xlabel("Score (bins of the fit)")
        legend_above(figure, handles, labels, columns=4)
    return figure


def upper_limit(limit: Mapping[str, Any]) -> Figure:
    """Draw the upper limit on the signal strength with the bands of one and two sigma.

    Parameters
    ----------
    limit
        ``upper_limit`` of ``results.json``: ``expected`` (five values, -2 to +2 sigma),
        ``observed`` (or None), ``level``.
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
