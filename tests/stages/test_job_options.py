"""What jobs take along, and what is told of it before they are sent."""

from __future__ import annotations

import sys

import eventfiles
import pytest
from runs import fileset_of

from massgap.condor.job_options import JobOptions
from massgap.condor.shipping import environment as packing
from massgap.processors.registry import make_processor
from massgap.stages.job_options import Luggage, job_options, private_notes, private_python


def test_machine_code_is_told_when_it_begins_and_when_it_is_there(tmp_path) -> None:
    sample = eventfiles.write_nano(tmp_path / "tt.root", eventfiles.make_events(300, seed=3))
    told = []
    luggage = Luggage(make_processor("slepton"), fileset_of(sample), lambda *what: told.append(what))
    folder = luggage.machine_code(tmp_path / "code")
    assert folder == tmp_path / "code"
    assert list(folder.rglob("*.nbi"))
    assert told[0][0].startswith("compiling for the jobs: the analysis runs on its first events here")
    assert told[0][1] == 0
    assert told[-1][0].startswith("compiled for the jobs in ")
    assert told[-1][1] == told[-1][2]


def test_without_an_analysis_nothing_is_compiled(tmp_path) -> None:
    assert Luggage().machine_code(tmp_path / "code") is None


@pytest.mark.parametrize("wanted", ["ship", "ship-all"])
def test_an_environment_is_packed_and_what_stays_is_told(tmp_path, monkeypatch, wanted) -> None:
    def pack(archive, *, leave_out, tell):
        packed.append(leave_out)
        archive.write_bytes(b"")
        tell("packed", 1, 1)

    packed, told = [], []
    monkeypatch.setattr(packing, "pack_environment", pack)
    options = job_options({"environment": wanted})
    assert (options.environment, options.python) == (wanted, None)
    luggage = Luggage(make_processor("slepton"), tell=lambda text, *_: told.append(text))
    options = luggage.environment(options, tmp_path / "cluster")
    assert options.environment == str(tmp_path / "cluster" / "environment.tar.gz")
    if wanted == "ship":
        # pytest runs this, and no worker imports it.
        assert any(path.endswith("/pytest/__init__.py") for path in packed[0])
        assert not any(path.endswith("/site-packages/numpy/__init__.py") for path in packed[0])
        assert told[0].startswith("the environment goes along without ")
    else:
        assert packed[0] == ()
    assert told[-1] == "packed"
    # An earlier archive is taken only where the jobs must stay the same.
    again = JobOptions(environment=wanted)
    luggage.environment(again, tmp_path / "cluster", keep=True)
    assert len(packed) == 1
    luggage.environment(again, tmp_path / "cluster")
    assert len(packed) == 2


def test_files_in_private_folders_are_told() -> None:
    fileset = fileset_of("/tmp/a.root", "/data/b.root", "root://host//tmp/c.root", "/var/tmp/d.root")
    notes = private_notes("htcondor", fileset, "/tmp/run")
    assert len(notes) == 2
    assert notes[0].startswith("/tmp/a.root (and 1 more) lies in /tmp, which a pool gives each job privately")
    assert notes[1].startswith("--out /tmp/run lies in /tmp")
    assert private_notes("htcondor", fileset_of("/data/b.root"), "/data/run") == []
    # Workers of this machine see what is here.
    assert private_notes("futures", fileset, "/tmp/run") == []


def test_a_python_in_a_private_folder_is_told() -> None:
    (note,) = private_python(JobOptions(python="/tmp/venv/bin/python"))
    assert note.startswith("the Python of the jobs, /tmp/venv/bin/python, lies in /tmp")
    assert "--environment ship" in note
    assert private_python(JobOptions(python="/opt/venv/bin/python")) == []
    assert private_python(JobOptions(python="python3")) == []
    assert private_python(JobOptions(python=sys.executable, environment="ship")) == []
    assert private_python(JobOptions(python="/tmp/venv/bin/python", image="/cvmfs/image")) == []
