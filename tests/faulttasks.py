"""Tasks and processors that misbehave on command, importable by worker processes."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from massgap.processors import Slepton
from massgap.runner.executors.base import StallLimit

if TYPE_CHECKING:
    import random
    import threading

    import pytest


def once(path: Path) -> bool:
    """Whether this is the first call with this path, also over processes."""
    try:
        path.open("x").close()
    except FileExistsError:
        return False
    return True


def times(path: Path) -> int:
    """Count calls with this path, also over processes; the first gives 1."""
    n = 1
    while not once(path.with_name(f"{path.name}.{n}")):
        n += 1
    return n


def square(folder: str, x: int) -> int:
    """Square a number; in the folder are files that say which numbers do something else first.

    ``kill-X`` ends the process, ``kill-once-X`` only the first time, ``hang-X`` and ``hang-once-X`` never return and leave a file
    ``hangs.PID``, ``pause`` holds seconds to sleep.
    """
    place = Path(folder)
    for what in ("kill", "hang"):
        if (place / f"{what}-{x}").exists() or (
            (place / f"{what}-once-{x}").exists() and once(place / f"{what}-done-{x}")
        ):
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            (place / f"hangs.{os.getpid()}").touch()
            time.sleep(3600)
    if (place / "pause").exists():
        time.sleep(float((place / "pause").read_text()))
    return x * x


class Deadly:
    """A folder for :func:`square` that ends the first worker processes which it reaches."""

    def __init__(self, folder: Path, deaths: int, home: int | None = None) -> None:
        self.state = (str(folder), deaths, home or os.getpid())

    def __reduce__(self) -> tuple[object, ...]:
        return _arrive, self.state

    def __fspath__(self) -> str:
        return self.state[0]


def _arrive(folder: str, deaths: int, home: int) -> Deadly:
    # The scheduler is a thread of the test's process and may open it, too.
    if os.getpid() != home and len(list(Path(folder).glob("died.*"))) < deaths:
        times(Path(folder) / "died")
        os.kill(os.getpid(), signal.SIGKILL)
    return Deadly(Path(folder), deaths, home)


class HangLimit(StallLimit):
    """A limit that lets a slow machine be slow: it is reached only while a process hangs that was told to, see :func:`square`.

    Tests put a subclass with their ``folder`` in the place of :class:`massgap.runner.executors.base.StallLimit`.  Each hanging
    process is taken for one once, as it takes a while until it is gone (and again after a minute, should the end of it be missed).
    """

    folder: Path

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self._told: dict[str, float] = {}
        self._reached: list[str] = []

    @property
    def left(self) -> float:
        left = super().left
        if left > 0:
            return left
        self._reached = [
            path.name
            for path in self.folder.glob("hangs.*")
            if time.monotonic() > self._told.get(path.name, -60.0) + 60.0 and alive(int(path.name[6:]))
        ]
        return left if self._reached else 1.0

    def end(self, number: int) -> None:
        self._tell()
        super().end(number)

    def wait(self) -> None:
        self._tell()
        super().wait()

    def _tell(self) -> None:
        self._told |= dict.fromkeys(self._reached, time.monotonic())
        self._reached = []


def alive(pid: int) -> bool:
    """Whether a process exists and is more than an entry in a table."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def only_told_hangs_count(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Executors take for hanging what hangs by files in this folder, and nothing else."""
    from massgap.runner.executors import dask_run, local

    limit = type("LimitOfFolder", (HangLimit,), {"folder": folder})
    for module in (dask_run, local):
        patch.setattr(module, "StallLimit", limit)


def signal_a_worker(cluster, number: int, draw: random.Random, stop: threading.Event) -> int:  # type: ignore[no-untyped-def]
    """Send a signal to one worker process of a LocalCluster; waits for a living one, and gives its pid, 0 if there was none before the end.

    Processes that the cluster still lists may be gone already, as their death is noticed later.
    """
    while not stop.is_set():
        processes = [getattr(nanny, "process", None) for nanny in list(cluster.workers.values())]
        pids = [pid for process in processes if (pid := getattr(process, "pid", None))]
        draw.shuffle(pids)
        for pid in pids:
            try:
                process = psutil.Process(pid)
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
            return pid
        stop.wait(0.01)
    return 0


def until_there(path: str) -> None:
    """Return when there is such a file."""
    while not Path(path).exists():
        time.sleep(0.05)


def add_up(results: list[int]) -> int:
    """A merge."""
    return sum(results)


class Faulty(Slepton):
    """The slepton analysis, with faults that files in a folder ask for, by the first entry of a chunk.

    ``kill-START`` and ``kill-once-START`` end the worker, ``hang-once-START`` never returns, ``io-START`` holds how many
    attempts meet an error of the storage, ``full-START`` likewise a full disk, ``memory-START`` raises MemoryError, ``auth-START``
    refuses credentials.
    """

    def __init__(self, folder: str, **options: object) -> None:
        super().__init__(**options)
        self.folder = str(folder)

    def process(self, events):  # type: ignore[no-untyped-def]
        start = events.metadata["entrystart"]
        place = Path(self.folder)
        square(self.folder, start)
        for what, number in (("io", errno.EIO), ("full", errno.ENOSPC)):
            wanted = place / f"{what}-{start}"
            if wanted.exists() and times(place / f"{what}-count-{start}") <= int(wanted.read_text()):
                raise OSError(number, os.strerror(number))
        if (place / f"memory-{start}").exists():
            raise MemoryError
        if (place / f"auth-{start}").exists():
            msg = "[FATAL] Auth failed: No protocols left to try"
            raise OSError(msg)
        return super().process(events)
