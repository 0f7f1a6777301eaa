"""Yields per process and bin, taken out of a histogram and brought to the binning of a fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from massgap.contracts.errors import HistogramError
from massgap.fits.errors import BinningError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import hist

__all__ = ["Template", "Templates", "choose_edges", "rebin", "templates_from_histogram"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Template:
    """One process: values and variances per bin, and its systematic variations.

    ``variations`` maps the name of a variation to its (up, down) values.
    """

    values: Floats
    variances: Floats
    variations: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Templates:
    """All processes of one channel over the same bin edges.

    Values are in fb (squared for variances) for simulation and in events for data, as in a run.
    """

    channel: str
    observable: str
    edges: Floats
    processes: Mapping[str, Template]

    def total(self, names: Iterable[str]) -> tuple[Floats, Floats]:
        """Sum of values and of variances of some processes."""
        names = list(names)
        zero = np.zeros(self.edges.size - 1)
        values = sum((self.processes[n].values for n in names), zero)
        variances = sum((self.processes[n].variances for n in names), zero)
        return values, variances


def templates_from_histogram(
    histogram: hist.Hist[Any],
    *,
    channel: str | None = None,
    selection: str | None = None,
    flow: bool = True,
) -> Templates:
    """Take the yields of one channel out of a histogram of a run.

    Parameters
    ----------
    histogram : hist.Hist
        Named axes ``process``, ``channel``, ``variation``, optionally ``selection`` and ``fold``, and
        the observable last; Weight storage. Folds are summed.
    channel : str, optional
        Channel; may be left out if the histogram has only one.
    selection : str, optional
        Selection step, for histograms that have the axis; default the last of them, "precuts" if
        it exists.
    flow : bool
        Add underflow and overflow to the first and last bin. A score of exactly 1 is there.

    Returns
    -------
    Templates

    Raises
    ------
    HistogramError
        If an axis or a category is missing, the storage holds no variances or a content is not
        finite.
    WorkspaceError
        If a variation lacks its up or down side.
    """
    names = [str(axis.name) for axis in histogram.axes]
    for needed in ("process", "channel", "variation"):
        if needed not in names[:-1]:
            message = (
                f"The histogram over '{names[-1]}' has no axis '{needed}'; its axes are {', '.join(names)}."
            )
            raise HistogramError(message)
    unknown = set(names[:-1]) - {"process", "channel", "variation", "selection", "fold"}
    if unknown:
        message = (
            f"The histogram over '{names[-1]}' has the axis {min(unknown)!r}, which a one-dimensional "
            "fit cannot use. Project it out first."
        )
        raise HistogramError(message)
    channels = [str(x) for x in histogram.axes["channel"]]
    channel = _pick(channel, channels, "channel", names[-1])
    index: dict[str, Any] = {"channel": channels.index(channel)}
    if "selection" in names:
        selections = [str(x) for x in histogram.axes["selection"]]
        if selection is None and selections:
            selection = "precuts" if "precuts" in selections else selections[-1]
        index["selection"] = selections.index(_pick(selection, selections, "selection", names[-1]))

    contents = _contents(histogram)
    values, variances = contents
    axes = list(names)
    for name in ("channel", "selection"):
        if name in index:
            at = axes.index(name)
            values, variances = (np.take(x, index[name], axis=at) for x in (values, variances))
            axes.pop(at)
    if "fold" in axes:
        at = axes.index("fold")
        values, variances = values.sum(axis=at), variances.sum(axis=at)
        axes.pop(at)
    order = [axes.index("process"), axes.index("variation"), len(axes) - 1]
    values, variances = values.transpose(order), variances.transpose(order)
    observable = histogram.axes[-1]
    values, variances = (_merge_flow(x, observable, keep=flow) for x in (values, variances))
    if not (np.isfinite(values).all() and np.isfinite(variances).all()):
        message = (
            f"The histogram over '{names[-1]}' has contents that are not finite: check the event weights."
        )
        raise HistogramError(message)

    labels = [str(x) for x in histogram.axes["variation"]]
    pairs = _variation_pairs(labels, names[-1])
    processes = {}
    for i, process in enumerate(str(x) for x in histogram.axes["process"]):
        nominal = values[i, labels.index("nominal")]
        shifted = {
            name: (values[i, up], values[i, down])
            for name, (up, down) in pairs.items()
            # A sample that a variation does not touch was either not filled or filled alike.
            if not (np.array_equal(values[i, up], nominal) and np.array_equal(values[i, down], nominal))
            and (values[i, up].any() or values[i, down].any())
        }
        processes[process] = Template(nominal, variances[i, labels.index("nominal")], shifted)
    edges = np.asarray(observable.edges, dtype=np.float64)
    return Templates(channel, str(names[-1]), edges, processes)


def choose_edges(
    templates: Templates,
    signal: str,
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
    1/``max_bins`` of the signal, so that the number of bins stays bounded. What remains on the left
    joins the last bin closed.

    Parameters
    ----------
    templates : Templates
        Fine bins.
    signal, backgrounds : str, iterable of str
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
    strength = np.maximum(templates.processes[signal].values, 0.0)
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
            f"bins together expect {total * lumi_fb:.3g} +- {error * lumi_fb:.2g}. Simulate more events, or lower "
            "min_background or raise max_relative_error."
        )
        raise BinningError(message)
    kept[-1] = 0
    return templates.edges[kept[::-1]]


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
        message = f"The bin edges {wanted.tolist()} are not at least two increasing numbers."
        raise BinningError(message)
    at = np.abs(old[:, np.newaxis] - wanted).argmin(axis=0)
    spacing = float(np.min(np.diff(old)))
    off = np.abs(old[at] - wanted) > 1e-6 * spacing
    if off.any():
        bad, near = float(wanted[off][0]), float(old[at[off]][0])
        message = (
            f"{bad:g} is no bin edge of '{templates.observable}'; the nearest is {near:g}. "
            "Choose edges among those of the histogram."
        )
        raise BinningError(message)
    if at[0] != 0 or at[-1] != old.size - 1:
        message = f"The bin edges must cover the whole range of '{templates.observable}', from {old[0]:g} to {old[-1]:g}."
        raise BinningError(message)

    def merged(x: Floats) -> Floats:
        return np.asarray(np.add.reduceat(x, at[:-1]), dtype=np.float64)

    processes = {
        name: Template(
            merged(t.values),
            merged(t.variances),
            {key: (merged(up), merged(down)) for key, (up, down) in t.variations.items()},
        )
        for name, t in templates.processes.items()
    }
    return Templates(templates.channel, templates.observable, old[at], processes)


def _contents(histogram: hist.Hist[Any]) -> tuple[Floats, Floats]:
    """Contents with the flow bins of the observable axis only."""
    variances = histogram.variances(flow=True)
    values = histogram.values(flow=True)
    if variances is None:
        message = f"The histogram over '{histogram.axes[-1].name}' holds no variances: use Weight storage."
        raise HistogramError(message)
    inner = []
    for axis in histogram.axes[:-1]:
        has_underflow = bool(axis.traits.underflow)
        inner.append(slice(int(has_underflow), int(has_underflow) + len(axis)))
        outside = [np.take(values, -1, axis=len(inner) - 1)] if axis.traits.overflow else []
        outside += [np.take(values, 0, axis=len(inner) - 1)] if has_underflow else []
        if any(np.any(x != 0.0) for x in outside):
            message = (
                f"The histogram over '{histogram.axes[-1].name}' has entries outside the categories of its axis "
                f"'{axis.name}': they would be lost. Run the analysis again."
            )
            raise HistogramError(message)
    index = (*inner, slice(None))
    return np.asarray(values, dtype=np.float64)[index], np.asarray(variances, dtype=np.float64)[index]


def _merge_flow(x: Floats, axis: Any, *, keep: bool) -> Floats:
    """Add the flow bins of the last axis to its first and last bin, or drop them."""
    low, high = int(bool(axis.traits.underflow)), int(bool(axis.traits.overflow))
    out = np.array(x[..., low : x.shape[-1] - high])
    if keep and low:
        out[..., 0] += x[..., 0]
    if keep and high:
        out[..., -1] += x[..., -1]
    return out


def _pick(wanted: str | None, present: list[str], axis: str, observable: str) -> str:
    if wanted is None and len(present) == 1:
        return present[0]
    if wanted not in present:
        choice = ", ".join(present) or "none"
        asked = f"no {axis} '{wanted}'" if wanted is not None else f"several of axis '{axis}'"
        message = f"The histogram over '{observable}' has {asked}; it has: {choice}. Choose one of them."
        raise HistogramError(message)
    return wanted


def _variation_pairs(labels: list[str], observable: str) -> dict[str, tuple[int, int]]:
    """Positions of the up and down side of each variation."""
    if "nominal" not in labels:
        message = f"The variation axis of the histogram over '{observable}' has no 'nominal'."
        raise HistogramError(message)
    pairs = {}
    for label in labels:
        if label == "nominal":
            continue
        name, _, side = label.rpartition("_")
        other = {"up": "down", "down": "up"}.get(side.lower())
        partner = next((x for x in labels if other and x.lower() == f"{name}_{other}".lower()), None)
        if not name or partner is None:
            message = (
                f"The variation '{label}' of the histogram over '{observable}' has no partner: "
                "variations come as name_up and name_down."
            )
            raise WorkspaceError(message)
        if side.lower() == "up":
            pairs[name] = (labels.index(label), labels.index(partner))
    return pairs
