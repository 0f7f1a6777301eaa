"""What an analysis says of itself: observables, regions with their cuts, scores.

The base of all analyses writes the description into the manifest of a run; reports, training and fits read it from there.
A run is thus drawn as it was described when it was made, and an analysis of one's own as well as a shipped one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Cut", "Description", "Feature", "ProcessLabel", "Region", "Score"]


def _make_tuples(described: Any, *names: str) -> None:
    """Lists as tuples: descriptions are compared, and serve as keys."""
    for name in names:
        object.__setattr__(described, name, tuple(getattr(described, name)))


@dataclass(frozen=True)
class Feature:
    """One observable: its name, how a plot labels and bins it, and what it is.

    Parameters
    ----------
    name
        Name in feature tables, histograms and models.
    label
        LaTeX label for plots, without the unit.
    unit
        "GeV", "rad" or "" for a pure number.
    low, high, bins
        Range and number of bins of the histogram.
    description
        One sentence in plain words.
    group
        What it belongs to in a table of observables, for instance "Angles".

    Examples
    --------
    >>> Feature("met", "$E_T^{miss}$", "GeV", 0, 500, 50, "Missing transverse momentum").axis_label
    '$E_T^{miss}$ [GeV]'
    """

    name: str
    label: str = ""
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    bins: int = 50
    description: str = ""
    group: str = ""

    @property
    def axis_label(self) -> str:
        """Label with unit, as an axis shows it."""
        label = self.label or self.name
        return f"{label} [{self.unit}]" if self.unit else label


@dataclass(frozen=True)
class Cut:
    """A cut on one observable, one of those that define a region.

    Parameters
    ----------
    name
        Name of the step in the cutflow, and of the N-1 histogram ``nminus1_<name>``.
    feature
        The observable that it cuts on.
    passes
        Function of the observable's values, shape (n,), that gives a boolean for each.  It is not stored.
    edges
        The values at which it cuts, in the observable's unit: figures draw a line there.
    label
        What a table shows; the name by default.
    keeps
        For each of the intervals that the edges make, from the lowest: is it kept?  Figures shade the others.
        What is stored is found from ``passes``, so that the two cannot differ.

    Examples
    --------
    >>> import numpy as np
    >>> cut = Cut("z_window", "m_ll", lambda m: (m < 81.0) | (m > 101.0), edges=(81.0, 101.0))
    >>> cut.passes(np.array([80.0, 91.0])).tolist(), cut.kept
    ([True, False], (True, False, True))
    """

    name: str
    feature: str
    passes: Callable[[Any], Any] | None = field(default=None, compare=False, repr=False)
    edges: tuple[float, ...] = ()
    label: str = ""
    keeps: tuple[bool, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        _make_tuples(self, "edges", "keeps")

    @property
    def kept(self) -> tuple[bool, ...]:
        """Which of the intervals between the edges it keeps; empty if that is not known."""
        if self.keeps or self.passes is None or not self.edges:
            return self.keeps
        import numpy as np

        edges = np.asarray(self.edges, dtype=float)
        reach = max(float(edges[-1] - edges[0]), abs(float(edges[0]))) or 1.0
        inside = np.concatenate([[edges[0] - reach], 0.5 * (edges[1:] + edges[:-1]), [edges[-1] + reach]])
        return tuple(bool(kept) for kept in np.asarray(self.passes(inside)))


@dataclass(frozen=True)
class Region:
    """A part of the selected events: an entry of the axis ``region`` of the histograms.

    Regions of different channels share no event and may be combined in a fit; those of one channel are alternatives,
    and may overlap, unless one says that they are disjoint.

    Parameters
    ----------
    name
        Name on the axis and, as ``region_<name>``, in feature tables.
    label
        What figures and tables show; the name by default.
    channel
        The channel that it belongs to; that of the analysis by default.
    within
        The wider region of which it is a part, if any: "before" to its "after" in figures.
    cuts
        Cuts on observables that define it, in the order of the cutflow; empty where the analysis sets it itself.
    disjoint
        Regions of its channel with which it shares no event, as a control region with an inverted cut: a fit may take
        them together.
    """

    name: str
    label: str = ""
    channel: str = ""
    within: str = ""
    cuts: tuple[Cut, ...] = ()
    disjoint: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _make_tuples(self, "cuts", "disjoint")


@dataclass(frozen=True)
class Score:
    """A classifier's answer for each event, with a histogram and a column in the feature table.

    Parameters
    ----------
    name
        By which ``--model name=FILE`` gives its model.
    label
        Label of its axis.
    regions
        Regions in which its histogram is filled; all by default.
    controls
        Control regions in which it is filled beside those, if it names some: neither trained in nor fitted unless asked for.
    features
        Observables that its model needs, in order; those of the analysis by default.
    bins, low, high
        Binning of its histogram.

    Examples
    --------
    >>> Score("score").column, Score("low").column
    ('score', 'score_low')
    """

    name: str
    label: str = ""
    regions: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    bins: int = 400
    low: float = 0.0
    high: float = 1.0
    controls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _make_tuples(self, "regions", "features", "controls")

    @property
    def filled(self) -> tuple[str, ...]:
        """Regions in which its histogram is filled; () for all."""
        return (*self.regions, *self.controls) if self.regions else ()

    @property
    def column(self) -> str:
        """Name of its histogram and of its column in the feature table."""
        return "score" if self.name == "score" else f"score_{self.name}"


@dataclass(frozen=True)
class ProcessLabel:
    """How figures show a process: its label, and a colour of matplotlib ("" for one of the palette)."""

    label: str
    color: str = ""


@dataclass(frozen=True)
class Description:
    """All that an analysis says of itself.

    Parameters
    ----------
    analysis, title
        Its name, and what a page is headed with.
    features
        Its observables.
    regions
        Its regions, the widest of each channel first.
    scores
        Its scores, with a model or without.
    processes
        Process -> label and colour, for those that have one.
    luminosity
        fb-1 for which figures, scans and fits are made where nobody says another one.
    source
        The paper that it follows.
    variations
        Of a run: systematic -> dataset -> ``events``, ``nominal`` (how many of them count as nominal) and ``why``.

    Examples
    --------
    >>> described = Description("z_jets", regions=(Region("sr", cuts=(Cut("met", "met", edges=(50.0,)),)),))
    >>> Description.from_dict(described.as_dict()) == described
    True
    """

    analysis: str = ""
    title: str = ""
    features: tuple[Feature, ...] = ()
    regions: tuple[Region, ...] = ()
    scores: tuple[Score, ...] = ()
    processes: dict[str, ProcessLabel] = field(default_factory=dict)
    luminosity: float | None = None
    source: str = ""
    variations: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def feature(self, name: str) -> Feature:
        """The observable of that name; one without any label if it is not described."""
        return next((f for f in self.features if f.name == name), Feature(name))

    def region(self, name: str) -> Region:
        """The region of that name; one without any label if it is not described."""
        return next((r for r in self.regions if r.name == name), Region(name))

    @property
    def cuts(self) -> dict[str, tuple[str, Cut]]:
        """Name of each cut of a region -> the region's name and the cut."""
        return {cut.name: (region.name, cut) for region in self.regions for cut in region.cuts}

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a manifest; functions are left out."""
        out = asdict(self)
        for region, stored in zip(self.regions, out["regions"], strict=True):
            for cut, entry in zip(region.cuts, stored["cuts"], strict=True):
                del entry["passes"]
                entry["keeps"] = cut.kept
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any] | None) -> Self:
        """The inverse of :meth:`as_dict`; unknown keys are left out, so that a newer run can be read."""
        data = data or {}
        known = _known(cls, data)
        known["features"] = tuple(Feature(**_known(Feature, entry)) for entry in data.get("features", ()))
        known["regions"] = tuple(_region(entry) for entry in data.get("regions", ()))
        known["scores"] = tuple(Score(**_tuples(_known(Score, entry))) for entry in data.get("scores", ()))
        known["processes"] = {
            name: ProcessLabel(**_known(ProcessLabel, entry))
            for name, entry in data.get("processes", {}).items()
        }
        return cls(**known)


def _known(cls: type, data: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(cls)}
    return {key: value for key, value in data.items() if key in names}


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def _region(data: dict[str, Any]) -> Region:
    cuts: Iterable[dict[str, Any]] = data.get("cuts", ())
    return Region(
        **{**_tuples(_known(Region, data)), "cuts": tuple(Cut(**_tuples(_known(Cut, cut))) for cut in cuts)}
    )
