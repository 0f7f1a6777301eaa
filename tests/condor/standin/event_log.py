"""Events in the words of HTCondor's event log."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HOST = "<127.0.0.1:9618?addrs=127.0.0.1-9618&alias=standin>"
_USAGE = "\tUsr 0 00:00:00, Sys 0 00:00:00  -  {}\n"
_BYTES = "\t0  -  {} By Job\n"
_RUN = "".join(_BYTES.format(f"Run Bytes {what}") for what in ("Sent", "Received"))
_TOTAL = "".join(_BYTES.format(f"Total Bytes {what}") for what in ("Sent", "Received"))


def write(path: Path, cluster: int, process: int, number: int, body: str) -> None:
    """Add an event to a log; a log that cannot be written is no reason to stop a job."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    with contextlib.suppress(OSError), path.open("a") as log:
        log.write(f"{number:03d} ({cluster:03d}.{process:03d}.000) {stamp} {body.rstrip()}\n...\n")


def submitted() -> tuple[int, str]:
    return 0, f"Job submitted from host: {_HOST}"


def executing(slot: str) -> tuple[int, str]:
    return 1, f"Job executing on host: {_HOST}\n\tSlotName: {slot}"


def image_size(memory: int) -> tuple[int, str]:
    return (
        6,
        f"Image size of job updated: {memory * 1024}\n\t{memory}  -  MemoryUsage of job (MB)\n\t{memory * 1024}  -  ResidentSetSize of job (KB)",
    )


def evicted() -> tuple[int, str]:
    return 4, "Job was evicted.\n\t(0) Job was not checkpointed.\n" + "".join(
        "\t" + _USAGE.format(f"Run {where} Usage") for where in ("Remote", "Local")
    ) + _RUN


def requeued(code: int) -> tuple[int, str]:
    number, body = evicted()
    return number, body.replace("Job was not checkpointed.", "Job terminated and was requeued") + _end(code)


def ended(code: int) -> tuple[int, str]:
    usage = [f"{span} {where} Usage" for span in ("Run", "Total") for where in ("Remote", "Local")]
    return 5, "Job terminated.\n" + _end(code) + "".join(
        "\t" + _USAGE.format(what) for what in usage
    ) + _RUN + _TOTAL


def _end(code: int) -> str:
    if code >= 0:
        return f"\t(1) Normal termination (return value {code})\n"
    return f"\t(0) Abnormal termination (signal {-code})\n\t(0) No core file\n"


def removed(reason: str) -> tuple[int, str]:
    return 9, f"Job was aborted.\n\t{reason}"


def held(reason: str, code: int, subcode: int) -> tuple[int, str]:
    return 12, f"Job was held.\n\t{reason}\n\tCode {code} Subcode {subcode}"


def released(reason: str) -> tuple[int, str]:
    return 13, f"Job was released.\n\t{reason}"
