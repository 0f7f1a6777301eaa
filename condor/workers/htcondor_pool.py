"""A dask cluster whose workers are HTCondor jobs: a scheduler here, and someone who looks after the jobs.

The well-known cluster class for HTCondor removes held jobs before anybody has read why they are held, does not notice jobs that die
before their worker registers, and never replaces what is lost.  Here the queue is asked every few seconds, and
everything follows from what it says: lost workers are replaced, reasons are kept, and what can never work
raises an error.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING

from massgap.condor import commands as tools
from massgap.condor.errors import CondorError
from massgap.condor.workers.caretaker import Caretaker
from massgap.condor.workers.certificates import make_certificates
from massgap.condor.workers.pool import Pool, PoolStatus
from massgap.condor.workers.scheduler import (
    dismiss_workers,
    remember_workers,
    start_scheduler,
    worker_settings,
)
from massgap.condor.workers.submit_file import worker_memory
from massgap.condor.workers.worker_jobs import WorkerJobs

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.condor.job_options import JobOptions

__all__ = ["HTCondorPool"]

_FAREWELL = 10.0
"""Seconds in which no worker leaves, before the jobs of those that are left are removed."""
_LONGEST_FAREWELL = 60.0
"""Seconds for all of them together."""


class HTCondorPool(Pool):
    """A scheduler in this process and workers as HTCondor jobs.

    Parameters
    ----------
    folder
        For submit description, logs and certificates.
    options
        What the jobs ask for.
    workers
        How many.
    adapt
        Smallest and largest number instead, by the number of tasks that are left.
    package, machine_code
        Folders of the code that goes along, and of what is compiled of it.
    host, port
        Where the scheduler listens; by default the address by which this machine is reached, and any free port.
    interval
        Seconds between looks at the queue.

    Raises
    ------
    CondorError
        If HTCondor's tools are missing, refuse the jobs, or an option does not fit.
    """

    def __init__(
        self,
        folder: Path,
        options: JobOptions,
        *,
        workers: int = 2,
        adapt: tuple[int, int] | None = None,
        package: Path,
        machine_code: Path | None = None,
        host: str | None = None,
        port: int = 0,
        interval: float = 5.0,
    ) -> None:
        tools.require("condor_submit", "condor_q", "condor_rm")
        worker_memory(options.memory)
        self.interval = interval
        self._closing = threading.Event()
        self._changed = threading.Event()
        self._lock = threading.RLock()
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)  # noqa: PTH101 - keys lie here
        self._certificates = make_certificates(folder)
        cluster = client = None
        try:
            cluster, client = start_scheduler(self._certificates.security, host, port)
            seen = remember_workers(cluster)
            super().__init__(client, cluster)
            self._jobs = WorkerJobs(
                folder,
                options,
                address=cluster.scheduler_address,
                certificates=self._certificates,
                package=package,
                mark=f"{os.getpid()}-{uuid.uuid4().hex[:10]}",
                settings=worker_settings(),
                machine_code=machine_code,
            )
            wanted = adapt[0] if adapt is not None else workers
            self._caretaker = Caretaker(self._jobs, cluster, client, seen, wanted=wanted, adapt=adapt)
            # The first submission is done here, so that a refusal is told at once.
            if wanted:
                self._jobs.submit(wanted)
            self._thread = threading.Thread(target=self._watch, name="massgap-htcondor", daemon=True)
            self._thread.start()
        except BaseException:
            self._certificates.remove()
            for part in (client, cluster):
                if part is not None:
                    with contextlib.suppress(Exception):
                        part.close()
            raise

    def status(self) -> PoolStatus:
        """State of the workers."""
        with self._lock:
            care = self._caretaker
            jobs = list(self._jobs.jobs.values())
            known = dict(care.holds.last)
            released = {job.id for job in jobs if job.id in known and job.alive}
            held = {job.id: job.reason for job in jobs if job.state == "held" and not job.unwanted}
            held |= {job: reason for job, reason in known.items() if job not in released}
            registered = care.registered()
            idle = sum(job.state == "idle" and job.alive for job in jobs)
            starting = sum(
                job.state == "running" and job.alive and job.name not in registered and not job.registered
                for job in jobs
            )
            problems = tuple(care.problems.values())
            return PoolStatus(
                idle, len(registered), tuple(held.items()), problems, tuple(sorted(released)), starting
            )

    def check(self) -> None:
        """Raise if the run can never go on: refused submissions, jobs that die or are held again and again.

        Raises
        ------
        CondorError
            With the HoldReason, or the last words of a job, and the remedy.
        """
        if self._caretaker.fatal is not None:
            raise self._caretaker.fatal

    def demand(self, tasks: int) -> None:
        """Say how many tasks are left; an adaptive pool takes as many workers, within its bounds."""
        care = self._caretaker
        changed = tasks != care.tasks
        care.demand(tasks)
        if care.adapt is not None and changed:
            self._changed.set()

    def close(self) -> None:
        """Send the workers home, empty the queue, and close everything; never raises."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._changed.set()
        self._thread.join(timeout=60)
        known = self._caretaker.registered()
        at_work = {job.id for job in self._jobs.jobs.values() if job.name in known}
        with contextlib.suppress(Exception):
            dismiss_workers(self.cluster)
        self._empty_queue(at_work)
        super().close()
        self._certificates.remove()

    def _empty_queue(self, at_work: set[str]) -> None:
        """Jobs end by themselves when their worker has gone; those that wait, and what is left after a while, are removed."""
        jobs = self._jobs
        end = time.monotonic() + _LONGEST_FAREWELL
        leaving, patient_until = -1, time.monotonic() + _FAREWELL
        removed = False
        while (now := time.monotonic()) < end:
            with contextlib.suppress(CondorError):
                left = jobs.in_queue()
                if not left:
                    return
                if len(left) != leaving:
                    leaving, patient_until = len(left), now + _FAREWELL
                if now > patient_until and not removed:
                    jobs.remove_ids(left)
                    removed, end = True, now + _FAREWELL
                elif not removed:
                    # Those without a worker have nobody who tells them to go.
                    jobs.remove_ids(
                        [job for job, state in left.items() if state != "running" or job not in at_work]
                    )
            time.sleep(0.5)
        # Where the schedd is busy; their workers end by themselves, as they find no scheduler.
        logging.getLogger(__name__).warning(
            "jobs of this run may still be in the queue: condor_rm -constraint '%s' removes them",
            jobs.constraint,
        )

    def _watch(self) -> None:
        while not self._closing.is_set():
            # A schedd with thousands of jobs is asked less often.
            wanted = self._caretaker.wanted / 100
            self._changed.wait(max(self.interval, min(wanted, 60.0) if wanted > 5 else 0.0))
            self._changed.clear()
            if self._closing.is_set():
                return
            with self._lock:
                try:
                    self._caretaker.look()
                except CondorError as error:
                    # The schedd may be busy for a while; what it does not say now it says later.
                    self._caretaker.problems["queue"] = str(error)
                except Exception as error:  # noqa: BLE001 - a thread that ends in silence would leave the run waiting
                    self._caretaker.fatal = CondorError(
                        f"the jobs are no longer looked after ({type(error).__name__}: {error}). Give the same command again: "
                        "finished chunks are kept"
                    )
                    return
