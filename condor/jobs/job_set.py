"""The jobs of a folder: submit them, see what became of each, and submit again what is not done.

What is known of a job comes from the queue first, then from HTCondor's event log, the history, and what was known before.
A slice that has a job in the queue gets no second one.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.condor import commands as tools
from massgap.condor.commands import job_id
from massgap.condor.errors import CondorError
from massgap.condor.jobs.event_log import LoggedJob, read_event_log
from massgap.condor.jobs.job_output import last_words
from massgap.condor.jobs.job_record import Record, Submission
from massgap.condor.submit_file import (
    RETRY,
    Job,
    JobOptions,
    command_by_hand,
    job_script,
    submit_description,
    table_of_jobs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

__all__ = ["LIVE", "JobSet", "JobState", "SliceState"]

LIVE = ("idle", "running", "held", "removing", "fetch")
"""States of jobs that are in the queue; ``fetch``: ended, and its output waits in the spool."""

_ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "JobStatus",
    "HoldReason",
    "RemoveReason",
    "ExitCode",
    "ExitBySignal",
    "ExitSignal",
    "GlobalJobId",
    "MassgapSubmission",
)
_STATUS = {1: "idle", 2: "running", 3: "removing", 5: "held", 6: "running", 7: "idle"}


@dataclass(frozen=True)
class JobState:
    """What became of a job.

    Attributes
    ----------
    id
        ``cluster.process``.
    job
        Slice and attempt.
    state
        One of :data:`LIVE`, ``ended``, ``removed`` or ``lost`` (nothing knows it any more).
    reason
        Why it is held, removed or lost.
    code, signal
        How it ended.
    """

    id: str
    job: Job
    state: str
    reason: str | None = None
    code: int | None = None
    signal: int | None = None


@dataclass(frozen=True)
class SliceState:
    """What became of a slice.

    Attributes
    ----------
    slice
        Its number.
    state
        ``done``, one of :data:`LIVE`, ``failed`` (the job ended without all results), ``removed``, ``lost`` or ``unsent``.
    job
        The job that says so; None if there is none.
    reason
        In words, where something is wrong.
    """

    slice: int
    state: str
    job: JobState | None = None
    reason: str | None = None


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
        self._elsewhere: set[str] = set()

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
            self._note_schedd(tools.queue(_ATTRIBUTES, ids=[f"{cluster}.0"]))
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
        mine = f"MassgapRun == {tools.text(self.record.run)}"
        # The queue before the log: a job that ends between the two is in the log.
        queued = {job_id(row): row for row in tools.queue(_ATTRIBUTES, constraint=mine)} if ask else {}
        logged: dict[str, LoggedJob] = {}
        for submission in self.record.submissions:
            if submission.log is not None:
                found = read_event_log(self.folder / submission.log)
                logged |= {f"{c}.{p}": job for (c, p), job in found.items()}
                self._adopt(submission, {cluster for cluster, _ in found})
            rows = [row for row in queued.values() if row.get("MassgapSubmission") == submission.number]
            self._adopt(submission, {int(row["ClusterId"]) for row in rows})
        ids = {
            f"{cluster}.{process}": job
            for submission in self.record.submissions
            for cluster in submission.clusters
            for process, job in enumerate(submission.jobs)
        }
        for id_ in ids.keys() - queued.keys():
            self._note_end(id_, logged.get(id_))
        missing = [id_ for id_ in ids if id_ not in queued and id_ not in self.record.ended]
        trouble = self._search(missing, queued, mine, len(ids)) if ask and missing else ""
        self._note_schedd(queued.values())
        if save:
            self.record.write()
        return [
            self._state(id_, job, queued.get(id_), logged.get(id_), ask, trouble) for id_, job in ids.items()
        ]

    def _adopt(self, submission: Submission, clusters: set[int]) -> None:
        """Take clusters as those of a submission, also if no answer of condor_submit told them."""
        for cluster in sorted(clusters - set(submission.clusters)):
            submission.clusters.append(cluster)
            submission.status, submission.error = "submitted", None

    def _note_end(self, id_: str, job: LoggedJob | None) -> None:
        if job is not None and job.state in ("ended", "removed"):
            self.record.ended[id_] = {
                "state": job.state,
                "reason": job.reason,
                "code": job.code,
                "signal": job.signal,
            }

    def _note_row(self, row: dict[str, Any]) -> None:
        """Keep how a job ended, from its ad in the history (or in the queue, if it waits there to be fetched)."""
        if row.get("JobStatus") not in (3, 4):
            return
        by_signal = row.get("ExitBySignal") is True
        self.record.ended[job_id(row)] = {
            "state": "removed" if row["JobStatus"] == 3 else "ended",
            "reason": row.get("RemoveReason"),
            "code": None if by_signal else row.get("ExitCode"),
            "signal": row.get("ExitSignal") if by_signal else None,
        }

    def _note_schedd(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            name, *rest = str(row.get("GlobalJobId", "")).split("#")
            if self.record.schedd is None and name and rest:
                self.record.schedd = name

    def _search(self, missing: list[str], queued: dict[str, dict[str, Any]], mine: str, limit: int) -> str:
        """Look for jobs that are not in the queue here: in the history, and at the schedd that took them.

        Returns what stood in the way.
        """
        trouble = []
        clusters = sorted({id_.partition(".")[0] for id_ in missing}, key=int)
        names = [None, *([self.record.schedd] if self.record.schedd else [])]
        for name in names:
            wanted = {id_ for id_ in missing if id_ not in self.record.ended and id_ not in queued}
            if not wanted:
                break
            try:
                if name is not None:
                    rows = {job_id(row): row for row in tools.queue(_ATTRIBUTES, constraint=mine, name=name)}
                    queued |= rows
                    self._elsewhere |= set(rows)
                for row in tools.history(_ATTRIBUTES, ids=clusters, name=name, limit=limit):
                    if job_id(row) in wanted:
                        self._note_row(row)
            except CondorError as error:
                trouble.append(str(error))
        return "; ".join(trouble)

    def _state(
        self,
        id_: str,
        job: Job,
        row: dict[str, Any] | None,
        logged: LoggedJob | None,
        asked: bool,
        trouble: str,
    ) -> JobState:
        end = self.record.ended.get(id_)
        if row is not None and row.get("JobStatus") == 4 and end is None and not self._spooled(id_):
            self._note_row(row)
            end = self.record.ended[id_]
        # A job in the queue is alive whatever is known of its past: HTCondor may have started it again.
        if end is not None and (row is None or row.get("JobStatus") == 4):
            return JobState(id_, job, end["state"], end["reason"], end["code"], end["signal"])
        if row is not None:
            state = _STATUS.get(row.get("JobStatus", 0), "fetch" if row.get("JobStatus") == 4 else "idle")
            return JobState(id_, job, state, row.get("HoldReason") if state == "held" else None)
        if not asked and logged is not None:
            return JobState(id_, job, logged.state, logged.reason)
        if not asked:
            return JobState(id_, job, "idle", "not asked")
        where = f"the schedd {self.record.schedd}" if self.record.schedd else "the schedd here"
        reason = f"neither the queue nor the history of {where} knows the job {id_}"
        if logged is not None:
            reason += f"; its event log says {logged.state}"
        return JobState(id_, job, "lost", f"{reason} ({trouble})" if trouble else reason)

    def _spooled(self, id_: str) -> bool:
        cluster = int(id_.partition(".")[0])
        return any(cluster in s.clusters and s.options.spool for s in self.record.submissions)

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
        of_slice: dict[int, list[JobState]] = {}
        for job in jobs:
            of_slice.setdefault(job.job.slice, []).append(job)
        out = []
        for number in range(total):
            mine = of_slice.get(number, [])
            live = [job for job in mine if job.state in LIVE]
            if number not in unfinished:
                out.append(SliceState(number, "done", mine[-1] if mine else None))
            elif live:
                best = min(
                    live, key=lambda job: ("running", "idle", "fetch", "held", "removing").index(job.state)
                )
                out.append(SliceState(number, best.state, best, best.reason))
            elif mine:
                last = max(mine, key=lambda job: job.job.attempt)
                state = "failed" if last.state == "ended" else last.state
                out.append(SliceState(number, state, last, self._why(last)))
            else:
                out.append(SliceState(number, "unsent", None, self._why_unsent()))
        return out

    def _why_unsent(self) -> str | None:
        errors = [s.error for s in self.record.submissions if s.error]
        return errors[-1] if errors else None

    def _why(self, job: JobState) -> str | None:
        """Why a job did not do its slice, in one sentence."""
        if job.state != "ended":
            return job.reason
        said = last_words(self.folder / "logs" / f"{job.job.name}.err", 1)
        said = f": {said}" if said else ""
        if job.signal is not None:
            return f"killed by signal {job.signal}{said}"
        if job.code == 0:
            return f"the job ended well, but its results are not in {self.folder / ('out-' + job.job.name)}"
        if job.code == RETRY:
            return f"no machine that was tried could run it{said}"
        return f"exit code {job.code}{said}"

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
            rows = tools.queue(_ATTRIBUTES, ids=ids, name=name)
            tools.fetch(ids, name=name)
            lost = [j.id for j in waiting if j.id in ids and not (self.folder / f"out-{j.job.name}").is_dir()]
            if lost:
                msg = f"condor_transfer_data brought no output of the job {lost[0]} to {self.folder}; it stays in the queue"
                raise CondorError(msg)
            for row in rows:
                self._note_row(row)
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
        here = [job.id for job in jobs if job.id not in self._elsewhere]
        there = [job.id for job in jobs if job.id in self._elsewhere]
        return [(name, ids) for name, ids in ((None, here), (self.record.schedd, there)) if ids]
