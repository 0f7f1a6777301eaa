"""A job's folder on the machine, what is brought there and back, and its processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OUT, ERR = "_condor_stdout", "_condor_stderr"
OURS = (OUT, ERR, ".job.ad", ".machine.ad")
"""Files in the sandbox that are not the job's."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class TransferError(Exception):
    """A file that cannot be brought; the message is the end of a HoldReason."""

    def __init__(self, verb: str, path: Path, error: OSError) -> None:
        super().__init__(f"{verb} file {path}: (errno {error.errno}) {error.strerror}")
        self.errno = error.errno or 0


def bring(names: Iterable[str], base: Path, folder: Path, *, to: Mapping[str, str] | None = None) -> None:
    """Copy files and folders as HTCondor transfers them.

    ``name/`` means what is in the folder; links are followed.  ``to`` has other names for some.
    """
    for name in names:
        source = base / (unquote(urlsplit(name).path) if name.startswith("file://") else name)
        into = folder / (to or {}).get(name, source.name)
        try:
            if source.is_dir():
                shutil.copytree(source, folder if name.endswith("/") else into, dirs_exist_ok=True)
            else:
                # What reads the source decides which of the two is at fault.
                with source.open("rb"):
                    pass
        except shutil.Error as error:
            msg = "reading from"
            raise TransferError(msg, source, OSError(5, str(error))) from error
        except OSError as error:
            msg = "reading from"
            raise TransferError(msg, source, error) from error
        if not source.is_dir():
            try:
                shutil.copy(source, into)
            except OSError as error:
                msg = "writing to"
                raise TransferError(msg, into, error) from error


def start(
    command: Path, words: list[str], *, environment: dict[str, str], cwd: Path, streams: tuple[int, int, int]
) -> subprocess.Popen[bytes]:
    """Start the job in a session of its own; it ends when the pool is killed."""
    parent = os.getpid()

    def die_with_the_pool() -> None:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        [str(command), *words],
        env=environment,
        cwd=cwd,
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        start_new_session=True,
        preexec_fn=die_with_the_pool,  # noqa: PLW1509 - the pool has one thread
    )


def family(leader: int, scratch: Path) -> list[int]:
    """All processes of a job: of its session, and those that left it but have its environment."""
    mark = f"_CONDOR_SCRATCH_DIR={scratch}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == leader or mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def memory(processes: Iterable[int]) -> int:
    """Resident memory of processes, in MB."""
    pages = 0
    for process in processes:
        with contextlib.suppress(OSError, IndexError):
            pages += int(Path("/proc", str(process), "statm").read_text().split()[1])
    return pages * _PAGE >> 20


def kill(leader: int, scratch: Path) -> None:
    """End all processes of a job; twice, as one may just have started another."""
    for _ in range(2):
        for process in family(leader, scratch):
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
