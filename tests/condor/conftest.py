"""A pool for tests of jobs: a stand-in for everyday, a real one for tests that ask for it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from standin import Standin


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``htcondor`` run where a real pool is set up, and nowhere else."""
    wanting = [
        *(["condor_master on the PATH"] if shutil.which("condor_master") is None else []),
        *(["CONDOR_CONFIG"] if not os.environ.get("CONDOR_CONFIG") else []),
    ]
    if wanting:
        skip = pytest.mark.skip(reason=f"needs a real HTCondor pool: {' and '.join(wanting)} missing")
        for item in items:
            if item.get_closest_marker("htcondor"):
                item.add_marker(skip)


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Standin]]:
    """Start a stand-in for an HTCondor pool; its tools come first on PATH.

    ``standin(cpus=2, memory=4096, shared_fs=True, memory_policy=True, vacate_time=5.0)``; see :class:`standin.Standin`.
    """
    from standin import Standin, Unusable

    started: list[Standin] = []

    def start(**options: object) -> Standin:
        try:
            pool = Standin(tmp_path / f"pool-{len(started)}", **options)
        except Unusable as error:
            pytest.skip(f"HTCondor's modules, htcondor>=24,<25, cannot be imported: {error}")
        started.append(pool)
        monkeypatch.setenv("PATH", str(pool.bin), prepend=os.pathsep)
        return pool

    yield start
    for pool in started:
        pool.close()
