"""Workers as jobs of a real HTCondor pool, where there is one: ``pytest -m htcondor``.

MASSGAP_POOL_PYTHON names a Python that jobs can use (with dask and distributed; by default the one that runs the tests).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import massgap
from massgap.condor import commands as tools
from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.workers.clusters import open_cluster
from massgap.runner.executors.dask_cluster import DaskExecutor

pytestmark = [pytest.mark.htcondor, pytest.mark.timeout(600)]

PYTHON = os.environ.get("MASSGAP_POOL_PYTHON", sys.executable)
_square = eval("lambda x: x * x")


def opened(folder: Path, **options):
    wanted = JobOptions(**{"memory": "700MB", "disk": "200MB", "python": PYTHON, **options})
    return open_cluster(
        "htcondor",
        workers=2,
        folder=folder,
        package=Path(massgap.__file__).parent,
        options=wanted,
        interval=2.0,
    )


def squares(pool) -> None:
    found = dict(DaskExecutor(pool.client, pool=pool)(_square, range(30)))
    assert found == {i: i * i for i in range(30)}


def queue(pool) -> list[str]:
    rows = tools.queue(("ClusterId", "ProcId", "JobStatus"), constraint=pool._jobs.constraint)
    return [f"{r['ClusterId']}.{r['ProcId']}" for r in rows if r["JobStatus"] in (1, 2, 5)]


def until(condition, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(1.0)


@pytest.mark.parametrize("spool", [False, True])
def test_work_loss_hold_and_an_empty_queue(tmp_path, spool) -> None:
    with opened(tmp_path, spool=spool) as pool:
        squares(pool)
        first = queue(pool)
        subprocess.run(["condor_rm", first[0]], check=True, capture_output=True)
        until(lambda: len(queue(pool)) == 2 and first[0] not in queue(pool))
        squares(pool)
        held = queue(pool)[0]
        subprocess.run(["condor_hold", held, "-reason", "a test"], check=True, capture_output=True)
        until(lambda: any(job == held and "a test" in reason for job, reason in pool.status().held))
        squares(pool)
    assert not queue(pool)


def test_jobs_that_die_before_they_register(tmp_path) -> None:
    with opened(tmp_path, python="/no/such/python") as pool:

        def told() -> str:
            try:
                pool.check()
            except CondorError as error:
                return str(error)
            return ""

        until(told)
        assert "there is no /no/such/python" in told()
    assert not queue(pool)
