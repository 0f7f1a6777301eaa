"""Sets of jobs, on a pool on paper: whatever happens is seen, nothing is done twice, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from paper_pool import PaperPool, write_payload

from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.jobs.job_record import BusyError, Record, locked
from massgap.condor.jobs.job_set import JobSet
from massgap.condor.jobs.job_states import JobState
from massgap.condor.jobs.submit_file import Job
from massgap.condor.shipping.code_archive import pack_code

pytest.importorskip("htcondor", reason="htcondor<25 reads the submit descriptions of these tests")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

KEYS = ["a", "b", "c"]


@pytest.fixture
def pool(tmp_path, monkeypatch) -> PaperPool:
    made = PaperPool(tmp_path / "pool")
    monkeypatch.setenv("PATH", str(made.home / "bin"), prepend=os.pathsep)
    return made


@pytest.fixture
def options(tmp_path) -> JobOptions:
    return JobOptions(python=str(write_payload(tmp_path / 'it\'s "my" $(python); here' / "py thon")))


@pytest.fixture
def job_set(tmp_path) -> JobSet:
    """Two slices of three chunks in a folder whose name is everything that a shell or HTCondor could misread."""
    folder = tmp_path / "my 'run' $(x); \"q\" #1" / "jobs"
    folder.mkdir(parents=True)
    package = tmp_path / "massgap"
    package.mkdir()
    (package / "__init__.py").touch()
    pack_code(package, folder / "code.tar.gz")
    for k in range(2):
        chunks = [{"dataset": "tt", "path": "f.root", "start": i} for i in range(3)]
        (folder / f"job-{k:04d}.json").write_text(
            json.dumps({"keys": [f"{k}{c}" for c in KEYS], "chunks": chunks})
        )
    return JobSet.create(folder, title="massgap slepton $(x)")


def submitted(job_set: JobSet, options: JobOptions) -> JobSet:
    job_set.send(job_set.write([Job(0), Job(1)], options))
    return job_set


def unfinished(job_set: JobSet) -> set[int]:
    outs = {k: list(job_set.folder.glob(f"out-{k:04d}*/*.npz")) for k in (0, 1)}
    return {k for k, files in outs.items() if len({path.name for path in files}) < 3}


def states(job_set: JobSet, **how) -> list[tuple]:
    jobs = JobSet.open(job_set.folder).observe(**how)
    return [(entry.state, entry.reason) for entry in job_set.slices(2, unfinished(job_set), jobs)]


def test_from_submission_to_results(pool, job_set, options) -> None:
    assert states(job_set) == [("unsent", None), ("unsent", None)]
    submitted(job_set, options)
    assert states(job_set) == [("idle", None), ("idle", None)]
    pool.start("1.1")
    assert states(job_set) == [("idle", None), ("running", None)]
    assert pool.run("1.1") == 0
    assert pool.run("1.0") == 0
    assert states(job_set) == [("done", None), ("done", None)]
    assert (job_set.folder / "out-0000" / "did.txt").read_text().split() == ["0a", "0b", "0c"]
    assert "job 0000 on " in (job_set.folder / "logs" / "0000.err").read_text()
    assert pool.queue == {}


def test_reasons_of_held_jobs_are_told(pool, job_set, options) -> None:
    submitted(job_set, options)
    pool.hold("1.0", "memory usage exceeded request_memory")
    assert states(job_set)[0] == ("held", "memory usage exceeded request_memory")
    assert states(job_set, ask=False)[0] == ("held", "memory usage exceeded request_memory")


def test_a_job_that_dies_is_told_with_its_last_words(pool, job_set, options) -> None:
    submitted(job_set, options)
    assert pool.run("1.0", LIMIT="1") == -9
    assert pool.run("1.1", CODE="3") == 3
    assert states(job_set) == [
        ("failed", "killed by signal 9: payload: the memory is full"),
        ("failed", "exit code 3: payload: some chunks failed"),
    ]
    assert (job_set.folder / "out-0000" / "0a.npz").exists()


def test_history_tells_what_the_event_log_does_not(pool, job_set, options) -> None:
    submitted(job_set, options)
    pool.run("1.0", LIMIT="1", log=False)
    pool.run("1.1", CODE="3", log=False)
    expected = [("failed", "killed by signal 9"), ("failed", "exit code 3")]
    assert [(state, reason.partition(":")[0]) for state, reason in states(job_set)] == expected
    # What was found once is known without asking again.
    pool.wrong("condor_history", says="no history here")
    assert [(state, reason.partition(":")[0]) for state, reason in states(job_set)] == expected


def test_a_machine_that_cannot_run_the_job_is_not_the_end(pool, job_set, options) -> None:
    submitted(job_set, JobOptions(python="/no such/python $(x)"))
    for _ in range(3):
        assert pool.run("1.0") == 75
        assert states(job_set)[0] == ("idle", None)
    assert pool.run("1.0") == 75
    state, reason = states(job_set)[0]
    assert state == "failed"
    assert reason.startswith("no machine that was tried could run it: job 0000 cannot run on ")
    assert reason.endswith("there is no /no such/python $(x)")


def test_an_evicted_job_goes_on(pool, job_set, options) -> None:
    submitted(job_set, options)
    pool.run("1.0", evict=True, LIMIT="1")
    assert states(job_set)[0] == ("idle", None)
    pool.run("1.0")
    assert (job_set.folder / "out-0000" / "did.txt").read_text().split() == ["0a", "0b", "0c"]
    assert states(job_set)[0] == ("done", None)


def test_the_next_attempt_takes_along_what_is_finished(pool, job_set, options) -> None:
    submitted(job_set, options)
    pool.run("1.0", LIMIT="2")
    assert job_set.next_attempts([0]) == [Job(0, 1)]
    kept = job_set.folder / "kept-0000-1"
    kept.mkdir()
    for path in (job_set.folder / "out-0000").glob("*.npz"):
        shutil.copy(path, kept)
    job_set.send(job_set.write([Job(0, 1, kept=True)], options))
    assert states(job_set) == [("idle", None), ("idle", None)]
    assert pool.run("2.0") == 0
    assert (job_set.folder / "out-0000-1" / "did.txt").read_text().split() == ["0c"]
    assert states(job_set)[0] == ("done", None)


def test_the_environment_is_unpacked_from_its_archive(pool, job_set, tmp_path) -> None:
    write_payload(tmp_path / "e" / "bin" / "python")
    archive = tmp_path / "e n v.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "e" / "bin", "bin")
    submitted(job_set, JobOptions(environment=str(archive)))
    assert pool.run("1.0") == 0
    assert states(job_set)[0] == ("done", None)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("spool", [False, True])
def test_a_submit_command_that_is_killed(pool, job_set, options, moment, spool) -> None:
    from dataclasses import replace

    job_set.write([Job(0), Job(1)], replace(options, spool=spool))
    pool.wrong("condor_submit", kills=moment)
    program = (
        "import sys; from pathlib import Path; from massgap.condor.jobs.job_set import JobSet\n"
        "job_set = JobSet.open(Path(sys.argv[1])); job_set.send(job_set.record.submissions[0])"
    )
    done = subprocess.run([sys.executable, "-c", program, job_set.folder], check=False)
    assert done.returncode == -9
    record = Record.read(job_set.folder)
    assert record.submissions[0].status == "submitting"
    assert record.submissions[0].clusters == []
    expected = ("unsent", None) if moment == "before" else ("idle", None)
    assert states(job_set) == [expected, expected]
    assert Record.read(job_set.folder).submissions[0].clusters == ([] if moment == "before" else [1])


def test_an_orphan_that_left_the_queue_is_found_in_its_log(pool, job_set, options) -> None:
    submission = job_set.write([Job(0), Job(1)], options)
    subprocess.run(
        ["condor_submit", submission.description], cwd=job_set.folder, check=True, capture_output=True
    )
    pool.run("1.0", history=False)
    pool.run("1.1", LIMIT="1", history=False)
    assert pool.queue == {}
    assert [state for state, _ in states(job_set)] == ["done", "failed"]


def test_a_job_that_nobody_knows_is_lost(pool, job_set, options) -> None:
    submitted(job_set, options)
    pool.start("1.0")
    pool.forget("1.0")
    state, reason = states(job_set)[0]
    assert state == "lost"
    assert reason == (
        "neither the queue nor the history of the schedd paper@host knows the job 1.0; its event log says running"
    )


def test_jobs_of_another_schedd_are_found_there(pool, job_set, options) -> None:
    submitted(job_set, options)
    pool.wrong("condor_q", only_with_name=True)
    assert states(job_set) == [("idle", None), ("idle", None)]
    again = JobSet.open(job_set.folder)
    again.remove(again.observe())
    assert ["condor_rm", "-name", "paper@host", "-reason", "massgap resubmit", "1.0", "1.1"] in pool.calls


def test_output_is_fetched_from_the_spool(pool, job_set, options) -> None:
    from dataclasses import replace

    submitted(job_set, replace(options, spool=True))
    assert ["condor_submit", "-spool", "massgap.sub"] in pool.calls
    pool.run("1.0")
    assert states(job_set) == [("fetch", None), ("idle", None)]
    assert not (job_set.folder / "out-0000").exists()
    again = JobSet.open(job_set.folder)
    fetched = again.fetch(again.observe())
    assert [job.id for job in fetched] == ["1.0"]
    assert list(pool.queue) == ["1.1"]
    assert states(job_set) == [("done", None), ("idle", None)]
    assert "job 0000 on " in (job_set.folder / "logs" / "0000.err").read_text()


def test_output_that_does_not_arrive_stays_in_the_queue(pool, job_set, options) -> None:
    from dataclasses import replace

    submitted(job_set, replace(options, spool=True))
    pool.run("1.0")
    again = JobSet.open(job_set.folder)
    jobs = again.observe()
    pool.wrong("condor_transfer_data", only_with_name=True)
    with pytest.raises(CondorError, match=r"condor_transfer_data brought no output of the job 1\.0"):
        again.fetch(jobs)
    assert "1.0" in pool.queue
    assert states(job_set)[0] == ("fetch", None)


def test_a_fetched_job_is_known_before_it_leaves_the_queue(pool, job_set, options) -> None:
    from dataclasses import replace

    submitted(job_set, replace(options, spool=True))
    pool.run("1.0", CODE="3")
    again = JobSet.open(job_set.folder)
    pool.wrong("condor_rm", says="the schedd is busy")
    with pytest.raises(CondorError, match="the schedd is busy"):
        again.fetch(again.observe())
    pool.forget("1.0")
    assert states(job_set)[0] == ("failed", "exit code 3: payload: some chunks failed")


def test_a_job_in_the_queue_is_alive_whatever_was_known(pool, job_set, options) -> None:
    submitted(job_set, options)
    job_set.record.ended["1.0"] = {"state": "ended", "reason": None, "code": 1, "signal": None}
    job_set.record.write()
    assert states(job_set)[0] == ("idle", None)


def test_a_slice_with_any_job_in_the_queue_is_alive(job_set) -> None:
    old = JobState("1.0", Job(0), "held", "by hand")
    new = JobState("2.0", Job(0, 1), "removed")
    assert [entry.state for entry in job_set.slices(1, {0}, [old, new])] == ["held"]
    assert [entry.state for entry in job_set.slices(1, {0}, [new])] == ["removed"]
    assert [entry.state for entry in job_set.slices(1, set(), [old, new])] == ["done"]


def test_removed_jobs_are_waited_for(pool, job_set, options) -> None:
    submitted(job_set, options)
    jobs = job_set.observe()
    pool.wrong("condor_rm", only_with_name=True)
    with pytest.raises(CondorError, match=r"1\.0 does not leave the queue.*condor_rm -forcex 1\.0"):
        job_set.remove(jobs[:1], patience=0.0, sleep=lambda _: None)
    pool.wrong("condor_rm")
    job_set.remove(jobs[:1])
    assert [state for state, _ in states(job_set)] == ["removed", "idle"]


def test_what_htcondor_refuses_is_told_and_sent_again(pool, job_set, options) -> None:
    submission = job_set.write([Job(0), Job(1)], options)
    pool.wrong("condor_submit", says="ERROR: no such schedd")
    with pytest.raises(CondorError, match="ERROR: no such schedd"):
        job_set.send(submission)
    state, reason = states(job_set)[0]
    assert state == "unsent"
    assert "ERROR: no such schedd" in reason
    pool.wrong("condor_submit")
    job_set.send(submission)
    assert states(job_set) == [("idle", None), ("idle", None)]


def test_a_description_that_was_not_used_cannot_be_submitted_beside_the_next(job_set, options) -> None:
    job_set.write([Job(0)], options)
    job_set.write([Job(0, 1)], options)
    assert [path.name for path in job_set.folder.glob("*.sub")] == ["massgap-1.sub"]


def test_a_folder_is_not_begun_twice(job_set) -> None:
    with pytest.raises(CondorError, match="has been submitted before"):
        JobSet.create(job_set.folder, title="again")


def test_two_commands_do_not_work_on_the_same_jobs(tmp_path) -> None:
    with locked(tmp_path), pytest.raises(BusyError, match="another massgap command"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_condor_submit_keeps_the_lock_when_its_command_is_gone(tmp_path) -> None:
    with locked(tmp_path) as lock:
        tool = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    with pytest.raises(BusyError), locked(tmp_path):
        pass
    tool.kill()
    tool.wait()
    with locked(tmp_path):
        pass


def test_send_hands_the_lock_to_condor_submit(tmp_path, job_set, options, monkeypatch) -> None:
    probe = tmp_path / "probe" / "condor_submit"
    write_payload(probe)
    probe.write_text('#!/bin/sh\n[ -e /proc/self/fd/$LOCK ] && echo "1 job(s) submitted to cluster 7."\n')
    with locked(job_set.folder) as lock:
        monkeypatch.setenv("PATH", str(probe.parent), prepend=os.pathsep)
        monkeypatch.setenv("LOCK", str(lock))
        assert job_set.send(job_set.write([Job(0)], options), lock=lock) == 7


def test_a_damaged_record_names_the_file(job_set) -> None:
    path = job_set.folder / "submissions.json"
    path.write_text('{"format": "massgap-submissions/1"')
    with pytest.raises(CondorError, match=r"submissions\.json: cannot be read"):
        JobSet.open(job_set.folder)
    path.write_text('{"format": "massgap-submissions/9"}')
    with pytest.raises(CondorError, match="another version"):
        JobSet.open(job_set.folder)
    path.unlink()
    with pytest.raises(CondorError, match="use massgap submit"):
        JobSet.open(Path(job_set.folder))
