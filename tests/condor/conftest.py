"""A pool for tests of jobs: a stand-in for everyday, a real one for tests that ask for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standin import RealPool, Standin


@pytest.fixture(scope="session")
def pool_folder() -> Iterator[Path]:
    """A folder that jobs of a real pool see: not in /tmp, which a pool gives each job privately.

    MASSGAP_POOL_FOLDER names one; by default it is made where the tests are called.
    """
    top = Path(os.environ.get("MASSGAP_POOL_FOLDER") or Path.cwd())
    folder = Path(tempfile.mkdtemp(prefix=".pool-tests-", dir=top))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a test; that of a test on a real pool lies in :func:`pool_folder`."""
    if request.node.get_closest_marker("htcondor") is None:
        return tmp_path
    return Path(tempfile.mkdtemp(prefix=f"{tmp_path.name}-", dir=request.getfixturevalue("pool_folder")))


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Standin]]:
    """Start a stand-in for an HTCondor pool; its tools come first on PATH.

    ``standin(cpus=2, memory=4096, shared_fs=True, memory_policy=True, vacate_time=5.0, by_hand=False, spool_time=1.0)``; see :class:`standin.Standin`.
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


@pytest.fixture
def real_pool() -> Iterator[RealPool]:
    """The pool of this host, for tests marked ``htcondor``; what they submit with it is removed at the end."""
    from standin import RealPool

    pool = RealPool()
    yield pool
    pool.close()


@pytest.fixture(params=["standin", pytest.param("real", marks=pytest.mark.htcondor)])
def either_pool(request: pytest.FixtureRequest) -> RealPool:
    """The stand-in and a real pool: what is true of one must be true of the other."""
    if request.param == "real":
        return request.getfixturevalue("real_pool")
    return request.getfixturevalue("standin")()
