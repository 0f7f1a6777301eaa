"""What HTCondor knows of the jobs of a folder: first the queue, then the event log, the history, and what was known before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.condor import commands as tools
from massgap.condor.commands import job_id
from massgap.condor.errors import CondorError
from massgap.condor.job_status import status_of
from massgap.condor.jobs.event_log import LoggedJob, read_event_log
from massgap.condor.jobs.job_states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massgap.condor.jobs.job_record import Record, Submission
    from massgap.condor.jobs.submit_file import Job

__all__ = ["ATTRIBUTES", "JobLookup"]

ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "JobStatus",
    "HoldReason",
    "HoldReasonCode",
    "RemoveReason",
    "ExitCode",
    "ExitBySignal",
    "ExitSignal",
    "GlobalJobId",
    "MassgapSubmission",
)
"""What is asked of a job, in the queue and in the history."""


class JobLookup:
    """Finds out what became of submitted jobs, and keeps it in their record.

    Parameters
    ----------
    record
        What has been submitted.

    Attributes
    ----------
    elsewhere
        Jobs that another schedd has than the one here.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.elsewhere: set[str] = set()

    def look(self, *, ask: bool = True, save: bool = True) -> list[JobState]:
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
        queued = {job_id(row): row for row in tools.queue(ATTRIBUTES, constraint=mine)} if ask else {}
        logged: dict[str, LoggedJob] = {}
        for submission in self.record.submissions:
            if submission.log is not None:
                found = read_event_log(self.record.folder / submission.log)
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
        self.note_schedd(queued.values())
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

    def note(self, row: dict[str, Any]) -> None:
        """Keep how a job ended, from its ad in the history (or in the queue, if it waits there to be fetched)."""
        state = status_of(row)
        if state not in ("removed", "completed"):
            return
        by_signal = row.get("ExitBySignal") is True
        self.record.ended[job_id(row)] = {
            "state": "removed" if state == "removed" else "ended",
            "reason": row.get("RemoveReason"),
            "code": None if by_signal else row.get("ExitCode"),
            "signal": row.get("ExitSignal") if by_signal else None,
        }

    def note_schedd(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep which schedd has the jobs, from their ads, for one who looks from another host."""
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
                    rows = {job_id(row): row for row in tools.queue(ATTRIBUTES, constraint=mine, name=name)}
                    queued |= rows
                    self.elsewhere |= set(rows)
                for row in tools.history(ATTRIBUTES, ids=clusters, name=name, limit=limit):
                    if job_id(row) in wanted:
                        self.note(row)
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
        status = status_of(row) if row is not None else None
        if row is not None and status == "completed" and end is None and not self._spooled(id_):
            self.note(row)
            end = self.record.ended[id_]
        # A job in the queue is alive whatever is known of its past: HTCondor may have started it again.
        if end is not None and status in (None, "completed"):
            return JobState(id_, job, end["state"], end["reason"], end["code"], end["signal"])
        if row is not None and status is not None:
            state = {"removed": "removing", "completed": "fetch"}.get(status, status)
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
