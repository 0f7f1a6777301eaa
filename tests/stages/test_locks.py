"""Every stage that writes a folder refuses one that another process is writing."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import eventfiles
import pytest
from runs import fileset_of

from massgap import stages
from massgap.contracts.errors import FolderBusyError
from massgap.contracts.folder_lock import LOCK_FILE, locked_folder
from massgap.contracts.run_folder import open_run
from massgap.errors import MassgapError
from massgap.fits.plan import FitOptions
from massgap.runner.errors import RunnerError
from massgap.runner.slices.plan import write_slices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = """
import sys
from massgap.contracts.folder_lock import locked_folder
with locked_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[int]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.stdin.close()


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "events.root"
    return eventfiles.write_nano(path, eventfiles.make_events(400, negative=False))


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory) -> Path:
    """A run of a signal and a background."""
    folder = tmp_path_factory.mktemp("made")
    other = eventfiles.write_nano(
        folder / "s.root", eventfiles.make_events(400, seed=2, first=5000, negative=False)
    )
    fileset = {**fileset_of(sample), "s": fileset_of(other, process="s", is_signal=True)["tt"]}
    stages.run("slepton", fileset=fileset, out=folder / "run", executor="iterative")
    return folder / "run"


@pytest.mark.parametrize("stage", ["run", "merge", "train", "fit", "study", "generate", "generate_lhe"])
def test_a_stage_refuses_a_folder_in_use(stage, sample, made, tmp_path) -> None:
    out = tmp_path / "out"
    if stage == "merge":
        write_slices("slepton", {}, fileset_of(sample), out)
    if stage.startswith("generate"):
        pytest.importorskip("pythia8mc")
    calls = {
        "run": lambda: stages.run("slepton", [sample], out=out, executor="iterative"),
        "merge": lambda: stages.merge(out, accept_loss=True),
        "train": lambda: stages.train(made, out),
        "fit": lambda: stages.fit(
            made, out, lumi_fb=100.0, options=FitOptions(histogram="met", region="topology")
        ),
        "study": lambda: stages.study("slepton", out, small=True),
        "generate": lambda: stages.generate("slepton", out, events=10),
        "generate_lhe": lambda: stages.generate_lhe([_lhe(tmp_path)], out),
    }
    with held(out) as process:
        before = sorted(out.iterdir())
        with pytest.raises(
            FolderBusyError, match=rf"{out} is being written by another process .*process {process}, since"
        ):
            calls[stage]()
        assert sorted(out.iterdir()) == before


def _lhe(folder: Path) -> Path:
    """Two events of a Z boson of 91.2 GeV."""
    event = (
        "<event>\n 3 1 1.0 91.2 0.0078 0.118\n"
        " 2 -1 0 0 501 0 0 0 45.6 45.6 0 0 9\n -2 -1 0 0 0 501 0 0 -45.6 45.6 0 0 9\n 23 1 1 2 0 0 0 0 0 91.2 91.2 0 9\n</event>\n"
    )
    init = "<init>\n2212 2212 6500 6500 -1 -1 -1 -1 3 1\n1.0 0.1 1.0 1\n</init>\n"
    path = folder / "z.lhe"
    path.write_text(f'<LesHouchesEvents version="3.0">\n{init}{event * 2}</LesHouchesEvents>\n')
    return path


def test_jobs_of_another_run_are_at_work_without_a_lock(sample, tmp_path) -> None:
    out = tmp_path / "out"
    fileset = stages.Inputs(fileset=fileset_of(sample)).load()
    write_slices("slepton", {"features": True}, fileset, out, command="massgap submit slepton")
    with pytest.raises(
        RunnerError, match=r"jobs of another run \(massgap submit slepton\), 1 of 1 slices .* rm -r"
    ) as caught:
        stages.run(
            "slepton", fileset=fileset_of(sample), options={"muon_pt": 15}, out=out, executor="iterative"
        )
    # The same run does what its jobs have not done.
    assert stages.run("slepton", fileset=fileset_of(sample), out=out, executor="iterative").ledger.complete
    other = eventfiles.write_nano(tmp_path / "other.root", eventfiles.make_events(20))
    assert stages.run("slepton", fileset=fileset_of(other), out=out, executor="iterative").ledger.complete
    # Its own words take them away.
    shutil.rmtree(out / "checkpoints")
    remedy = shlex.split(str(caught.value).rpartition("condor_rm, then ")[2].removesuffix(")"))
    with pytest.raises(RunnerError, match="another run"):
        stages.run("slepton", fileset=fileset_of(other), out=out, executor="iterative")
    subprocess.run(remedy, check=True)
    assert stages.run("slepton", fileset=fileset_of(other), out=out, executor="iterative").ledger.complete


BLOCKED = """
import os, sys
from coffea.processor import ProcessorABC

class Waiting(ProcessorABC):
    def process(self, events):
        open(os.environ["BEGUN"], "w").close()   # a named pipe: the test reads it
        sys.stdin.read()
        return {"n": len(events)}
    def postprocess(self, accumulator):
        return accumulator
"""


def test_two_runs_at_once_and_one_that_was_killed(sample, tmp_path) -> None:
    (tmp_path / "waiting.py").write_text(BLOCKED)
    pipe, out = tmp_path / "begun", tmp_path / "out"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "massgap", "run", f"{tmp_path / 'waiting.py'}:Waiting", str(sample)]
    command += ["--executor", "iterative", "--out", str(out)]
    other = [*command[:4], "slepton", *command[5:]]
    environment = {**os.environ, "BEGUN": str(pipe)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, env=environment, stderr=subprocess.DEVNULL
    ) as first:
        pipe.open().close()
        refused = subprocess.run(other, capture_output=True, text=True, check=False, env=environment)
        assert refused.returncode == 1
        assert f"process {first.pid}, since" in refused.stderr
        assert "waiting.py:Waiting" in refused.stderr
        first.send_signal(signal.SIGKILL)
    assert (out / LOCK_FILE).exists()
    taken = subprocess.run(other, capture_output=True, text=True, check=False, env=environment)
    assert taken.returncode == 0, taken.stderr
    folder = open_run(out)
    assert folder.manifest["analysis"] == "slepton"
    assert not (out / LOCK_FILE).exists()


def test_a_stage_lets_go_when_it_fails(made, tmp_path) -> None:
    with pytest.raises(MassgapError):
        stages.train(made, tmp_path / "out", region="nowhere")
    (tmp_path / "gone.root").write_bytes(b"root")
    result = stages.run("slepton", [tmp_path / "gone.root"], out=tmp_path / "out", executor="iterative")
    assert not result.ledger.complete
    with locked_folder(tmp_path / "out"):
        pass
