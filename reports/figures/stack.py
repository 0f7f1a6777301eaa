"""What figures of stacked backgrounds share: the stack with its statistical band, and their legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mplhep
import numpy as np
from matplotlib.patches import Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes


def draw_stack(
    axes: Axes,
    edges: np.ndarray,
    contents: Mapping[str, np.ndarray],
    error: np.ndarray,
    colours: Mapping[str, str],
    label: Callable[[str], str],
) -> tuple[list[Any], list[str]]:
    """Stack contents upon each other and hatch the uncertainty of their sum.

    Parameters
    ----------
    axes
        Where.
    edges
        Bin edges, shape (n + 1,).
    contents
        Per process, shape (n,).
    error
        Statistical uncertainty of the sum, shape (n,).
    colours, label
        Colour and label of a process.

    Returns
    -------
    handles, labels
        For a legend: the processes from the top, then the band.
    """
    # Small processes at the bottom: on a logarithmic axis the last ones would be slivers.
    order = sorted(contents, key=lambda name: (contents[name].sum(), name))
    if not order:
        return [], []
    mplhep.histplot(
        [contents[name] for name in order],
        edges,
        stack=True,
        histtype="fill",
        color=[colours[name] for name in order],
        ax=axes,
        flow="none",
    )
    total = sum(contents.values(), np.zeros(len(edges) - 1))
    band = axes.stairs(
        total + error,
        edges,
        baseline=np.maximum(total - error, 0),
        fill=True,
        facecolor="none",
        edgecolor="#30363c",
        hatch="//////",
        linewidth=0,
    )
    # Not the artists that were drawn: mplhep returns those of a stack in reverse.
    handles = [*(Patch(facecolor=colours[name]) for name in reversed(order)), band]
    return handles, [*(label(name) for name in reversed(order)), "MC stat."]
