"""A run as batch jobs: planned, written and handed to HTCondor, one job per slice of the fileset."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from massgap.stages.job_options import Luggage, job_options, private_notes, private_python
from massgap.stages.processing import inputs_of, processor_of, reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from massgap.condor.jobs.job_record import Submission
    from massgap.condor.jobs.job_set import JobSet
    from massgap.stages.inputs import Inputs

__all__ = ["Submitted", "submit"]


@dataclass(frozen=True)
class Submitted:
    """What was written and submitted.

    Attributes
    ----------
    run
        The run folder; the jobs are in ``jobs`` in it.
    jobs
        Number of jobs of this submission; 0 if there was nothing to do.
    description
        The submit description; None if there was nothing to do.
    cluster
        Number of the cluster; None if nothing was submitted.
    command
        How to submit by hand.
    chunks, events, notes
        See :class:`massgap.runner.slices.plan.SliceSet`.
    left_alone
        Slices without all results that got no job: state -> how many.
    """

    run: Path
    jobs: int
    description: Path | None
    cluster: int | None
    command: str = ""
    chunks: int = 0
    events: int = 0
    notes: tuple[str, ...] = ()
    left_alone: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, run: Path, job_set: JobSet, submission: Submission, cluster: int | None, **more: Any
    ) -> Submitted:
        """What became of a submission; ``more`` are further fields."""
        return cls(
            run,
            len(submission.jobs),
            job_set.folder / submission.description,
            cluster,
            job_set.command(submission),
            **more,
        )


def submit(
    analysis: str,
    files: Inputs | Iterable[str | Path] = (),
    *,
    out: str | Path,
    model: str | Path | dict[str, str | Path] | None = None,
    options: dict[str, Any] | None = None,
    chunksize: int | None = None,
    jobs: int | None = None,
    chunks_per_job: int | None = None,
    workers: int = 2,
    cluster: dict[str, Any] | None = None,
    dry_run: bool = False,
    allow_duplicates: bool = False,
    command: str = "",
    progress: Callable[[Any], None] | None = None,
    **words: Any,
) -> Submitted:
    """Plan a run and submit it as HTCondor jobs, one per slice of the fileset.

    Look at them with :func:`massgap.stages.status`, send again what failed with :func:`massgap.stages.resubmit`, and
    put the results together with :func:`massgap.stages.merge`: the same bits as those of :func:`massgap.stages.run`.

    Parameters
    ----------
    analysis, files, model, options, chunksize, allow_duplicates, command, progress
        As for :func:`massgap.stages.run`.
    out
        Run folder; the jobs are in ``jobs`` in it.
    jobs, chunks_per_job
        Number of jobs, about, or of chunks in one.
    workers
        Worker processes that look into the files now.
    cluster
        Options of the jobs, see :class:`massgap.condor.job_options.JobOptions`.
    dry_run
        Write everything and submit nothing.
    words
        ``fileset, tree, process, xsec_fb, is_data`` of :class:`massgap.stages.inputs.Inputs`.

    Raises
    ------
    massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
        If the run cannot be planned, the folder holds jobs already, or HTCondor refuses.
    massgap.contracts.errors.FolderBusyError
        If another process is writing the folder.
    """
    import massgap
    from massgap.condor import commands as tools
    from massgap.condor.jobs.job_record import locked
    from massgap.condor.jobs.job_set import JobSet
    from massgap.condor.jobs.submit_file import Job
    from massgap.condor.shipping.code_archive import pack_code
    from massgap.contracts.folder_lock import locked_folder
    from massgap.contracts.writing import prepare_folder
    from massgap.runner.executors.make import make_executor
    from massgap.runner.slices.plan import write_slices
    from massgap.runner.slices.stored import unfinished

    inputs = inputs_of("submit", files, words)
    processor, options, tags = processor_of(analysis, options, model)
    fileset = inputs.load(allow_duplicates=allow_duplicates)
    luggage = Luggage(processor, fileset, None if progress is None else reported(progress))
    run = prepare_folder(out).absolute()
    folder = run / "jobs"
    analysis, options = _absolute(analysis, options)
    if not dry_run:
        tools.require("condor_submit", "condor_q")
    wanted = job_options(cluster or {}, ask=True)
    title = f"massgap {analysis.rpartition(':')[2]} {run.name}"
    JobSet.check(folder, title, wanted)
    folder.mkdir(exist_ok=True)
    with locked_folder(run), locked(folder) as lock:
        if not (folder / "submissions.json").exists():
            # The record is written before anything is submitted: what lies here without one was interrupted before.
            (folder / "plan.json").unlink(missing_ok=True)
        made = write_slices(
            analysis,
            options,
            fileset,
            run,
            jobs=jobs,
            chunks_per_job=chunks_per_job,
            chunksize=chunksize,
            executor=make_executor("futures", workers),
            progress=progress,
            tags=tags,
            command=command,
            allow_duplicates=allow_duplicates,
        )
        with tempfile.TemporaryDirectory(prefix="massgap-") as scratch:
            package, compiled = Path(massgap.__file__).parent, luggage.machine_code(Path(scratch))
            pack_code(package, folder / "code.tar.gz", machine_code=compiled)
        wanted = luggage.environment(wanted, folder)
        job_set = JobSet.create(folder, title=title, inputs=[path.name for path in made.inputs])
        numbers = unfinished(run)
        submission = job_set.write([Job(number) for number in numbers], wanted)
        number = None if dry_run or not numbers else _send(run, job_set, submission, lock)
    shipped = wanted.environment is not None and not (cluster or {}).get("environment")
    private = [*private_notes("htcondor", fileset, run), *private_python(wanted)]
    notes = (*made.notes, *private, *_notes(run, made.chunks, jobs, shipped=shipped))
    return Submitted.of(run, job_set, submission, number, chunks=made.chunks, events=made.events, notes=notes)


def _absolute(analysis: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The analysis and its options with whole paths: massgap merge may be called from another folder."""
    path, colon, name = analysis.rpartition(":")
    if path.endswith(".py"):
        analysis = f"{Path(path).absolute()}{colon}{name}"
    model = options.get("model")
    if isinstance(model, dict):
        options = {**options, "model": {name: str(Path(file).absolute()) for name, file in model.items()}}
    elif model is not None:
        options = {**options, "model": str(Path(model).absolute())}
    return analysis, options


def _send(run: Path, job_set: JobSet, submission: Submission, lock: Any) -> int:
    """Hand the jobs to HTCondor; what is written stays if it refuses."""
    from massgap.condor.errors import CondorError

    try:
        return job_set.send(submission, lock=lock)
    except CondorError as error:
        msg = f"{error}\nThe jobs are written to {job_set.folder}: massgap resubmit {quote(str(run))} submits them"
        raise CondorError(msg) from error


def _notes(run: Path, chunks: int, jobs: int | None, *, shipped: bool) -> list[str]:
    """What a user may not expect of the jobs."""
    from massgap.runner.slices.plan_file import read_plan

    notes = []
    if jobs is not None and chunks < jobs:
        notes.append(
            f"there are {chunks} chunks, not enough for {jobs} jobs: a smaller --chunksize than "
            f"{read_plan(run)['chunksize']:,} makes more"
        )
    if shipped:
        notes.append(
            "the machines of the pool share no files with this one: the environment is packed and goes along with each job "
            "(--environment says otherwise)"
        )
    return notes
