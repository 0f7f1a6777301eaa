"""What a study consists of: its samples, runs, models and fits in order, as plain data.

``massgap study NAME`` carries it out, see :mod:`massgap.stages.studying`; a study itself starts nothing and imports nothing heavy.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared
    from massgap.studies.markdown import FurtherTable
    from massgap.studies.tables import Paper

__all__ = [
    "DEMO",
    "FitStep",
    "GenerateStep",
    "PlaneStep",
    "ReportStep",
    "RunStep",
    "Step",
    "Study",
    "TrainStep",
    "find_demo",
    "find_study",
    "known_studies",
    "studies_of",
]

DEMO = "slepton"
"""The study of ``massgap demo``."""


@dataclass(frozen=True)
class Step:
    """One step of a study; what it makes is in the folder of its name, others refer to it by that.

    Parameters
    ----------
    name
        Place of what it makes, relative to the folder of the study, for instance ``"run"``.
    options
        Further arguments of the stage.
    words
        What is said when it begins.
    key
        Under which its time is told; the kind of the step by default.
    quick
        Whether the small form of the study has it.
    optional
        Whether the study goes on if it cannot be done, as a fit for which a small sample has too few events.
    cost
        Seconds that it takes, about, on two cores: what the time that is left is estimated from.
    """

    kind: ClassVar[str] = ""
    usual_cost: ClassVar[float] = 10.0

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    words: str = field(default="", kw_only=True)
    key: str = field(default="", kw_only=True)
    quick: bool = field(default=True, kw_only=True)
    optional: bool = field(default=False, kw_only=True)
    cost: float | None = field(default=None, kw_only=True)

    @property
    def seconds(self) -> float:
        """About so long it takes."""
        return self.usual_cost if self.cost is None else self.cost

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the steps whose results it reads."""
        return ()


@dataclass(frozen=True)
class GenerateStep(Step):
    """Samples of processes.

    Parameters
    ----------
    processes
        An analysis (all its processes), or names of processes.
    events, small
        Number of events of the study, and of its small form.
    parton
        At parton level, for decay chains.
    further_seed
        Added to the seed of the study, for samples that must share no event with others of the same processes.
    """

    kind: ClassVar[str] = "generate"

    processes: str | tuple[str, ...] = ()
    events: int = 1_000_000
    small: int = 50_000
    parton: bool = False
    further_seed: int = 0


@dataclass(frozen=True)
class RunStep(Step):
    """An analysis over samples.

    Parameters
    ----------
    analysis
        Its name.
    samples
        The step that made the samples, or several, whose processes are run together.
    models
        The step that trained the model of the only score, or score -> step.
    wanted
        Systematics that it has if they are known and its samples hold what they are made of.
    """

    kind: ClassVar[str] = "run"
    usual_cost: ClassVar[float] = 60.0

    analysis: str = ""
    samples: str | tuple[str, ...] = ""
    models: str | Mapping[str, str] = ""
    wanted: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The steps that made the samples."""
        return (self.samples,) if isinstance(self.samples, str) else tuple(self.samples)

    @property
    def needs(self) -> tuple[str, ...]:
        """The samples and the models."""
        models = self.models.values() if isinstance(self.models, Mapping) else (self.models,)
        return tuple(name for name in (*self.sources, *models) if name)


@dataclass(frozen=True)
class TrainStep(Step):
    """A classifier on the feature tables of a run; its options are those of the recipe."""

    kind: ClassVar[str] = "train"

    run: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The run."""
        return (self.run,)


@dataclass(frozen=True)
class FitStep(Step):
    """A fit of a run.

    Parameters
    ----------
    run
        The step that made it.
    scan
        Options of the threshold scan, see :class:`massgap.fits.scans.threshold_scan.ScanOptions`.
    parts, scans
        Histograms that are fitted, and scanned, as (region, histogram) or (region, histogram, edges); by default the scores.
    controls
        Control regions, as (region, histogram) with "" for one bin of the first histogram, or with edges.
    model
        Options of the likelihood, see :class:`massgap.fits.workspaces.workspace.WorkspaceOptions`.
    nuisances
        What a file of nuisance parameters would say, see :mod:`massgap.fits.workspaces.nuisances`.
    fit
        Further options of the fit, see :class:`massgap.fits.plan.FitOptions`.
    """

    kind: ClassVar[str] = "fit"

    run: str = ""
    scan: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    parts: tuple[tuple[Any, ...], ...] = field(default=(), kw_only=True)
    scans: tuple[tuple[Any, ...], ...] | None = field(default=None, kw_only=True)
    controls: tuple[tuple[Any, ...], ...] = field(default=(), kw_only=True)
    model: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    nuisances: Mapping[str, Any] | None = field(default=None, kw_only=True)
    fit: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def needs(self) -> tuple[str, ...]:
        """The run."""
        return (self.run,)


@dataclass(frozen=True)
class PlaneStep(FitStep):
    """Every signal of a run, with its page; ``options`` are those of :func:`massgap.stages.plane`."""

    kind: ClassVar[str] = "plane"
    usual_cost: ClassVar[float] = 60.0


@dataclass(frozen=True)
class ReportStep(Step):
    """The page of a run with its model and fit; ``name`` is the file.

    Parameters
    ----------
    run, model
        The steps that made them.
    fit
        That which fitted it; of several the first that was done.
    """

    kind: ClassVar[str] = "report"
    usual_cost: ClassVar[float] = 30.0

    run: str = ""
    model: str = ""
    fit: str | tuple[str, ...] = ""

    @property
    def fits(self) -> tuple[str, ...]:
        """The fits, that which is wanted first."""
        return (self.fit,) if isinstance(self.fit, str) else tuple(self.fit)

    @property
    def needs(self) -> tuple[str, ...]:
        """The run, and what is said of model and fit."""
        return tuple(name for name in (self.run, self.model, *self.fits) if name)


@dataclass(frozen=True)
class Study:
    """A paper done again.

    Parameters
    ----------
    name, title
        How it is called, and in words.
    source
        The paper.
    steps
        What is done, in this order.
    luminosity
        fb-1 of its fits.
    chapters
        Gives the chapters that the study adds to the report, a sequence of :class:`massgap.reports.run.chapters.Chapter`.
    further
        Tables of a folder that the paper has not: folder -> list of :class:`massgap.studies.markdown.FurtherTable`.
    paper
        Gives the paper's numbers, :class:`massgap.studies.tables.Paper`.
    validate
        Puts the numbers of a folder beside the paper's: folder -> list of :class:`massgap.studies.comparison.Compared`.
    scan
        Trains networks of sets of variables on a run: (folder for the results, run folder, part=..., **options) -> what ``massgap scan`` prints
        and writes, plain data with a ``summary`` of lines.  ``part(name, make)`` gives the part of a name, made now or by an interrupted call;
        ``workers``, where it takes that, is how many processes may share what does not need each other.

    Raises
    ------
    StudyError
        If two steps have one name, or a step needs what none before it makes.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    source: str = ""
    luminosity: float | None = None
    chapters: Callable[[], Sequence[Chapter]] | None = field(default=None, compare=False)
    further: Callable[[Path], Sequence[FurtherTable]] | None = field(default=None, compare=False)
    paper: Callable[[], Paper] | None = field(default=None, compare=False)
    validate: Callable[[Path], Sequence[Compared]] | None = field(default=None, compare=False)
    scan: Callable[..., Mapping[str, Any]] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        made: set[str] = set()
        for step in self.steps:
            if step.name in made:
                msg = f"the study {self.name!r} has two steps {step.name!r}"
                raise StudyError(msg)
            missing = [name for name in step.needs if name not in made]
            if missing:
                msg = f"the step {step.name!r} of the study {self.name!r} needs {missing[0]!r}, which no step before it makes"
                raise StudyError(msg)
            made.add(step.name)

    def chosen(self, *, small: bool = False) -> tuple[Step, ...]:
        """The steps, and of the small form those that it has: its runs go without what it does not make."""
        if not small:
            return self.steps
        left_out = {step.name for step in self.steps if not step.quick}
        return tuple(
            _without(step, left_out) if isinstance(step, RunStep) else step
            for step in self.steps
            if step.quick
        )

    def shares(
        self, events: int | None, *, small: bool = False, own: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Events of each step that generates, of a total or as the study says, but for those that have a number of their own.

        Raises
        ------
        StudyError
            If a number is given to a step that does not generate.
        """
        steps = [step for step in self.chosen(small=small) if isinstance(step, GenerateStep)]
        usual = {step.name: step.small if small else step.events for step in steps}
        total = sum(usual.values())
        shared = {
            name: n if events is None else max(1, round(events * n / total)) for name, n in usual.items()
        }
        strange = sorted(set(own or {}) - set(usual))
        if strange:
            msg = (
                f"the study {self.name!r} generates no {strange[0]!r}; its samples are {', '.join(usual)}: "
                f"massgap study {self.name} --sample {next(iter(usual), 'samples')}=20k"
            )
            raise StudyError(msg)
        return {**shared, **(own or {})}


def _without(step: RunStep, left_out: set[str]) -> RunStep:
    samples: str | tuple[str, ...] = tuple(name for name in step.sources if name not in left_out)
    if isinstance(step.samples, str):
        samples = step.samples
    models = step.models
    if isinstance(models, Mapping):
        models = {score: name for score, name in models.items() if name not in left_out}
    return replace(step, samples=samples, models=models)


def known_studies() -> list[str]:
    """Names of the studies: folders beside this file with a module ``study``.

    Examples
    --------
    >>> "slepton" in known_studies()
    True
    """
    package = importlib.import_module(__package__)
    folders = [module for module in pkgutil.iter_modules(package.__path__) if module.ispkg]
    return sorted(module.name for module in folders)


def find_study(name: str) -> Study:
    """A study by its name.

    Raises
    ------
    StudyError
        If there is none.

    Examples
    --------
    >>> find_study("slepton").name
    'slepton'
    """
    known = known_studies()
    if name not in known:
        msg = f"there is no study {name!r}; known are {', '.join(known)}"
        raise StudyError(msg)
    found: Study = importlib.import_module(f"{__package__}.{name}.study").STUDY
    return found


def find_demo() -> Study:
    """The study that ``massgap demo`` carries out: the module ``demo`` beside that of :data:`DEMO`.

    Examples
    --------
    >>> find_demo().name
    'slepton'
    """
    found: Study = importlib.import_module(f"{__package__}.{DEMO}.demo").STUDY
    return found


def studies_of(analysis: str) -> list[Study]:
    """The studies that run an analysis.

    Examples
    --------
    >>> [study.name for study in studies_of("slepton")], studies_of("nothing")
    (['slepton'], [])
    """
    every = [find_study(name) for name in known_studies()]
    return [study for study in every if analysis in {getattr(step, "analysis", None) for step in study.steps}]
