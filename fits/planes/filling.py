"""Yields of all signals of a plane, in bins that they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import BinningError, PlaneError
from massgap.fits.parts import fill_plan
from massgap.fits.plan import FitPart, FitPlan, channel_names
from massgap.fits.workspaces.binning import choose_edges
from massgap.fits.workspaces.templates import Template, Templates, templates_from_histogram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.parts import FilledPlan
    from massgap.fits.plan import FitOptions

__all__ = ["FilledPlane", "fill_plane"]

_TOGETHER = "all signals together"


@dataclass(frozen=True)
class FilledPlane:
    """Channels of a plane at one luminosity.

    Attributes
    ----------
    lumi_fb : float
    filled : FilledPlan
        Templates of all processes in the shared bins, in fb.
    """

    lumi_fb: float
    filled: FilledPlan

    def templates(self, signal: str, scale: float = 1.0) -> list[Templates]:
        """All channels, the signal multiplied by a factor."""
        return [_scaled(part.templates, signal, scale) for part in self.filled.parts]

    def signal_yield(self, signal: str) -> tuple[float, float]:
        """Cross section of a signal in all bins, and its statistical error, in fb."""
        found = [part.templates.processes.get(signal) for part in self.filled.parts]
        total = sum(float(t.values.sum()) for t in found if t is not None)
        return total, float(np.sqrt(sum(float(t.variances.sum()) for t in found if t is not None)))

    @property
    def background(self) -> float:
        """Events expected without signal."""
        return self.lumi_fb * sum(
            float(part.templates.total(self.filled.backgrounds)[0].sum()) for part in self.filled.parts
        )

    @property
    def observed(self) -> float | None:
        """Events seen, None without data."""
        seen = self.filled.observations
        return None if seen is None else float(sum(sum(counts) for counts in seen.values()))

    def as_dict(self) -> list[dict[str, Any]]:
        """``parts`` of ``plane.json``."""
        out = []
        for part in self.filled.parts:
            templates = {name: part.templates.processes[name] for name in self.filled.backgrounds}
            out.append(
                {
                    "region": part.part.region,
                    "histogram": part.part.histogram,
                    "channel": part.templates.channel,
                    "observable": part.templates.observable,
                    "binning": [float(x) for x in part.templates.edges],
                    "yields": {name: t.values.tolist() for name, t in templates.items()},
                    "stat_errors": {name: np.sqrt(t.variances).tolist() for name, t in templates.items()},
                    "observations": part.observed,
                }
            )
        return out


def fill_plane(
    run: RunFolder,
    plan: FitPlan,
    signals: Sequence[str],
    backgrounds: Sequence[str],
    options: FitOptions,
    lumi_fb: float,
) -> FilledPlane:
    """Choose bins from the backgrounds and from all signals together, and fill them.

    A bin expects enough background, as for one signal, and holds at least its share (1/``max_bins``) of the mean of the
    signals' shapes, each normalised to 1, so that each mass point has the same say whatever its cross section.

    Parameters
    ----------
    run : RunFolder
    plan : FitPlan
        Histograms and regions; edges that it names are kept.
    signals, backgrounds : sequence of str
        Processes. A signal without any event is left to the fits to name.
    options : FitOptions
    lumi_fb : float
        Luminosity in fb-1 for which bins are chosen.

    Raises
    ------
    PlaneError
        If no signal has an event.
    massgap.errors.MassgapError
        As of :func:`massgap.fits.parts.fill_plan`.
    """
    parts, present = [], set()
    for part, channel in channel_names(plan, run).items():
        fine = templates_from_histogram(run.histogram(part.histogram), region=part.region, channel=channel)
        with_events = [
            name for name in signals if name in fine.processes and fine.processes[name].values.any()
        ]
        present.update(with_events)
        edges = part.edges or _edges(fine, with_events, backgrounds, options, lumi_fb)
        parts.append(FitPart(part.region, part.histogram, tuple(edges)))
    if not present:
        histograms = ", ".join(dict.fromkeys(f"'{part.histogram}'" for part in plan.parts))
        message = (
            f"No event of any signal is in {histograms} of {run.path}. Choose another histogram (--histogram) or region "
            "(--region), or simulate more events."
        )
        raise PlaneError(message)
    first = next(name for name in signals if name in present)
    filled = fill_plan(run, FitPlan(parts), first, backgrounds, options, lumi_fb)
    complete = tuple(replace(part, templates=_with_all(part.templates, [*signals])) for part in filled.parts)
    return FilledPlane(lumi_fb, replace(filled, parts=complete))


def _edges(
    fine: Templates, signals: Sequence[str], backgrounds: Sequence[str], options: FitOptions, lumi_fb: float
) -> list[float]:
    """Edges for all signals; one bin without signal, where there is none."""
    shapes = [np.maximum(fine.processes[name].values, 0.0) for name in signals]
    shapes = [shape / shape.sum() for shape in shapes if shape.sum() > 0.0]
    mean = np.mean(shapes, axis=0) if shapes else np.zeros(fine.edges.size - 1)
    used = [name for name in backgrounds if name in fine.processes]
    together: Mapping[str, Template] = {**fine.processes, _TOGETHER: Template(mean, np.zeros_like(mean))}
    try:
        chosen: list[float] = choose_edges(
            replace(fine, processes=together),
            _TOGETHER,
            used,
            lumi_fb=lumi_fb,
            min_background=options.min_background,
            max_relative_error=options.max_relative_error,
            max_bins=options.max_bins,
        ).tolist()
    except BinningError as error:
        message = f"At {lumi_fb:g} fb-1: {error}"
        raise BinningError(message) from error
    return chosen


def _with_all(templates: Templates, names: Sequence[str]) -> Templates:
    """Processes that are not on the axis have no events."""
    nothing = np.zeros(templates.edges.size - 1)
    missing = {name: Template(nothing, nothing) for name in names if name not in templates.processes}
    return replace(templates, processes={**templates.processes, **missing})


def _scaled(templates: Templates, name: str, factor: float) -> Templates:
    t = templates.processes[name]
    moved = {key: (factor * up, factor * down) for key, (up, down) in t.variations.items()}
    scaled = Template(factor * t.values, factor**2 * t.variances, moved)
    return replace(templates, processes={**templates.processes, name: scaled})
