"""The program of the pool: one thread that listens and looks after the jobs by turns."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from standin import ads
from standin.pool import Pool
from standin.tools import TOOLS

TICK = 0.1


def serve(folder: Path, words: list[str]) -> int:
    """Run a pool until it is told to end, or who started it is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", type=int, default=4096)
    parser.add_argument("--no-shared-fs", action="store_true")
    parser.add_argument("--no-memory-policy", action="store_true")
    parser.add_argument("--by-hand", action="store_true")
    parser.add_argument("--vacate-time", type=float, default=5.0)
    parser.add_argument("--spool-time", type=float, default=1.0)
    parser.add_argument("--parent", type=int, default=os.getppid())
    options = parser.parse_args(words)
    try:
        ads.load("htcondor", "classad")
    except ImportError as error:
        print(f"unusable: {error}", flush=True)
        return 1
    folder = folder.absolute()
    write_tools(folder)
    os.chdir(folder)
    pool = Pool(
        folder,
        cpus=options.cpus,
        memory=options.memory,
        shared_fs=not options.no_shared_fs,
        memory_policy=not options.no_memory_policy,
        vacate_time=options.vacate_time,
        by_hand=options.by_hand,
        spool_time=options.spool_time,
    )
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.append(True))
    # A path relative to the folder: that of a socket must be short.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        listener.listen(64)
        print("ready", flush=True)
        try:
            while not ended and os.getppid() == options.parent:
                _turn(pool, listener)
        finally:
            for job in list(pool.jobs.values()):
                job.kill()
            Path("socket").unlink(missing_ok=True)
    return 0


def write_tools(folder: Path) -> None:
    """Scripts with the names of HTCondor's tools."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    program = Path(__file__).parent
    for tool in TOOLS:
        path = folder / "bin" / tool
        command = shlex.join([sys.executable, "-E", "-s", str(program), "tool", str(folder), tool])
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)


def _turn(pool: Pool, listener: socket.socket) -> None:
    try:
        pool.step()
    except Exception:  # noqa: BLE001 - one job that goes wrong must not end the pool; the log tells of it
        traceback.print_exc()
    until = time.monotonic() + TICK
    while (left := until - time.monotonic()) > 0:
        listener.settimeout(left)
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        with connection:
            _answer(pool, connection)


def _answer(pool: Pool, connection: socket.socket) -> None:
    connection.settimeout(60.0)
    try:
        with connection.makefile("rw") as stream:
            line = stream.readline()
            if not line:
                return
            try:
                said: dict[str, Any] = pool.answer(json.loads(line))
            except Exception as error:  # noqa: BLE001 - told to who asked
                traceback.print_exc()
                said = {"error": f"{type(error).__name__}: {error}"}
            stream.write(json.dumps(said) + "\n")
    except OSError:
        # Who asked is gone.
        return
