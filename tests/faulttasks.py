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

if TYPE_CHECKING:
    import random
    import threading


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

    ``kill-X`` ends the process, ``kill-once-X`` only the first time, ``hang-X`` and ``hang-once-X`` never return, ``pause`` holds
    seconds to sleep.
    """
    place = Path(folder)
    for what in ("kill", "hang"):
        if (place / f"{what}-{x}").exists() or (
            (place / f"{what}-once-{x}").exists() and once(place / f"{what}-done-{x}")
        ):
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(3600)
    if (place / "pause").exists():
        time.sleep(float((place / "pause").read_text()))
    return x * x


def signal_a_worker(cluster, number: int, draw: random.Random, stop: threading.Event) -> bool:  # type: ignore[no-untyped-def]
    """Send a signal to one worker process of a LocalCluster; waits for a living one, and says if there was one before the end.

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
            return True
        stop.wait(0.01)
    return False


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
