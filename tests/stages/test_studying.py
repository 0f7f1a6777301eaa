"""A study is carried out: which stage gets what, in which order, and what is written down; the stages themselves are stand-ins."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import IncompleteRunError
from massgap.contracts.study_folder import open_study
from massgap.stages import studying
from massgap.studies.errors import StudyError
from massgap.studies.study import FitStep, GenerateStep, ReportStep, RunStep, Study, TrainStep

MINE = Study(
    "mine",
    "Mine",
    (
        GenerateStep("samples", ("tt", "WW"), events=500, small=50, options={"detector": "atlas"}),
        RunStep("run", "my.py:Mine", "samples", options={"window": 3}),
        TrainStep("low", "run", options={"region": "a", "seed": 9}, words="train low", key="low"),
        TrainStep("high", "run"),
        RunStep("scored", "my.py:Mine", "samples", {"low": "low", "high": "high"}, key="score"),
        RunStep("one", "my.py:Mine", "samples", "high"),
        FitStep("scored/fit", "scored", options={"signal": "s"}),
        ReportStep("page.html", "scored", "low", "scored/fit"),
    ),
    luminosity=140.0,
    chapters=lambda: ("a chapter",),
)


class Stages:
    """Stand-ins for the stages, which keep what they were asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple, dict]] = []
        self.complete = True

    def stand_in(self, name: str):
        def stage(*arguments, **options):
            self.calls.append((name, arguments, options))
            return getattr(self, f"_{name}")(*arguments)

        return stage

    def _generate(self, *_):
        return {}

    def _run(self, *_):
        def require_complete():
            if not self.complete:
                msg = "lost"
                raise IncompleteRunError(msg)

        return SimpleNamespace(require_complete=require_complete, identity={"models": {"score": "ab"}})

    def _train(self, run, out):
        return SimpleNamespace(model_file=Path(out) / "m.onnx")

    def _fit(self, *_):
        return "fitted"

    def _report(self, run, out):
        return Path(out)


@pytest.fixture
def stand_ins(monkeypatch) -> Stages:
    made = Stages()
    for name in ("generate", "run", "train", "fit", "report"):
        monkeypatch.setattr(studying, name, made.stand_in(name))
    return made


def test_stages_get_what_the_study_says(stand_ins, tmp_path) -> None:
    lines: list[str] = []
    done = stages.study(MINE, tmp_path, seed=4, announce=lines.append, workers=3, timeout=7.0)
    assert [name for name, _, _ in stand_ins.calls] == [
        "generate",
        "run",
        "train",
        "train",
        "run",
        "run",
        "fit",
        "report",
    ]
    generate, run, low, high, scored, one, fit, report = [(a, o) for _, a, o in stand_ins.calls]
    assert generate[0] == (["tt", "WW"], tmp_path / "samples")
    assert generate[1].items() >= {"events": 500, "seed": 4, "workers": 3, "detector": "atlas"}.items()
    assert run[1]["fileset"] == tmp_path / "samples" / "fileset.json"
    assert run[1].items() >= {"model": None, "options": {"window": 3}, "workers": 3, "timeout": 7.0}.items()
    assert low[0] == (tmp_path / "run", tmp_path / "low")
    assert low[1].items() >= {"region": "a", "seed": 9}.items()
    assert high[1]["seed"] == 4
    assert scored[1]["model"] == {"low": tmp_path / "low" / "m.onnx", "high": tmp_path / "high" / "m.onnx"}
    assert one[1]["model"] == tmp_path / "high" / "m.onnx"
    assert fit[0] == (tmp_path / "scored", tmp_path / "scored/fit")
    assert fit[1] == {"lumi_fb": 140.0, "signal": "s"}
    assert report[1] == {
        "model_folder": tmp_path / "low",
        "fit_folder": tmp_path / "scored/fit",
        "chapters": ("a chapter",),
    }
    assert [line[:3] for line in lines] == [f"{n}/8" for n in range(1, 9)]
    assert lines[0] == f"1/8  generate 500 events with Pythia (kept in {tmp_path / 'samples'})"
    assert lines[2] == "3/8  train low"
    assert list(done.seconds) == ["generate", "run", "low", "train", "score", "fit", "report"]
    assert (done.report, done.fit) == (tmp_path / "page.html", "fitted")


def test_what_belongs_together_is_written_down(stand_ins, tmp_path) -> None:
    stages.study(MINE, tmp_path, small=True, lumi_fb=3000.0, command="typed")
    found = open_study(tmp_path)
    assert (found.study, found.small, found.luminosity, found.complete) == ("mine", True, 3000.0, True)
    assert found.command == "typed"
    assert found.samples == {"samples": {"events": 50, "fileset": "samples/fileset.json"}}
    assert found.runs["scored"]["models"] == {"low": "low", "high": "high"}
    assert found.runs["one"] == {"analysis": "my.py:Mine", "samples": "samples", "models": {"score": "high"}}
    assert found.models == {n: {"run": "run", "file": f"{n}/m.onnx"} for n in ("low", "high")}
    assert found.fits == {"scored/fit": {"run": "scored"}}
    assert found.reports == {"page.html": {"run": "scored", "model": "low", "fit": "scored/fit"}}


def test_events_can_be_said(stand_ins, tmp_path) -> None:
    stages.study(MINE, tmp_path, events=7)
    assert stand_ins.calls[0][2]["events"] == 7


def test_a_run_that_lost_something_ends_the_study(stand_ins, tmp_path) -> None:
    stand_ins.complete = False
    with pytest.raises(IncompleteRunError):
        stages.study(MINE, tmp_path)
    found = open_study(tmp_path)
    assert list(found.samples) == ["samples"]
    assert found.runs == {}
    assert not found.complete


def test_wrong_words(tmp_path) -> None:
    with pytest.raises(StudyError, match="no study 'nosuch'"):
        stages.study("nosuch", tmp_path)
    with pytest.raises(TypeError, match="no argument 'sed'"):
        stages.study(MINE, tmp_path, sed=3)


def test_the_demo_is_the_small_study(stand_ins, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    stand_ins._fit = lambda *_: SimpleNamespace(
        summary=lambda: [("signal", "s")], results={"disjoint": []}, warnings=(), out="demo/scored/fit"
    )
    done = CliRunner().invoke(main, ["demo", "--seed", "5", "--workers", "1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"report: {(tmp_path / 'demo' / 'report.html').resolve()}" in done.output
    assert "fit folder: demo/scored/fit" in done.output
    demo = open_study("demo")
    assert (demo.study, demo.small, demo.seed) == ("slepton", True, 5)
    again = CliRunner().invoke(
        main, ["study", "slepton", "--out", "again", "--quick", "--seed", "5", "--workers", "1"]
    )
    assert again.exit_code == 0, again.output
    made = json.loads((tmp_path / "again" / "study.json").read_text())
    assert {**made, "command": ""} == {
        **json.loads((tmp_path / "demo" / "study.json").read_text()),
        "command": "",
    }


# ---- validation


def number(kind: str, verdict: str):
    row = {"kind": kind, "verdict": verdict}
    return SimpleNamespace(**row, as_dict=lambda: row)


def with_numbers(*rows) -> Study:
    return Study("mine", "Mine", (), source="a paper", validate=lambda folder: list(rows))


def test_verdicts(tmp_path) -> None:
    found = stages.validate(
        with_numbers(number("hard", "agrees"), number("trend", "differs"), number("hard", "explained")),
        tmp_path,
    )
    assert found.holds
    assert found.verdicts == {"agrees": 1, "differs": 1, "explained": 1}
    assert not stages.validate(with_numbers(number("hard", "differs")), tmp_path).holds
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["format"] == "massgap-validation/1"
    assert plain["rows"][1] == {"kind": "trend", "verdict": "differs"}


def test_folders_that_cannot_be_validated(tmp_path, stand_ins) -> None:
    with pytest.raises(StudyError, match=r"no such folder; massgap study mine --out .*gone makes it"):
        stages.validate(with_numbers(), tmp_path / "gone")
    with pytest.raises(StudyError, match="no numbers of a paper"):
        stages.validate(MINE, tmp_path)
    stages.study(MINE, tmp_path)
    with pytest.raises(StudyError, match="is a folder of the study 'mine': massgap validate mine"):
        stages.validate("slepton", tmp_path)
