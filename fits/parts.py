"""The parts of a plan filled from a run: yields in the bins of the fit, and what was observed there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import HistogramError
from massgap.fits.errors import FitError
from massgap.fits.plan import PlannedRun, channel_names
from massgap.fits.workspaces.binning import choose_edges, rebin
from massgap.fits.workspaces.shared_events import with_shared_events
from massgap.fits.workspaces.templates import Template, templates_from_histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.plan import FitOptions, FitPart
    from massgap.fits.workspaces.templates import Templates

__all__ = ["FilledPart", "FilledPlan", "fill_plans"]


@dataclass(frozen=True)
class FilledPart:
    """One channel of the likelihood.

    Attributes
    ----------
    part : FitPart
        What was asked for.
    templates : Templates
        Yields in the bins of the fit; its ``channel`` is the name in the workspace.
    observed : list of float or None
        Recorded events per bin.
    run : str
        Label of the run that it is from, "" where there is only one.
    """

    part: FitPart
    templates: Templates
    observed: list[float] | None
    run: str = ""

    def as_dict(self, processes: Iterable[str], lumi_fb: float) -> dict[str, Any]:
        """One entry of ``parts`` in ``results.json``: events at a luminosity."""
        templates = [(name, self.templates.processes[name]) for name in processes]
        return {
            **({"run": self.run} if self.run else {}),
            "region": self.part.region,
            "histogram": self.part.histogram,
            "channel": self.templates.channel,
            "control": self.part.control,
            "observable": self.templates.observable,
            "binning": [float(x) for x in self.templates.edges],
            "yields": {name: (t.values * lumi_fb).tolist() for name, t in templates},
            "stat_errors": {name: (np.sqrt(t.variances) * lumi_fb).tolist() for name, t in templates},
            "observations": self.observed,
        }


@dataclass(frozen=True)
class FilledPlan:
    """All channels of the likelihood.

    Attributes
    ----------
    parts : tuple of FilledPart
        In the order of the plan.
    backgrounds : list of str
        Those that have events in some part.
    left_out : tuple of str
        Those that have none.
    warnings : tuple of str
        Sentences about backgrounds that are left out, and about what is not known to be disjoint.
    disjoint : tuple of str
        Sentences on why no event is in two parts.
    """

    parts: tuple[FilledPart, ...]
    backgrounds: list[str]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    disjoint: tuple[str, ...] = ()

    @property
    def observations(self) -> dict[str, list[float]] | None:
        """Recorded events per channel and bin, None without data."""
        seen = {part.templates.channel: part.observed for part in self.parts if part.observed is not None}
        return seen or None


def fill_plans(
    runs: Sequence[PlannedRun],
    signal: str | Sequence[str],
    backgrounds: Sequence[str],
    options: FitOptions,
    lumi_fb: float,
) -> FilledPlan:
    """Take the yields of all parts out of the runs and bring them to the bins of the fit.

    Whether the parts share events is not looked at here, see :func:`massgap.fits.combination.require_disjoint`.

    Parameters
    ----------
    runs : sequence of PlannedRun
        Runs, with histograms, regions and edges.
    signal : str or sequence of str
        Signal process, as the likelihood calls it, or several that are to share their bins.
    backgrounds : sequence of str
        Likewise.
    options : FitOptions
        How bins are chosen, and whether data are used.
    lumi_fb : float
        Luminosity in fb-1 for which bins are chosen.

    Returns
    -------
    FilledPlan

    Raises
    ------
    FitError
        If two parts are of one region, or two processes of a run would get the same name.
    HistogramError
        If a histogram, region or the signal is not there, or data are no counts.
    BinningError
        If no bins can be chosen, or edges do not fit.
    """
    names = _channels(runs)
    signals = [signal] if isinstance(signal, str) else list(signal)
    nuisances = options.model.nuisances
    fine = {
        (index, part): _renamed(
            templates_from_histogram(
                planned.run.histogram(part.histogram),
                region=part.region,
                channel=names[index, part],
                one_sided=nuisances.may_be_one_sided if nuisances else None,
            ),
            planned,
        )
        for index, planned in enumerate(runs)
        for part in planned.plan.parts
    }
    on_axis = {name for templates in fine.values() for name in templates.processes}
    if on_axis.isdisjoint(signals):
        message = (
            f"No event of the signal {_quoted(signals)} is in {_histograms(runs)} of {_paths(runs)}. Choose another signal "
            "(signal=..., --signal) or histogram (histogram=..., --histogram)."
        )
        raise HistogramError(message)
    warnings = []
    absent = sorted(set(backgrounds) - on_axis)
    if absent:
        # A process of which nothing was selected may be missing on the axis of the histogram.
        warnings.append(f"No event of {', '.join(absent)} is in {_histograms(runs)}.")
    present = [name for name in backgrounds if name in on_axis]
    empty = [name for name in present if not any(_has_events(t, name) for t in fine.values())]
    if empty:
        warnings.append(f"No event of {', '.join(empty)} is left; the fit goes without.")
    used = [name for name in present if name not in empty]
    parts = []
    for (index, part), templates in fine.items():
        complete = _with_all(templates, (*signals, *used))
        edges = part.edges or _edges(part, complete, signals, used, options, lumi_fb)
        run = runs[index].run
        binned = with_shared_events(rebin(complete, edges), part.histogram, run, runs[index].renamed)
        observed = _observations(run, binned) if options.use_data and run.data else None
        parts.append(FilledPart(part, binned, observed, runs[index].label))
    _check_observations(parts, runs)
    return FilledPlan(tuple(parts), used, (*absent, *empty), tuple(warnings))


def _channels(runs: Sequence[PlannedRun]) -> dict[tuple[int, FitPart], str]:
    """Names of all channels; those that two runs have get the label of their run."""
    names = {
        (index, part): name
        for index, planned in enumerate(runs)
        for part, name in channel_names(planned.plan, planned.run).items()
    }
    twice = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {
        (index, part): f"{runs[index].label}_{name}" if name in twice else name
        for (index, part), name in names.items()
    }


def _renamed(templates: Templates, planned: PlannedRun) -> Templates:
    processes: dict[str, Template] = {}
    for name, template in templates.processes.items():
        wanted = planned.renamed.get(name, name)
        if wanted in processes:
            message = (
                f"Two processes of {planned.run.path} would be called '{wanted}' (--rename): a likelihood needs a name for each. "
                f"They are: {', '.join(templates.processes)}."
            )
            raise FitError(message)
        processes[wanted] = template
    return replace(templates, processes=processes, run=planned.label)


def _check_observations(parts: Sequence[FilledPart], runs: Sequence[PlannedRun]) -> None:
    seen = {part.run for part in parts if part.observed is not None}
    without = [planned for planned in runs if planned.label not in seen]
    if seen and without:
        message = (
            f"{without[0].run.path} has no recorded data, but another run has: one likelihood is fitted to data everywhere or "
            "nowhere. Leave the data aside (use_data=False, --no-data), or run again with the data of all."
        )
        raise HistogramError(message)


def _paths(runs: Sequence[PlannedRun]) -> str:
    return " and ".join(str(planned.run.path) for planned in runs)


def _histograms(runs: Sequence[PlannedRun]) -> str:
    parts = [part for planned in runs for part in planned.plan.parts]
    names = [f"'{name}'" for name in dict.fromkeys(part.histogram for part in parts)]
    return f"the histogram{'s' if len(names) > 1 else ''} {' and '.join(names)}"


def _quoted(names: Sequence[str]) -> str:
    shown = " or ".join(f"'{name}'" for name in names[:3])
    return f"{shown} (or another of {len(names)})" if len(names) > 3 else shown


def _has_events(templates: Templates, name: str) -> bool:
    return name in templates.processes and bool(templates.processes[name].values.any())


def _with_all(templates: Templates, names: Sequence[str]) -> Templates:
    """Templates that have all processes, empty where nothing of one was selected."""
    zero = np.zeros(templates.edges.size - 1)
    missing = {name: Template(zero, zero) for name in names if name not in templates.processes}
    return replace(templates, processes={**templates.processes, **missing})


def _edges(
    part: FitPart,
    templates: Templates,
    signals: Sequence[str],
    backgrounds: Sequence[str],
    options: FitOptions,
    lumi_fb: float,
) -> Sequence[float]:
    if part.count:
        return (float(templates.edges[0]), float(templates.edges[-1]))
    chosen: list[float] = choose_edges(
        templates,
        signals,
        backgrounds,
        lumi_fb=lumi_fb,
        min_background=options.min_background,
        max_relative_error=options.max_relative_error,
        max_bins=options.max_bins,
    ).tolist()
    return chosen


def _observations(run: RunFolder, templates: Templates) -> list[float]:
    """Counts of recorded data; they are events, not fb."""
    counts = templates.total(name for name in run.data if name in templates.processes)[0]
    if not np.array_equal(counts, np.round(counts)) or counts.min() < 0.0:
        message = (
            f"The data of {run.path} ({', '.join(run.data)}) are no counts: recorded events must be filled with "
            "weight 1. Check the is_data flag of their datasets."
        )
        raise HistogramError(message)
    return [float(x) for x in counts]
