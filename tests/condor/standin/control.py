"""Pools as a test holds them: the stand-in, and a real one by its tools."""

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
    from collections.abc import Callable

    Row = dict[str, Any]

STATES = {1: "idle", 2: "running", 3: "removed", 4: "completed", 5: "held", 6: "running", 7: "idle"}


class Unusable(Exception):
    """HTCondor's modules cannot be imported here."""


class RealPool:
    """A pool by the tools that come first on PATH; jobs are rows of their attributes, with ``id`` and ``state``.

    ``state`` is idle, running, held, completed or removed.

    Parameters
    ----------
    patience
        Seconds to wait for something, unless told.
    """

    def __init__(self, patience: float = 180.0) -> None:
        self.patience = patience
        self._clusters: list[int] = []

    def close(self) -> None:
        """Remove the jobs that were submitted here."""
        if self._clusters:
            self._call("condor_rm", *map(str, self._clusters), check=False)

    def tool(self, name: str, *words: str, cwd: Path | None = None, text: str = "") -> str:
        """Call a tool and return what it printed; one that fails raises ``subprocess.CalledProcessError``."""
        return self._call(name, *words, cwd=cwd, text=text)

    def _call(
        self, name: str, *words: str, cwd: Path | None = None, text: str = "", check: bool = True
    ) -> str:
        done = subprocess.run(
            [name, *words], input=text, cwd=cwd, check=check, capture_output=True, text=True, timeout=300
        )
        return done.stdout

    def submit(self, text: str, *options: str, cwd: Path | None = None) -> int:
        """Submit a description; returns the number of the cluster."""
        # HTCondor reads a description from its input where no file is named.
        said = self.tool("condor_submit", "-terse", *options, cwd=cwd, text=text)
        self._clusters.append(int(said.split(".")[0]))
        return self._clusters[-1]

    def jobs(self) -> list[Row]:
        """Jobs in the queue."""
        return self._rows("condor_q")

    def history(self) -> list[Row]:
        """Jobs that left the queue, the last first."""
        return self._rows("condor_history")

    def _rows(self, tool: str) -> list[Row]:
        names = list(map(str, self._clusters))
        said = self.tool(tool, *names, "-json") if names else ""
        return [_row(row) for row in json.loads(said[said.index("[") :] if "[" in said else "[]")]

    def job(self, job: str | int) -> Row:
        """One job, wherever it is."""
        wanted = _id(job)
        return next(
            row for rows in (self.jobs, self.history, self.jobs) for row in rows() if row["id"] == wanted
        )

    def hold(self, job: str | int, reason: str = "by the test") -> None:
        """Hold a job."""
        self.tool("condor_hold", "-reason", reason, _id(job))

    def release(self, job: str | int) -> None:
        """Release a held job."""
        self.tool("condor_release", _id(job))

    def remove(self, job: str | int) -> None:
        """Remove a job."""
        self.tool("condor_rm", _id(job))

    def vacate(self, job: str | int, *, fast: bool = False) -> None:
        """Take the machine from a job; it starts again."""
        self.tool("condor_vacate_job", *(["-fast"] if fast else []), _id(job))

    def wait(
        self,
        predicate: Callable[[list[Row]], Any],
        timeout: float | None = None,
        *,
        what: str = "what was waited for",
    ) -> list[Row]:
        """Wait until something is true of the jobs in the queue, and return them.

        Raises
        ------
        TimeoutError
            With the jobs as they are then.
        """
        timeout = self.patience if timeout is None else timeout
        until = time.monotonic() + timeout
        while True:
            jobs = self.jobs()
            if predicate(jobs):
                return jobs
            if time.monotonic() > until:
                seen = [(row["id"], row["state"], row.get("HoldReason")) for row in [*jobs, *self.history()]]
                msg = f"{what} did not happen in {timeout} s; jobs: {seen}{self._more()}"
                raise TimeoutError(msg)
            time.sleep(0.05)

    def wait_for(self, job: str | int, state: str, timeout: float | None = None) -> Row:
        """Wait until a job is in a state, in the queue or out of it; returns it as it was then."""
        found: list[Row] = []

        def there(_: list[Row]) -> bool:
            found[:] = [self.job(job)]
            return found[0]["state"] == state

        self.wait(there, timeout, what=f"{state} of job {_id(job)}")
        return found[0]

    def _more(self) -> str:
        return ""


class Standin(RealPool):
    """The stand-in, in a process that ends with this one.

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
    by_hand
        Whether jobs start only when :meth:`start` is called.
    spool_time
        Seconds for which a spooled job is held (code 16) after condor_submit has ended, as by a real schedd; ``inf`` until
        :meth:`spooled` is called.
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
        by_hand: bool = False,
        spool_time: float = 1.0,
    ) -> None:
        super().__init__(patience=300.0)
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bin = self.folder / "bin"
        options = {
            "--parent": os.getpid(),
            "--cpus": cpus,
            "--memory": memory,
            "--vacate-time": vacate_time,
            "--spool-time": spool_time,
        }
        flags = {
            "--no-shared-fs": not shared_fs,
            "--no-memory-policy": not memory_policy,
            "--by-hand": by_hand,
        }
        words = [str(word) for option in options.items() for word in option]
        words += [flag for flag, given in flags.items() if given]
        with (self.folder / "pool.log").open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-E", "-s", str(Path(__file__).parent), "serve", str(self.folder), *words],
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
            if first.startswith("unusable: "):
                raise Unusable(first.removeprefix("unusable: "))
            msg = f"the stand-in pool did not start: {first}{self.log}"
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
        self._server.wait(120)

    # -------------------------------------------------------------- jobs

    def start(self, job: str | int) -> None:
        """Start a job of a pool where nothing starts by itself."""
        self._act("start", job)

    def spooled(self, job: str | int) -> None:
        """All input of a spooled job has arrived."""
        self._act("spooled", job)

    def kill(self, job: str | int) -> None:
        """SIGKILL to all processes of a job, behind HTCondor's back."""
        self._act("kill", job)

    def forget(self, job: str | int) -> None:
        """Drop a job from the queue without a trace."""
        self._act("forget", job)
        self.wait(lambda jobs: _id(job) not in [row["id"] for row in jobs])

    def tool(self, name: str, *words: str, cwd: Path | None = None, text: str = "") -> str:
        """Call a tool, also where those of another pool come first on PATH."""
        return self._call(str(self.bin / name), *words, cwd=cwd, text=text)

    # The rest of this part does what RealPool does, without a process for each call, and behind the tools that go wrong.

    def hold(self, job: str | int, reason: str | None = None) -> None:
        self._act("hold", job, reason=reason)

    def release(self, job: str | int) -> None:
        self._act("release", job)

    def remove(self, job: str | int) -> None:
        self._act("rm", job)

    def vacate(self, job: str | int, *, fast: bool = False) -> None:
        self._act("vacate_job", job, fast=fast)

    def _rows(self, tool: str) -> list[Row]:
        asked = {"ids": [], "constraint": None, "attributes": None, "form": "json", "limit": None}
        said = self._ask("query", history=tool == "condor_history", **asked)
        return [_row(json.loads(row)) for row in said["rows"]]

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

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        said = ask(self.folder, do, **request)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said

    def _more(self) -> str:
        return f"; pool: {self.log[-1000:]}"


def _id(job: str | int) -> str:
    return job if isinstance(job, str) else f"{job}.0"


def _row(row: Row) -> Row:
    return {**row, "id": f"{row['ClusterId']}.{row['ProcId']}", "state": STATES[row["JobStatus"]]}
