"""Whole studies, from nothing to a report: each step goes on where it was interrupted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.study_folder import STUDY_FILE, StudyFolder, open_study, write_study
from massgap.contracts.writing import prepare_folder
from massgap.extras import MissingExtraError
from massgap.stages.execution import Execution
from massgap.stages.fitting import fit
from massgap.stages.generation import generate
from massgap.stages.processing import run
from massgap.stages.reporting import report
from massgap.stages.training import train
from massgap.studies.errors import StudyError
from massgap.studies.study import (
    DEMO,
    FitStep,
    GenerateStep,
    ReportStep,
    RunStep,
    Step,
    Study,
    TrainStep,
    find_study,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StudyResult", "Validation", "demo", "study", "validate"]


@dataclass(frozen=True)
class StudyResult:
    """What a study made.

    Attributes
    ----------
    folder
        Where everything is; ``study.json`` in it says what belongs together.
    seconds
        How long each step took, by its key.
    made
        What the stages returned, by the name of the step.
    """

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict, repr=False)
    reports: tuple[Path, ...] = ()
    fits: tuple[Any, ...] = ()

    @property
    def report(self) -> Path:
        """The last report."""
        return self.reports[-1]

    @property
    def fit(self) -> Any:
        """The last fit, a :class:`massgap.fits.fit_run.FitResult`."""
        return self.fits[-1]


def study(
    name: str | Study,
    out: str | Path | None = None,
    *,
    small: bool = False,
    events: int | None = None,
    seed: int = 1,
    lumi_fb: float | None = None,
    command: str = "",
    announce: Callable[[str], None] | None = None,
    hooks: dict[str, Any] | None = None,
    **words: Any,
) -> StudyResult:
    """Carry a study out; what an earlier call finished in the folder is used again.

    Parameters
    ----------
    name
        Name of a study, or one of your own.
    out
        Folder for everything; by default ``study-NAME``.
    small
        Its small form, of a few minutes.
    events, seed
        Number of events to generate instead (of each step that generates), and the seed of samples and training.
    lumi_fb
        Luminosity in fb-1; by default that of the study.
    command
        For the record.
    announce
        Called with a line when a step begins.
    hooks
        Progress callbacks by stage (``generate``, ``run``, ``train``).
    words
        ``executor, workers, adapt, timeout, cluster`` of :class:`massgap.stages.execution.Execution`.

    Returns
    -------
    StudyResult

    Raises
    ------
    massgap.errors.MassgapError
        If there is no such study, one of its steps cannot be done, another process is writing the folder, or a package
        that one of the steps needs is not installed (MissingExtraError; told before the first step).

    Examples
    --------
    >>> study("slepton", "demo", small=True, workers=2)  # doctest: +SKIP
    """
    chosen = name if isinstance(name, Study) else find_study(name)
    execution = Execution.of(words)
    if words:
        msg = f"study() has no argument {', '.join(map(repr, words))}"
        raise TypeError(msg)
    _require_packages(chosen, execution)
    folder = prepare_folder(Path(f"study-{chosen.name}") if out is None else out)
    lumi_fb = chosen.luminosity if lumi_fb is None else lumi_fb
    record = StudyFolder(folder, chosen.name, small=small, seed=seed, luminosity=lumi_fb, command=command)
    with locked_folder(folder):
        return _Going(chosen, record, execution, events, announce or (lambda _: None), hooks or {}).through()


def _require_packages(chosen: Study, execution: Execution) -> None:
    """Say at once all that is not installed, and not when an hour of other steps is done."""
    analyses = {step.name: step.analysis for step in chosen.steps if isinstance(step, RunStep)}
    missing: dict[str, MissingExtraError] = {}
    for step in chosen.steps:
        try:
            if isinstance(step, GenerateStep):
                from massgap.samples.extra import require

                require()
            elif isinstance(step, TrainStep):
                from massgap.models.training.train_run import require_trainer

                require_trainer(step.options.get("recipe"), analyses[step.run])
            elif isinstance(step, RunStep):
                execution.require_packages()
        except MissingExtraError as error:
            missing[str(error)] = error
    if len(missing) == 1:
        raise next(iter(missing.values()))
    if missing:
        raise MissingExtraError("\n".join(missing))


def demo(out: str | Path = "demo", **options: Any) -> StudyResult:
    """A study in its small form, from nothing to a report: generate, run, train, run with score, fit, report.

    Parameters
    ----------
    out
        Folder for everything.
    options
        As for :func:`study`.
    """
    return study(DEMO, out, small=True, **{"command": "massgap demo", **options})


@dataclass(frozen=True)
class Validation:
    """Numbers of a study beside those of its paper.

    Attributes
    ----------
    study, folder
        Which, and where its results are.
    source
        The paper.
    rows
        A :class:`massgap.studies.comparison.Compared` per number.
    """

    study: str
    folder: Path
    source: str
    rows: tuple[Any, ...]

    @property
    def verdicts(self) -> dict[str, int]:
        """Verdict -> how many numbers have it."""
        return dict(Counter(row.verdict for row in self.rows))

    @property
    def holds(self) -> bool:
        """Whether no number that must come out differs for a cause that is not known."""
        return not any(row.kind == "hard" and row.verdict == "differs" for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        return {
            "format": "massgap-validation/1",
            "study": self.study,
            "folder": str(self.folder),
            "source": self.source,
            "holds": self.holds,
            "verdicts": self.verdicts,
            "rows": [row.as_dict() for row in self.rows],
        }


def validate(name: str | Study, folder: str | Path) -> Validation:
    """Put the numbers of a study beside those of its paper; nothing is computed anew.

    Parameters
    ----------
    name
        Name of a study.
    folder
        Its folder, or that of a run of its analysis.

    Returns
    -------
    Validation

    Raises
    ------
    massgap.errors.MassgapError
        If there is no such study, it has no numbers of a paper, or the folder is of another study or holds none.
    """
    chosen = name if isinstance(name, Study) else find_study(name)
    folder = Path(folder)
    if not folder.is_dir():
        msg = f"{folder}: no such folder; massgap study {chosen.name} --out {folder} makes it"
        raise StudyError(msg)
    if chosen.validate is None:
        msg = f"the study {chosen.name!r} has no numbers of a paper to compare with"
        raise StudyError(msg)
    if (folder / STUDY_FILE).is_file() and (other := open_study(folder).study) != chosen.name:
        msg = f"{folder} is a folder of the study {other!r}: massgap validate {other} {folder}"
        raise StudyError(msg)
    return Validation(chosen.name, folder, chosen.source, tuple(chosen.validate(folder)))


class _Going:
    """A study under way."""

    def __init__(
        self,
        study: Study,
        record: StudyFolder,
        execution: Execution,
        events: int | None,
        announce: Callable[[str], None],
        hooks: dict[str, Any],
    ) -> None:
        self.study, self.record, self.execution, self.events = study, record, execution, events
        self.announce, self.hooks = announce, hooks
        self.made: dict[str, Any] = {}

    def through(self) -> StudyResult:
        """Do all steps in their order; after each the record says that it is done."""
        seconds: dict[str, float] = {}
        steps = self.study.steps
        for number, step in enumerate(steps, 1):
            self.announce(f"{number}/{len(steps)}  {step.words or self._usual_words(step)}")
            start = time.perf_counter()
            self.made[step.name], room, entry = self._do(step)
            key = step.key or step.kind
            seconds[key] = seconds.get(key, 0.0) + time.perf_counter() - start
            done: dict[str, Any] = {room: {**getattr(self.record, room), step.name: entry}}
            self.record = replace(self.record, complete=number == len(steps), **done)
            write_study(self.record)
        of = {
            kind: [self.made[s.name] for s in steps if isinstance(s, kind)] for kind in (ReportStep, FitStep)
        }
        return StudyResult(self.record.path, seconds, self.made, tuple(of[ReportStep]), tuple(of[FitStep]))

    def _usual_words(self, step: Step) -> str:
        if isinstance(step, GenerateStep):
            return (
                f"generate {self._events(step):,} events with Pythia (kept in {self.record.path / step.name})"
            )
        if isinstance(step, RunStep):
            return f"run the {step.analysis} processor"
        return {"train": "train", "fit": "fit", "report": "write the report"}[step.kind]

    def _events(self, step: GenerateStep) -> int:
        return self.events or (step.small if self.record.small else step.events)

    def _do(self, step: Step) -> tuple[Any, str, dict[str, Any]]:
        """Do a step: what it made, its part of the record, and its entry there."""
        stages: dict[str, Callable[[Any], tuple[Any, str, dict[str, Any]]]] = {
            "generate": self._generate,
            "run": self._run,
            "train": self._train,
            "fit": self._fit,
            "report": self._report,
        }
        return stages[step.kind](step)

    def _generate(self, step: GenerateStep) -> tuple[Any, str, dict[str, Any]]:
        made = generate(
            step.processes if isinstance(step.processes, str) else list(step.processes),
            self.record.path / step.name,
            events=self._events(step),
            seed=self.record.seed,
            workers=self.execution.workers,
            progress=self.hooks.get("generate"),
            **step.options,
        )
        return made, "samples", {"events": self._events(step), "fileset": f"{step.name}/fileset.json"}

    def _run(self, step: RunStep) -> tuple[Any, str, dict[str, Any]]:
        models: Any = step.models
        if isinstance(models, Mapping):
            model: Any = {score: self.made[name].model_file for score, name in models.items()}
        else:
            model = self.made[models].model_file if models else None
        result = run(
            step.analysis,
            fileset=self.record.path / step.samples / "fileset.json",
            out=self.record.path / step.name,
            model=model or None,
            options=dict(step.options),
            command=self.record.command,
            progress=self.hooks.get("run"),
            **vars(self.execution),
        )
        result.require_complete()
        if isinstance(models, str):
            models = dict.fromkeys(result.identity.get("models", {}), models)
        entry = {"analysis": step.analysis, "samples": step.samples, "models": dict(models)}
        return result, "runs", entry

    def _train(self, step: TrainStep) -> tuple[Any, str, dict[str, Any]]:
        folder = self.record.path
        made = train(
            folder / step.run,
            folder / step.name,
            progress=self.hooks.get("train"),
            **{"seed": self.record.seed, **step.options},
        )
        return made, "models", {"run": step.run, "file": f"{step.name}/{made.model_file.name}"}

    def _fit(self, step: FitStep) -> tuple[Any, str, dict[str, Any]]:
        folder = self.record.path
        options = dict(step.options)
        if step.scan:
            from massgap.fits.plan import FitOptions
            from massgap.fits.scans.threshold_scan import ScanOptions

            options.setdefault("options", FitOptions(scan=ScanOptions(**step.scan)))
        made = fit(folder / step.run, folder / step.name, lumi_fb=self.record.luminosity, **options)
        return made, "fits", {"run": step.run}

    def _report(self, step: ReportStep) -> tuple[Any, str, dict[str, Any]]:
        folder = self.record.path
        options = dict(step.options)
        if self.study.chapters is not None:
            options.setdefault("chapters", self.study.chapters())
        made = report(
            folder / step.run,
            folder / step.name,
            model_folder=folder / step.model if step.model else None,
            fit_folder=folder / step.fit if step.fit else None,
            **options,
        )
        return made, "reports", {"run": step.run, "model": step.model, "fit": step.fit}
