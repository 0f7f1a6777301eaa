"""Maps of two observables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm

from massgap.reports.figures.labels import axis_label
from massgap.reports.figures.spectra import plane
from massgap.reports.figures.style import log_range, new_figure, nothing, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from massgap.contracts.description import Description


def density_map(
    histogram: Any,
    *,
    processes: Sequence[str] | None = None,
    region: str | None = None,
    variation: str = "nominal",
    description: Description | None = None,
    title: str = "",
    unit: str = "fb",
) -> Figure:
    """Draw the distribution of two observables, with the contents of bins as colours on a logarithmic scale.

    Parameters
    ----------
    histogram
        A run's `hist.Hist` with two observables, in fb.
    processes
        Those that are added up; all without it.
    region, variation, description, unit
        As in :func:`massgap.reports.figures.distributions.stacked`.
    title
        What stands above.
    """
    drawn = plane(histogram, region=region, variation=variation)
    chosen = [name for name in (drawn.values if processes is None else processes) if name in drawn.values]
    content = sum(
        (drawn.values[name] for name in chosen), np.zeros([len(edges) - 1 for edges in drawn.edges])
    )
    limits = log_range([content])
    with style():
        figure, (axes,) = new_figure(3.6)
        if limits is None:
            nothing(axes, "no events")
        else:
            # Empty bins stay white.
            colours = axes.pcolormesh(
                *drawn.edges,
                np.where(content > 0, content, np.nan).T,
                norm=LogNorm(*limits),
                cmap="viridis",
                rasterized=True,
            )
            bar = figure.colorbar(colours, ax=axes, pad=0.02)
            bar.set_label(f"Cross section per bin [{unit}]" if unit == "fb" else "Events per bin")
        x, y = (
            axis_label(name, description, label)
            for name, label in zip(drawn.names, drawn.axis_labels, strict=True)
        )
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_title(title, loc="left")
    return figure
