"""Who looks after the jobs of a pool: lost workers are replaced, reasons are kept, and what can never work ends the run."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from massgap.condor.errors import CondorError
from massgap.condor.workers.holds import Holds
from massgap.condor.workers.waiting import Machines, why_jobs_wait

if TYPE_CHECKING:
    from massgap.condor.workers.worker_jobs import WorkerJob, WorkerJobs

__all__ = ["Caretaker"]

_EARLY_DEATHS = 3
"""Jobs in a row that may die before their worker registers, with none that does."""
_HOLDS_TOLD = 3
"""Holds that no finished task has made up for, from which on they are told together."""
_SUBMIT_ERRORS = 5
"""Refused submissions in a row, after the first one."""
_UNREGISTERED = 180.0
"""Seconds that a running job may take until its worker registers, before that is told."""
_WAITING = 15.0
"""Seconds that a job may wait in the queue, before the pool is asked why, and that is told."""


class Caretaker:
    """Looks after the jobs of a pool, one round at a time.

    Parameters
    ----------
    jobs
        The jobs of the pool.
    cluster, client
        dask's scheduler, and a client of it.
    seen
        Names of all workers that have ever registered; grows.
    wanted
        How many workers.
    adapt
        Smallest and largest number instead, by the number of tasks that are left.

    Attributes
    ----------
    tasks
        How many tasks are left; None if nobody has said.
    holds
        The jobs that were held.
    problems
        What a user should know, one sentence each.
    fatal
        Why the run can never go on; None if it can.
    """

    def __init__(
        self,
        jobs: WorkerJobs,
        cluster: Any,
        client: Any,
        seen: set[str],
        *,
        wanted: int,
        adapt: tuple[int, int] | None,
    ) -> None:
        self.jobs = jobs
        self.cluster = cluster
        self.client = client
        self.wanted = wanted
        self.adapt = adapt
        self.tasks: int | None = None
        self.holds = Holds(jobs.options)
        self._machines = Machines()
        self.problems: dict[str, str] = {}
        self.fatal: CondorError | None = None
        self._seen = seen
        self._handled: set[str] = set()
        self._deaths: list[WorkerJob] = []
        self._done = self._seen_done = 0
        self._refused = 0
        self._pause_until = 0.0

    def registered(self) -> set[str]:
        """Names of the workers that the scheduler knows."""
        scheduler = getattr(self.cluster, "scheduler", None)
        return (
            {str(state.name) for state in list(scheduler.workers.values())}
            if scheduler is not None
            else set()
        )

    def look(self) -> None:
        """One round: what became of the jobs, what is to be told of it, and as many jobs as are wanted.

        Raises
        ------
        CondorError
            If the queue does not answer.
        """
        registered = self.registered()
        # Also those that came and went since the last look.
        self.jobs.look(registered | self._seen)
        self.problems.pop("queue", None)
        now = time.monotonic()
        if registered:
            self._deaths.clear()
        done = self._done
        self.holds.finished(done - self._seen_done)
        self._seen_done = done
        if self.holds.unpaid < _HOLDS_TOLD:
            self.problems.pop("holds", None)
        for job in self.jobs.jobs.values():
            if job.id in self._handled or job.unwanted:
                continue
            if job.state == "held":
                self._on_hold(job)
            elif job.state in ("ended", "removed"):
                self._on_end(job)
        self._tell(now)
        if self.fatal is None:
            self._correct(now)

    def demand(self, tasks: int) -> None:
        """So many tasks are left."""
        self._done += max((self.tasks or 0) - tasks, 0)
        self.tasks = tasks

    def _on_hold(self, job: WorkerJob) -> None:
        self._handled.add(job.id)
        self.holds.add(job)
        told = self.holds.in_words(len(self.jobs.jobs))
        if self.holds.hopeless(self.wanted, len(self.registered())):
            self.fatal = CondorError(told)
            return
        if self.holds.unpaid >= _HOLDS_TOLD:
            self.problems["holds"] = told
        self._pause_until = max(self._pause_until, time.monotonic() + self.holds.pause)
        self.jobs.remove([job], f"massgap: was held ({job.hold_reason[:200]})")

    def _on_end(self, job: WorkerJob) -> None:
        self._handled.add(job.id)
        if job.registered:
            self.problems[f"lost {job.id}"] = (
                f"the worker of job {job.id} was lost ({job.reason}); another job takes its place"
            )
            for key in [k for k in self.problems if k.startswith("lost ")][:-3]:
                del self.problems[key]
            return
        self._deaths.append(job)
        words = self.jobs.last_words(job)
        told = f"{job.reason}{f'; its last words: {words}' if words else ''}"
        self.problems["death"] = f"job {job.id} ended before its worker registered: {told}"
        # The first ones are replaced at once, further ones after growing pauses.
        self._pause_until = time.monotonic() + min(2.0 ** (len(self._deaths) - 1) - 1, 60.0)
        # Where one machine is bad, jobs on others may be about to register; but they get no endless credit.
        starting = any(other.state == "running" and other.alive for other in self.jobs.jobs.values())
        enough = max(_EARLY_DEATHS, min(4 * self.wanted, 20)) if starting else _EARLY_DEATHS
        if len(self._deaths) >= enough and not self.registered():
            self.fatal = CondorError(
                f"{len(self._deaths)} jobs in a row ended before their worker registered: {told}. The logs are in "
                f"{self.jobs.folder / 'logs'}. Most often Python or a package is missing on the workers (--environment ship, --image, --python), or "
                f"the scheduler at {self.cluster.scheduler_address} cannot be reached from there (firewall: run this on a host "
                "that workers reach)"
            )

    def _tell(self, now: float) -> None:
        """Jobs that wait, or run without a worker, for long."""
        options = self.jobs.options
        for key in [k for k in self.problems if k.startswith(("waits", "silent"))]:
            del self.problems[key]
        alive = [job for job in self.jobs.jobs.values() if job.alive]
        waiting = [job for job in alive if job.state == "idle" and now - job.since > _WAITING]
        # While any runs, the others have their turn; who runs the pool decides when.
        if waiting and not self.registered() and all(job.state == "idle" for job in alive):
            self._machines.look()
            self.problems["waits"] = why_jobs_wait(
                self._machines,
                options,
                jobs=len(waiting),
                seconds=now - min(job.since for job in waiting),
                one=waiting[0].id,
            )
        silent = [
            j
            for j in self.jobs.jobs.values()
            if j.state == "running" and not j.registered and now - j.since > _UNREGISTERED
        ]
        if silent:
            self.problems["silent"] = (
                f"job {silent[0].id} has run for {(now - silent[0].since) / 60:.0f} minutes on {silent[0].host or 'a worker'} and its worker has not "
                f"registered: can {self.cluster.scheduler_address} be reached from there? condor_tail -stderr {silent[0].id} shows what it says"
            )

    def _correct(self, now: float) -> None:
        """As many jobs as are wanted: submit what is missing, send home what is too much."""
        if self.adapt is not None:
            low, high = self.adapt
            self.wanted = min(max(low, self.tasks if self.tasks is not None else low), high)
        alive = [job for job in self.jobs.jobs.values() if job.alive]
        missing = self.wanted - len(alive)
        if missing > 0 and now >= self._pause_until:
            try:
                self.jobs.submit(missing)
                self._refused = 0
                self.problems.pop("submit", None)
            except CondorError as error:
                self._refused += 1
                self.problems["submit"] = str(error)
                self._pause_until = now + min(2.0**self._refused, 60.0)
                if self._refused >= _SUBMIT_ERRORS and not alive:
                    self.fatal = CondorError(f"no workers can be submitted any more: {error}")
        elif missing < 0 and self.adapt is not None:
            self._send_home(alive, -missing)

    def _send_home(self, alive: list[WorkerJob], number: int) -> None:
        """First jobs that wait, then workers without a task; one that works finishes first."""
        waiting = [job for job in alive if job.state == "idle"][:number]
        if waiting:
            self.jobs.remove(waiting, "massgap: fewer workers are needed")
        number -= len(waiting)
        if number <= 0:
            return
        by_name = {job.name: job for job in alive if job.state == "running"}
        idle = [
            state
            for state in list(self.cluster.scheduler.workers.values())
            if not state.processing and str(state.name) in by_name
        ][:number]
        if idle:
            with contextlib.suppress(Exception):
                # What they still hold is moved to others first; who holds what nobody else can take stays.
                gone = self.client.retire_workers([state.address for state in idle], close_workers=True)
                for about in (gone or {}).values():
                    if (job := by_name.get(str(about.get("name")))) is not None:
                        job.unwanted = True
