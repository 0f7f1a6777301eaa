"""Whole studies, from nothing to a report: each step goes on where it was interrupted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.study_folder import STUDY_FILE, StudyFolder, open_study
from massgap.contracts.writing import prepare_folder
from massgap.extras import MissingExtraError
from massgap.stages.execution import Execution
from massgap.stages.studying.steps import Going
from massgap.studies.errors import StudyError
from massgap.studies.study import (
    FitStep,
    GenerateStep,
    PlaneStep,
    ReportStep,
    RunStep,
    Step,
    Study,
    TrainStep,
    find_demo,
    find_study,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["StudyResult", "demo", "study"]


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
    samples: Mapping[str, int] | None = None,
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
        Number of events to generate instead, shared among the steps that generate as the study shares its own; and the seed of
        samples and training.
    samples
        Number of events of single steps that generate, by name, instead of their share.
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
    steps = chosen.chosen(small=small)
    _require_packages(steps, execution)
    folder = prepare_folder(Path(f"study-{chosen.name}") if out is None else out)
    lumi_fb = chosen.luminosity if lumi_fb is None else lumi_fb
    record = StudyFolder(folder, chosen.name, small=small, seed=seed, luminosity=lumi_fb, command=command)
    with locked_folder(folder):
        record = _continued(record)
        shares = chosen.shares(events, small=small, own=samples)
        going = Going(chosen, record, execution, shares, announce, hooks or {})
        made, seconds = going.through(steps)
    of = {
        kind: [
            made[s.name] for s in steps if isinstance(s, kind) and type(s) is not PlaneStep and s.name in made
        ]
        for kind in (ReportStep, FitStep)
    }
    return StudyResult(folder, seconds, made, tuple(of[ReportStep]), tuple(of[FitStep]))


def _continued(record: StudyFolder) -> StudyFolder:
    """The record with what an earlier call in this folder has done: the steps find out whether it is still good.

    Raises
    ------
    StudyError
        If the folder is that of another study, or its record cannot be read.
    """
    if not (record.path / STUDY_FILE).is_file():
        return record
    remedy = f"give another folder, massgap study {record.study} --out {record.path}-2"
    try:
        earlier = open_study(record.path)
    except ContractError as error:
        msg = f"{error} It cannot be continued: {remedy}"
        raise StudyError(msg) from error
    if earlier.study != record.study:
        msg = f"{record.path} is a folder of the study {earlier.study!r}: {remedy}"
        raise StudyError(msg)
    return replace(record, keys=dict(earlier.keys))


def _require_packages(steps: tuple[Step, ...], execution: Execution) -> None:
    """Say at once all that is not installed, and not when an hour of other steps is done."""
    analyses = {step.name: step.analysis for step in steps if isinstance(step, RunStep)}
    missing: dict[str, MissingExtraError] = {}
    for step in steps:
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
    return study(find_demo(), out, small=True, **{"command": "massgap demo", **options})
