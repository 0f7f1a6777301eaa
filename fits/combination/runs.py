"""Several runs in one likelihood: which, under which names, whether they share events, and the yields of all of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from massgap.fits.combination.overlap import shared_between_regions, shared_between_runs
from massgap.fits.errors import FitError
from massgap.fits.parts import fill_plans
from massgap.fits.plan import FitPlan, PlannedRun, as_part, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.combination.overlap import Overlap
    from massgap.fits.parts import FilledPlan
    from massgap.fits.plan import FitOptions, FitPart

__all__ = ["combine", "planned_runs", "require_disjoint", "run_labels"]

_OVERLAP = "accept it (allow_overlap=True, --allow-overlap)"


def planned_runs(
    runs: Sequence[RunFolder],
    options: FitOptions,
    plan: FitPlan | None = None,
    renamed: Mapping[str, str] | None = None,
) -> list[PlannedRun]:
    """Runs with a label and a plan each.

    Parameters
    ----------
    runs : sequence of RunFolder
    options : FitOptions
        ``histogram``, ``region``, ``channels``, ``controls`` and ``edges`` choose the parts of each run. Of several runs, each
        takes the regions and channels that it has; ``run:region`` is of the run with that label alone.
    plan : FitPlan, optional
        Instead, for a single run; with several, each takes the parts whose region and histogram it has.
    renamed : mapping, optional
        Process -> name in the likelihood, with the label of a run and a colon before it for one run alone:
        ``{"b:ttbar": "tt"}``.

    Returns
    -------
    list of PlannedRun

    Raises
    ------
    FitError
        If a name is given to a process that no run has, or a plan has a part that no run has.
    HistogramError
        If a histogram or region is not there, or has to be named.
    """
    labels = run_labels(runs)
    if len(runs) > 1:
        _require_known(runs, labels, options)
    planned = []
    for run, label in zip(runs, labels, strict=True):
        names = _renames(run, label, renamed or {})
        if plan is None:
            chosen = make_plan(run, _own_options(run, label, options) if label else options)
        else:
            chosen = _own_parts(run, plan) if label else plan
        planned.append(PlannedRun(run, chosen, label, names))
    for key in renamed or {}:
        if not any(key.rpartition(":")[2] in each.renamed for each in planned):
            present = ", ".join(sorted({name for run in runs for name in (*run.signals, *run.backgrounds)}))
            message = (
                f"No run has the simulated process '{key}' that is to be renamed (--rename OLD=NEW, or --rename RUN:OLD=NEW with "
                f"RUN one of {', '.join(filter(None, labels)) or 'none, as there is one run'}); the processes are: {present}."
            )
            raise FitError(message)
    return planned


def require_disjoint(
    runs: Sequence[PlannedRun], *, allow_overlap: bool = False
) -> tuple[list[str], list[str]]:
    """Check that no event is in two parts.

    Regions of different channels of a run are disjoint by construction, those of one channel where the analysis says so or the
    feature tables show it; the events of two runs are compared by their keys.

    Parameters
    ----------
    runs : sequence of PlannedRun
    allow_overlap : bool
        Turn what is shared or unknown into warnings. Two parts of the same region are refused all the same.

    Returns
    -------
    list of str, list of str
        Sentences on why the parts are disjoint, and warnings.

    Raises
    ------
    FitError
        If events are shared, with their number, process and place, or if nothing shows that none are.
    """
    reasons: list[str] = []
    warnings: list[str] = []
    for planned in runs:
        for one, two in itertools.combinations(planned.plan.parts, 2):
            _judge_regions(planned, one, two, reasons, warnings, allow_overlap=allow_overlap)
    for left, right in itertools.combinations(runs, 2):
        _judge_runs(left, right, reasons, warnings, allow_overlap=allow_overlap)
    return reasons, warnings


def combine(
    runs: Sequence[PlannedRun],
    signal: str,
    backgrounds: Sequence[str] | None,
    options: FitOptions,
    lumi_fb: float,
    *,
    allow_overlap: bool = False,
) -> FilledPlan:
    """All parts of several runs, filled, after a check that they share no event.

    Parameters
    ----------
    runs : sequence of PlannedRun
        See :func:`planned_runs`.
    signal : str
        Signal process, as the likelihood calls it.
    backgrounds : sequence of str, optional
        Likewise; default all simulated processes that are no signal in any run.
    options : FitOptions
        How bins are chosen, and whether data are used.
    lumi_fb : float
        Luminosity in fb-1 of every run.
    allow_overlap : bool
        See :func:`require_disjoint`.

    Returns
    -------
    FilledPlan

    Raises
    ------
    FitError
        If events are shared, or a process has different roles.
    massgap.errors.MassgapError
        As of :func:`massgap.fits.parts.fill_plans`.

    Examples
    --------
    >>> runs = planned_runs([open_run("a"), open_run("b")], FitOptions())  # doctest: +SKIP
    >>> combine(runs, "signal", None, FitOptions(), 300.0).parts  # doctest: +SKIP
    """
    reasons, warnings = require_disjoint(runs, allow_overlap=allow_overlap)
    chosen = backgrounds_of(runs) if backgrounds is None else list(backgrounds)
    filled = fill_plans(runs, signal, chosen, options, lumi_fb)
    return replace(filled, disjoint=tuple(reasons), warnings=(*filled.warnings, *warnings))


def signals_of(runs: Iterable[PlannedRun]) -> list[str]:
    """Signal processes of all runs, as the likelihood calls them."""
    return sorted({name for planned in runs for name in planned.named(planned.run.signals)})


def backgrounds_of(runs: Sequence[PlannedRun]) -> list[str]:
    """Background processes of all runs, as the likelihood calls them.

    Raises
    ------
    FitError
        If a process is signal in one run and background in another one.
    """
    found = sorted({name for planned in runs for name in planned.named(planned.run.backgrounds)})
    both = sorted(set(found) & set(signals_of(runs)))
    if both:
        message = (
            f"'{both[0]}' is a signal in one run and a background in another one. Give it another name in one of them "
            f"(--rename RUN:{both[0]}=NEW, with RUN one of {', '.join(planned.label for planned in runs)})."
        )
        raise FitError(message)
    return found


def run_labels(runs: Sequence[RunFolder]) -> list[str]:
    """Names of the folders, with as many parents as tell them apart; none for a single run."""
    if len(runs) == 1:
        return [""]
    parts = [run.path.absolute().parts for run in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        labels = ["_".join(part[-depth:]) for part in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{part[-1]}_{number}" for number, part in enumerate(parts, 1)]


def _renames(run: RunFolder, label: str, renamed: Mapping[str, str]) -> dict[str, str]:
    processes = (*run.signals, *run.backgrounds)
    names = {key: new for key, new in renamed.items() if key in processes}
    for key, new in renamed.items():
        which, colon, name = key.rpartition(":")
        if colon and which == label and name in processes:
            names[name] = new
    return names


def _regions_and_channels(run: RunFolder) -> tuple[set[str], set[str]]:
    regions = {
        str(name)
        for histogram in run.histograms.values()
        if "region" in histogram.axes.name
        for name in histogram.axes["region"]
    }
    return regions, {run.description.region(name).channel or name for name in regions}


def _wanted(options: FitOptions) -> tuple[str, ...]:
    return (options.region,) if isinstance(options.region, str) else tuple(options.region or ())


def _require_known(runs: Sequence[RunFolder], labels: Sequence[str], options: FitOptions) -> None:
    """Each region and channel that is asked for is one of some run."""
    known = [_regions_and_channels(run) for run in runs]
    for name in _wanted(options):
        label, _, region = name.rpartition(":")
        if label and region not in dict(zip(labels, known, strict=True)).get(label, ((),))[0]:
            message = (
                f"There is no region '{region}' in a run '{label}' (--region RUN:NAME); the runs are: {', '.join(labels)}. "
                "Name one of them and a region that it has."
            )
            raise FitError(message)
    controls = tuple(as_part(entry).region for entry in options.controls)
    for what, option, names, at in (
        ("region", "--region", tuple(name for name in _wanted(options) if ":" not in name), 0),
        ("region", "--control", controls, 0),
        ("channel", "--channels", tuple(options.channels), 1),
    ):
        present = set().union(*(entry[at] for entry in known))
        for name in names:
            if name not in present:
                message = f"No run has the {what} '{name}' ({option}); they have: {', '.join(sorted(present)) or 'none'}."
                raise FitError(message)


def _own_options(run: RunFolder, label: str, options: FitOptions) -> FitOptions:
    """The options of several runs, with the regions, channels and control regions that this one has."""
    regions, channels = _regions_and_channels(run)
    wanted = _wanted(options)
    kept = tuple(name for name in (word.removeprefix(f"{label}:") for word in wanted) if name in regions)
    if wanted and not kept:
        message = (
            f"{run.path} has none of the regions {', '.join(wanted)} (region=..., --region); it has: {', '.join(sorted(regions))}. "
            "Leave this run out, or name a region of it."
        )
        raise FitError(message)
    return replace(
        options,
        region=kept or None,
        channels=tuple(name for name in options.channels if name in channels),
        controls=tuple(entry for entry in map(as_part, options.controls) if entry.region in regions),
    )


def _own_parts(run: RunFolder, plan: FitPlan) -> FitPlan:
    """The parts of a plan that a run has."""
    from massgap.fits.contents import regions_of

    parts = [
        part
        for part in plan.parts
        if part.histogram in run.histograms and part.region in regions_of(run.histograms[part.histogram])
    ]
    if not parts:
        wanted = ", ".join(f"{part.region}:{part.histogram}" for part in plan.parts)
        message = f"{run.path} has none of the parts {wanted} (plan=..., --part). Leave this run out, or name a part of it."
        raise FitError(message)
    return FitPlan(parts, plan.scans)


def _judge_regions(
    planned: PlannedRun,
    one: FitPart,
    two: FitPart,
    reasons: list[str],
    warnings: list[str],
    *,
    allow_overlap: bool,
) -> None:
    regions = [planned.run.description.region(part.region) for part in (one, two)]
    if one.region == two.region:
        return  # Refused where the channels get their names.
    pair = f"the regions '{one.region}' and '{two.region}'" + (
        f" of {planned.label}" if planned.label else ""
    )
    if regions[0].channel != regions[1].channel:
        return
    if two.region in regions[0].disjoint or one.region in regions[1].disjoint:
        reasons.append(f"{_capital(pair)} share no event, as the analysis says.")
        return
    found = shared_between_regions(planned.run, one.region, two.region)
    channel = regions[0].channel
    where = (
        f"both belong to the channel '{channel}'"
        if channel
        else 'the analysis does not say that they are of different channels (Region(..., channel="...") does)'
    )
    if found.shared:
        problem = f"{_capital(pair)} share {found.events:,} selected events: {found.words()}; {where}."
    elif found.unknown:
        problem = f"{_capital(pair)} may hold the same events, {where}, and {found.unknown}, which could show the contrary."
    else:
        reasons.append(
            f"{_capital(pair)} share none of the {found.compared[0]:,} and {found.compared[1]:,} events that the feature tables "
            "have of them."
        )
        return
    _refuse(
        f"{problem} One likelihood cannot take both: choose one of them (region=..., --region), or",
        warnings,
        problem,
        allow_overlap=allow_overlap,
    )


def _judge_runs(
    left: PlannedRun, right: PlannedRun, reasons: list[str], warnings: list[str], *, allow_overlap: bool
) -> None:
    found = shared_between_runs(left.run, _regions(left), right.run, _regions(right))
    pair = f"{left.label} and {right.label}"
    if found.shared:
        problem = f"The runs {pair} share {found.events:,} selected events: {found.words()}."
    elif found.unknown:
        problem = f"Whether the runs {pair} share events cannot be told: {found.unknown}."
    else:
        reasons.append(_apart(pair, found))
        _same_selection(left, right, warnings)
        return
    _refuse(
        f"{problem} One likelihood cannot take both: make the selections exclusive, leave one of the runs out, run again, or",
        warnings,
        problem,
        allow_overlap=allow_overlap,
    )


def _apart(pair: str, found: Overlap) -> str:
    files = (
        f"{found.common_files} files that both have read"
        if found.common_files
        else "no file that both have read"
    )
    return (
        f"The runs {pair} share none of their {found.compared[0]:,} and {found.compared[1]:,} selected events (by run, "
        f"luminosity block and event number; {files})."
    )


def _same_selection(left: PlannedRun, right: PlannedRun, warnings: list[str]) -> None:
    """The same selection of other simulated events: right for two periods, wrong for two halves of a sample."""
    analysis = left.run.manifest.get("analysis")
    regions = sorted(set(_regions(left)) & set(_regions(right)))
    if regions and analysis and analysis == right.run.manifest.get("analysis"):
        warnings.append(
            f"Both {left.label} and {right.label} fit the region {regions[0]} of the analysis {analysis}: they count as two periods "
            "of data of that luminosity each. Halves of one sample belong into one run."
        )


def _refuse(refusal: str, warnings: list[str], problem: str, *, allow_overlap: bool) -> None:
    if not allow_overlap:
        message = f"{refusal} {_OVERLAP}."
        raise FitError(message)
    warnings.append(f"{problem} It was accepted.")


def _regions(planned: PlannedRun) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.region for part in planned.plan.parts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
