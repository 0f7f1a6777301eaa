"""The jobs of a folder: submit them, see what became of each, and submit again what is not done.

What is known of a job comes from the queue first, then from HTCondor's event log, the history, and what was known before.
A slice that has a job in the queue gets no second one.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.condor import commands as tools
from massgap.condor.commands import job_id
from massgap.condor.errors import CondorError
from massgap.condor.jobs.job_lookup import ATTRIBUTES, JobLookup
from massgap.condor.jobs.job_record import Record, Submission
from massgap.condor.jobs.job_states import JobState, SliceState, slice_states
from massgap.condor.jobs.submit_file import (
    Job,
    command_by_hand,
    job_script,
    submit_description,
    table_of_jobs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from massgap.condor.job_options import JobOptions

__all__ = ["JobSet"]


class JobSet:
    """The jobs of a folder.

    Parameters
    ----------
    record
        What has been submitted.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.folder = record.folder
        self._lookup = JobLookup(record)

    @classmethod
    def create(cls, folder: Path, *, title: str, inputs: Iterable[str] = ()) -> JobSet:
        """Begin the record of a folder.

        Raises
        ------
        CondorError
            If the folder has one already.
        """
        record = Record(Path(folder).absolute(), title, inputs=list(inputs))
        if record.path.exists():
            msg = f"{record.folder}: has been submitted before; use massgap status and massgap resubmit, or another folder"
            raise CondorError(msg)
        record.write()
        return cls(record)

    @staticmethod
    def check(folder: Path, title: str, options: JobOptions) -> None:
        """Check that jobs with these names can be submitted, before any work is done.

        Raises
        ------
        CondorError
            If a name cannot stand in a submit description.
        """
        submit_description(
            options,
            folder=Path(folder).absolute(),
            title=title,
            run="",
            submission=0,
            description="",
            table="",
            jobs=0,
            log=None,
        )

    @classmethod
    def open(cls, folder: Path) -> JobSet:
        """Read the record of a folder.

        Raises
        ------
        CondorError
            If there is none.
        """
        return cls(Record.read(Path(folder).absolute()))

    def command(self, submission: Submission) -> str:
        """How to submit a submission by hand."""
        return command_by_hand(self.folder, submission.description, spool=submission.options.spool)

    def next_attempts(self, numbers: Iterable[int]) -> list[Job]:
        """A further job for each of these slices."""
        last: dict[int, int] = {}
        for job in (job for submission in self.record.submissions for job in submission.jobs):
            last[job.slice] = max(job.attempt, last.get(job.slice, 0))
        return [Job(number, last.get(number, -1) + 1) for number in numbers]

    def write(self, jobs: list[Job], options: JobOptions) -> Submission:
        """Write the submit description of jobs, its table and the script; nothing is submitted.

        Raises
        ------
        CondorError
            If a name cannot stand in a submit description, or a file cannot be written.
        """
        record = self.record
        submission = Submission(len(record.submissions), list(jobs), options)
        text = submit_description(
            options,
            folder=self.folder,
            title=record.title,
            run=record.run,
            submission=submission.number,
            description=submission.description,
            table=submission.table,
            inputs=record.inputs,
            jobs=len(jobs),
            log=submission.log,
        )
        try:
            (self.folder / "logs").mkdir(exist_ok=True)
            script = self.folder / "job.sh"
            script.write_text(job_script())
            script.chmod(0o755)
            (self.folder / submission.table).write_text(table_of_jobs(jobs))
            (self.folder / submission.description).write_text(text)
        except OSError as error:
            msg = f"{self.folder}: the submit description could not be written ({error.strerror or error})"
            raise CondorError(msg) from error
        # A description that was never used must not be submitted by hand beside the new one.
        for old in record.submissions:
            if not old.clusters:
                (self.folder / old.description).unlink(missing_ok=True)
        record.submissions.append(submission)
        record.write()
        return submission

    def send(self, submission: Submission, *, lock: int | None = None) -> int:
        """Submit a submission that has been written.

        Parameters
        ----------
        submission
            See :meth:`write`.
        lock
            File descriptor of :func:`massgap.condor.jobs.job_record.locked`: condor_submit inherits it, so that the folder stays
            locked until it has ended, even if this process is killed.

        Returns
        -------
        int
            Number of the cluster.

        Raises
        ------
        CondorError
            If HTCondor refuses.
        """
        tools.require("condor_submit")
        submission.status, submission.error = "submitting", None
        self.record.write()
        try:
            cluster = tools.submit(
                submission.description,
                folder=self.folder,
                spool=submission.options.spool,
                keep_open=() if lock is None else (lock,),
            )
        except CondorError as error:
            # It may have been accepted all the same (a time limit, a lost answer): observe() looks for the jobs.
            submission.status, submission.error = "refused", str(error)
            self.record.write()
            raise
        submission.status = "submitted"
        submission.clusters.append(cluster)
        self.record.write()
        # Which schedd took them, for one who looks from another host; the jobs are submitted whatever becomes of this.
        with contextlib.suppress(CondorError):
            self._lookup.note_schedd(tools.queue(ATTRIBUTES, ids=[f"{cluster}.0"]))
            self.record.write()
        return cluster

    def observe(self, *, ask: bool = True, save: bool = True) -> list[JobState]:
        """What became of all jobs, in the order of their submission.

        Parameters
        ----------
        ask
            Ask HTCondor; without, only the event log and the record are read.
        save
            Keep what was found in the record; only for one who holds the lock of the folder.

        Raises
        ------
        CondorError
            If the queue cannot be read.
        """
        return self._lookup.look(ask=ask, save=save)

    def slices(self, total: int, unfinished: Collection[int], jobs: Iterable[JobState]) -> list[SliceState]:
        """What became of each slice.

        Parameters
        ----------
        total
            Number of slices.
        unfinished
            Those without all results, found after the jobs were looked at.
        jobs
            See :meth:`observe`.
        """
        errors = [submission.error for submission in self.record.submissions if submission.error]
        refusal = errors[-1] if errors else None
        return slice_states(total, unfinished, jobs, folder=self.folder, refusal=refusal)

    def fetch(self, jobs: Iterable[JobState]) -> list[JobState]:
        """Bring the output of ended jobs from the spool, then let them leave the queue.

        Returns
        -------
        list of JobState
            The jobs whose output came.

        Raises
        ------
        CondorError
            If HTCondor does not hand it over, or it does not arrive.
        """
        waiting = [job for job in jobs if job.state == "fetch"]
        if not waiting:
            return []
        for name, ids in self._by_schedd(waiting):
            rows = tools.queue(ATTRIBUTES, ids=ids, name=name)
            tools.fetch(ids, name=name)
            lost = [j.id for j in waiting if j.id in ids and not (self.folder / f"out-{j.job.name}").is_dir()]
            if lost:
                msg = f"condor_transfer_data brought no output of the job {lost[0]} to {self.folder}; it stays in the queue"
                raise CondorError(msg)
            for row in rows:
                self._lookup.note(row)
            # Known as ended before it leaves the queue: killed in between, nothing is lost.
            self.record.write()
            tools.remove(ids, reason="massgap has fetched the output", name=name)
        return waiting

    def remove(
        self,
        jobs: Iterable[JobState],
        *,
        patience: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Remove jobs and wait until they have left the queue.

        Raises
        ------
        CondorError
            If they do not leave it.
        """
        jobs = list(jobs)
        for name, ids in self._by_schedd(jobs):
            tools.remove(ids, reason="massgap resubmit", name=name)
            limit = time.monotonic() + patience
            while left := tools.queue(["ClusterId", "ProcId"], ids=ids, name=name):
                if time.monotonic() > limit:
                    msg = (
                        f"the job {job_id(left[0])} does not leave the queue after condor_rm; wait, or if its machine is gone: "
                        f"condor_rm -forcex {job_id(left[0])}"
                    )
                    raise CondorError(msg)
                sleep(1.0)
        for job in jobs:
            self.record.ended.setdefault(
                job.id, {"state": "removed", "reason": "massgap resubmit", "code": None, "signal": None}
            )
        self.record.write()

    def _by_schedd(self, jobs: list[JobState]) -> list[tuple[str | None, list[str]]]:
        here = [job.id for job in jobs if job.id not in self._lookup.elsewhere]
        there = [job.id for job in jobs if job.id in self._lookup.elsewhere]
        return [(name, ids) for name, ids in ((None, here), (self.record.schedd, there)) if ids]
