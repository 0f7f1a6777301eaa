"""One process at a time writes a folder: real processes, one that is killed, and a lock of another machine."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import multiprocessing
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from massgap.contracts.errors import FolderBusyError
from massgap.contracts.folder_lock import LOCK_FILE, locked_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = """
import sys
from massgap.contracts.folder_lock import locked_folder
with locked_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()


def test_another_process_is_named_and_lets_go(tmp_path) -> None:
    folder = tmp_path / "a run" / "inside"
    with holding(folder) as process:
        with pytest.raises(FolderBusyError) as caught, locked_folder(folder):
            raise AssertionError
        text = str(caught.value)
        assert str(folder) in text
        assert f"host {socket.gethostname()}, process {process.pid}, since 20" in text
        assert str(folder) in text.partition("since")[2]  # its command
        assert "rm " not in text  # it runs: nothing to take away
        # Another folder is no matter.
        with locked_folder(tmp_path / "other"):
            pass
    with locked_folder(folder):
        assert json.loads((folder / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert list(folder.iterdir()) == []


def test_a_killed_process_does_not_block(tmp_path) -> None:
    with holding(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / LOCK_FILE).exists()
        with locked_folder(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_workers_do_not_keep_the_lock_of_a_killed_process(tmp_path) -> None:
    """A forked worker inherits open files, and may live longer."""
    fork = multiprocessing.get_context("fork")
    inner, outer = fork.Pipe()
    alive, gone = fork.Pipe()

    def hold() -> None:
        worker = fork.Process(target=alive.recv)
        with locked_folder(tmp_path):
            worker.start()
            inner.send(worker.pid)
            alive.recv()

    holder = fork.Process(target=hold)
    holder.start()
    worker = outer.recv()
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    os.kill(worker, 0)  # it is still there
    with locked_folder(tmp_path):
        pass
    os.kill(worker, signal.SIGKILL)
    gone.close()


def test_a_number_that_another_process_has_now(tmp_path) -> None:
    with holding(tmp_path) as process:
        left = json.loads((tmp_path / LOCK_FILE).read_text())
        process.kill()
        process.wait()
    # The process of this test, but it began at another time.
    (tmp_path / LOCK_FILE).write_text(json.dumps({**left, "pid": os.getpid()}))
    with locked_folder(tmp_path):
        pass


def test_a_lock_of_another_machine_says_what_to_type(tmp_path) -> None:
    folder = tmp_path / "it's a run"
    folder.mkdir()
    told = {
        "host": "node17.pool",
        "pid": 4711,
        "since": "2026-11-28T17:24:05+00:00",
        "command": "massgap run x",
    }
    (folder / LOCK_FILE).write_text(json.dumps(told))
    with pytest.raises(
        FolderBusyError, match=r"host node17\.pool, process 4711, since 2026-11-28.*massgap run x"
    ) as caught:
        locked_folder(folder).__enter__()
    remedy = shlex.split(str(caught.value).rpartition(": ")[2])
    assert remedy == ["rm", str(folder / LOCK_FILE)]
    subprocess.run(remedy, check=True)
    with locked_folder(folder):
        pass


def test_a_damaged_lock_is_not_guessed(tmp_path) -> None:
    (tmp_path / LOCK_FILE).write_bytes(b"\x00\xff")
    with pytest.raises(FolderBusyError, match=r"host unknown.*rm "), locked_folder(tmp_path):
        pass


def test_threads_of_one_process(tmp_path) -> None:
    found: list[BaseException] = []

    def try_it() -> None:
        try:
            with locked_folder(tmp_path / "." / "x"):
                pass
        except FolderBusyError as error:
            found.append(error)

    with locked_folder(tmp_path / "x"):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert [str(error).partition(":")[0] for error in found] == [
        f"{tmp_path / '.' / 'x'} is being written by this process already"
    ]
    with pytest.raises(ZeroDivisionError), locked_folder(tmp_path / "x"):
        raise ZeroDivisionError
    with locked_folder(tmp_path / "x"):
        pass


def test_one_of_many_at_once_gets_it(tmp_path) -> None:
    """All begin at the same moment, over a lock that a killed process has left."""
    with holding(tmp_path) as process:
        process.kill()
        process.wait()
    fork = multiprocessing.get_context("fork")
    start, answers = fork.Barrier(6), fork.Queue()
    leave = fork.Event()

    def compete() -> None:
        start.wait()
        try:
            with locked_folder(tmp_path):
                answers.put("held")
                leave.wait()
        except FolderBusyError:
            answers.put("busy")

    rivals = [fork.Process(target=compete) for _ in range(6)]
    for rival in rivals:
        rival.start()
    found = sorted(answers.get() for _ in rivals)
    leave.set()
    for rival in rivals:
        rival.join()
    assert found == ["busy"] * 5 + ["held"]


@pytest.mark.parametrize("lacks", ["locks", "links", "both"])
def test_file_systems_that_lack_something(tmp_path, monkeypatch, lacks) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    with holding(tmp_path) as process:
        if lacks != "links":
            monkeypatch.setattr(fcntl, "lockf", refuse)
        if lacks != "locks":
            monkeypatch.setattr(os, "link", refuse)
        with pytest.raises(FolderBusyError, match=rf"process {process.pid}"), locked_folder(tmp_path):
            pass
        process.kill()
        process.wait()
    with locked_folder(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_left_to_who_writes_it(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with locked_folder(tmp_path / "file" / "below"):
        pass
