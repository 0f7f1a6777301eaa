"""Bins that can be fitted: chosen by their content, or given, and merged out of the fine ones of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from massgap.fits.errors import BinningError
from massgap.fits.workspaces.templates import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from massgap.fits.workspaces.templates import Templates

__all__ = ["choose_edges", "rebin"]

Floats = NDArray[np.float64]


def choose_edges(
    templates: Templates,
    signal: str | Sequence[str],
    backgrounds: Iterable[str],
    *,
    lumi_fb: float,
    min_background: float = 5.0,
    max_relative_error: float = 0.3,
    max_bins: int = 20,
) -> Floats:
    """Merge bins from the right until each can be fitted.

    A bin is closed when it expects ``min_background`` background events, when the statistical error
    of that background is at most ``max_relative_error`` of it, and when it holds at least
    1/``max_bins`` of the signal, so that the number of bins stays bounded; of the background where there is no signal,
    as in a control region. What remains on the left joins the last bin closed. Several signals share their bins: the signal
    is then the mean of their shapes, each normalised to 1, so that all have the same say whatever their cross sections.

    Parameters
    ----------
    templates : Templates
        Fine bins.
    signal : str or sequence of str
        Signal process, or several.
    backgrounds : iterable of str
        Processes.
    lumi_fb : float
        Luminosity in fb-1.
    min_background : float
        Background events each bin must expect.
    max_relative_error : float
        Largest relative error from the number of simulated events.
    max_bins : int
        Largest number of bins.

    Returns
    -------
    ndarray
        Edges, a subset of those of the templates.

    Raises
    ------
    BinningError
        If even one single bin does not fulfil the conditions.
    """
    values, variances = templates.total(backgrounds)
    strength = _strength(templates, [signal] if isinstance(signal, str) else signal)
    if not strength.any():
        strength = np.maximum(values, 0.0)
    share = strength.sum() / max_bins
    kept = [values.size]
    background = variance = filled = 0.0
    for i in range(values.size - 1, -1, -1):
        background += values[i]
        variance += variances[i]
        filled += strength[i]
        enough = background > 0.0 and background * lumi_fb >= min_background
        if (
            enough
            and np.sqrt(variance) <= max_relative_error * background
            and filled >= share * (1.0 - 1e-12)
        ):
            kept.append(i)
            background = variance = filled = 0.0
    if len(kept) == 1:
        total, error = float(values.sum()), float(np.sqrt(variances.sum()))
        message = (
            f"No binning of '{templates.observable}' in channel '{templates.channel}' gives a bin with at least "
            f"{min_background:g} background events and a relative error of at most {max_relative_error:g}: all "
            f"bins together expect {total * lumi_fb:.3g} +- {error * lumi_fb:.2g}. Simulate more events, or be "
            "content with less background (min_background=..., --min-background) or a larger error "
            "(max_relative_error=..., --max-relative-error)."
        )
        raise BinningError(message)
    kept[-1] = 0
    return templates.edges[kept[::-1]]


def _strength(templates: Templates, signals: Sequence[str]) -> Floats:
    """Where the signal is; of several the mean of their shapes."""
    found = [np.maximum(templates.processes[name].values, 0.0) for name in signals]
    if len(found) == 1:
        return found[0]
    shapes = [values / values.sum() for values in found if values.any()]
    return np.asarray(np.mean(shapes, axis=0) if shapes else np.zeros(templates.edges.size - 1))


def rebin(templates: Templates, edges: Iterable[float]) -> Templates:
    """Merge the bins to coarser edges; what lies outside the new edges is an error.

    Parameters
    ----------
    templates : Templates
        Fine bins.
    edges : iterable of float
        New edges: a subset of the present ones with the same ends.

    Returns
    -------
    Templates

    Raises
    ------
    BinningError
        If an edge is no edge of the histogram, or the range is not covered.
    """
    wanted = np.asarray(list(edges), dtype=np.float64)
    old = templates.edges
    if wanted.ndim != 1 or wanted.size < 2 or not np.all(np.diff(wanted) > 0.0):
        message = (
            f"The bin edges {wanted.tolist()} are not at least two increasing numbers (edges=..., --edges)."
        )
        raise BinningError(message)
    at = np.abs(old[:, np.newaxis] - wanted).argmin(axis=0)
    spacing = float(np.min(np.diff(old)))
    off = np.abs(old[at] - wanted) > 1e-6 * spacing
    if off.any():
        bad, near = float(wanted[off][0]), float(old[at[off]][0])
        message = (
            f"{bad:g} is no bin edge of '{templates.observable}'; the nearest is {near:g}. "
            "Choose edges among those of the histogram (edges=..., --edges)."
        )
        raise BinningError(message)
    if at[0] != 0 or at[-1] != old.size - 1:
        message = f"The bin edges must cover the whole range of '{templates.observable}', from {old[0]:g} to {old[-1]:g} (edges=..., --edges)."
        raise BinningError(message)

    def merged(x: Floats) -> Floats:
        return np.asarray(np.add.reduceat(x, at[:-1]), dtype=np.float64)

    processes = {
        name: Template(
            merged(t.values),
            merged(t.variances),
            {key: (merged(up), merged(down)) for key, (up, down) in t.variations.items()},
            {key: (side, merged(values)) for key, (side, values) in t.one_sided.items()},
        )
        for name, t in templates.processes.items()
    }
    return replace(templates, edges=old[at], processes=processes)
