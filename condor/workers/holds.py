"""Jobs of a pool that were held: why, what to do, and when more of them make no sense."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from massgap.condor.job_status import OUT_OF_MEMORY, TOO_LONG

if TYPE_CHECKING:
    from massgap.condor.job_options import JobOptions
    from massgap.condor.workers.worker_jobs import WorkerJob

__all__ = ["Holds", "remedy_of_hold"]

_FEWEST = 3
"""Holds that are always borne."""
_MOST = 20
"""Holds after which a pool without a worker is given up, however many workers are wanted."""
_BESIDE = 3
"""How many times as many are borne while some worker is there."""


def remedy_of_hold(reason: str, code: int | None, options: JobOptions) -> str:
    """What to do about a hold, as the beginning of a sentence without its full stop.

    Parameters
    ----------
    reason, code
        ``HoldReason`` and ``HoldReasonCode`` of the job.
    options
        What the job asked for.
    """
    words = reason.lower()
    if "disk" in words and code in (OUT_OF_MEMORY, 3, 21, 26, None):
        return f"Ask for more than --disk {options.disk}"
    if code == OUT_OF_MEMORY or "memory" in words:
        return f"Ask for more than --memory {options.memory}, or use a smaller --chunksize"
    if code in (TOO_LONG, 47):
        given = f"than --walltime {options.walltime}" if options.walltime else "with --walltime"
        return f"Ask for a longer time {given}"
    if code in (7, 8, 9, 10, 12, 13, 14, 32, 33):
        return (
            "HTCondor could not bring files: run in a folder that its daemons can read and write (not in /tmp, which can be private to "
            "each service and job), or let the schedd keep the files (--spool)"
        )
    if code == 1:
        return "Somebody held it with condor_hold: ask why"
    if code in (35, 45) or "image" in words or "container" in words:
        return f"Look at the container image (--image {options.image}), or do without one"
    return "Mend that; condor_q -hold shows what is held, and who runs the pool knows its rules"


class Holds:
    """Counts the holds of a pool against the work that gets done.

    A worker that registers says nothing: it may be held a moment later, and the next one, too.  Each finished task makes up for one
    hold; where far more jobs are held than tasks are finished, the run would go on for ever.

    Parameters
    ----------
    options
        What the jobs ask for.

    Attributes
    ----------
    last
        Pairs of job and reason, the last ones.
    total
        How many jobs were held.
    unpaid
        Holds that no finished task has made up for.
    """

    def __init__(self, options: JobOptions) -> None:
        self.options = options
        self.last: collections.deque[tuple[str, str]] = collections.deque(maxlen=20)
        self.total = 0
        self.unpaid = 0
        self._reasons: collections.Counter[tuple[int | None, str]] = collections.Counter()

    def add(self, job: WorkerJob) -> None:
        """A job was held."""
        self.last.append((job.id, job.reason))
        self.total += 1
        self.unpaid += 1
        self._reasons[job.hold_code, job.hold_reason] += 1

    def finished(self, tasks: int) -> None:
        """So many tasks were finished since it was last told."""
        self.unpaid = max(self.unpaid - tasks, 0)

    @property
    def pause(self) -> float:
        """Seconds until the next job takes the place of a held one."""
        return min(2.0 ** min(self.unpaid - 1, 10) - 1, 60.0) if self.unpaid else 0.0

    def hopeless(self, wanted: int, at_work: int) -> bool:
        """Whether the run cannot be expected to come to an end.

        Parameters
        ----------
        wanted
            How many workers there should be.
        at_work
            How many there are.
        """
        borne = max(_FEWEST, min(wanted, _MOST))
        return self.unpaid >= (max(_BESIDE * borne, 2 * at_work) if at_work else borne)

    def in_words(self, submitted: int) -> str:
        """The commonest reason, and what to do.

        Parameters
        ----------
        submitted
            How many jobs there have been.
        """
        (code, reason), _ = self._reasons.most_common(1)[0]
        job = next((job for job, told in reversed(self.last) if told.startswith(reason)), self.last[-1][0])
        remedy = remedy_of_hold(reason, code, self.options)
        return (
            f"HTCondor holds the jobs of the workers again and again ({self.total} of {submitted} jobs): {reason} (job {job}). "
            f"{remedy}. Then give the same command again: finished chunks are kept"
        )
