from __future__ import annotations

import os
import pickle
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import massgap
from massgap.arrays.compiled import compiled, compiled_in_place
from massgap.selections.observables.mt2.kernels import mt2_kernel

INNER = """
from massgap.arrays.compiled import {decorator}

@{decorator}
def inner(x):
    return x + {value}
"""

OUTER = """
from massgap.arrays.compiled import compiled
from inner_part import inner

@compiled
def outer(x):
    return 10.0 * inner(x)

print(outer(1.0), outer.stats.cache_hits)
"""


def run(folder: Path, **environment: str) -> list[str]:
    root = str(Path(massgap.__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "outer_part.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[:1]


@pytest.mark.parametrize("decorator", ["compiled", "compiled_inline", "compiled_in_place"])
def test_a_changed_kernel_reaches_its_callers_in_other_files(tmp_path, decorator):
    (tmp_path / "inner_part.py").write_text(INNER.format(decorator=decorator, value="1.0"))
    (tmp_path / "outer_part.py").write_text(OUTER)
    assert run(tmp_path) == ["20.0"]
    (tmp_path / "inner_part.py").write_text(INNER.format(decorator=decorator, value="2.0"))
    assert run(tmp_path) == ["30.0"]


def test_a_folder_that_cannot_be_written_falls_back_to_the_user_cache(tmp_path):
    package, cache = tmp_path / "package", tmp_path / "cache"
    package.mkdir()
    cache.mkdir()
    (package / "inner_part.py").write_text(INNER.format(decorator="compiled", value="1.0"))
    (package / "outer_part.py").write_text(OUTER)
    # A file in the place of the cache folder refuses it to root as well, whom permissions do not stop.
    (package / "__pycache__").write_text("")
    package.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert run(package, XDG_CACHE_HOME=str(cache), HOME=str(tmp_path)) == ["20.0"]
    finally:
        package.chmod(stat.S_IRWXU)
    assert list(tmp_path.rglob("*.nbi")), "nothing was cached"
    shutil.rmtree(cache)


def test_kernels_can_be_called_from_other_compiled_code():
    @njit
    def total(n):
        out = 0.0
        for _ in range(n):
            out += mt2_kernel(0.0, 10.0, 0.0, 0.0, 20.0, 0.0, -5.0, 3.0, 0.0, 0.0)
        return out

    assert total(2) == pytest.approx(2 * 12.017183194545662, rel=1e-12)


@compiled
def half(x):
    return 0.5 * x


@compiled_in_place
def twice(x):
    if x < 0.0:
        return -2.0 * x
    return 2.0 * x


@compiled
def of_both(x):
    return half(x) + twice(x - 1.0)


@compiled
def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def test_functions_are_compiled_for_who_calls_them():
    """For compiled code alone without what unpacks the arguments of Python, which crashes when Python calls it."""
    assert of_both(4.0) == 8.0
    assert (half.signatures, twice.signatures) == ([], [])
    assert (half(4.0), twice(-3.0)) == (2.0, 6.0)
    assert len(half.signatures) == len(twice.signatures) == 1


def test_a_function_may_call_itself():
    assert factorial(5) == 120


def test_division_by_zero_does_not_raise():
    @compiled
    def ratio(a, b):
        return a / b

    assert ratio(1.0, 0.0) == np.inf


def test_compiled_functions_pickle_by_reference():
    again = pickle.loads(pickle.dumps(mt2_kernel))
    assert again(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0) == 7.0
