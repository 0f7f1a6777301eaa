"""Trainings and fits of a study that need nothing of each other are made several at a time; the stages are stand-ins that write files."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from massgap import stages
from massgap.contracts.study_folder import open_study
from massgap.contracts.writing import write_json
from massgap.fits.errors import FitError
from massgap.stages.execution import Execution
from massgap.stages.studying import steps as carried_out
from massgap.stages.studying import together
from massgap.stages.studying.together import independent
from massgap.studies.study import FitStep, GenerateStep, RunStep, Study, TrainStep

STEPS = (
    GenerateStep("samples", "tt", events=10, small=1),
    RunStep("run", "my.py:Mine", "samples"),
    TrainStep("low", "run", words="train low"),
    TrainStep("high", "run", key="high"),
    FitStep("fits/a", "run"),
    FitStep("fits/b", "run", optional=True),
    FitStep("fits/c", "run"),
)


@pytest.fixture
def log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture
def processes_of(tmp_path, log, monkeypatch):
    """Puts stand-ins in place; called with the name of a step, it tells in which processes it was made (True: in this one)."""
    here = os.getpid()

    def note(out):
        with (log / Path(out).name).open("a") as file:
            file.write(f"{os.getpid()}\n")

    def run(*_, out, **__):
        (out).mkdir(exist_ok=True)
        return SimpleNamespace(require_complete=lambda: None, identity={})

    def train(_, out, **options):
        if not (out / "m.onnx").exists():
            note(out)
            out.mkdir()
            (out / "m.onnx").write_text(str(options["seed"]))
            (out / "training.json").write_text("{}")
        return SimpleNamespace(model_file=out / "m.onnx")

    def fit(_, out, **options):
        assert options == {"lumi_fb": 140.0}
        if out.name == "deadly" and os.getpid() != here:
            os._exit(9)
        if out.name == "b":
            note(out)
            msg = "no background in b"
            raise FitError(msg)
        if not out.exists():
            note(out)
            out.mkdir(parents=True)
            write_json(out / "results.json", {"lumi": 1})
        return "fitted"

    monkeypatch.setattr(carried_out, "generate", lambda *_, **__: {})
    monkeypatch.setattr(carried_out, "run", run)
    monkeypatch.setattr(carried_out, "train", train)
    monkeypatch.setattr(carried_out, "fit", fit)
    monkeypatch.setattr(carried_out, "merged_fileset", lambda *_: None)
    monkeypatch.setattr(carried_out, "step_key", lambda step, *_: f"key of {step.name}")
    monkeypatch.setattr(
        carried_out, "finished_fit", lambda out: "kept" if (out / "results.json").exists() else None
    )

    def told(name):
        path = log / name
        return [int(line) == here for line in path.read_text().split()] if path.exists() else []

    return told


def mine(*steps) -> Study:
    return Study("mine", "Mine", steps, luminosity=140.0)


def test_trainings_and_fits_are_shared_by_processes(processes_of, tmp_path) -> None:
    lines: list[str] = []
    done = stages.study(mine(*STEPS), tmp_path, seed=7, announce=lines.append, workers=2)
    assert all(processes_of(name) == [False] for name in ("low", "high", "a", "c"))
    assert (tmp_path / "low" / "m.onnx").read_text() == "7"
    found = open_study(tmp_path)
    assert found.complete
    assert list(found.models) == ["low", "high"]
    assert list(found.fits) == ["fits/a", "fits/c"]
    # what failed is not tried again here, and is told once
    assert processes_of("b") == [False]
    assert found.failed == {"fits/b": "no background in b"}
    assert found.keys == {name: f"key of {name}" for name in ("low", "high", "fits/a", "fits/c")}
    assert lines[1].startswith("2/7  run")
    assert lines[2].startswith("3 to 4 of 7, 2 at a time")
    assert sorted(lines[3:5]) == ["3/7  train low", "4/7  train"]
    assert lines[5].startswith("5 to 7 of 7, 2 at a time")
    assert sorted(lines[6:9]) == ["5/7  fit", "6/7  fit", "7/7  fit"]
    assert lines[9:] == ["     not done: no background in b"]
    assert list(done.seconds) == ["generate", "run", "train", "high", "fit"]
    # what was made at a time took that time together
    assert done.seconds["high"] > 0.3 * (done.seconds["train"] + done.seconds["high"])
    # what is there is not begun again, nor are processes for it
    again: list[str] = []
    stages.study(mine(*STEPS), tmp_path, seed=7, announce=again.append, workers=2)
    assert [line.split()[0] for line in again if "not done" not in line] == [f"{n}/7" for n in range(1, 8)]
    assert all(processes_of(name) == [False] for name in ("low", "high", "a", "c"))


def test_with_one_worker_all_is_made_here(processes_of, tmp_path) -> None:
    lines: list[str] = []
    stages.study(mine(*STEPS), tmp_path, announce=lines.append, workers=1)
    assert all(processes_of(name) == [True] for name in ("low", "high", "a", "c"))
    assert [line.split()[0] for line in lines if "not done" not in line] == [f"{n}/7" for n in range(1, 8)]


def test_fits_that_were_made_before_an_interrupt_are_not_made_again(
    processes_of, tmp_path, monkeypatch
) -> None:
    seen: list[str] = []
    remember = carried_out.Going._remember

    def interrupted(self, step, key):
        remember(self, step, key)
        seen.append(step.name)
        carried_out.write_study(self.record)
        raise KeyboardInterrupt

    monkeypatch.setattr(carried_out.Going, "_remember", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stages.study(mine(*STEPS[:2], STEPS[4], STEPS[6]), tmp_path, workers=2)
    assert len(seen) == 1
    assert list(open_study(tmp_path).keys) == seen
    monkeypatch.undo()


def test_trainings_of_another_code_are_shared_again(processes_of, tmp_path, monkeypatch) -> None:
    lines: list[str] = []
    stages.study(mine(*STEPS[:4]), tmp_path, workers=2)
    monkeypatch.setattr(carried_out, "step_key", lambda step, *_: f"another key of {step.name}")
    stages.study(mine(*STEPS[:4]), tmp_path, announce=lines.append, workers=2)
    assert lines[2].startswith("3 to 4 of 4, 2 at a time")
    assert open_study(tmp_path).keys == {name: f"another key of {name}" for name in ("low", "high")}


def test_a_process_that_is_lost_leaves_the_rest_to_this_one(processes_of, tmp_path) -> None:
    """Alone on the machine a step may have the memory that it needs."""
    lines: list[str] = []
    steps = (*STEPS[:2], FitStep("fits/deadly", "run"), FitStep("fits/c", "run"))
    stages.study(mine(*steps), tmp_path, announce=lines.append, workers=2)
    found = open_study(tmp_path)
    assert found.complete
    assert list(found.fits) == ["fits/deadly", "fits/c"]
    assert processes_of("deadly") == [True]
    (told,) = (line for line in lines if "lack of memory" in line)
    assert told.endswith("Going on with one step at a time.")


def test_the_time_that_is_left_counts_a_group_once(processes_of, tmp_path, monkeypatch) -> None:
    """What it took is held against what all of its steps cost by estimate."""
    added: list[float] = []
    monkeypatch.setattr(carried_out.TimeAhead, "add", lambda _, estimated, took: added.append(estimated))
    stages.study(mine(*STEPS[:4]), tmp_path, workers=2)
    assert STEPS[2].seconds + STEPS[3].seconds in added


def test_a_cluster_does_not_share_what_is_made_here() -> None:
    assert together.processes(Execution("htcondor", workers=50)) == 1
    assert together.processes(Execution("futures", workers=1)) == 1
    assert together.processes(Execution("futures", workers=1000)) <= (os.cpu_count() or 1)


def test_which_steps_belong_together() -> None:
    assert independent(STEPS) == []
    assert [step.name for step in independent(STEPS[2:])] == ["low", "high"]
    assert [step.name for step in independent(STEPS[4:])] == ["fits/a", "fits/b", "fits/c"]

    class After(FitStep):
        @property
        def needs(self):
            return ("run", "fits/a")

    after = After("fits/after", "run")
    assert [step.name for step in independent((*STEPS[4:6], after))] == ["fits/a", "fits/b"]
    assert independent(()) == []
