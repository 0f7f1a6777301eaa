"""A dask cluster whose workers are HTCondor jobs: a scheduler here, and someone who looks after the jobs.

The well-known cluster class for HTCondor removes held jobs before anybody has read why they are held, does not notice jobs that die
before their worker registers, and never replaces what is lost.  Here the queue is asked every few seconds, and
everything follows from what it says: lost workers are replaced, reasons are kept, and what can never work
raises an error.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
import time
import uuid
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from massgap.condor import commands as tools
from massgap.condor.errors import CondorError
from massgap.condor.workers.certificates import make_certificates
from massgap.condor.workers.worker_jobs import WorkerJob, WorkerJobs, worker_memory

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.condor.submit_file import JobOptions

__all__ = ["HTCondorPool", "Pool", "PoolStatus"]

_EARLY_DEATHS = 3
"""Jobs in a row that may die before their worker registers, with none that does."""
_HOLDS = 3
"""Jobs in a row that may be held, with no worker at work meanwhile."""
_SUBMIT_ERRORS = 5
"""Refused submissions in a row, after the first one."""
_UNREGISTERED = 600.0
"""Seconds that a running job may take until its worker registers, before that is told."""
_FAREWELL = 10.0
"""Seconds that workers may take to leave, before their jobs are removed."""
_WAITING = 600.0
"""Seconds that a job may wait in the queue, before that is told."""

_LONELY = 120.0
"""Seconds without a worker of a cluster that others look after, before that is told."""
_GIVEN_UP = 6 * 3600.0
"""Seconds without a worker of such a cluster, before the run is given up."""


@dataclass(frozen=True)
class PoolStatus:
    """State of the workers.

    Attributes
    ----------
    idle, running
        Jobs that wait in the queue, and workers that the scheduler knows.
    held
        Pairs of job and reason; also of jobs that have been replaced since.
    problems
        What else a user should know, one sentence each.
    """

    idle: int = 0
    running: int = 0
    held: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()


class Pool:
    """Workers of a cluster that somebody else looks after, for instance a facility.

    Parameters
    ----------
    client
        ``distributed.Client``.
    cluster
        Is closed with the pool; None for a scheduler that goes on.
    look
        What to do where no worker comes: a sentence without its full stop.
    """

    def __init__(
        self, client: Any, cluster: Any = None, *, look: str = "Look at the cluster's own page"
    ) -> None:
        self.client = client
        self.cluster = cluster
        self._look_there = look
        self._had_workers = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def status(self) -> PoolStatus:
        """State of the workers."""
        running, alone = self._count()
        told = f"no worker for {alone / 60:.0f} minutes. {self._look_there}"
        return PoolStatus(running=running, problems=(told,) if alone > _LONELY else ())

    def check(self) -> None:
        """Raise if the run can never go on.

        Raises
        ------
        CondorError
            If there has been no worker for long.
        """
        _, alone = self._count()
        if alone > _GIVEN_UP:
            msg = (
                f"the cluster has had no worker for {alone / 60:.0f} minutes. {self._look_there}, and give the same command again: "
                "finished chunks are kept"
            )
            raise CondorError(msg)

    def _count(self) -> tuple[int, float]:
        """Workers, and seconds since there was one."""
        running = len(self.client.nthreads())
        now = time.monotonic()
        if running:
            self._had_workers = now
        return running, now - self._had_workers

    def demand(self, tasks: int) -> None:
        """Say how many tasks are left; an adaptive pool takes as many workers."""

    def close(self) -> None:
        """Close client and cluster; a scheduler of a facility is left as it is, and never restarted."""
        with contextlib.suppress(Exception):
            self.client.close()
        if self.cluster is not None:
            with contextlib.suppress(Exception):
                self.cluster.close()


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
    package
        Folder of the code that goes along.
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
        host: str | None = None,
        port: int = 0,
        interval: float = 5.0,
    ) -> None:
        tools.require("condor_submit", "condor_q", "condor_rm")
        worker_memory(options.memory)
        self.adapt = adapt
        self.wanted = adapt[0] if adapt is not None else workers
        self.interval = interval
        self._left: int | None = None
        self._fatal: CondorError | None = None
        self._problems: dict[str, str] = {}
        self._held: collections.deque[tuple[str, str]] = collections.deque(maxlen=20)
        self._deaths: list[WorkerJob] = []
        self._holds = 0
        self._refused = 0
        self._pause_until = 0.0
        self._closing = threading.Event()
        self._changed = threading.Event()
        self._lock = threading.RLock()
        self._handled: set[str] = set()
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)  # noqa: PTH101 - keys lie here
        self._certificates = make_certificates(folder)
        self._jobs: WorkerJobs | None = None
        self._thread: threading.Thread | None = None
        cluster = client = None
        try:
            cluster, client = _scheduler(self._certificates.security, host, port)
            self._seen = _remember_workers(cluster)
            super().__init__(client, cluster)
            self._jobs = WorkerJobs(
                folder,
                options,
                address=cluster.scheduler_address,
                certificates=self._certificates,
                package=package,
                mark=f"{os.getpid()}-{uuid.uuid4().hex[:10]}",
                settings=_settings(),
            )
            # The first submission is done here, so that a refusal is told at once.
            if self.wanted:
                self._jobs.submit(self.wanted)
            self._thread = threading.Thread(target=self._watch, name="massgap-htcondor", daemon=True)
            self._thread.start()
        except BaseException:
            self._certificates.remove()
            for part in (client, cluster):
                if part is not None:
                    with contextlib.suppress(Exception):
                        part.close()
            raise

    # ---- what others ask

    def status(self) -> PoolStatus:
        """State of the workers."""
        with self._lock:
            jobs = list(self._jobs.jobs.values()) if self._jobs else []
            now_held = [(job.id, job.reason) for job in jobs if job.state == "held" and not job.unwanted]
            held = list(dict.fromkeys([*now_held, *self._held]))
            idle = sum(job.state == "idle" and job.alive for job in jobs)
            return PoolStatus(idle, len(self._registered()), tuple(held), tuple(self._problems.values()))

    def check(self) -> None:
        """Raise if the run can never go on: refused submissions, jobs that die or are held again and again.

        Raises
        ------
        CondorError
            With the HoldReason, or the last words of a job, and the remedy.
        """
        if self._fatal is not None:
            raise self._fatal

    def demand(self, tasks: int) -> None:
        """Say how many tasks are left; an adaptive pool takes as many workers, within its bounds."""
        if self.adapt is not None and tasks != self._left:
            self._left = tasks
            self._changed.set()

    def close(self) -> None:
        """Send the workers home, empty the queue, and close everything; never raises."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout=60)
        known = self._registered()
        at_work = {job.id for job in self._jobs.jobs.values() if job.name in known} if self._jobs else set()
        with contextlib.suppress(Exception):
            # By name: workers that are told to go give up nothing that is still wanted, and their jobs end by themselves.
            self.client.retire_workers(
                list(self.client.scheduler_info(n_workers=-1)["workers"]), close_workers=True
            )
        if self._jobs is not None:
            self._empty_queue(self._jobs, at_work)
        super().close()
        self._certificates.remove()

    def _empty_queue(self, jobs: WorkerJobs, at_work: set[str]) -> None:
        """Jobs end by themselves when their worker has gone; those that wait, and what is left after a while, are removed."""
        start = time.monotonic()
        removed = False
        while (passed := time.monotonic() - start) < 2 * _FAREWELL:
            with contextlib.suppress(CondorError):
                left = jobs.in_queue()
                if not left:
                    return
                if passed > _FAREWELL and not removed:
                    jobs.remove_ids(left)
                    removed = True
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

    # ---- looking after the jobs

    def _registered(self) -> set[str]:
        scheduler = getattr(self.cluster, "scheduler", None)
        return (
            {str(state.name) for state in list(scheduler.workers.values())}
            if scheduler is not None
            else set()
        )

    def _watch(self) -> None:
        while not self._closing.is_set():
            # A schedd with thousands of jobs is asked less often.
            wanted = self.wanted / 100
            self._changed.wait(max(self.interval, min(wanted, 60.0) if wanted > 5 else 0.0))
            self._changed.clear()
            if self._closing.is_set():
                return
            with self._lock:
                try:
                    self._look()
                except CondorError as error:
                    # The schedd may be busy for a while; what it does not say now it says later.
                    self._problems["queue"] = str(error)
                except Exception as error:  # noqa: BLE001 - a thread that ends in silence would leave the run waiting
                    self._fatal = CondorError(
                        f"the jobs are no longer looked after ({type(error).__name__}: {error}). Give the same command again: "
                        "finished chunks are kept"
                    )
                    return

    def _look(self) -> None:
        assert self._jobs is not None
        registered = self._registered()
        # Also those that came and went since the last look.
        self._jobs.look(registered | self._seen)
        self._problems.pop("queue", None)
        now = time.monotonic()
        if registered:
            self._deaths.clear()
            self._holds = 0
        for job in self._jobs.jobs.values():
            if job.id in self._handled or job.unwanted:
                continue
            if job.state == "held":
                self._on_hold(job)
            elif job.state in ("ended", "removed"):
                self._on_end(job)
        self._tell(now)
        if self._fatal is None:
            self._correct(now)

    def _on_hold(self, job: WorkerJob) -> None:
        assert self._jobs is not None
        self._handled.add(job.id)
        self._held.append((job.id, job.reason))
        self._holds += 1
        if self._holds >= max(_HOLDS, min(self.wanted, 20)) and not self._registered():
            self._fatal = CondorError(
                f"HTCondor holds all jobs of the workers: {job.reason} (job {job.id}). Mend that and give the same command again: "
                "finished chunks are kept"
            )
            return
        self._jobs.remove([job], f"massgap: was held ({job.reason[:200]})")

    def _on_end(self, job: WorkerJob) -> None:
        assert self._jobs is not None
        self._handled.add(job.id)
        if job.registered:
            self._problems[f"lost {job.id}"] = (
                f"the worker of job {job.id} was lost ({job.reason}); another job takes its place"
            )
            for key in [k for k in self._problems if k.startswith("lost ")][:-3]:
                del self._problems[key]
            return
        self._deaths.append(job)
        words = self._jobs.last_words(job)
        told = f"{job.reason}{f'; its last words: {words}' if words else ''}"
        self._problems["death"] = f"job {job.id} ended before its worker registered: {told}"
        # The first ones are replaced at once, further ones after growing pauses.
        self._pause_until = time.monotonic() + min(2.0 ** (len(self._deaths) - 1) - 1, 60.0)
        # Where one machine is bad, jobs on others may be about to register; but they get no endless credit.
        starting = any(other.state == "running" and other.alive for other in self._jobs.jobs.values())
        enough = max(_EARLY_DEATHS, min(4 * self.wanted, 20)) if starting else _EARLY_DEATHS
        if len(self._deaths) >= enough and not self._registered():
            self._fatal = CondorError(
                f"{len(self._deaths)} jobs in a row ended before their worker registered: {told}. The logs are in "
                f"{self._jobs.folder / 'logs'}. Most often Python or a package is missing on the workers (--environment ship, --image, --python), or "
                f"the scheduler at {self.cluster.scheduler_address} cannot be reached from there (firewall: run this on a host "
                "that workers reach)"
            )

    def _tell(self, now: float) -> None:
        """Jobs that wait, or run without a worker, for long."""
        assert self._jobs is not None
        options = self._jobs.options
        for key in [k for k in self._problems if k.startswith(("waits", "silent"))]:
            del self._problems[key]
        waiting = [
            j for j in self._jobs.jobs.values() if j.state == "idle" and j.alive and now - j.since > _WAITING
        ]
        if waiting and not self._registered():
            minutes = (now - min(j.since for j in waiting)) / 60
            self._problems["waits"] = (
                f"{len(waiting)} jobs have waited for up to {minutes:.0f} minutes and none runs. They ask for {options.cpus} core, "
                f"{options.memory} memory, {options.disk} disk; condor_q -better-analyze {waiting[0].id} tells whether any machine can ever run them"
            )
        silent = [
            j
            for j in self._jobs.jobs.values()
            if j.state == "running" and not j.registered and now - j.since > _UNREGISTERED
        ]
        if silent:
            self._problems["silent"] = (
                f"job {silent[0].id} has run for {(now - silent[0].since) / 60:.0f} minutes on {silent[0].host or 'a worker'} and its worker has not "
                f"registered: can {self.cluster.scheduler_address} be reached from there? condor_tail -stderr {silent[0].id} shows what it says"
            )

    def _correct(self, now: float) -> None:
        """As many jobs as are wanted: submit what is missing, send home what is too much."""
        assert self._jobs is not None
        if self.adapt is not None:
            low, high = self.adapt
            self.wanted = min(max(low, self._left if self._left is not None else low), high)
        alive = [job for job in self._jobs.jobs.values() if job.alive]
        missing = self.wanted - len(alive)
        if missing > 0 and now >= self._pause_until:
            try:
                self._jobs.submit(missing)
                self._refused = 0
                self._problems.pop("submit", None)
            except CondorError as error:
                self._refused += 1
                self._problems["submit"] = str(error)
                self._pause_until = now + min(2.0**self._refused, 60.0)
                if self._refused >= _SUBMIT_ERRORS and not alive:
                    self._fatal = CondorError(f"no workers can be submitted any more: {error}")
        elif missing < 0 and self.adapt is not None:
            self._send_home(alive, -missing)

    def _send_home(self, alive: list[WorkerJob], number: int) -> None:
        """First jobs that wait, then workers without a task; one that works finishes first."""
        assert self._jobs is not None
        waiting = [job for job in alive if job.state == "idle"][:number]
        if waiting:
            self._jobs.remove(waiting, "massgap: fewer workers are needed")
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


def _scheduler(security: Any, host: str | None, port: int) -> tuple[Any, Any]:
    """A scheduler in this process, which takes encrypted connections only, and a client of it."""
    from distributed import Client, LocalCluster
    from distributed.utils import get_ip

    if host is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a machine without network is reached as itself
            host = get_ip()
    try:
        cluster = LocalCluster(
            n_workers=0,
            host=host,
            scheduler_port=port,
            protocol="tls://",
            security=security,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"the dask scheduler could not be started on {host}:{port or 'any port'} ({str(error).splitlines()[0]})"
        raise CondorError(msg) from error
    return cluster, Client(cluster)


def _remember_workers(cluster: Any) -> set[str]:
    """Names of all workers that have ever registered, kept up to date by the scheduler."""
    from distributed import SchedulerPlugin

    names: set[str] = set()

    class Remember(SchedulerPlugin):
        name = "massgap-seen-workers"

        def add_worker(self, scheduler: Any, worker: str) -> None:
            state = scheduler.workers.get(worker)
            if state is not None:
                names.add(str(state.name))

    cluster.scheduler.add_plugin(Remember())
    return names


def _settings() -> str:
    """dask's settings for workers.  They are written to a file: no secrets, and nothing of the scheduler's own place."""
    import copy

    import dask

    settings = copy.deepcopy(
        {k: v for k, v in dask.config.config.items() if k in ("distributed", "dataframe", "array")}
    )
    distributed = settings.setdefault("distributed", {})
    comm = distributed.setdefault("comm", {})
    comm.pop("tls", None)
    comm["require-encryption"] = True
    comm.setdefault("timeouts", {})["connect"] = "60s"
    distributed.pop("client", None)
    distributed.pop("dashboard", None)
    return str(dask.config.serialize(settings))
