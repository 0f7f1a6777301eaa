"""A pool as a test holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin.tools import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STATES = {1: "idle", 2: "running", 3: "removed", 4: "completed", 5: "held"}


class Unusable(Exception):
    """HTCondor's modules cannot be imported here."""


class Standin:
    """A pool, in a process that ends with this one.

    Parameters
    ----------
    folder
        For everything of the pool; ``folder / "bin"`` has the tools and must come first on PATH.
    cpus, memory
        What the machine has; memory in MB.
    shared_fs
        Whether jobs can see files of the submit host.  If not, they get what is transferred, and no home.
    memory_policy
        Whether a job that takes more memory than it asked for is held.
    vacate_time
        Seconds between the signal that announces the end and the one that brings it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cpus: int = 2,
        memory: int = 4096,
        shared_fs: bool = True,
        memory_policy: bool = True,
        vacate_time: float = 5.0,
    ) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bin = self.folder / "bin"
        command = [sys.executable, "-E", "-s", str(Path(__file__).parent), "serve", str(self.folder)]
        command += [
            "--parent",
            str(os.getpid()),
            "--cpus",
            str(cpus),
            "--memory",
            str(memory),
            "--vacate-time",
            str(vacate_time),
        ]
        command += [] if shared_fs else ["--no-shared-fs"]
        command += [] if memory_policy else ["--no-memory-policy"]
        with (self.folder / "pool.log").open("wb") as log:
            self._server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._server.stdout is not None
        with self._server.stdout as said:
            first = said.readline().strip()
        if first != "ready":
            self._server.wait()
            words = (self.folder / "pool.log").read_text()[-2000:]
            if first.startswith("unusable: "):
                raise Unusable(first.removeprefix("unusable: "))
            msg = f"the stand-in pool did not start: {first}{words}"
            raise RuntimeError(msg)

    @property
    def pid(self) -> int:
        """Process of the pool."""
        return self._server.pid

    @property
    def log(self) -> str:
        """What went wrong in the pool itself."""
        return (self.folder / "pool.log").read_text()

    def close(self) -> None:
        """End the pool and all its jobs."""
        self._server.terminate()
        self._server.wait(20)

    # -------------------------------------------------------------- jobs

    def tool(self, name: str, *words: str, cwd: Path | None = None, text: str = "") -> str:
        """Call a tool and return what it printed; one that fails raises ``subprocess.CalledProcessError``."""
        done = subprocess.run(
            [self.bin / name, *words],
            input=text,
            cwd=cwd,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    def submit(self, text: str, *options: str, cwd: Path | None = None) -> int:
        """Submit a description; returns the number of the cluster."""
        return int(self.tool("condor_submit", "-terse", *options, cwd=cwd, text=text).split(".")[0])

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs in the queue: their attributes, ``id`` and ``state`` (idle, running, held, completed, removed)."""
        return self._rows(history=False)

    def history(self) -> list[dict[str, Any]]:
        """Jobs that left the queue, the last first."""
        return self._rows(history=True)

    def job(self, job: str | int) -> dict[str, Any]:
        """One job, wherever it is."""
        return next(row for row in [*self.jobs(), *self.history()] if row["id"] == _id(job))

    def hold(self, job: str | int, reason: str | None = None) -> None:
        """Hold a job, as condor_hold does."""
        self._act("hold", job, reason=reason)

    def release(self, job: str | int) -> None:
        """Release a held job."""
        self._act("release", job)

    def remove(self, job: str | int) -> None:
        """Remove a job, as condor_rm does."""
        self._act("rm", job)

    def vacate(self, job: str | int, *, fast: bool = False) -> None:
        """Take the machine from a job; it starts again."""
        self._act("vacate_job", job, fast=fast)

    def kill(self, job: str | int) -> None:
        """SIGKILL to all processes of a job."""
        self._act("kill", job)

    def forget(self, job: str | int) -> None:
        """Drop a job from the queue without a trace."""
        self._act("forget", job)

    def wait(
        self,
        predicate: Callable[[list[dict[str, Any]]], Any],
        timeout: float = 40.0,
        *,
        what: str = "what was waited for",
    ) -> list[dict[str, Any]]:
        """Wait until something is true of the jobs in the queue, and return them.

        Raises
        ------
        TimeoutError
            With the jobs as they are then.
        """
        until = time.monotonic() + timeout
        while True:
            jobs = self.jobs()
            if predicate(jobs):
                return jobs
            if time.monotonic() > until:
                seen = [(row["id"], row["state"], row.get("HoldReason")) for row in [*jobs, *self.history()]]
                msg = f"{what} did not happen in {timeout} s; jobs: {seen}; pool: {self.log[-1000:]}"
                raise TimeoutError(msg)
            time.sleep(0.05)

    def wait_for(self, job: str | int, state: str, timeout: float = 40.0) -> dict[str, Any]:
        """Wait until a job is in a state, in the queue or out of it."""
        self.wait(lambda _: self.job(job)["state"] == state, timeout, what=f"{state} of job {_id(job)}")
        return self.job(job)

    # -------------------------------------------------------------- tools

    @property
    def calls(self) -> list[list[str]]:
        """Calls of tools so far: name and arguments."""
        return self._ask("calls")["calls"]

    def wrong(self, tool: str, **fault: Any) -> None:
        """From now on a tool goes wrong; nothing given mends it.

        ``says``: it says so and fails; ``sleeps``: seconds before it does anything; ``kills``: "before" or "after" it did its work it
        kills what called it; ``only_with_name``: without -name it does nothing.
        """
        self._ask("fault", tool=tool, fault=fault)

    def _act(self, action: str, job: str | int, *, reason: str | None = None, fast: bool = False) -> None:
        said = self._ask("act", action=action, ids=[_id(job)], constraint=None, reason=reason, fast=fast)
        if said["missing"]:
            msg = f"{action}: job {_id(job)} is not in the queue, or not in a state for it"
            raise LookupError(msg)

    def _rows(self, *, history: bool) -> list[dict[str, Any]]:
        said = self._ask(
            "query", ids=[], constraint=None, attributes=None, history=history, form="json", limit=None
        )
        rows: Iterable[dict[str, Any]] = map(json.loads, said["rows"])
        return [
            {**row, "id": f"{row['ClusterId']}.{row['ProcId']}", "state": STATES[row["JobStatus"]]}
            for row in rows
        ]

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        said = ask(self.folder, do, **request)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said


def _id(job: str | int) -> str:
    return job if isinstance(job, str) else f"{job}.0"
