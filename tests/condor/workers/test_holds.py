"""When a pool is given up whose jobs are held, and what is told of it."""

from __future__ import annotations

import pytest

from massgap.condor.job_options import JobOptions
from massgap.condor.workers.holds import Holds, remedy_of_hold
from massgap.condor.workers.worker_jobs import WorkerJob


def held(number: int, reason: str = "too much memory", code: int = 34) -> WorkerJob:
    return WorkerJob(f"{number}.0", state="held", reason=reason, hold_code=code, hold_reason=reason)


def holds_until_hopeless(wanted: int, at_work: int, finished: int = 0) -> int | None:
    """How many holds are borne, with so many tasks finished between two of them."""
    holds = Holds(JobOptions())
    for n in range(1, 1000):
        holds.add(held(n))
        if holds.hopeless(wanted, at_work):
            return n
        holds.finished(finished)
    return None


@pytest.mark.parametrize(
    ("wanted", "at_work", "finished", "borne"),
    [
        (1, 0, 0, 3),
        (10, 0, 0, 10),
        (500, 0, 0, 20),
        # One worker of two is spared and does nothing while all others are held, one after the other.
        (2, 1, 0, 9),
        # A few of many are held, long before the first task is finished.
        (100, 80, 0, 160),
        # Work is done: the run comes to an end.
        (2, 1, 1, None),
        (2, 0, 5, None),
    ],
)
def test_when_it_is_hopeless(wanted, at_work, finished, borne) -> None:
    assert holds_until_hopeless(wanted, at_work, finished) == borne


def test_pauses_grow_and_work_ends_them() -> None:
    holds = Holds(JobOptions())
    pauses = []
    for n in range(8):
        holds.add(held(n))
        pauses.append(holds.pause)
    assert pauses == [0, 1, 3, 7, 15, 31, 60, 60]
    holds.finished(7)
    assert holds.pause == 0
    holds.finished(7)
    assert (holds.pause, holds.unpaid, holds.total) == (0, 0, 8)


def test_the_commonest_reason_is_told_with_its_remedy() -> None:
    holds = Holds(JobOptions(memory="700MB"))
    for n, reason in enumerate(["no disk left on /x", "memory limit exceeded", "memory limit exceeded"]):
        holds.add(held(n, reason, code=34))
    assert holds.in_words(5) == (
        "HTCondor holds the jobs of the workers again and again (3 of 5 jobs): memory limit exceeded (job 2.0). Ask for more than "
        "--memory 700MB, or use a smaller --chunksize. Then give the same command again: finished chunks are kept"
    )


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (34, "Job has gone over cgroup memory limit of 700 megabytes", "--memory 2GB"),
        (34, "DISK usage exceeded request_disk", "--disk 4GB"),
        (46, "The job exceeded allowed job duration of 0+02:00:00", "--walltime 2h"),
        (13, "Transfer input files failure", "not in /tmp"),
        (1, "via condor_hold (by user me)", "ask why"),
        (26, "The system macro SYSTEM_PERIODIC_HOLD expression evaluated to TRUE", "condor_q -hold"),
        (None, "no reason was given", "condor_q -hold"),
    ],
)
def test_remedies(code, reason, words) -> None:
    assert words in remedy_of_hold(reason, code, JobOptions(walltime="2h"))
