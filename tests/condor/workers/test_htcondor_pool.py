"""Workers as HTCondor jobs, on a stand-in pool: whatever becomes of the jobs, results are right or the reason is told."""

from __future__ import annotations

import functools
import math
import operator
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import faulttasks
import pytest
from standin_jobs import description

import massgap
from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.workers import caretaker
from massgap.condor.workers.certificates import make_certificates
from massgap.condor.workers.clusters import open_cluster
from massgap.condor.workers.pool import PoolStatus
from massgap.runner.executors.dask_cluster import DaskExecutor

SMALL = JobOptions(memory="600MB", disk="100MB", python=sys.executable)
PACKAGE = Path(massgap.__file__).parent


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Open pools that are closed in any case; their workers can import the tasks of the tests."""
    # A shared file system as far as the tests' own tasks are concerned.
    monkeypatch.setenv("PYTHONPATH", str(Path(faulttasks.__file__).parent))
    pools = []

    def open_pool(options: JobOptions = SMALL, **more):
        pool = open_cluster(
            "htcondor",
            folder=tmp_path / more.pop("name", f"cluster-{len(pools)}"),
            package=PACKAGE,
            options=options,
            **{"workers": 1, "interval": 0.3, **more},
        )
        pools.append(pool)
        return pool

    yield open_pool
    for pool in pools:
        pool.close()


def until(condition, seconds=300.0, what="it"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise TimeoutError(what)


def raised(pool, seconds=300.0) -> str:
    """The message of what check() raises in the end."""

    def look():
        try:
            pool.check()
        except CondorError as error:
            return str(error)
        return None

    return until(look, seconds, str(pool.status()))


def new_workers(pool, old) -> set[str]:
    """Jobs of the workers that are registered, without those that are known."""
    return {name.removeprefix("massgap-") for name in pool._caretaker.registered()} - set(old)


def squares(pool, n=20, **options):
    """Through the executor; the tasks are sent by value, as the workers see no tests."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(faulttasks)
    try:
        found = dict(DaskExecutor(pool.client, pool=pool)(_square, range(n), **options))
    finally:
        cloudpickle.unregister_pickle_by_value(faulttasks)
    assert found == {i: i * i for i in range(n)}


_die = eval("lambda number: __import__('os').kill(__import__('os').getpid(), number)")
_square = eval("lambda x: x * x")


def empty(standin) -> bool:
    return not [job for job in standin.jobs() if job["state"] in ("idle", "running", "held")]


def test_a_run_and_who_is_let_in(standin, opened, tmp_path) -> None:
    from distributed import Client, Security

    condor = standin(shared_fs=False)
    pool = opened()
    squares(pool)
    address = pool.cluster.scheduler_address
    assert address.startswith("tls://")
    # Without certificates, or with those of another run, nobody gets in.
    (tmp_path / "other").mkdir()
    others = make_certificates(tmp_path / "other").security
    for guest, options in (
        (address.replace("tls://", "tcp://"), {}),
        (address, {"security": others}),
        (address, {"security": Security(require_encryption=True)}),
    ):
        with pytest.raises((OSError, TypeError)):
            Client(guest, timeout=3, **options)
    job = condor.jobs()[0]
    key = (tmp_path / "cluster-0" / "key.pem").read_text()
    assert stat.S_IMODE((tmp_path / "cluster-0" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cluster-0").stat().st_mode) == 0o700
    secret = key.splitlines()[1]
    assert not any(secret in str(value) for value in job.values())
    assert pool.status() == PoolStatus(0, 1, (), ())
    pool.close()
    assert empty(condor)
    assert not (tmp_path / "cluster-0" / "key.pem").exists()
    assert "Stream" not in (tmp_path / "cluster-0" / "workers.sub").read_text()


def test_lost_workers_are_replaced(standin, opened) -> None:
    """Killed, removed by somebody, forgotten by the schedd, vacated."""
    condor = standin()
    pool = opened()
    squares(pool)
    first = condor.jobs()[0]["id"]
    condor.kill(first)
    until(lambda: [j for j in condor.jobs() if j["state"] == "running" and j["id"] != first])
    squares(pool)
    assert any(f"the worker of job {first} was lost" in problem for problem in pool.status().problems)
    second = next(j["id"] for j in condor.jobs() if j["state"] == "running")
    condor.remove(second)
    until(lambda: [j for j in condor.jobs() if j["state"] == "running" and j["id"] != second])
    squares(pool)
    third = next(j["id"] for j in condor.jobs() if j["state"] == "running")
    condor.vacate(third)
    squares(pool)
    pool.check()


def test_at_the_end_workers_go_by_themselves_and_their_last_words_come_back(
    standin, opened, tmp_path
) -> None:
    """Also those that hold data which nobody else can take."""
    condor = standin()
    pool = opened(workers=2)
    until(lambda: pool.status().running == 2)
    shared = pool.client.submit(_square, 3, pure=False)
    squares(pool)
    assert shared.result() == 9
    pool.close()
    assert empty(condor)
    ended = condor.history()
    assert [(job["state"], job.get("RemoveReason")) for job in ended] == [("completed", None)] * 2
    for job in ended:
        words = (tmp_path / "cluster-0" / "logs" / f"worker-{job['id']}.err").read_text()
        assert "Closing Nanny" in words or "End worker" in words, words


def test_a_task_that_ends_two_workers_is_not_sent_to_a_third(standin, opened) -> None:
    from distributed.scheduler import KilledWorker

    standin()
    pool = opened()
    # The nanny starts its worker again each time.
    deadly = pool.client.submit(_die, 9, pure=False)
    with pytest.raises(KilledWorker) as caught:
        deadly.result(300)
    assert caught.value.allowed_failures == 1


def test_held_jobs_are_told_and_replaced(standin, opened) -> None:
    """In a folder whose name means something to shells and submit descriptions."""
    condor = standin()
    pool = opened(name='it\'s a "b"; $(x) $y')
    squares(pool)
    first = condor.jobs()[0]["id"]
    condor.hold(first, reason="the moon is full")
    until(lambda: [j for j in condor.jobs() if j["state"] == "running" and j["id"] != first])
    squares(pool)
    ((job, reason),) = pool.status().held
    assert job == first
    assert "the moon is full" in reason
    pool.check()


def test_what_is_always_held_raises_with_the_reason(standin, opened) -> None:
    """600 MB are asked for, 64 MB are there: HTCondor's memory policy holds each job."""
    condor = standin()
    condor.submit("executable = /bin/true\nqueue 1\n")
    options = JobOptions(
        memory="600MB", disk="100MB", python="/no/such/python", submit_lines={"on_exit_hold": "True"}
    )
    pool = opened(options)
    message = raised(pool)
    assert message.startswith("HTCondor holds the jobs of the workers again and again (3 of 3 jobs): ")
    assert "on_exit_hold" in message.lower() or "OnExitHold" in message
    assert len(pool.status().held) >= 3


def test_workers_that_are_held_after_they_registered_are_no_success(standin, opened) -> None:
    condor = standin()
    pool = opened()
    held: list[str] = []
    for _ in range(3):
        held += until(functools.partial(new_workers, pool, held))
        condor.hold(held[-1], reason="the pool does not like it")
    message = raised(pool)
    assert message.startswith("HTCondor holds the jobs of the workers again and again (3 of 3 jobs): ")
    assert "the pool does not like it" in message
    assert "Then give the same command again" in message


def test_jobs_that_die_before_they_register(standin, opened) -> None:
    standin()
    pool = opened(JobOptions(memory="600MB", disk="100MB", python="/no/such/python"))
    message = raised(pool)
    assert "jobs in a row ended before their worker registered: it ended with exit code 75" in message
    assert "there is no /no/such/python" in message
    assert "--environment ship" in message


def test_early_deaths_in_the_spool(standin, opened) -> None:
    """The schedd keeps what has ended: its words are fetched, and it is removed in the end."""
    condor = standin(shared_fs=False)
    pool = opened(JobOptions(memory="600MB", disk="100MB", python="/no/such/python", spool=True))
    message = raised(pool)
    assert "it ended with exit code 75" in message
    assert "there is no /no/such/python" in message
    assert condor.jobs()
    pool.close()
    assert condor.jobs() == []


def test_a_job_whose_input_is_being_spooled_waits(standin, opened) -> None:
    """The schedd holds it meanwhile (code 16), and lifts that by itself."""
    condor = standin(shared_fs=False, spool_time=math.inf)
    pool = opened(JobOptions(memory="600MB", disk="100MB", python=sys.executable, spool=True))
    assert condor.jobs()[0]["HoldReasonCode"] == 16
    looks = pool._jobs.looks
    until(lambda: pool._jobs.looks > looks + 2)
    assert pool.status() == PoolStatus(idle=1)
    condor.spooled("1.0")
    squares(pool)
    assert pool.status() == PoolStatus(running=1)
    # It is the one that was submitted first, and the only one.
    assert [job["id"] for job in condor.jobs()] == ["1.0"]


def test_one_bad_machine_is_not_the_end_while_others_start(standin, opened, tmp_path) -> None:
    """Three of four jobs die at once; the fourth needs a moment until it registers."""
    standin(cpus=4)
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase $_CONDOR_SLOT in *_4) sleep 2; exec {sys.executable} "$@";; *) exit 1;; esac\n'
    )
    python.chmod(0o755)
    pool = opened(JobOptions(memory="600MB", disk="100MB", python=str(python)), workers=4)
    assert pool.client.submit(operator.add, 1, 2).result(300) == 3
    pool.check()


def test_a_hold_for_memory_names_the_remedy(standin, opened) -> None:
    standin()
    pool = opened()
    # Not in the worker itself, which its nanny would end first.
    hungry = [sys.executable, "-c", "import time; x = bytearray(b'x') * 700_000_000; time.sleep(900)"]
    future = pool.client.submit(subprocess.run, hungry, pure=False)
    ((_, reason),) = until(lambda: pool.status().held)
    assert "Ask for more than --memory 600MB" in reason
    future.cancel()


def test_later_refusals_end_the_run_when_no_job_is_left(standin, opened, monkeypatch) -> None:
    monkeypatch.setattr(caretaker, "_SUBMIT_ERRORS", 2)
    condor = standin()
    pool = opened()
    condor.wrong("condor_submit", says="ERROR: the schedd is full")
    condor.kill(until(lambda: [j for j in condor.jobs() if j["state"] == "running"])[0]["id"])
    until(lambda: any("schedd is full" in problem for problem in pool.status().problems))
    message = raised(pool)
    assert message.startswith("no workers can be submitted any more")
    assert "schedd is full" in message


def test_whatever_goes_wrong_in_the_watch_is_told(standin, opened, monkeypatch) -> None:
    standin()
    pool = opened()
    monkeypatch.setattr(pool._caretaker, "_tell", lambda now: 1 // 0)
    assert "no longer looked after (ZeroDivisionError" in raised(pool)


def test_the_executor_gives_up_with_the_pool(standin, opened) -> None:
    standin()
    pool = opened(JobOptions(memory="600MB", disk="100MB", python="/no/such/python"))
    with pytest.raises(CondorError, match="ended before their worker registered"):
        squares(pool)


def test_a_refused_submission(standin, opened) -> None:
    condor = standin()
    condor.wrong("condor_submit", says="ERROR: you have no quota left")
    with pytest.raises(CondorError, match="you have no quota left"):
        opened()
    assert empty(condor)


def test_a_queue_that_is_silent_for_a_while(standin, opened) -> None:
    condor = standin()
    pool = opened()
    squares(pool)
    condor.wrong("condor_q", says="Failed to connect to schedd")
    until(lambda: any("Failed to connect to schedd" in p for p in pool.status().problems))
    squares(pool)
    condor.wrong("condor_q")
    until(lambda: not pool.status().problems)


def test_jobs_that_never_match(standin, opened, monkeypatch) -> None:
    monkeypatch.setattr(caretaker, "_WAITING", 0.5)
    condor = standin(memory=1024)
    pool = opened(JobOptions(memory="64GB", disk="100MB", python=sys.executable))
    (problem,) = until(lambda: pool.status().problems)
    assert "none runs; it asks for 1 core, 64GB memory" in problem
    assert "the only machine in this pool has less (at most 2 cores and 1.0 GB memory)" in problem
    assert "condor_q -better-analyze 1.0" in problem
    pool.close()
    assert empty(condor)


def test_jobs_that_wait_for_others(standin, opened, monkeypatch) -> None:
    monkeypatch.setattr(caretaker, "_WAITING", 0.5)
    condor = standin(cpus=1)
    condor.submit(description(script="sleep 900"))
    condor.wait_for(1, "running")
    pool = opened()
    (problem,) = until(lambda: pool.status().problems)
    assert "1 of 1 machine in this pool is large enough, none of them with room now" in problem
    assert pool.status().idle == 1
    condor.remove(1)
    squares(pool)
    assert pool.status().problems == ()


def test_as_many_as_are_needed(standin, opened) -> None:
    condor = standin(cpus=2)
    pool = opened(adapt=(0, 2))
    time.sleep(1.0)
    assert not condor.jobs()
    squares(pool)
    assert len(condor.jobs()) == 2
    held = pool.client.map(_square, range(10), pure=False)
    pool.client.gather(held)
    # One goes, and what it holds goes to the other.
    pool.demand(1)
    until(lambda: sum(job["state"] in ("idle", "running") for job in condor.jobs()) == 1)
    assert all(pool.client.who_has(held).values())
    assert pool.client.gather(held) == [i * i for i in range(10)]
    # The last one stays as long as it holds what nobody else can take.
    pool.demand(0)
    time.sleep(1.5)
    assert pool.client.gather(held) == [i * i for i in range(10)]
    del held
    until(lambda: empty(condor))


def test_spooled_with_an_environment_that_travels(standin, opened, tmp_path) -> None:
    """Nothing of the submit host is seen by the job but the Python in the archive."""
    condor = standin(shared_fs=False)
    (tmp_path / "env" / "bin").mkdir(parents=True)
    script = tmp_path / "env" / "bin" / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    with tarfile.open(tmp_path / "env.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "env" / "bin", "bin")
    options = JobOptions(memory="600MB", disk="100MB", environment=str(tmp_path / "env.tar.gz"), spool=True)
    pool = opened(options)
    squares(pool)
    assert pool.client.submit(_code_place, pure=False).result().startswith(str(condor.folder))
    pool.close()
    assert empty(condor)


_code_place = eval("lambda: __import__('massgap').__file__")


@pytest.mark.parametrize(
    ("options", "more", "words"),
    [
        (JobOptions(memory="300MB"), {}, "too little for a dask worker"),
        (SMALL, {"address": "tls://x:1"}, "an address belongs to the scheduler of a facility"),
        (SMALL, {"host": "256.1.1.1"}, "the dask scheduler could not be started on 256"),
    ],
)
def test_refused(standin, opened, options, more, words) -> None:
    standin()
    with pytest.raises(CondorError, match=words):
        opened(options, **more)


def test_without_tools(opened, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CondorError, match="condor_submit is not on the PATH"):
        opened()
