"""The scripts that jobs run: what two of them say alike stays alike."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import massgap.condor

CONDOR = Path(massgap.condor.__file__).parent
SCRIPTS = [CONDOR / "jobs" / "job.sh", CONDOR / "workers" / "worker.sh"]


def steps(script: Path, first: str, last: str) -> list[str]:
    lines = script.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    end = next(i for i, line in enumerate(lines) if line.startswith(last))
    return lines[start : end + 1]


@pytest.mark.parametrize(
    ("first", "last"),
    [("mkdir -p code", "command -v"), ("# Caches belong to the job", "unset NUMBA_CACHE_DIR")],
)
def test_jobs_and_workers_begin_alike(first, last) -> None:
    one, other = (steps(script, first, last) for script in SCRIPTS)
    assert len(one) >= 3
    assert one == other


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_any_shell_can_read_them(script) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", script], check=True)
