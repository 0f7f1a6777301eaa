"""What is fitted: parts, each a histogram in a region, and the options of the fit.

Every part is a channel of one likelihood, so no event may be in two of them. Regions of different channels share no
event; those of one channel are alternatives, and parts of them are refused together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import HistogramError
from massgap.fits.contents import regions_of
from massgap.fits.errors import FitError
from massgap.fits.scans.threshold_scan import ScanOptions
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from massgap.contracts.run_folder import RunFolder

__all__ = ["FitOptions", "FitPart", "FitPlan", "channel_names", "make_plan", "scores_of"]


@dataclass(frozen=True)
class FitPart:
    """A histogram in one region.

    Attributes
    ----------
    region, histogram : str
        As the run names them.
    edges : tuple of float, optional
        Bin edges, some of those of the histogram; default chosen by the options of the fit.
    """

    region: str
    histogram: str
    edges: tuple[float, ...] | None = None

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

    Examples
    --------
    >>> FitPlan([("two_leptons", "met", (0, 100, 500)), ("three_leptons", "score")]).parts[1]
    FitPart(region='three_leptons', histogram='score', edges=None)
    """

    parts: tuple[FitPart, ...]
    scans: tuple[FitPart, ...] | None

    def __init__(
        self,
        parts: Iterable[FitPart | tuple[Any, ...]],
        scans: Iterable[FitPart | tuple[Any, ...]] | None = None,
    ) -> None:
        object.__setattr__(self, "parts", tuple(_part(entry) for entry in parts))
        object.__setattr__(self, "scans", None if scans is None else tuple(_part(entry) for entry in scans))
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
        Region, or several of different channels; default those of the score, or the only one.
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
    seed : int
        Of the replicas.
    model : WorkspaceOptions
        Content of the likelihood; its luminosity is replaced by that of the fit.
    scan : ScanOptions
        Threshold scan; its luminosity is replaced likewise.
    """

    histogram: str | None = None
    region: str | Sequence[str] | None = None
    edges: Sequence[float] | None = None
    min_background: float = 5.0
    max_relative_error: float = 0.3
    max_bins: int = 20
    use_data: bool = True
    level: float = 0.95
    engine: str = "massgap"
    replicas: int = 100
    seed: int = 1
    model: WorkspaceOptions = field(default_factory=WorkspaceOptions)
    scan: ScanOptions = field(default_factory=ScanOptions)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file; what is fitted is in its ``parts``."""
        out: dict[str, Any] = {**asdict(self), "model": self.model.as_dict()}
        for name in ("histogram", "region", "edges"):
            del out[name]
        return out


def make_plan(run: RunFolder, options: FitOptions | None = None) -> FitPlan:
    """The parts that options name, or every score that the run has filled, in the regions that the score names.

    Parameters
    ----------
    run : RunFolder
        The run, with or without a description of its analysis.
    options : FitOptions, optional
        ``histogram``, ``region`` and ``edges`` of them.

    Returns
    -------
    FitPlan

    Raises
    ------
    HistogramError
        If the histogram or the region is not there, or has to be named.
    """
    options = options or FitOptions()
    edges = None if options.edges is None else tuple(float(x) for x in options.edges)
    wanted = (options.region,) if isinstance(options.region, str) else tuple(options.region or ())
    filled = scores_of(run)
    if options.histogram is not None:
        regions = wanted or filled.get(options.histogram) or _only_region(run, options.histogram)
        return FitPlan([FitPart(region, options.histogram, edges) for region in regions])
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
    return FitPlan(parts)


def scores_of(run: RunFolder) -> dict[str, tuple[str, ...]]:
    """Histogram of each score that the run has filled -> the regions that the score names, or all that it fills."""
    out = {}
    for score in run.description.scores:
        if score.column in run.histograms:
            present = regions_of(run.histograms[score.column])
            out[score.column] = tuple(r for r in score.regions if r in present) or present
    return out


def channel_names(plan: FitPlan, run: RunFolder) -> dict[FitPart, str]:
    """Name of the channel of the likelihood for every part; parts that may share events are refused.

    Raises
    ------
    FitError
        If the regions of two parts belong to one channel.
    """
    names: dict[FitPart, str] = {}
    first: dict[str, FitPart] = {}
    for part in plan.parts:
        channel = run.description.region(part.region).channel
        if channel in first:
            raise FitError(_alternatives(first[channel], part, channel))
        first[channel] = part
        names[part] = channel or part.region
    return names


def _alternatives(one: FitPart, two: FitPart, channel: str) -> str:
    pair = f"'{one.histogram}' in the region '{one.region}' and '{two.histogram}' in '{two.region}'"
    where = (
        f"both regions belong to the channel '{channel}'" if one.region != two.region else "it is one region"
    )
    if not channel and one.region != two.region:
        where = (
            "the analysis does not say that these regions are of different channels "
            '(Region(..., channel="...") does)'
        )
    return (
        f"{pair} may hold the same events, {where}: one likelihood cannot take both. Choose one of them "
        "(histogram=..., --histogram; region=..., --region) and fit the other by itself."
    )


def _part(entry: Any) -> FitPart:
    if isinstance(entry, FitPart):
        return entry
    if not isinstance(entry, (tuple, list)) or len(entry) not in (2, 3):
        message = f"A part of a fit is (region, histogram) or (region, histogram, edges), not {entry!r}."
        raise FitError(message)
    edges = entry[2] if len(entry) == 3 else None
    return FitPart(str(entry[0]), str(entry[1]), None if edges is None else tuple(float(x) for x in edges))


def _only_region(run: RunFolder, name: str) -> tuple[str, ...]:
    regions = regions_of(run.histogram(name))
    if len(regions) != 1:
        message = (
            f"The histogram '{name}' of {run.path} is filled in several regions: {', '.join(regions) or 'none'}. Choose "
            "one, or several of different channels (region=..., --region)."
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
