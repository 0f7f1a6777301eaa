"""What is told of jobs that wait: what the pool has, and what to do."""

from __future__ import annotations

import pytest

from massgap.condor import commands as tools
from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.workers.waiting import Machines, why_jobs_wait

OPTIONS = JobOptions(memory="4GB", cpus=2)


def why(sizes, free=(), jobs=3, seconds=20.0, options=OPTIONS) -> str:
    return why_jobs_wait(Machines(sizes, list(free)), options, jobs=jobs, seconds=seconds, one="7.0")


def test_no_machine_is_large_enough() -> None:
    assert why([(8, 2048), (1, 64000)]) == (
        "3 jobs have waited in the queue for 15 s, and none runs; they ask for 2 cores, 4GB memory, 4GB disk, and none of the 2 machines in "
        "this pool has as much (at most 8 cores and 62.5 GB memory): ask for less (--memory). condor_q -better-analyze 7.0 tells whether any "
        "machine can ever run them"
    )
    assert "the only machine in this pool has less (at most 1 core and 4.0 GB memory)" in why([(1, 4096)])


def test_others_are_at_work() -> None:
    assert "2 of 3 machines in this pool are large enough, none of them with room now: wait" in why(
        [(2, 4096), (4, 9000), (1, 9000)], [(1, 4096), (4, 4095), (1, 9000)]
    )
    assert "1 of 1 machine in this pool is large enough, 1 of them with room now: the next round" in why(
        [(2, 4096)], [(2, 4096)]
    )


def test_the_pool_has_nothing_or_does_not_say() -> None:
    assert "The pool has no machine at present" in why([])
    told = why(None, jobs=1)
    assert told.startswith("1 job has waited in the queue for 15 s, and none runs; it asks for 2 cores")
    assert told.endswith("condor_q -better-analyze 7.0 tells whether any machine can ever run it")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (16, "15 s"),
        (65, "1 minute"),
        (119, "1 minute"),
        (700, "10 minutes"),
        (4000, "1 hour"),
        (1e6, "24 hours"),
    ],
)
def test_coarse_times(seconds, words) -> None:
    """Each change of the text is told again."""
    assert f"for {words}, and none" in why([], seconds=seconds)


def test_the_pool_is_asked_now_and_then(monkeypatch) -> None:
    answers = [
        [
            {"TotalSlotCpus": 8, "TotalSlotMemory": 16000, "TotalCpus": 64, "Cpus": 2, "Memory": 100},
            {"TotalCpus": 4, "TotalMemory": 8000},
        ]
    ]
    asked = []

    def machines(attributes, *, constraint):
        asked.append(constraint)
        if not answers:
            msg = "no collector"
            raise CondorError(msg)
        return answers.pop()

    monkeypatch.setattr(tools, "machines", machines)
    found = Machines()
    for _ in range(3):
        found.look()
    assert (found.sizes, found.free) == ([(8, 16000), (4, 8000)], [(2, 100), (0, 0)])
    assert asked == ['SlotType =!= "Dynamic"']
    monkeypatch.setattr("massgap.condor.workers.waiting._AGAIN", 0.0)
    found.look()
    assert found.sizes is None
