"""Machine code is made before jobs are sent: all that they call, from the first events, and what fails costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import eventfiles
import pytest
from archives import unpack
from runs import fileset_of

import massgap
from massgap.condor.shipping.code_archive import pack_code
from massgap.processors.registry import make_processor
from massgap.runner.preflight import warming
from massgap.runner.preflight.warming import part_to_warm, warm

PROGRAM = """
import json, sys
from massgap.arrays import compiled
from massgap.processors.registry import make_processor
from massgap.runner.runner import run

found = run(make_processor("slepton", features=True), json.loads(sys.argv[1]), chunksize=300)
assert found.ledger.complete, found.ledger.problems()
kernels = [kernel for reference in compiled._KERNELS if (kernel := reference())]
counts = [sum(sum(getattr(k.stats, what).values()) for k in kernels) for what in ("cache_hits", "cache_misses")]
print(massgap_place := compiled.__file__, *counts)
"""


@pytest.fixture(scope="module")
def fileset(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("warming")
    return fileset_of(eventfiles.write_nano(folder / "tt.root", eventfiles.make_events(900, seed=3)))


def test_a_job_compiles_nothing_that_was_compiled_before(fileset, tmp_path) -> None:
    ticks = []
    found = warm(
        make_processor("slepton", features=True),
        fileset,
        tmp_path / "machine code",
        tick=lambda: ticks.append(1),
    )
    assert found.problem == ""
    assert found.files == len(list((tmp_path / "machine code").rglob("*.nb?"))) > 50
    archive = pack_code(
        Path(massgap.__file__).parent, tmp_path / "code.tar.gz", machine_code=tmp_path / "machine code"
    )
    assert archive.stat().st_size < 6e6
    unpack(archive, tmp_path / "job")
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(fileset)],
        cwd=tmp_path,
        env={**surroundings, "PYTHONPATH": str(tmp_path / "job")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    place, hits, misses = done.stdout.split()
    assert place.startswith(str(tmp_path / "job"))
    assert int(hits) > 10
    assert int(misses) == 0


def test_what_cannot_be_read_is_told_and_nothing_else_happens(fileset, tmp_path) -> None:
    (tmp_path / "bad.root").write_bytes(b"no file of ROOT")
    bad = {"tt": {**fileset["tt"], "files": {str(tmp_path / "bad.root"): "Events"}}}
    found = warm(make_processor("slepton"), bad, tmp_path / "machine code")
    assert "bad.root" in found.problem


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the process was ended by signal 9"),
        ("raise SystemExit('no room')", "the process failed (no room)"),
        ("pass", "the process ended without an answer"),
        ("import time; time.sleep(600)", "the first events took more than 1 s"),
    ],
)
def test_a_process_that_ends_or_hangs(fileset, tmp_path, monkeypatch, program, problem) -> None:
    monkeypatch.setattr(warming, "_PROGRAM", program)
    found = warm(
        make_processor("slepton"),
        fileset,
        tmp_path / "machine code",
        within=1.0 if "600" in program else 300.0,
    )
    assert (found.files, found.problem) == (0, problem)


def test_one_file_of_a_few_datasets_of_both_kinds() -> None:
    fileset = {f"mc{i}": {"files": {"b.root": "Events", "a.root": "Events"}} for i in range(9)}
    fileset |= {f"data{i}": {"files": {"d.root": "Events"}, "metadata": {"is_data": True}} for i in range(9)}
    part = part_to_warm(fileset)
    assert list(part) == ["mc0", "mc1", "data0", "data1"]
    assert part["mc0"]["files"] == {"a.root": "Events"}
    assert list(part_to_warm({"mc": fileset["mc0"]})) == ["mc"]
