"""A study under way: each step is a stage, and is left out if what it made before is still good."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from massgap.contracts.model_folder import TRAINING
from massgap.contracts.run_folder import open_run
from massgap.contracts.study_folder import StudyFolder, write_study
from massgap.errors import MassgapError
from massgap.source_code import package_digest
from massgap.stages.fitting import fit, plane
from massgap.stages.generation import generate, generate_partons
from massgap.stages.processing import run
from massgap.stages.reporting import report, report_plane
from massgap.stages.studying.filesets import merged_fileset
from massgap.stages.studying.keys import finished_fit, step_key
from massgap.stages.studying.scanning import SCANNED, finished_scan, scan
from massgap.stages.studying.together import Call, independent, is_of_the_machine, make_together, processes
from massgap.stages.studying.variations import available_variations, known_nuisances
from massgap.stages.training import train
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
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from massgap.stages.execution import Execution
    from massgap.studies.scan_step import ScanStep

__all__ = ["Going", "TimeAhead", "asked"]

EVENTS_PER_S = 350.0
"""Generated events per second on two cores, about."""
PARTON_EVENTS_PER_S = 5000.0
"""The same of events without shower and detector."""
PRIOR_S = 120.0
"""Seconds for which the estimates are believed before what the first steps took outweighs them."""
USUAL_WORDS = {
    "train": "train",
    "scan": "train networks of sets of variables",
    "fit": "fit",
    "plane": "fit every signal",
    "report": "write the report",
}


class Going:
    """A study under way.

    Parameters
    ----------
    study
        Which.
    record
        What was done before, and is added to.
    execution
        What runs processors.
    events
        Of each step that generates.
    announce
        Called with a line when a step begins.
    hooks
        Progress callbacks by stage.
    """

    def __init__(
        self,
        study: Study,
        record: StudyFolder,
        execution: Execution,
        events: Mapping[str, int],
        announce: Callable[[str], None] | None,
        hooks: dict[str, Any],
    ) -> None:
        self.study, self.record, self.execution, self.events = study, record, execution, events
        self.announce, self.hooks = announce or (lambda _: None), hooks
        self.made: dict[str, Any] = {}
        self.ahead = TimeAhead()
        #: Steps that were tried several at a time, and why they failed; nothing where they did not.
        self.together: dict[str, str] = {}
        #: Whether processes beside each other have not enough memory.
        self.alone = False

    def through(self, steps: tuple[Step, ...]) -> tuple[dict[str, Any], dict[str, float]]:
        """Do all steps in their order; after each the record says that it is done.

        Returns
        -------
        tuple of two dicts
            What the stages returned by the name of the step, and how long they took (s) by its key.
        """
        seconds: dict[str, float] = {}
        for number, step in enumerate(steps, 1):
            start = time.perf_counter()
            if step.name not in self.together:
                left = self.ahead.words(self._cost(later) for later in steps[number - 1 :])
                group = self._make_together(steps, number, left)
                if step.name not in group:
                    self.announce(self._words(step, number, len(steps), left))
                start = self._took(list(group.values()), start, seconds) if group else start
            done = self._tried(step)
            self._took([step], start, seconds)
            self.record = replace(self.record, complete=number == len(steps), **done)
            write_study(self.record)
        return self.made, seconds

    def _words(self, step: Step, number: int, of: int, left: str = "") -> str:
        return f"{number}/{of}  {step.words or self._usual_words(step)}{left}"

    def _took(self, steps: Sequence[Step], start: float, seconds: dict[str, float]) -> float:
        """Put down how long steps took that were made at a time, by their estimates; what time it is now."""
        now = time.perf_counter()
        estimated = sum(self._cost(step) for step in steps)
        self.ahead.add(estimated, now - start)
        for step in steps:
            key = step.key or step.kind
            share = self._cost(step) / estimated if estimated > 0.0 else 1.0 / len(steps)
            seconds[key] = seconds.get(key, 0.0) + share * (now - start)
        return now

    def _make_together(self, steps: tuple[Step, ...], number: int, left: str) -> dict[str, Step]:
        """Make what can be made together with a step, and the step: what was tried so, nothing where there is nothing to share."""
        workers = processes(self.execution)
        group = independent(steps[number - 1 :]) if workers > 1 and not self.alone else []
        calls: dict[str, Call] = {}
        keys: dict[str, tuple[Step, str]] = {}
        for at, step in enumerate(group, number):
            if step.name in self.together:
                continue
            try:
                call = self._call_of(step, keys)
            except MassgapError:  # told when its turn comes
                call = None
            if call is not None:
                calls[step.name] = call._replace(words=self._words(step, at, len(steps)))
        if len(calls) < 2:
            return {}
        tried: dict[str, str] = {}

        def finished(name: str, failed: str) -> None:
            tried[name] = failed
            if not failed:
                self._remember(*keys[name])
                write_study(self.record)

        last = number + len(group) - 1
        self.announce(f"{number} to {last} of {len(steps)}, {workers} at a time{left}")
        try:
            make_together(calls, workers, self.announce, finished)
        except StudyError as error:  # a process is lost: what is left may have more memory alone
            self.announce(f"     {error} Going on with one step at a time.")
            self.alone = True
        self.together |= tried
        return {step.name: step for step in group if step.name in tried}

    def _call_of(self, step: Step, keys: dict[str, tuple[Step, str]]) -> Call | None:
        """What makes a training or fit that is not there yet; its key goes into ``keys``."""
        if not isinstance(step, TrainStep | FitStep):
            return None
        key = self._key(step, step.run)
        keys[step.name] = step, key
        if isinstance(step, FitStep):
            return None if self._finished_fit(step, key) else self._fit_call(step)
        # one that is there with this key is good, or is trained when its turn comes
        there = (self.record.path / step.name / TRAINING).exists()
        return None if there and self.record.keys.get(step.name) == key else self._train_call(step)

    def _tried(self, step: Step) -> dict[str, Any]:
        """Do a step: what is new in the record."""
        try:
            if failed := self.together.get(step.name):
                raise StudyError(failed)
            self.made[step.name], room, entry = self._do(step)
        except MassgapError as error:
            if not step.optional or is_of_the_machine(error):
                raise
            self.announce(f"     not done: {error}")
            return {"failed": {**self.record.failed, step.name: str(error)}}
        return {room: {**getattr(self.record, room), step.name: entry}}

    def _cost(self, step: Step) -> float:
        if isinstance(step, GenerateStep):
            return self.events[step.name] / (PARTON_EVENTS_PER_S if step.parton else EVENTS_PER_S)
        return step.seconds

    def _usual_words(self, step: Step) -> str:
        if isinstance(step, GenerateStep):
            made = "at parton level" if step.parton else "with Pythia"
            return (
                f"generate {self.events[step.name]:,} events {made} (kept in {self.record.path / step.name})"
            )
        if isinstance(step, RunStep):
            return f"run the {step.analysis} processor"
        return USUAL_WORDS[step.kind]

    def _do(self, step: Step) -> tuple[Any, str, dict[str, Any]]:
        """Do a step: what it made, its part of the record, and its entry there."""
        stages: dict[str, Callable[[Any], tuple[Any, str, dict[str, Any]]]] = {
            "generate": self._generate,
            "run": self._run,
            "train": self._train,
            "fit": self._fit,
            "plane": self._plane,
            "scan": self._scan,
            "report": self._report,
        }
        return stages[step.kind](step)

    def _generate(self, step: GenerateStep) -> tuple[Any, str, dict[str, Any]]:
        make = generate_partons if step.parton else generate
        made = make(
            step.processes if isinstance(step.processes, str) else list(step.processes),
            self.record.path / step.name,
            events=self.events[step.name],
            seed=self.record.seed + step.further_seed,
            workers=self.execution.workers or 1,
            progress=self.hooks.get("generate"),
            **step.options,
        )
        return made, "samples", {"events": self.events[step.name], "fileset": f"{step.name}/fileset.json"}

    def _run(self, step: RunStep) -> tuple[Any, str, dict[str, Any]]:
        models: Any = step.models
        if isinstance(models, Mapping):
            models = {score: name for score, name in models.items() if name in self.made}
            model: Any = {score: self.made[name].model_file for score, name in models.items()}
        elif models and models not in self.made:
            msg = f"{step.name} needs {models}, which could not be made: {self.record.failed.get(models, 'see above')}"
            raise StudyError(msg)
        else:
            model = self.made[models].model_file if models else None
        fileset = merged_fileset(self.record.path, step.sources)
        options = asked(step.options, models)
        if step.wanted:
            options["variations"] = available_variations(step.wanted, fileset)
        result = run(
            step.analysis,
            fileset=fileset,
            out=self.record.path / step.name,
            model=model or None,
            options=options,
            command=self.record.command,
            progress=self.hooks.get("run"),
            **vars(self.execution),
        )
        result.require_complete()
        if isinstance(models, str):
            models = dict.fromkeys(result.identity.get("models", {}), models)
        entry = {"analysis": step.analysis, "samples": _plain(step.samples), "models": dict(models)}
        return result, "runs", entry

    def _train(self, step: TrainStep) -> tuple[Any, str, dict[str, Any]]:
        made = self._train_call(step).made(progress=self.hooks.get("train"))
        self._remember(step, self._key(step, step.run))
        return made, "models", {"run": step.run, "file": f"{step.name}/{made.model_file.name}"}

    def _train_call(self, step: TrainStep) -> Call:
        folder = self.record.path
        return Call(
            train, (folder / step.run, folder / step.name), {"seed": self.record.seed, **step.options}
        )

    def _fit(self, step: FitStep) -> tuple[Any, str, dict[str, Any]]:
        key = self._key(step, step.run)
        made = self._finished_fit(step, key)
        if made is None:
            made = self._fit_call(step).made()
            self._remember(step, key)
        return made, "fits", {"run": step.run}

    def _finished_fit(self, step: FitStep, key: str) -> Any:
        return finished_fit(self.record.path / step.name) if self.record.keys.get(step.name) == key else None

    def _fit_call(self, step: FitStep) -> Call:
        folder = self.record.path
        options = {"lumi_fb": self.record.luminosity, **self._fit_options(step), **step.options}
        return Call(fit, (folder / step.run, folder / step.name), options)

    def _plane(self, step: PlaneStep) -> tuple[Any, str, dict[str, Any]]:
        folder = self.record.path
        own = [] if self.record.luminosity is None else [self.record.luminosity]
        options = {"luminosities": own, **self._fit_options(step), **step.options}
        made = plane(folder / step.run, folder / step.name, workers=self.execution.workers or 1, **options)
        # Contours of others, whose numbers somebody has put there: one CSV file each.
        contours = sorted((folder / "overlays").glob("*.csv"))
        report_plane(folder / step.name, overlays=[f"{path}:{path.stem}" for path in contours])
        return made, "planes", {"run": step.run}

    def _scan(self, step: ScanStep) -> tuple[Any, str, dict[str, Any]]:
        folder = self.record.path
        # the small form and the whole one do other things with the same run
        size = "small" if self.record.small else "whole"
        key = f"{self._key(step, step.run)}{package_digest(only=SCANNED)} {size}"
        made = finished_scan(folder / step.name) if self.record.keys.get(step.name) == key else None
        if made is None:
            options = dict(step.small if self.record.small else step.options)
            options = {"seed": self.record.seed, "announce": self.announce, **options}
            workers = processes(self.execution)
            made = scan(self.study, folder / step.run, folder / step.name, workers=workers, **options)
            self._remember(step, key)
        return made, "scans", {"run": step.run}

    def _fit_options(self, step: FitStep) -> dict[str, Any]:
        """Plan and options of a fit; nothing where the step leaves all of it to the stage."""
        from massgap.fits.plan import FitOptions, FitPlan, as_part
        from massgap.fits.scans.threshold_scan import ScanOptions
        from massgap.fits.workspaces.nuisances import NuisanceSet
        from massgap.fits.workspaces.workspace import WorkspaceOptions

        out: dict[str, Any] = {}
        if step.parts:
            controls = [replace(as_part(part), count=True, control=True) for part in step.controls]
            out["plan"] = FitPlan([*step.parts, *controls], step.scans)
        if step.scan or step.model or step.fit or step.nuisances:
            own = None if step.nuisances is None else NuisanceSet.from_dict(self._nuisances(step))
            model = WorkspaceOptions(nuisances=own, **step.model)
            out["options"] = FitOptions(scan=ScanOptions(**step.scan), model=model, **step.fit)
        return out

    def _nuisances(self, step: FitStep) -> dict[str, Any]:
        """Those of a fit; of a run that asked for all systematics that its samples can have, those that it got."""
        made = next((other for other in self.study.steps if other.name == step.run), None)
        if not isinstance(made, RunStep) or not made.wanted:
            return dict(step.nuisances or {})
        varied = open_run(self.record.path / step.run).manifest.get("options", {}).get("variations", ())
        return known_nuisances(step.nuisances or {}, varied)

    def _key(self, step: Step, *needs: str) -> str:
        return step_key(step, self.record, needs)

    def _remember(self, step: Step, key: str) -> None:
        self.record = replace(self.record, keys={**self.record.keys, step.name: key})

    def _report(self, step: ReportStep) -> tuple[Any, str, dict[str, Any]]:
        folder = self.record.path
        options = dict(step.options)
        if self.study.chapters is not None:
            options.setdefault("chapters", self.study.chapters())
        found = next((name for name in step.fits if name in self.record.fits), "")
        made = report(
            folder / step.run,
            folder / step.name,
            model_folder=folder / step.model if step.model else None,
            fit_folder=folder / found if found else None,
            **options,
        )
        return made, "reports", {"run": step.run, "model": step.model, "fit": found}


def asked(options: Mapping[str, Any], models: Any) -> dict[str, Any]:
    """Options of a run, with hypotheses of those scores alone that have a model: the small form of a study has not all."""
    given = options.get("hypothesis")
    if not isinstance(given, Mapping) or not isinstance(models, Mapping):
        return dict(options)
    kept = {k: v for k, v in given.items() if k in models or not isinstance(v, Mapping | list | tuple)}
    return {**options, "hypothesis": kept}


def _plain(names: str | tuple[str, ...]) -> str | list[str]:
    return names if isinstance(names, str) else list(names)


class TimeAhead:
    """How long a study still takes, from what its steps took so far against what they cost by estimate."""

    def __init__(self) -> None:
        self.estimated, self.took = 0.0, 0.0

    def add(self, estimated: float, took: float) -> None:
        """A step is done; one that took nearly nothing was finished before, and says nothing of the rest."""
        if took > 0.05 * estimated:
            self.estimated += estimated
            self.took += took

    def words(self, costs: Iterable[float]) -> str:
        """``(about 12 min left)``, nothing below a minute.

        Examples
        --------
        >>> TimeAhead().words([600.0, 120.0])
        '  (about 12 min left)'
        """
        pace = (self.took + PRIOR_S) / (self.estimated + PRIOR_S)
        minutes = pace * sum(costs) / 60.0
        return f"  (about {minutes:.0f} min left)" if minutes >= 1.0 else ""
