"""One process at a time writes a folder: a lock that says who holds it, and that ends with its process.

The lock is the file ``.massgap-lock`` in the folder.  It is made by a hard link, which takes place or not as a whole, also on
file systems of networks, and it names the process: host, process number, when that began, command.  While it is held the
file is locked as well, in POSIX's way: this ends with the process, however that ends, and is not inherited by its
workers.  A file that is left over is thus told from one that is in use, and taken away, on the same machine.  What another
machine left cannot be judged from here; the message says how to take it away.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
import secrets
import shlex
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FolderBusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOCK_FILE", "locked_folder"]

LOCK_FILE = ".massgap-lock"

_TRIES = 50
_held: set[str] = set()
"""Folders that this process holds: POSIX's locks do not tell its own threads apart."""
_guard = threading.Lock()


@contextlib.contextmanager
def locked_folder(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock of an output folder for the time of a ``with`` block.

    Parameters
    ----------
    folder
        Made if needed.  If it cannot be made or written, nothing is locked: whoever writes there says so better.

    Raises
    ------
    FolderBusyError
        If another process, or another thread of this one, holds it.

    Examples
    --------
    >>> with locked_folder("runs/tt"):  # doctest: +SKIP
    ...     write_everything()
    """
    path = Path(folder).absolute() / LOCK_FILE
    name = os.path.realpath(path.parent)
    with _guard:
        if name in _held:
            msg = f"{folder} is being written by this process already: wait for that to end, or choose another folder with --out"
            raise FolderBusyError(msg)
        _held.add(name)
    process, descriptor = os.getpid(), None
    try:
        descriptor = _take(Path(folder), path)
        yield
    finally:
        # A forked copy of this process does not give back what it never took.
        if os.getpid() == process:
            with _guard:
                _held.discard(name)
            if descriptor is not None:
                _give_back(path, descriptor)


def _take(folder: Path, path: Path) -> int | None:
    """Take the lock: a descriptor of its file, or None where the folder cannot be written."""
    own = path.with_name(f"{LOCK_FILE}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(own, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError:
        return None
    try:
        os.write(descriptor, json.dumps(_me(), indent=1).encode() + b"\n")
        # Locked before it has its name: whoever finds it, finds it locked.
        _lock(descriptor)
        _claim(own, folder, path)
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        with contextlib.suppress(OSError):
            own.unlink()
    return descriptor


def _claim(own: Path, folder: Path, path: Path) -> None:
    """Give the file of a lock its name, after what an ended process left there is gone."""
    for _ in range(_TRIES):
        if _named(own, path):
            return
        _remove_if_dead(folder, path)
    msg = f"{folder}: its lock {path} changes all the time; choose another folder with --out"
    raise FolderBusyError(msg)


def _named(own: Path, path: Path) -> bool:
    """Give a file its name, unless there is one of that name."""
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    except OSError:
        # No hard links here: the next best is a rename, which would replace a lock that came between these two lines.
        if path.exists():
            return False
        own.rename(path)
    return True


def _give_back(path: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        if os.path.samestat(path.stat(), os.fstat(descriptor)):
            path.unlink()
    os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Whether the file could be locked; None if the file system has no locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN) else None
    return True


def _remove_if_dead(folder: Path, path: Path) -> None:
    """Take away the lock of a process of this machine that has ended.

    Raises
    ------
    FolderBusyError
        If it has not, or is of another machine.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    except OSError as error:
        msg = f"{folder}: its lock {path} cannot be read ({error.strerror or error}); choose another folder with --out"
        raise FolderBusyError(msg) from error
    try:
        locked = _lock(descriptor)
        owner = _read(descriptor)
        if not _has_ended(owner, locked=locked is True):
            raise FolderBusyError(_busy(folder, path, owner, sure=locked is False))
        if locked is False:
            # Another process is just taking it away.
            time.sleep(0.02)
            return
        # Another one may have taken it away, and put its own here, meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                path.unlink()
    finally:
        os.close(descriptor)


def _has_ended(owner: dict[str, Any], *, locked: bool) -> bool:
    """Whether the process that a lock names has ended for certain.

    Parameters
    ----------
    owner
        What the lock says.
    locked
        Whether its file could be locked here.
    """
    if owner.get("host") != socket.gethostname():
        return False
    process, began = owner.get("pid"), owner.get("began")
    if not isinstance(process, int):
        return False
    now = _began(process)
    if now is None:
        # No /proc: the lock of the file decides, or else whether there is a process of that number.
        return locked or not _exists(process)
    return now != began


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _began(process: int) -> str | None:
    """When a process began, as Linux tells it; empty if there is no such process, None on other systems."""
    if not Path("/proc/self/stat").exists():
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name of the program, in brackets, may hold anything.
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie has ended.
    return "" if fields[0] in ("Z", "X") else f"{boot} {fields[19]}"


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "began": _began(os.getpid()),
        "since": dt.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        if sys.argv and sys.argv[0]
        else "python",
    }


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 1 << 16, 0))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _busy(folder: Path, path: Path, owner: dict[str, Any], *, sure: bool) -> str:
    host = owner.get("host", "unknown")
    who = f"host {host}, process {owner.get('pid', 'unknown')}, since {owner.get('since', 'unknown')}"
    if owner.get("command"):
        who += f": {owner['command']}"
    text = f"{folder} is being written by another process ({who}). Wait for it to end, or choose another folder with --out"
    if sure:
        return text
    return f"{text}. If it has ended without taking its lock away, which cannot be seen from here: rm {shlex.quote(str(path))}"
