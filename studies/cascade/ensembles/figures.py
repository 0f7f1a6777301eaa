"""Figures of ensembles: S/B and the mass scale against their true values, and the belts of the mass scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.figures.style import legend_above, new_figure, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

__all__ = ["belts", "mass_scale", "ratio_estimates"]

_COLOURS = {"fDM": "#3f90da", "sDM": "#bd1f01"}
_WAYS = {"maps": "#3f90da", "sets": "#bd1f01", "template": "#94a4a2"}


def ratio_estimates(models: Mapping[str, Any]) -> Figure:
    """Draw (S/B)_est of the benchmark with its standard deviation against S/B (figure 9)."""
    with style():
        figure, (axes,) = new_figure(3.6)
        handles: list[Any] = [axes.plot([0.01, 1.0], [0.01, 1.0], color="#9aa4ad", lw=0.9, ls="--")[0]]
        for model, ratios in models.items():
            x = [float(ratio) for ratio in ratios]
            y = [told["benchmark"]["estimate"] for told in ratios.values()]
            error = [told["benchmark"]["spread"] for told in ratios.values()]
            handles.append(
                axes.errorbar(x, y, error, fmt="o", ms=3, lw=1, color=_COLOURS.get(model, "black"))
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("S/B")
        axes.set_ylabel("Estimated S/B")
        legend_above(figure, handles, ["true", *models])
    return figure


def mass_scale(models: Mapping[str, Any], mass: float) -> Figure:
    """Draw the estimated mass of chi with its standard deviation against S/B (figure 15)."""
    with style():
        figure, (axes,) = new_figure(3.6)
        handles: list[Any] = [axes.axhline(mass, color="#9aa4ad", lw=0.9, ls="--")]
        for k, (model, rows) in enumerate(models.items()):
            here = [row for row in rows if row["mass"] == mass]
            x = [row["ratio"] * (1.0 + 0.04 * k) for row in here]
            y, error = [row["mean"] for row in here], [row["spread"] for row in here]
            handles.append(
                axes.errorbar(x, y, error, fmt="o", ms=3, lw=1, color=_COLOURS.get(model, "black"))
            )
        axes.set_xscale("log")
        axes.set_ylim(100.0, 900.0)
        axes.set_xlabel("S/B")
        axes.set_ylabel(r"Estimated $M_\chi$ [GeV]")
        legend_above(figure, handles, ["true", *models])
    return figure


def belts(ways: Mapping[str, Any]) -> Figure:
    """Draw the confidence belts of all ways: estimate against the true mass, GeV."""
    with style():
        figure, (axes,) = new_figure(3.6)
        handles = []
        for way, told in ways.items():
            colour = _WAYS.get(way, "black")
            axes.fill_between(told["true"], told["low"], told["high"], color=colour, alpha=0.25, lw=0)
            handles.append(axes.plot(told["true"], told["middle"], color=colour, lw=1.2)[0])
        axes.set_xlabel(r"True $M_\chi$ [GeV]")
        axes.set_ylabel(r"Estimated $M_\chi$ [GeV]")
        legend_above(figure, handles, list(ways))
    return figure
