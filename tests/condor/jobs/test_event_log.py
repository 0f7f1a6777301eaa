"""HTCondor's event log, with events as real pools write them."""

from __future__ import annotations

import pytest

from massgap.condor.jobs.event_log import read_event_log

SUBMIT = "000 (012.003.000) 2026-11-22 17:21:00 Job submitted from host: <10.0.0.1:9618?addrs=10.0.0.1-9618>\n...\n"
EXECUTE = (
    "001 (012.003.000) 11/22 17:21:05 Job executing on host: <10.0.0.2:9618>\n\tSlotName: slot1_1@w1\n...\n"
)
IMAGE = "006 (012.003.000) 2026-11-22 17:21:13 Image size of job updated: 147\n\t1  -  MemoryUsage of job (MB)\n...\n"
EVICTED = "004 (012.003.000) 2026-11-22 17:22:00 Job was evicted.\n\t(0) CPU times\n...\n"
ENDED = (
    "005 (012.003.000) 2026-11-22 17:23:00 Job terminated.\n\t(1) Normal termination (return value 3)\n"
    "\t\tUsr 0 00:00:00, Sys 0 00:00:00  -  Run Remote Usage\n\t0  -  Run Bytes Sent By Job\n...\n"
)
KILLED = "005 (012.003.000) 2026-11-22 17:23:00 Job terminated.\n\t(0) Abnormal termination (signal 9)\n...\n"
HELD = "012 (012.003.000) 2026-11-22 17:23:00 Job was held.\n\tmemory usage exceeded request_memory\n\tCode 34 Subcode 102\n...\n"
SPOOLING = "012 (012.003.000) 2026-11-22 17:21:00 Job was held.\n\tSpooling input data files\n\tCode 16 Subcode 0\n...\n"
RELEASED = "013 (012.003.000) 2026-11-22 17:24:00 Job was released.\n\tvia condor_release (by user me)\n...\n"
REMOVED = "009 (012.003.000) 2026-11-22 17:25:00 Job was aborted.\n\tvia condor_rm (by user me)\n...\n"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([SUBMIT], ("idle", None, None, None)),
        ([SUBMIT, EXECUTE, IMAGE], ("running", None, None, None)),
        ([SUBMIT, EXECUTE, EVICTED], ("idle", None, None, None)),
        ([SUBMIT, EXECUTE, ENDED], ("ended", None, 3, None)),
        ([SUBMIT, EXECUTE, KILLED], ("ended", None, None, 9)),
        ([SUBMIT, EXECUTE, HELD], ("held", "memory usage exceeded request_memory", None, None)),
        ([SUBMIT, HELD, RELEASED], ("idle", None, None, None)),
        ([SUBMIT, SPOOLING], ("idle", None, None, None)),
        ([SUBMIT, REMOVED], ("removed", "via condor_rm (by user me)", None, None)),
        # An event that is being written has no end yet.
        ([SUBMIT, EXECUTE, ENDED[:-4]], ("running", None, None, None)),
        (["garbage\n...\n", SUBMIT], ("idle", None, None, None)),
    ],
)
def test_the_last_event_tells_the_state(tmp_path, events, expected) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(events))
    (job,) = read_event_log(log).values()
    assert (job.cluster, job.process) == (12, 3)
    assert (job.state, job.reason, job.code, job.signal) == expected


def test_jobs_are_told_apart_and_no_log_is_no_job(tmp_path) -> None:
    log = tmp_path / "x.log"
    log.write_text(SUBMIT + SUBMIT.replace("012.003", "012.004") + ENDED)
    jobs = read_event_log(log)
    assert {key: job.state for key, job in jobs.items()} == {(12, 3): "ended", (12, 4): "idle"}
    assert read_event_log(tmp_path / "none.log") == {}
