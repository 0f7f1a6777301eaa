"""Jobs for tests of the stand-in, and ways to wait for them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from standin import Standin

TRANSFER = ("should_transfer_files = YES", "when_to_transfer_output = ON_EXIT")
OR_EVICT = ("should_transfer_files = YES", "when_to_transfer_output = ON_EXIT_OR_EVICT")


def description(*lines: str, script: str = "exit 0", queue: str = "queue") -> str:
    """A job that runs a script of the shell, which HTCondor's new syntax holds as it is."""
    quoted = script.replace('"', '""').replace("'", "''")
    return "\n".join(
        [
            "executable = /bin/sh",
            f"arguments = \"-c '{quoted}'\"",
            "transfer_executable = False",
            *lines,
            queue,
            "",
        ]
    )


def alive(process: int) -> bool:
    try:
        return Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(predicate: Callable[[], Any], timeout: float = 300.0) -> bool:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if predicate():
            return True
        time.sleep(0.05)
    return bool(predicate())


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def held(pool: Standin, job: int) -> tuple[int, int, str]:
    row = pool.wait_for(job, "held")
    return row["HoldReasonCode"], row["HoldReasonSubCode"], row["HoldReason"]
