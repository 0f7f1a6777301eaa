"""Figures of the study: significances of the planes with their contours, cross sections, interference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.style import legend_above, new_figure, nothing, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from massgap.studies.electroweakino.numbers.rki import Interference

__all__ = ["cross_sections", "significances", "spectrum_of_interference"]

_LINES = {"exclusion": "-", "evidence": "-.", "discovery": ":"}
_COLOURS = ("#3f90da", "#bd1f01", "#832db6", "#ffa90e")
_MASS = r"$m(\tilde{\chi}^{\pm}_1)$ [GeV]"


def significances(planes: Mapping[str, Mapping[str, Any]], lumi: float) -> Figure:
    """Draw the expected significance of the points of several planes in mass and gap, with their contours.

    Parameters
    ----------
    planes
        Channel -> content of ``plane.json``.
    lumi
        fb-1.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure as Empty

    values = {name: _points(plane, lumi) for name, plane in planes.items()}
    every = np.concatenate([found[:, 2] for found in values.values()]) if values else np.empty(0)
    every = every[every > 0]
    with style():
        figure = Empty(figsize=(9.0, 7.0), layout="constrained")
        panels: Any = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
        if not len(every):
            nothing(panels[0], "no point has a result")
            return figure
        norm = LogNorm(max(every.min(), 1e-6 * every.max()), max(every.max(), 1.01 * every.min()))
        for axes, (name, found) in zip(panels, values.items(), strict=False):
            known = found[found[:, 2] > 0]
            drawn = axes.scatter(
                known[:, 0], known[:, 1], c=known[:, 2], norm=norm, cmap="viridis", marker="s", s=140
            )
            for m, gap, z in known:
                text = f"{z:.2g}" if z >= 0.01 else f"{z:.0e}"
                axes.annotate(
                    text, (m, gap), xytext=(0, 9), textcoords="offset points", ha="center", fontsize=6
                )
            for entry in planes[name]["contours"]:
                if entry["lumi_fb"] != lumi or entry["band"] != 0 or entry["cross_section"] != 0:
                    continue
                for line in entry["lines"]:
                    xy = np.array(line, dtype=float)
                    axes.plot(xy[:, 0], xy[:, 0] - xy[:, 1], _LINES[entry["what"]], color="black", lw=1.2)
            axes.set_title(name)
        gaps = sorted({gap for found in values.values() for gap in found[:, 1]})
        panels[0].set_yscale("log")
        panels[0].set_ylim(
            gaps[0] / 1.5, gaps[-1] * 1.8
        )  # markers are wide, and a number stands above the last one
        panels[0].margins(x=0.1)
        panels[0].yaxis.set_minor_formatter("")
        panels[0].set_yticks(gaps, [f"{gap:g}" for gap in gaps])
        for axes in panels[2:]:
            axes.set_xlabel(_MASS)
        for axes in panels[::2]:
            axes.set_ylabel(r"$\Delta m$ [GeV]")
        for axes in panels[len(values) :]:
            axes.set_visible(False)
        figure.colorbar(drawn, ax=list(panels), label="Expected significance", shrink=0.8)
    return figure


def _points(plane: Mapping[str, Any], lumi: float) -> np.ndarray:
    """Mass, gap (GeV) and expected significance of the points with a result, shape (n, 3)."""
    rows = [row for row in plane["points"] if row["lumi_fb"] == lumi and row["converged"]]
    found = [
        (m["m_wino"], m["m_wino"] - m["m_lsp"], row["significance"]["expected"])
        for row in rows
        for m in [row["masses"]]
    ]
    return np.array(found, dtype=float).reshape(-1, 3)


def cross_sections(own: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw cross sections against the mass: own, the paper's, and what the combination is expected to exclude at best.

    Parameters
    ----------
    own, paper
        Model of the decays -> content of ``plane.json`` with either set of cross sections.
    """
    with style():
        figure, (axes,) = new_figure(3.8)
        handles, labels = [], []
        for words, planes, line in (("own", own, "-"), ("the paper's", paper, "--")):
            rows = [row for plane in planes.values() for row in plane["points"]]
            along = {row["masses"]["m_wino"]: row["cross_section_fb"] for row in rows}
            if along:
                x = sorted(along)
                handles += axes.plot(x, [along[m] for m in x], line, color="black", marker="o", ms=3)
                labels.append(words)
        for colour, (model, plane) in zip(_COLOURS, own.items(), strict=False):
            lumi = max(plane["luminosities"])
            best: dict[float, float] = {}
            for row in plane["points"]:
                if row["lumi_fb"] == lumi and row["converged"]:
                    m = row["masses"]["m_wino"]
                    best[m] = min(best.get(m, np.inf), row["limit_fb"]["expected"][2])
            if best:
                x = sorted(best)
                handles += axes.plot(x, [best[m] for m in x], ":", color=colour, marker="s", ms=3)
                labels.append(f"excluded at best, {model}, {lumi:g} fb$^{{-1}}$")
        axes.set_yscale("log")
        axes.set_xlabel(_MASS)
        axes.set_ylabel("Cross section [fb]")
        legend_above(figure, handles, labels, columns=2)
    return figure


def spectrum_of_interference(found: Mapping[str, Interference]) -> Figure:
    """Draw the relative kinematic interference against the dijet mass, for several signals."""
    with style():
        figure, (axes,) = new_figure(3.6)
        handles = []
        for colour, one in zip(_COLOURS, found.values(), strict=False):
            middle = (one.edges[1:] + one.edges[:-1]) / 2
            handles.append(axes.errorbar(middle, one.value, one.error, fmt="o", ms=3, lw=0.9, color=colour))
        axes.axhline(0.0, color="#9aa4ad", lw=0.9)
        axes.set_xlabel(r"$m_{jj}$ [GeV]")
        axes.set_ylabel("RKI [1/GeV]")
        legend_above(figure, handles, list(found), columns=2)
    return figure
