"""The batch jobs of a run after they were submitted: no scheduler of ours, nothing has to keep running meanwhile.

``massgap submit`` plans and submits, ``massgap status`` looks, ``massgap resubmit`` sends again what is not done, ``massgap merge``
puts the results together.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from massgap.stages.batch_jobs.status import BatchStatus, status_of
from massgap.stages.batch_jobs.submission import Submitted
from massgap.stages.job_options import Luggage, job_options
from massgap.stages.processing import reported
from massgap.stages.repeated_events import RepeatedEvents

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.condor.jobs.job_set import JobSet
    from massgap.condor.jobs.job_states import JobState
    from massgap.condor.jobs.submit_file import Job

__all__ = ["merge", "resubmit", "status", "work"]


def status(run: str | Path, *, fetch: bool = True) -> BatchStatus:
    """What became of the jobs of a run.

    Parameters
    ----------
    run
        The run folder.
    fetch
        Bring the output of ended jobs from the spool, if they were submitted with ``spool``.

    Raises
    ------
    massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
        If the folder holds no jobs, or HTCondor does not answer.
    """
    from massgap.condor.jobs.job_record import BusyError, locked
    from massgap.condor.jobs.job_set import JobSet
    from massgap.runner.slices.stored import unfinished

    run = Path(run)
    left = unfinished(run)
    job_set = JobSet.open(run / "jobs")
    if not left:
        return status_of(run, job_set, [])
    try:
        with locked(run / "jobs"):
            job_set = JobSet.open(run / "jobs")
            jobs, notes = _look(job_set, fetch=fetch)
    except BusyError as error:
        jobs, notes = job_set.observe(save=False), [str(error)]
    return status_of(run, job_set, jobs, tuple(notes))


def _look(job_set: JobSet, *, fetch: bool) -> tuple[list[JobState], list[str]]:
    """State of all jobs, after the output in the spool was fetched."""
    jobs = job_set.observe()
    notes = []
    if fetch and (fetched := job_set.fetch(jobs)):
        notes.append(
            f"fetched the output of {len(fetched)} job{'s' if len(fetched) > 1 else ''} from the spool"
        )
        jobs = job_set.observe()
    return jobs, notes


def resubmit(
    run: str | Path,
    *,
    held: bool = False,
    lost: bool = False,
    cluster: dict[str, Any] | None = None,
    dry_run: bool = False,
    progress: Callable[[Any], None] | None = None,
) -> Submitted:
    """Submit jobs for the slices that are not done and have no job in the queue; finished chunks are not done again.

    Parameters
    ----------
    run
        The run folder.
    held
        Also those whose job is held: it is removed first.
    lost
        Also those whose job is in neither queue nor history: only if it is known that it does not run any more.
    cluster
        Options of the jobs that change, see :class:`massgap.condor.job_options.JobOptions`.
    dry_run
        Write the files only.
    progress
        Callback while an environment is packed, see :class:`massgap.runner.progress.Progress`.

    Raises
    ------
    massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
        If the folder holds no jobs, or HTCondor does not answer or refuses.
    """
    from massgap.condor import commands as tools
    from massgap.condor.errors import CondorError
    from massgap.condor.job_options import SHIPPED, JobOptions
    from massgap.condor.jobs.job_record import locked
    from massgap.condor.jobs.job_set import JobSet
    from massgap.processors.registry import find_processor
    from massgap.runner.slices.plan_file import read_plan
    from massgap.runner.slices.stored import result_files

    run = Path(run).absolute()
    plan = read_plan(run)
    folder = run / "jobs"
    tools.require("condor_submit", "condor_q")
    with locked(folder) as lock:
        job_set = JobSet.open(folder)
        jobs, notes = _look(job_set, fetch=True)
        found = status_of(run, job_set, jobs)
        stuck = [entry.job for entry in found.slices if entry.state == "held" and entry.job is not None]
        if held and stuck and not dry_run:
            job_set.remove(stuck)
            found = status_of(run, job_set, job_set.observe())
        again = {"failed", "removed", "unsent", *(["lost"] if lost else []), *(["held"] if held else [])}
        chosen = [entry.slice for entry in found.slices if entry.state in again]
        left_alone = Counter(e.state for e in found.slices if e.state not in again and e.state != "done")
        if not chosen:
            return Submitted(run, 0, None, None, notes=tuple(notes), left_alone=dict(left_alone))
        before = job_set.record.submissions[-1] if job_set.record.submissions else None
        options = job_options(cluster or {}, before.options if before else JobOptions())
        if options.environment in SHIPPED:
            kind = find_processor(plan["analysis"])
            luggage = Luggage(tell=None if progress is None else reported(progress), kind=kind)
            options = luggage.environment(options, folder, keep=True)
        if (
            before is not None
            and not before.clusters
            and before.options == options
            and [j.slice for j in before.jobs] == chosen
            and (folder / before.description).is_file()
        ):
            submission = before
        else:
            finished = result_files(run)
            jobs_of = [
                replace(job, kept=_keep(folder, job, finished[job.slice]))
                for job in job_set.next_attempts(chosen)
            ]
            submission = job_set.write(jobs_of, options)
        try:
            number = None if dry_run else job_set.send(submission, lock=lock)
        except CondorError as error:
            msg = f"{error}\nNothing is lost: massgap resubmit {quote(str(run))} tries again"
            raise CondorError(msg) from error
    return Submitted.of(run, job_set, submission, number, notes=tuple(notes), left_alone=dict(left_alone))


def _keep(folder: Path, job: Job, files: list[Path]) -> bool:
    """Put what earlier attempts have finished beside the slice, to go with the next one."""
    if not files:
        return False
    kept = folder / f"kept-{job.name}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for path in files:
        shutil.copyfile(path, kept / path.name)
    return True


def merge(
    run: str | Path, *, accept_loss: bool = False, progress: Callable[[Any], None] | None = None
) -> Any:
    """Put the results of all jobs together and write the run folder; nothing is computed.

    Parameters
    ----------
    run
        The run folder.
    accept_loss
        Take the result although something is missing.
    progress
        Callback, see :class:`massgap.runner.progress.Progress`.

    Returns
    -------
    massgap.runner.RunResult

    Raises
    ------
    massgap.runner.errors.RunnerError
        If the folder holds no jobs, or results are missing and ``accept_loss`` is not given.
    massgap.contracts.errors.FolderBusyError
        If another process is writing the folder.
    """
    from massgap.contracts.folder_lock import locked_folder
    from massgap.contracts.run_writer import write_run_folder
    from massgap.runner.errors import RunnerError
    from massgap.runner.slices.merge import merge_slices
    from massgap.runner.slices.plan_file import read_plan
    from massgap.runner.slices.stored import unfinished

    run = Path(run)
    plan = read_plan(run)
    trouble = _missing(run) if unfinished(run) else None
    if trouble is not None and not accept_loss:
        typed = quote(str(run))
        msg = (
            f"{trouble}.\nmassgap status {typed} says more, massgap resubmit {typed} sends them again, and --accept-loss takes what "
            "is there"
        )
        raise RunnerError(msg)
    with locked_folder(run):
        result = merge_slices(run, accept_loss=accept_loss, progress=progress)
        if trouble is not None:
            # Jobs may be at work still, or their output may wait in the spool.
            result.notes.append(trouble)
        write_run_folder(
            result,
            run,
            analysis=plan["analysis"],
            command=plan["command"],
            chunksize=result.chunksize,
            tags=plan["tags"],
            watch=RepeatedEvents(result.datasets),
        )
    return result


def _missing(run: Path) -> str | None:
    """What is missing of a run, in words, after a look at its jobs; None if nothing is after all."""
    from massgap.condor.errors import CondorError
    from massgap.runner.slices.stored import chunk_counts

    why = ""
    try:
        found = status(run)
        if found.complete:
            return None
        states = {state: n for state, n in found.counts.items() if state != "done"}
        why = ": " + ", ".join(f"{n} {state}" for state, n in states.items())
    except CondorError as error:
        why = f". What became of the jobs is not known: {error}"
    chunks = chunk_counts(run)
    slices = sum(there < n for n, there in chunks)
    lacking = sum(n - there for n, there in chunks)
    return f"{run}: {slices} of {len(chunks)} slices ({lacking} of {sum(n for n, _ in chunks)} chunks) have no result yet{why}"


def work(
    job_file: str | Path, out: str | Path, *, progress: Callable[[Any], None] | None = None
) -> dict[str, Any]:
    """Process a slice, on a worker; see :func:`massgap.runner.slices.work.work_slice`."""
    from massgap.runner.slices.work import work_slice

    return work_slice(job_file, out, progress=progress)
