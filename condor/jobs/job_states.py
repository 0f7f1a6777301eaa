"""What became of a job, and of a slice that several jobs may have attempted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgap.condor.jobs.job_output import last_words
from massgap.condor.jobs.submit_file import RETRY, Job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

__all__ = ["LIVE", "JobState", "SliceState", "slice_states"]

LIVE = ("idle", "running", "held", "removing", "fetch")
"""States of jobs that are in the queue; ``fetch``: ended, and its output waits in the spool."""

_NEAREST = ("running", "idle", "fetch", "held", "removing")
"""The same, from the one that is nearest to a result."""


@dataclass(frozen=True)
class JobState:
    """What became of a job.

    Attributes
    ----------
    id
        ``cluster.process``.
    job
        Slice and attempt.
    state
        One of :data:`LIVE`, ``ended``, ``removed`` or ``lost`` (nothing knows it any more).
    reason
        Why it is held, removed or lost.
    code, signal
        How it ended.
    """

    id: str
    job: Job
    state: str
    reason: str | None = None
    code: int | None = None
    signal: int | None = None


@dataclass(frozen=True)
class SliceState:
    """What became of a slice.

    Attributes
    ----------
    slice
        Its number.
    state
        ``done``, one of :data:`LIVE`, ``failed`` (the job ended without all results), ``removed``, ``lost`` or ``unsent``.
    job
        The job that says so; None if there is none.
    reason
        In words, where something is wrong.
    """

    slice: int
    state: str
    job: JobState | None = None
    reason: str | None = None


def slice_states(
    total: int, unfinished: Collection[int], jobs: Iterable[JobState], *, folder: Path, refusal: str | None
) -> list[SliceState]:
    """What became of each slice.

    Parameters
    ----------
    total
        Number of slices.
    unfinished
        Those without all results, found after the jobs were looked at.
    jobs
        What became of the jobs.
    folder
        Where the jobs write.
    refusal
        Why slices without a job have none, as far as HTCondor has said.
    """
    of_slice: dict[int, list[JobState]] = {}
    for job in jobs:
        of_slice.setdefault(job.job.slice, []).append(job)
    out = []
    for number in range(total):
        mine = of_slice.get(number, [])
        live = [job for job in mine if job.state in LIVE]
        if number not in unfinished:
            out.append(SliceState(number, "done", mine[-1] if mine else None))
        elif live:
            best = min(live, key=lambda job: _NEAREST.index(job.state))
            out.append(SliceState(number, best.state, best, best.reason))
        elif mine:
            last = max(mine, key=lambda job: job.job.attempt)
            state = "failed" if last.state == "ended" else last.state
            out.append(SliceState(number, state, last, _why(last, folder)))
        else:
            out.append(SliceState(number, "unsent", None, refusal))
    return out


def _why(job: JobState, folder: Path) -> str | None:
    """Why a job did not do its slice, in one sentence."""
    if job.state != "ended":
        return job.reason
    said = last_words(folder / "logs" / f"{job.job.name}.err", 1)
    said = f": {said}" if said else ""
    if job.signal is not None:
        return f"killed by signal {job.signal}{said}"
    if job.code == 0:
        return f"the job ended well, but its results are not in {folder / ('out-' + job.job.name)}"
    if job.code == RETRY:
        return f"no machine that was tried could run it{said}"
    return f"exit code {job.code}{said}"
