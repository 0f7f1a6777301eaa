"""Machine code that travels with a copy of the package: used where it fits, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from archives import unpack

import massgap
from massgap.condor.shipping.code_archive import pack_code

INNER = """
from massgap.arrays.compiled import compiled

@compiled
def inner(x):
    return x + {value}
"""

OUTER = """
from massgap.arrays.compiled import compiled
from massgap.toy_inner import inner

@compiled
def outer(x):
    return 10.0 * inner(x)
"""

PROGRAM = """
import sys
from massgap.arrays.compiled import write_machine_code
from massgap.toy_outer import outer

print(outer(1.0), sum(outer.stats.cache_hits.values()), sum(outer.stats.cache_misses.values()), write_machine_code(sys.argv[1]))
"""

OTHER_PROCESSOR = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
"""How numba is told to compile for another processor than this one."""


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The package, with a function that calls one of another file."""
    folder = tmp_path_factory.mktemp("code")
    unpack(pack_code(Path(massgap.__file__).parent, folder / "code.tar.gz"), folder)
    (folder / "massgap" / "toy_inner.py").write_text(INNER.format(value="1.0"))
    (folder / "massgap" / "toy_outer.py").write_text(OUTER)
    return folder / "massgap"


def run(package: Path, collected: Path, **environment: str) -> tuple[float, int, int, int]:
    """Value, hits and misses of the cache, and files of machine code."""
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, collected],
        cwd=collected.parent,
        env={**surroundings, "PYTHONPATH": str(package.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    value, *counts = done.stdout.split()
    return float(value), *map(int, counts)


def sent(package: Path, machine_code: Path, folder: Path) -> Path:
    """What a job unpacks."""
    folder.mkdir()
    unpack(pack_code(package, folder / "code.tar.gz", machine_code=machine_code), folder)
    return folder / "massgap"


def test_what_was_compiled_here_is_loaded_there(package, tmp_path) -> None:
    # Not beside the code, as where that cannot be written.
    elsewhere = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(package, tmp_path / "one", **elsewhere) == (20.0, 0, 1, 4)
    files = sorted(path.name.partition("-")[0] for path in (tmp_path / "one").rglob("*.nb?"))
    assert files == ["toy_inner.inner.inside"] * 2 + ["toy_outer.outer"] * 2
    there = sent(package, tmp_path / "one", tmp_path / "job")
    assert run(there, tmp_path / "two") == (20.0, 1, 0, 4)
    # The same content is the same archive.
    again = pack_code(package, tmp_path / "again.tar.gz", machine_code=tmp_path / "one")
    assert again.read_bytes() == (tmp_path / "job" / "code.tar.gz").read_bytes()


def test_another_processor_compiles_anew_and_does_not_touch_what_came(package, tmp_path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(package, tmp_path / "one", **cache, **OTHER_PROCESSOR)[:3] == (20.0, 0, 1)
    # Whoever reads this as machine code fails.
    for path in (tmp_path / "one").rglob("*.nbc"):
        path.write_bytes(b"code of another processor")
    there = sent(package, tmp_path / "one", tmp_path / "job")
    assert run(there, tmp_path / "two")[:3] == (20.0, 0, 1)
    assert run(there, tmp_path / "two")[:3] == (20.0, 1, 0)


def test_code_that_was_changed_meanwhile_is_compiled_anew(package, tmp_path) -> None:
    """Also in a file that the function only calls."""
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(package, tmp_path / "one", **cache)[:3] == (20.0, 0, 1)
    there = sent(package, tmp_path / "one", tmp_path / "job")
    (there / "toy_inner.py").write_text(INNER.format(value="2.0"))
    assert run(there, tmp_path / "two")[:3] == (30.0, 0, 1)


def test_machine_code_of_an_older_source_is_not_collected(package, tmp_path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(package, tmp_path / "one", **cache)[3] == 4
    text = (package / "toy_inner.py").read_text()
    try:
        (package / "toy_inner.py").write_text(INNER.format(value="3.0"))
        # Imported, and not called.
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("print(outer(1.0), ", "print(0, "), tmp_path / "two"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(package.parent), **cache},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        (package / "toy_inner.py").write_text(text)
    assert done.stdout.split() == ["0", "0", "0", "0"]
    assert not (tmp_path / "two").exists()
