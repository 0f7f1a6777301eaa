"""A study as data: what its steps need, and those that are shipped."""

from __future__ import annotations

import pytest

from massgap.studies.errors import StudyError
from massgap.studies.study import (
    FitStep,
    GenerateStep,
    ReportStep,
    RunStep,
    Study,
    TrainStep,
    find_study,
    known_studies,
)

STEPS = (
    GenerateStep("samples", "slepton"),
    RunStep("run", "slepton", "samples"),
    TrainStep("low", "run"),
    TrainStep("high", "run"),
    RunStep("scored", "slepton", "samples", {"low": "low", "high": "high"}),
    FitStep("scored/fit", "scored"),
    ReportStep("report.html", "scored", "low", "scored/fit"),
)


def test_steps_say_what_they_need() -> None:
    assert [step.needs for step in STEPS] == [
        (),
        ("samples",),
        ("run",),
        ("run",),
        ("samples", "low", "high"),
        ("scored",),
        ("scored", "low", "scored/fit"),
    ]
    assert Study("mine", "Mine", STEPS).steps == STEPS


@pytest.mark.parametrize("left_out", [0, 1, 2, 3, 4, 5])
def test_a_step_whose_input_nobody_makes(left_out) -> None:
    steps = STEPS[:left_out] + STEPS[left_out + 1 :]
    with pytest.raises(StudyError, match=f"needs '{STEPS[left_out].name}', which no step before it makes"):
        Study("mine", "Mine", steps)


def test_two_steps_of_one_name() -> None:
    with pytest.raises(StudyError, match="two steps 'samples'"):
        Study("mine", "Mine", (STEPS[0], STEPS[0]))


@pytest.mark.parametrize("name", known_studies())
def test_shipped_studies(name) -> None:
    study = find_study(name)
    assert study.name == name
    assert study.title
    assert study.source
    assert {step.kind for step in study.steps} >= {"generate", "run", "report"}
    assert all(0 < step.small < step.events for step in study.steps if isinstance(step, GenerateStep))
    assert study.chapters is not None
    assert study.chapters()


def test_no_such_study() -> None:
    with pytest.raises(StudyError, match=r"no study 'nosuch'; known are .*slepton"):
        find_study("nosuch")
