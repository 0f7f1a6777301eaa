"""Jobs that are dask workers: submitted in batches, watched in the queue, and told apart by how they end.

Nothing here talks to dask.  The owner says how many workers are wanted and which have registered; :meth:`WorkerJobs.look` finds out
what became of the jobs and :meth:`WorkerJobs.submit` adds some.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.condor import commands as tools
from massgap.condor.errors import CondorError
from massgap.condor.job_options import SHIPPED
from massgap.condor.job_status import STATUS, status_of
from massgap.condor.jobs.event_log import read_event_log
from massgap.condor.jobs.job_output import last_words
from massgap.condor.shipping.code_archive import pack_code
from massgap.condor.shipping.environment import pack_environment
from massgap.condor.workers.holds import remedy_of_hold
from massgap.condor.workers.submit_file import worker_description

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massgap.condor.job_options import JobOptions
    from massgap.condor.workers.certificates import Certificates

__all__ = ["WorkerJob", "WorkerJobs"]

_ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "JobStatus",
    "HoldReason",
    "HoldReasonCode",
    "RemoteHost",
    "EnteredCurrentStatus",
    "NumJobStarts",
    "ExitBySignal",
    "ExitCode",
    "ExitSignal",
    "RemoveReason",
)


@dataclass
class WorkerJob:
    """A job and what is known of it.

    Attributes
    ----------
    id
        ``cluster.process``.
    state
        ``idle``, ``running``, ``held``, ``ended`` or ``removed``.
    since
        When it came into this state, as far as was seen (monotonic seconds).
    reason
        Why it is held; how it ended.
    registered
        Whether its worker has ever been known to the scheduler.
    unwanted
        Whether it was removed or sent home on purpose.
    host
        Where it runs.
    hold_code, hold_reason
        HTCondor's code and own words, if it was held.
    """

    id: str
    state: str = "idle"
    since: float = field(default_factory=time.monotonic)
    reason: str = ""
    registered: bool = False
    unwanted: bool = False
    host: str = ""
    hold_code: int | None = None
    hold_reason: str = ""

    @property
    def name(self) -> str:
        """Name of its dask worker."""
        return f"massgap-{self.id}"

    @property
    def alive(self) -> bool:
        """Whether it runs or will run."""
        return self.state in ("idle", "running") and not self.unwanted

    def enter(self, state: str, reason: str = "") -> None:
        """Come into a state."""
        if state != self.state:
            self.state, self.since = state, time.monotonic()
        if reason:
            self.reason = reason


class WorkerJobs:
    """The jobs of one pool of workers.

    Parameters
    ----------
    folder
        Absolute; submit description, logs and what goes with the jobs.
    options
        What the jobs ask for.
    address
        Of the scheduler.
    certificates
        What workers need to talk to it.
    package
        Folder of the code that goes along.
    mark
        A name that no other pool has: by it the jobs are found in the queue.
    settings
        dask's settings, as ``dask.config.serialize`` gives them; without secrets.
    machine_code
        Goes with the code, see :func:`massgap.condor.shipping.code_archive.pack_code`.

    Attributes
    ----------
    jobs
        Number -> job.
    looks
        How often the queue has answered.
    """

    def __init__(
        self,
        folder: Path,
        options: JobOptions,
        *,
        address: str,
        certificates: Certificates,
        package: Path,
        mark: str,
        settings: str,
        machine_code: Path | None = None,
    ) -> None:
        self.folder = folder
        self.options = options
        self.mark = mark
        self.jobs: dict[str, WorkerJob] = {}
        self.looks = 0
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(__file__).parent / "worker.sh", folder / "worker.sh")
        (folder / "worker.sh").chmod(0o755)
        pack_code(package, folder / "code.tar.gz", machine_code=machine_code)
        (folder / "dask-settings").write_text(settings)
        archive = options.environment
        if archive in SHIPPED:
            archive = str(pack_environment(folder / "environment.tar.gz"))
        self._description = worker_description(folder, options, address, certificates, mark, archive)

    def submit(self, number: int) -> list[str]:
        """Submit jobs, all at once.

        Returns
        -------
        list of str
            Their numbers.

        Raises
        ------
        CondorError
            In HTCondor's own words, if it refuses.
        """
        name = "workers.sub"
        (self.folder / name).write_text(f"{self._description}queue {number}\n")
        cluster = tools.submit(name, folder=self.folder, spool=self.options.spool)
        ids = [f"{cluster}.{process}" for process in range(number)]
        for job in ids:
            self.jobs[job] = WorkerJob(job)
        return ids

    def look(self, registered: Iterable[str] = ()) -> None:
        """Ask the queue what became of the jobs.

        Parameters
        ----------
        registered
            Names of the workers that the scheduler knows.

        Raises
        ------
        CondorError
            If the queue does not answer.
        """
        known = set(registered)
        rows = {tools.job_id(row): row for row in tools.queue(_ATTRIBUTES, constraint=self.constraint)}
        # A spooling schedd keeps jobs that have ended until their output is fetched.
        gone = [
            job
            for job in self.jobs.values()
            if job.state not in ("ended", "removed")
            and (job.id not in rows or status_of(rows[job.id]) in ("removed", "completed"))
        ]
        told = self._ends(gone, rows) if gone else {}
        for job in self.jobs.values():
            job.registered = job.registered or job.name in known
            row = rows.get(job.id)
            if row is None:
                if job.state not in ("ended", "removed"):
                    # A job that was just submitted may not be in the queue's answer yet.
                    if job.state == "idle" and job.id not in told and time.monotonic() - job.since < 10:
                        continue
                    job.enter("removed" if job.unwanted else "ended", told.get(job.id, "it left the queue"))
                continue
            status = status_of(row)
            job.host = str(row.get("RemoteHost") or job.host)
            if status == "held":
                job.hold_code = row.get("HoldReasonCode")
                job.hold_reason = str(row.get("HoldReason") or "no reason was given").strip()
                remedy = remedy_of_hold(job.hold_reason, job.hold_code, self.options)
                job.enter("held", f"{job.hold_reason.rstrip('.')}. {remedy}")
            elif status in ("removed", "completed"):
                job.enter("removed" if job.unwanted else "ended", told.get(job.id, ""))
            else:
                job.enter(status)
        self.looks += 1

    @property
    def constraint(self) -> str:
        """What is true of the jobs of this pool alone, in HTCondor's language."""
        return f"MassgapPool == {tools.text(self.mark)}"

    def _ends(self, gone: list[WorkerJob], rows: dict[str, dict[str, Any]]) -> dict[str, str]:
        """How jobs ended, from the event log; with a spool from the queue, or from the history of the schedd."""
        out: dict[str, str] = {}
        logged = {} if self.options.spool else read_event_log(self.folder / "logs" / "workers.log")
        for job in gone:
            cluster, process = (int(n) for n in job.id.split("."))
            entry = logged.get((cluster, process))
            if entry is not None and entry.state in ("ended", "removed"):
                out[job.id] = _end(entry.state == "removed", entry.reason, entry.signal, entry.code)
        if self.options.spool and gone:
            with contextlib.suppress(CondorError):  # what it wrote is in the spool until it is fetched
                tools.fetch([job.id for job in gone if job.id in rows])
            asked = [job.id for job in gone if job.id not in rows]
            left = tools.history(("ClusterId", "ProcId", *_ATTRIBUTES[-4:]), ids=asked) if asked else []
            ended = [*left, *(rows[job.id] for job in gone if job.id in rows)]
            out |= {
                tools.job_id(row): _end(
                    bool(row.get("RemoveReason")),
                    row.get("RemoveReason"),
                    row.get("ExitSignal") if row.get("ExitBySignal") else None,
                    row.get("ExitCode"),
                )
                for row in ended
            }
        return out

    def remove(self, jobs: Iterable[WorkerJob], reason: str) -> None:
        """Take jobs out of the queue.

        Raises
        ------
        CondorError
            If HTCondor refuses.
        """
        chosen = list(jobs)
        for job in chosen:
            job.unwanted = True
        tools.remove([job.id for job in chosen], reason=reason)

    def in_queue(self) -> dict[str, str]:
        """All jobs of this pool that the queue has, also those of which nothing is known here, with their states.

        Raises
        ------
        CondorError
            If the queue does not answer.
        """
        for job in self.jobs.values():
            job.unwanted = True
        rows = tools.queue(STATUS, constraint=self.constraint)
        states = {tools.job_id(row): status_of(row) for row in rows}
        # A spooling schedd keeps what has ended for days, with its input and the key in it.
        return {job: state for job, state in states.items() if state != "removed"}

    def remove_ids(self, ids: Iterable[str]) -> None:
        """Take jobs out of the queue at the end of the run.

        Raises
        ------
        CondorError
            If HTCondor refuses.
        """
        tools.remove(ids, reason="massgap: the run has ended")

    def last_words(self, job: WorkerJob, lines: int = 8) -> str:
        """The last lines that a job wrote to its standard error, as far as they came back."""
        return last_words(self.folder / "logs" / f"worker-{job.id}.err", lines)


def _end(removed: bool, reason: str | None, signal: int | None, code: int | None) -> str:
    if removed:
        return f"it was removed ({reason})" if reason else "it was removed"
    return f"it was ended by signal {signal}" if signal is not None else f"it ended with exit code {code}"
