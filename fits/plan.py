"""What is fitted: parts, each a histogram in a region, and the options of the fit.

Every part is a channel of one likelihood, so no event may be in two of them. Regions of different channels share no
event; those of one channel are alternatives, unless the analysis calls them disjoint or the feature tables of the run show
that no selected event is in both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import HistogramError
from massgap.fits.contents import regions_of
from massgap.fits.errors import FitError
from massgap.fits.scans.threshold_scan import ScanOptions
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.inference.toys.options import ToyOptions

__all__ = [
    "FitOptions",
    "FitPart",
    "FitPlan",
    "PlannedRun",
    "as_part",
    "channel_names",
    "make_plan",
    "scores_of",
]


CHOICES = ("histogram", "region", "channels", "controls", "edges")
"""The options of a fit that a plan replaces."""


@dataclass(frozen=True)
class FitPart:
    """A histogram in one region.

    Attributes
    ----------
    region, histogram : str
        As the run names them.
    edges : tuple of float, optional
        Bin edges, some of those of the histogram; default chosen by the options of the fit.
    count : bool
        One bin for all events where no edges are given, as for a control region that constrains a background.
    control : bool
        Whether it is a control region: there to constrain backgrounds, not for its signal.
    """

    region: str
    histogram: str
    edges: tuple[float, ...] | None = None
    count: bool = False
    control: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file."""
        return {
            "region": self.region,
            "histogram": self.histogram,
            "edges": None if self.edges is None else list(self.edges),
        }


@dataclass(frozen=True, init=False)
class FitPlan:
    """What goes into one likelihood, and what is scanned.

    Parameters of the same name are the same in all parts: the luminosity, the normalisation of a process, a systematic
    variation. The statistics of the simulation is each part's own.

    Parameters
    ----------
    parts : iterable of FitPart, or of tuples (region, histogram) or (region, histogram, edges)
        One channel of the likelihood each.
    scans : iterable of the same, optional
        Histograms whose threshold is scanned; default the scores that the run has filled.

    Raises
    ------
    FitError
        If there is no part, or one is something else.

    See Also
    --------
    massgap.fits.combination.combine : several runs in one likelihood.

    Examples
    --------
    >>> FitPlan([("two_leptons", "met", (0, 100, 500)), ("three_leptons", "score")]).parts[1]
    FitPart(region='three_leptons', histogram='score', edges=None, count=False, control=False)
    """

    parts: tuple[FitPart, ...]
    scans: tuple[FitPart, ...] | None

    def __init__(
        self,
        parts: Iterable[FitPart | tuple[Any, ...]],
        scans: Iterable[FitPart | tuple[Any, ...]] | None = None,
    ) -> None:
        object.__setattr__(self, "parts", tuple(as_part(entry) for entry in parts))
        object.__setattr__(self, "scans", None if scans is None else tuple(as_part(entry) for entry in scans))
        if not self.parts:
            message = 'A fit needs at least one part: FitPlan(parts=[("region", "histogram")]).'
            raise FitError(message)


@dataclass(frozen=True)
class FitOptions:
    """Which histogram is fitted, in which bins, with which likelihood.

    Attributes
    ----------
    histogram : str, optional
        Histogram of the run; default every score that it has filled.
    region : str or sequence of str, optional
        Region, or several that share no event; default those of the score, or the only one.
    channels : sequence of str
        Channels of the analysis: of them, the regions above, or those in which the histogram is filled; default all.
    controls : sequence of FitPart, or of tuples (region, histogram) or (region, histogram, edges)
        Control regions, fitted beside the rest; one bin each where no edges are given, and the first histogram of the
        rest where none is (``""``).
    edges : sequence of float, optional
        Bin edges; default chosen by ``min_background``, ``max_relative_error`` and ``max_bins``, see
        :func:`massgap.fits.workspaces.binning.choose_edges`.
    use_data : bool
        Use recorded data of the run as observations; without data only expectations are given.
    level : float
        Confidence level of the limit.
    engine : {"massgap", "pyhf"}
        What computes the likelihood; pyhf is the slow reference.
    replicas : int
        Replicas of the simulation from which the uncertainty of expected numbers is found, see
        :mod:`massgap.fits.inference.bootstrap.expected`; 0 for none.
    replica_seed : int
    toys : ToyOptions, optional
        Default none, and a warning where counts are small.
    model : WorkspaceOptions
        Content of the likelihood; its luminosity is replaced by that of the fit.
    scan : ScanOptions
        Threshold scan; its luminosity is replaced likewise.
    """

    histogram: str | None = None
    region: str | Sequence[str] | None = None
    channels: Sequence[str] = ()
    controls: Sequence[FitPart | tuple[Any, ...]] = ()
    edges: Sequence[float] | None = None
    min_background: float = 5.0
    max_relative_error: float = 0.3
    max_bins: int = 20
    use_data: bool = True
    level: float = 0.95
    engine: str = "massgap"
    replicas: int = 100
    replica_seed: int = 1
    toys: ToyOptions | None = None
    model: WorkspaceOptions = field(default_factory=WorkspaceOptions)
    scan: ScanOptions = field(default_factory=ScanOptions)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file; what is fitted is in its ``parts``."""
        out: dict[str, Any] = {**asdict(self), "model": self.model.as_dict()}
        for name in CHOICES:
            del out[name]
        return out


def make_plan(run: RunFolder, options: FitOptions | None = None) -> FitPlan:
    """The parts that options name, or every score that the run has filled, in the regions that the score names.

    Parameters
    ----------
    run : RunFolder
        The run, with or without a description of its analysis.
    options : FitOptions, optional
        ``histogram``, ``region``, ``channels``, ``controls`` and ``edges`` of them.

    Returns
    -------
    FitPlan

    Raises
    ------
    HistogramError
        If the histogram or the region is not there, or has to be named.
    """
    options = options or FitOptions()
    parts = _chosen(run, options)
    if options.channels:
        parts = _of_channels(run, parts, options)
    return FitPlan([*parts, *(_control(run, as_part(entry), parts) for entry in options.controls)])


def _chosen(run: RunFolder, options: FitOptions) -> list[FitPart]:
    """What histogram and region say."""
    edges = None if options.edges is None else tuple(float(x) for x in options.edges)
    wanted = (options.region,) if isinstance(options.region, str) else tuple(options.region or ())
    filled = scores_of(run)
    if options.histogram is not None:
        regions = wanted or filled.get(options.histogram)
        if not regions:
            known = regions_of(run.histogram(options.histogram))
            regions = known if options.channels else _only_region(run, options.histogram, known)
        return [FitPart(region, options.histogram, edges) for region in regions]
    _require_score(run, filled)
    parts = [
        FitPart(region, name, edges)
        for name, regions in filled.items()
        for region in (wanted or regions)
        if not wanted or region in regions_of(run.histogram(name))
    ]
    missing = [region for region in wanted if region not in {part.region for part in parts}]
    if missing:
        present = ", ".join(dict.fromkeys(r for name in filled for r in regions_of(run.histogram(name))))
        message = (
            f"No score of {run.path} is filled in the region '{missing[0]}'; they are in: {present or 'none'}. Choose one "
            "of these (region=..., --region), or name another histogram (histogram=..., --histogram)."
        )
        raise HistogramError(message)
    return parts


def _of_channels(run: RunFolder, parts: list[FitPart], options: FitOptions) -> list[FitPart]:
    """Those of some channels; one region of each, unless the regions were named."""
    channel_of = {part: run.description.region(part.region).channel or part.region for part in parts}
    for channel in options.channels:
        regions = [part.region for part in parts if channel_of[part] == channel]
        if len(regions) == 1 or (regions and options.region):
            continue
        has = (
            f"there, the histogram is filled in several regions: {', '.join(regions)}"
            if regions
            else f"what could be fitted is in: {', '.join(dict.fromkeys(channel_of.values()))}"
        )
        message = (
            f"The channel '{channel}' (channels=..., --channels) of {run.path} does not say what is fitted; {has}. Name the "
            "regions (region=..., --region) or the histogram (histogram=..., --histogram)."
        )
        raise HistogramError(message)
    return [part for part in parts if channel_of[part] in options.channels]


def _control(run: RunFolder, control: FitPart, parts: list[FitPart]) -> FitPart:
    """A control region with its histogram."""
    name = control.histogram
    if not name:
        there = [
            part.histogram for part in parts if control.region in regions_of(run.histogram(part.histogram))
        ]
        if not there:
            known = [
                h
                for h, filled in sorted(run.histograms.items())
                if "region" in filled.axes.name and control.region in list(filled.axes["region"])
            ]
            message = (
                f"The control region '{control.region}' needs a histogram (controls=..., --control REGION:HISTOGRAM): what is fitted "
                f"elsewhere is not filled in it. Of {run.path}, these are: {', '.join(known) or 'none'}."
            )
            raise HistogramError(message)
        name = there[0]
    return replace(control, histogram=name, count=control.edges is None, control=True)


def scores_of(run: RunFolder) -> dict[str, tuple[str, ...]]:
    """Histogram of each score that the run has filled -> the regions that the score names, or all that it fills."""
    out = {}
    for score in run.description.scores:
        if score.column in run.histograms:
            present = regions_of(run.histograms[score.column])
            out[score.column] = tuple(r for r in score.regions if r in present) or present
    return out


@dataclass(frozen=True)
class PlannedRun:
    """A run and what of it is fitted.

    Attributes
    ----------
    run : RunFolder
    plan : FitPlan
    label : str
        How messages, channels and results call it where there are several; "" for a single one.
    renamed : mapping
        Process of the run -> what the likelihood calls it. Equal names share their normalisation.
    """

    run: RunFolder
    plan: FitPlan
    label: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)

    def named(self, processes: Iterable[str]) -> list[str]:
        """Processes of the run as the likelihood calls them."""
        return [self.renamed.get(name, name) for name in processes]


def channel_names(plan: FitPlan, run: RunFolder) -> dict[FitPart, str]:
    """Name of the channel of the likelihood for every part: that of the analysis, or of the region if several belong to it.

    Raises
    ------
    FitError
        If two parts are of one region. Whether two regions share events, see
        :func:`massgap.fits.combination.require_disjoint`.
    """
    channels = {part: run.description.region(part.region).channel for part in plan.parts}
    several = [name for name in channels.values() if list(channels.values()).count(name) > 1]
    regions: dict[str, FitPart] = {}
    names: dict[FitPart, str] = {}
    for part, channel in channels.items():
        if part.region in regions:
            raise FitError(_one_region(regions[part.region], part))
        regions[part.region] = part
        name = part.region if not channel or channel in several else channel
        names[part] = f"{channel}_{part.region}" if name in names.values() else name
    return names


def _one_region(one: FitPart, two: FitPart) -> str:
    return (
        f"'{one.histogram}' and '{two.histogram}' are histograms of the same events, those of the region '{one.region}': one "
        "likelihood cannot take both. Choose one of them (histogram=..., --histogram) and fit the other by itself."
    )


def as_part(entry: Any) -> FitPart:
    """A part from a tuple.

    Raises
    ------
    FitError
        If it is something else.
    """
    if isinstance(entry, FitPart):
        return entry
    if not isinstance(entry, (tuple, list)) or len(entry) not in (2, 3):
        message = f"A part of a fit is (region, histogram) or (region, histogram, edges), not {entry!r}."
        raise FitError(message)
    edges = entry[2] if len(entry) == 3 else None
    return FitPart(str(entry[0]), str(entry[1]), None if edges is None else tuple(float(x) for x in edges))


def _only_region(run: RunFolder, name: str, regions: tuple[str, ...]) -> tuple[str, ...]:
    if len(regions) != 1:
        message = (
            f"The histogram '{name}' of {run.path} is filled in several regions: {', '.join(regions) or 'none'}. Choose "
            "one, or several that share no event (region=..., --region)."
        )
        raise HistogramError(message)
    return regions


def _require_score(run: RunFolder, filled: dict[str, tuple[str, ...]]) -> None:
    if filled:
        return
    wanted = " or ".join(f"'{score.column}'" for score in run.description.scores)
    message = (
        f"{run.path} has no {f'histogram {wanted}' if wanted else 'score'}; it has: "
        f"{', '.join(sorted(run.histograms)) or 'none'}. Name the one that is to be fitted (histogram=..., --histogram)"
        f"{', or run the analysis again with a trained model (--model FILE)' if wanted else ''}."
    )
    raise HistogramError(message)
