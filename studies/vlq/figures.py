"""Figures of the study: ROC curves at a mass, efficiencies against the mass, thresholds and shapes against the reconstructed mass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.style import legend_above, log_range, new_figure, style
from massgap.studies.vlq.classifiers import CLASSIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from massgap.studies.vlq.numbers.calibrated import Calibrated
    from massgap.studies.vlq.numbers.limits import Limit
    from massgap.studies.vlq.numbers.performance import AtMass, Shape

__all__ = ["calibration", "curves_at", "efficiencies", "limits", "shares", "spectra", "thresholds"]

_M_REC = r"$m_T^{rec}$ [TeV]"
_TEV = 1000.0


def _look(place: str) -> dict[str, Any]:
    found = next(c for c in CLASSIFIERS if c.place == place)
    return {"color": found.color, "ls": found.line}


def _label(place: str) -> str:
    return next(c.label for c in CLASSIFIERS if c.place == place)


def curves_at(at: AtMass) -> Figure:
    """Draw background efficiency against signal efficiency at one mass, with bands of 68 % of the bootstrap replicas."""
    with style():
        figure, (axes,) = new_figure(3.9)
        handles, labels, drawn = [], [], []
        for place, quality in at.found.items():
            fpr, tpr = quality.curve
            drawn.append(fpr[(fpr > 0) & (tpr > 0.02)])
            handles.append(axes.plot(tpr, np.where(fpr > 0, fpr, np.nan), lw=1.1, **_look(place))[0])
            labels.append(f"{_label(place)} {quality.auc:.3f}")
            grid, low, high = quality.band
            axes.fill_between(grid, low, high, where=low > 0, color=_look(place)["color"], alpha=0.12, lw=0)
        if limits := log_range(drawn, decades=4):
            axes.set_yscale("log")
            axes.set_ylim(limits[0], 1.3)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Signal efficiency")
        axes.set_ylabel("Background efficiency")
        legend_above(figure, handles, labels, columns=3)
    return figure


def efficiencies(points: Sequence[AtMass]) -> Figure:
    """Draw the signal efficiency of each classifier against the mass, at one background efficiency."""
    with style():
        figure, (axes,) = new_figure(3.9)
        handles, labels = [], []
        for classifier in CLASSIFIERS:
            place = classifier.place
            there = [p for p in points if place in p.found]
            if not there:
                continue
            x = np.array([p.mass for p in there]) / _TEV
            y = np.array([p.found[place].efficiency for p in there])
            error = np.array([np.std(p.found[place].efficiency_replicas) for p in there])
            marker = "o" if classifier.mass else None
            handles.append(axes.plot(x, y, lw=1.1, marker=marker, ms=4, **_look(place))[0])
            axes.fill_between(x, y - error, y + error, color=classifier.color, alpha=0.1, lw=0)
            labels.append(classifier.label)
        axes.set_ylim(0, None)
        axes.set_xlabel(r"$m_T$ [TeV]")
        axes.set_ylabel("Signal efficiency")
        legend_above(figure, handles, labels, columns=4)
    return figure


def thresholds(edges: NDArray[np.float64], found: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Draw thresholds that keep the same share of the background, in bins of the reconstructed mass (GeV)."""
    with style():
        figure, (axes,) = new_figure(3.6)
        handles = [
            axes.stairs(values, edges / _TEV, lw=1.3, **_look(place)) for place, values in found.items()
        ]
        axes.set_xlim(edges[0] / _TEV, edges[-1] / _TEV)
        axes.set_xlabel(_M_REC)
        axes.set_ylabel("Threshold on the score")
        legend_above(figure, handles, [_label(place) for place in found])
    return figure


def shares(found: Mapping[str, Shape], wanted: float) -> Figure:
    """Draw the share of the background that is kept in bins of the reconstructed mass, for several cuts by their names."""
    colours = ("#3f90da", "#bd1f01", "#832db6")
    with style():
        figure, (axes,) = new_figure(3.6)
        handles = []
        for k, shape in enumerate(found.values()):
            middle = (shape.edges[1:] + shape.edges[:-1]) / 2 / _TEV + 0.02 * k
            handles.append(
                axes.errorbar(middle, shape.share, shape.error, fmt="o", ms=3, lw=0.9, color=colours[k % 3])
            )
        axes.axhline(wanted, color="#9aa4ad", lw=0.9, ls="--")
        axes.set_ylim(0, None)
        axes.set_xlabel(_M_REC)
        axes.set_ylabel("Share of the background kept")
        legend_above(figure, handles, list(found), columns=2)
    return figure


def spectra(
    histogram: Any, background: Sequence[str], signals: Sequence[str], labels: Sequence[str]
) -> Figure:
    """Draw shapes in the reconstructed mass before (dashed) and after (full) the cut, each of area one."""
    colours = ("#94a4a2", "#3f90da", "#bd1f01", "#832db6", "#ffa90e")
    with style():
        figure, (axes,) = new_figure(3.8)
        handles, drawn = [], []
        for colour, processes in zip(colours, ([*background], *([s] for s in signals)), strict=False):
            for region, line in (("selected", "--"), ("tagged", "-")):
                values = sum(
                    histogram[{"process": p, "region": region, "variation": "nominal"}].values()
                    for p in processes
                )
                if not np.sum(values) > 0:
                    continue
                # Two bins of the histogram as one: little is left of a small simulation.
                shape = np.reshape(values, (-1, 2)).sum(axis=1) / np.sum(values)
                edges = histogram.axes[-1].edges[::2] / _TEV
                drawn.append(shape[shape > 0])
                patch = axes.stairs(np.where(shape > 0, shape, np.nan), edges, color=colour, ls=line, lw=1.1)
            handles.append(patch)
        if limits := log_range(drawn, decades=4):
            axes.set_yscale("log")
            axes.set_ylim(limits[0], 2)
        axes.set_xlabel(_M_REC)
        axes.set_ylabel("Share of events")
        legend_above(figure, handles, list(labels), columns=3)
    return figure


def limits(found: Sequence[Limit]) -> Figure:
    """Draw expected limits (fb) with their bands against the mass, and those with classifiers of one mass."""
    with style():
        figure, (axes,) = new_figure(3.9)
        x = np.array([one.mass for one in found]) / _TEV
        bands = np.array([one.fb for one in found]).T
        outer = axes.fill_between(x, bands[0], bands[4], color="#f5d76e", lw=0)
        inner = axes.fill_between(x, bands[1], bands[3], color="#8bc34a", lw=0)
        handles: list[Any] = [axes.plot(x, bands[2], color="black", ls="--", lw=1.2)[0], inner, outer]
        labels = ["all masses, median", "68 %", "95 %"]
        own = [one for one in found if one.own is not None]
        if own:
            error = [0.0 if one.own_error is None else one.own_error for one in own]
            middle = [one.mass / _TEV for one in own]
            handles.append(
                axes.errorbar(
                    middle, [one.own or 0.0 for one in own], error, fmt="o", ms=4, color="#bd1f01", lw=1
                )
            )
            labels.append("of this mass alone")
        axes.set_yscale("log")
        axes.set_xlabel(r"$m_T$ [TeV]")
        axes.set_ylabel(r"95 % CLs limit on $\sigma \times B$ [fb]")
        legend_above(figure, handles, labels, columns=4)
    return figure


def calibration(found: Sequence[Calibrated]) -> Figure:
    """Draw the share of signal against the score of each classifier."""
    with style():
        figure, (axes,) = new_figure(3.6)
        axes.plot([0, 1], [0, 1], color="#9aa4ad", lw=0.9, ls="--")
        handles = [
            axes.errorbar(
                one.score, one.signal, one.error, fmt="o-", ms=3, lw=0.9, color=_look(one.place)["color"]
            )
            for one in found
        ]
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("Score")
        axes.set_ylabel("Share of signal")
        legend_above(figure, handles, [_label(one.place) for one in found], columns=3)
    return figure
