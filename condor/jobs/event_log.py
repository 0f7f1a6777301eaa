"""HTCondor's event log of jobs: a text file that tells what became of each, also after they left the queue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgap.condor.job_status import SPOOLING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LoggedJob", "read_event_log"]

_HEAD = re.compile(r"^(\d{3}) \((\d+)\.(\d+)\.\d+\) ")
_NORMAL = re.compile(r"Normal termination \(return value (-?\d+)\)")
_SPOOLING = re.compile(rf"^\s*Code {SPOOLING} Subcode", re.MULTILINE)
_SIGNAL = re.compile(r"Abnormal termination \(signal (\d+)\)")
# Number of an event -> state of the job after it.
_STATES = {
    0: "idle",
    1: "running",
    4: "idle",
    5: "ended",
    7: "idle",
    9: "removed",
    12: "held",
    13: "idle",
    24: "idle",
}


@dataclass
class LoggedJob:
    """State of a job after the last event in the log.

    Attributes
    ----------
    cluster, process
        Its number.
    state
        ``idle``, ``running``, ``held``, ``ended`` or ``removed``.
    reason
        Why it was held or removed.
    code, signal
        How it ended: exit code, or the signal that killed it.
    """

    cluster: int
    process: int
    state: str = "idle"
    reason: str | None = None
    code: int | None = None
    signal: int | None = None


def read_event_log(path: Path) -> dict[tuple[int, int], LoggedJob]:
    """Read an event log; an event that is being written is left out.

    Parameters
    ----------
    path
        The log; if it is not there, no job has been submitted with it.

    Returns
    -------
    dict
        (cluster, process) -> job.
    """
    try:
        content = path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    jobs: dict[tuple[int, int], LoggedJob] = {}
    event: list[str] = []
    for line in content.splitlines():
        if line.rstrip() != "...":
            event.append(line)
            continue
        found = _HEAD.match(event[0]) if event else None
        if found is not None:
            number, cluster, process = (int(text) for text in found.groups())
            job = jobs.setdefault((cluster, process), LoggedJob(cluster, process))
            _apply(job, number, event)
        event = []
    return jobs


def _apply(job: LoggedJob, number: int, event: list[str]) -> None:
    state = _STATES.get(number)
    if state is None:
        return
    if state == "held" and _SPOOLING.search("\n".join(event)):
        state = "idle"
    job.state, job.reason = state, None
    if state in ("held", "removed"):
        told = [line.strip() for line in event[1:] if line.strip()]
        job.reason = told[0] if told else None
    elif state == "ended":
        body = "\n".join(event)
        normal, signal = _NORMAL.search(body), _SIGNAL.search(body)
        job.code = int(normal[1]) if normal else None
        job.signal = int(signal[1]) if signal else None
