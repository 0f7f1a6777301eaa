"""A study is carried out: which stage gets what, in which order, and what is written down; the stages themselves are stand-ins."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import eventfiles
import pytest
from click.testing import CliRunner

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import FilesetError, IncompleteRunError
from massgap.contracts.study_folder import open_study
from massgap.events.reading.files import inspect_file
from massgap.events.variations import WEIGHT_VARIATIONS
from massgap.fits.errors import FitError
from massgap.stages.studying import steps as carried_out
from massgap.stages.studying.variations import available_variations
from massgap.studies.errors import StudyError
from massgap.studies.study import (
    FitStep,
    GenerateStep,
    PlaneStep,
    ReportStep,
    RunStep,
    Study,
    TrainStep,
)

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

    def _plane(self, *_):
        return "plane"

    def _report_plane(self, folder):
        return folder

    def _report(self, run, out):
        return Path(out)


@pytest.fixture
def stand_ins(monkeypatch) -> Stages:
    made = Stages()
    for name in ("generate", "run", "train", "fit", "plane", "report", "report_plane"):
        monkeypatch.setattr(carried_out, name, made.stand_in(name))
    # what a process of its own is asked for would not be seen here
    monkeypatch.setattr(carried_out, "processes", lambda _: 1)
    return made


def test_samples_at_parton_level_are_called_so(stand_ins, monkeypatch, tmp_path) -> None:
    """They were announced as Pythia's, and with the time that those take."""
    monkeypatch.setattr(carried_out, "generate_partons", stand_ins.stand_in("generate"))
    lines: list[str] = []
    generate = GenerateStep("samples", ("tt",), events=600_000, small=50, parton=True)
    stages.study(replace(MINE, steps=(generate, *MINE.steps[1:])), tmp_path, announce=lines.append)
    assert lines[0].startswith("1/8  generate 600,000 events at parton level (kept in ")
    assert "(about 6 min left)" in lines[0]


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
    # Estimates: 500 events at 350 per second, 10 s a training and a fit, 60 s a run, 30 s a report.
    assert (
        lines[0]
        == f"1/8  generate 500 events with Pythia (kept in {tmp_path / 'samples'})  (about 4 min left)"
    )
    assert lines[2].startswith("3/8  train low  (about ")
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


def test_the_demo_is_a_small_study(stand_ins, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    stand_ins._fit = lambda *_: SimpleNamespace(
        summary=lambda: [("signal", "s")],
        results={"format": "massgap-fit/1", "disjoint": []},
        warnings=(),
        out="demo/scored/fit",
    )
    done = CliRunner().invoke(main, ["demo", "--seed", "5", "--workers", "1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"report: {(tmp_path / 'demo' / 'report.html').resolve()}" in done.output
    assert "fit folder: demo/scored/fit" in done.output
    demo = open_study("demo")
    assert (demo.study, demo.small, demo.seed) == ("slepton", True, 5)


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


def test_a_page_has_the_versions_that_made_the_numbers_and_what_is_missing(tmp_path) -> None:
    """Those of this environment say nothing of a folder that another one has made."""
    for place, coffea in (("run", "1.0"), ("scored", "2.0")):
        (tmp_path / place).mkdir()
        manifest = {
            "format": "massgap-run/1",
            "datasets": {"tt": {"process": "tt"}},
            "versions": {"coffea": coffea, "numpy": "0.1"},
        }
        (tmp_path / place / "manifest.json").write_text(json.dumps(manifest))
    failed = {"fits/one": f"{tmp_path}/scored: too few events"}
    record = {
        "format": "massgap-study/1",
        "study": "mine",
        "runs": {"run": {}, "scored": {}},
        "failed": failed,
    }
    (tmp_path / "study.json").write_text(json.dumps(record))
    found = stages.validate(with_numbers(), tmp_path)
    page = found.page()
    assert "coffea 1.0 and 2.0, numpy 0.1" in page
    assert "massgap study mine --out FOLDER" in page
    assert "- not done: fits/one: FOLDER/scored: too few events" in page
    assert len(found.warnings()) == 2
    (tmp_path / "study.json").write_text(json.dumps({**record, "failed": {}, "complete": True}))
    assert stages.validate(with_numbers(), tmp_path).warnings() == []
    # A run alone says its own.
    assert "coffea 2.0, numpy 0.1" in stages.validate(with_numbers(), tmp_path / "scored").page()


LARGE = Study(
    "large",
    "Large",
    (
        GenerateStep("samples/a", "tt", events=300, small=30),
        GenerateStep("samples/b", "WW", events=100, small=10),
        GenerateStep("samples/c", "ZZ", events=100, small=10, quick=False),
        RunStep("run", "my.py:Mine", ("samples/a", "samples/b", "samples/c")),
        TrainStep("low", "run"),
        TrainStep("high", "run", quick=False),
        RunStep("scored", "my.py:Mine", ("samples/a", "samples/c"), {"low": "low", "high": "high"}),
        FitStep(
            "fits/one",
            "scored",
            parts=(("sr", "score_low"),),
            controls=(("cr", "met"),),
            scan={"min_ratio": 0.1},
            model={"normalisation": {"tt": "free"}},
            fit={"replicas": 7},
        ),
        PlaneStep("plane", "scored", parts=(("sr", "score_low"),), quick=False),
    ),
)


@pytest.fixture
def samples(tmp_path):
    """Filesets as the stand-ins would have made them."""
    for name, energy in (("a", 13.0), ("b", 13.0), ("c", 13.0)):
        folder = tmp_path / "samples" / name
        folder.mkdir(parents=True)
        (folder / "f.root").write_bytes(name.encode())
        entry = {
            "files": {"f.root": "Events"},
            "metadata": {"process": name, "xsec_fb": 1.0, "sqrt_s_tev": energy},
        }
        (folder / "fileset.json").write_text(json.dumps({f"data_{name}": entry}))
    return tmp_path


def test_samples_of_several_steps_are_run_together(stand_ins, samples) -> None:
    stages.study(LARGE, samples, events=1000, samples={"samples/c": 5})
    assert [call[2]["events"] for call in stand_ins.calls[:3]] == [600, 200, 5]
    runs = [options["fileset"] for name, _, options in stand_ins.calls if name == "run"]
    merged = json.loads(runs[0].read_text())
    assert list(merged) == ["data_a", "data_b", "data_c"]
    assert list(merged["data_c"]["files"]) == ["samples/c/f.root"]
    assert open_study(samples).runs["run"]["samples"] == ["samples/a", "samples/b", "samples/c"]
    assert open_study(samples).planes == {"plane": {"run": "scored"}}


def test_the_small_form_goes_without_some_steps(stand_ins, samples) -> None:
    stages.study(LARGE, samples, small=True)
    assert [name for name, _, _ in stand_ins.calls] == ["generate", "generate", "run", "train", "run", "fit"]
    assert list(stand_ins.calls[4][2]["model"]) == ["low"]
    assert open_study(samples).runs["run"]["samples"] == ["samples/a", "samples/b"]


def test_a_fit_gets_its_parts_and_options(stand_ins, samples) -> None:
    stages.study(LARGE, samples, small=True)
    options = stand_ins.calls[-1][2]
    part, control = options["plan"].parts
    assert (part.region, part.histogram, part.count) == ("sr", "score_low", False)
    assert (control.region, control.histogram, control.count) == ("cr", "met", True)
    assert options["options"].scan.min_ratio == 0.1
    assert options["options"].replicas == 7
    assert options["options"].model.normalisation == {"tt": "free"}


@pytest.mark.parametrize(
    ("options", "expected"), [({}, [140.0]), ({"luminosities": (140.0, 3000.0)}, (140.0, 3000.0))]
)
def test_a_plane_is_of_the_luminosity_of_the_study_unless_it_says_its_own(
    stand_ins, tmp_path, options, expected
) -> None:
    step = PlaneStep("plane", "scored", parts=(("sr", "score_low"),), options={**options, "xsec": "nlo"})
    stages.study(replace(MINE, steps=(*MINE.steps, step)), tmp_path)
    (given,) = (made for name, _, made in stand_ins.calls if name == "plane")
    assert given["luminosities"] == expected
    assert given["xsec"] == "nlo"


def test_samples_of_different_energies_are_refused(stand_ins, samples) -> None:
    path = samples / "samples" / "b" / "fileset.json"
    found = json.loads(path.read_text())
    found["data_b"]["metadata"]["sqrt_s_tev"] = 14.0
    path.write_text(json.dumps(found))
    with pytest.raises(
        FilesetError, match=r"different energies.*samples/a/.*: 13 TeV, .*samples/b/.*: 14 TeV"
    ):
        stages.study(LARGE, samples)


def test_one_dataset_of_two_samples_is_refused(stand_ins, samples) -> None:
    (samples / "samples" / "b" / "fileset.json").write_text((samples / "samples/a/fileset.json").read_text())
    with pytest.raises(FilesetError, match=r"the dataset 'data_a' is in .*samples/a.* and in .*samples/b"):
        stages.study(LARGE, samples)


def test_samples_that_no_step_makes(tmp_path) -> None:
    with pytest.raises(
        StudyError, match=r"generates no 'samples/z'.*samples/a, samples/b.*--sample samples/a=20k"
    ):
        stages.study(LARGE, tmp_path, samples={"samples/z": 5})


def test_the_folder_of_another_study_is_left_alone(stand_ins, tmp_path) -> None:
    stages.study(MINE, tmp_path)
    before = (tmp_path / "study.json").read_bytes()
    with pytest.raises(
        StudyError, match=r"is a folder of the study 'mine': give another folder, massgap study large --out"
    ):
        stages.study(LARGE, tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(StudyError, match="It cannot be continued: give another folder"):
        stages.study(MINE, tmp_path)
    assert before


def test_a_fit_is_made_once_while_nothing_changes(stand_ins, samples, monkeypatch) -> None:
    monkeypatch.setattr(carried_out, "finished_fit", lambda folder: f"kept {folder.name}")
    run = samples / "scored"
    run.mkdir()
    (run / "histograms.json").write_text("{}")
    count = lambda: sum(name == "fit" for name, _, _ in stand_ins.calls)
    stages.study(LARGE, samples, small=True)
    assert count() == 1
    assert stages.study(LARGE, samples, small=True).fit == "kept one"
    assert count() == 1
    (run / "histograms.json").write_text("{ }")
    stages.study(LARGE, samples, small=True)
    assert count() == 2
    stages.study(LARGE, samples, small=True, lumi_fb=3000.0)
    assert count() == 3


def test_a_fit_that_few_events_allow_no_more_does_not_end_the_study(stand_ins, samples) -> None:
    def refuse(*_):
        msg = "no events are left"
        raise FitError(msg)

    stand_ins._fit = refuse
    with pytest.raises(FitError):
        stages.study(LARGE, samples, small=True)
    may_fail = ("fits/one",)
    steps = tuple(replace(step, optional=step.name in may_fail) for step in LARGE.steps)
    lines: list[str] = []
    done = stages.study(replace(LARGE, steps=steps), samples, announce=lines.append)
    assert done.fits == ()
    assert "not done: no events are left" in lines[-2]
    found = open_study(samples)
    assert found.complete
    assert found.failed == {"fits/one": "no events are left"}


def test_scores_whose_training_failed_are_left_out_of_the_run(stand_ins, samples) -> None:
    train = stand_ins._train

    def refuse(run, out):
        if out.name == "high":
            msg = "no event of the signal"
            raise FitError(msg)
        return train(run, out)

    stand_ins._train = refuse
    steps = tuple(replace(step, optional=step.name == "high") for step in LARGE.steps)
    stages.study(replace(LARGE, steps=steps), samples)
    scored = [options for name, _, options in stand_ins.calls if name == "run"][1]
    assert list(scored["model"]) == ["low"]
    found = open_study(samples)
    assert found.runs["scored"]["models"] == {"low": "low"}
    assert found.failed == {"high": "no event of the signal"}


# ---- what ends a study, and what is kept


def at(place: str, error: BaseException):
    """A stage that fails when it makes one thing, and works otherwise."""

    def chosen(stage):
        def made(*arguments):
            if any(str(argument).endswith(place) for argument in arguments):
                raise error
            return stage(*arguments)

        return made

    return chosen


STAGES = {
    "samples": "_generate",
    "run": "_run",
    "low": "_train",
    "scored/fit": "_fit",
    "page.html": "_report",
}


@pytest.fixture
def of_disk(stand_ins, tmp_path, monkeypatch):
    """The command on the study ``mine`` whose stand-ins do their work when they are called with a folder of it."""
    monkeypatch.setattr("massgap.stages.studying.studies.find_study", lambda name: MINE)
    monkeypatch.setattr(stand_ins, "_run", lambda *_: Stages._run(stand_ins))

    def type_it():
        return CliRunner().invoke(main, ["study", "mine", "--out", str(tmp_path), "--workers", "1"])

    return type_it


def fails(stand_ins, monkeypatch, place: str, error: BaseException) -> None:
    """Let one stage fail where it makes a place: runs are told by their option ``out``, the others by an argument."""
    method = STAGES[place]
    if place != "run":
        monkeypatch.setattr(stand_ins, method, at(place, error)(getattr(stand_ins, method)))
        return

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(carried_out, "run", refuse)


@pytest.mark.parametrize("place", STAGES)
def test_ctrl_c_in_each_stage(stand_ins, of_disk, tmp_path, monkeypatch, place) -> None:
    fails(stand_ins, monkeypatch, place, KeyboardInterrupt())
    done = of_disk()
    assert done.exit_code == 130
    assert "What was finished is kept: the same command goes on from there" in done.output
    names = [step.name for step in MINE.steps]
    before = names[: names.index(place)]
    if before:
        found = open_study(tmp_path)
        assert {*found.samples, *found.runs, *found.models, *found.fits} == set(before)
        assert not found.complete


@pytest.mark.parametrize("place", STAGES)
def test_a_full_disk_in_each_stage(stand_ins, of_disk, tmp_path, monkeypatch, place) -> None:
    """As the system says it, and as a room says it that names the folder; also where the step may fail."""
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / place))
    fails(stand_ins, monkeypatch, place, full)
    done = of_disk()
    assert done.exit_code == 1
    assert done.output.strip().splitlines()[-1] == f"Error: {tmp_path / place}: No space left on device"


def test_a_full_disk_ends_a_study_that_may_go_without_a_step(stand_ins, tmp_path, monkeypatch) -> None:
    def full(*_):
        msg = "the fit folder cannot be written"
        raise FitError(msg) from OSError(errno.ENOSPC, "No space left on device")

    stand_ins._fit = full
    steps = tuple(replace(step, optional=True) for step in MINE.steps)
    with pytest.raises(FitError, match="the fit folder cannot be written"):
        stages.study(replace(MINE, steps=steps), tmp_path)
    found = open_study(tmp_path)
    assert set(found.models) == {"low", "high"}
    assert not found.failed


# ---- systematics by name


def test_a_run_has_those_systematics_that_its_samples_can_have(tmp_path) -> None:
    path = tmp_path / "events.root"
    eventfiles.write_nano(path, eventfiles.make_events(5, seed=1), "v12")
    metadata = {"process": "tt", "xsec_fb": 1.0, "is_data": False, "is_signal": False}
    fileset = {"tt": {"files": {str(path): "Events"}, "metadata": metadata}}
    (tmp_path / "fileset.json").write_text(json.dumps(fileset))
    weights = inspect_file(str(path)).weights
    wanted = ("jes", "nothing_that_is_known", "mur", "isr", "jer")
    there = {name for name in wanted if name in WEIGHT_VARIATIONS and WEIGHT_VARIATIONS[name][0] in weights}
    found = available_variations(wanted, tmp_path / "fileset.json")
    assert found == tuple(name for name in wanted if name in {"jes", "jer", *there})


def test_a_study_asks_for_them(stand_ins, samples, monkeypatch) -> None:
    monkeypatch.setattr(carried_out, "available_variations", lambda wanted, fileset: wanted[:1])
    steps = tuple(
        replace(step, wanted=("jes", "pdf")) if step.name == "scored" else step for step in LARGE.steps
    )
    run = samples / "scored"
    run.mkdir()
    manifest = {
        "format": "massgap-run/1",
        "options": {"variations": ["jes"]},
        "datasets": {"a": {"process": "a"}},
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    entries = [{"name": name, "kind": "shape"} for name in ("jes", "pdf")]
    steps = tuple(
        replace(step, nuisances={"nuisance": entries}) if step.name == "fits/one" else step for step in steps
    )
    stages.study(replace(LARGE, steps=steps), samples, small=True)
    scored = [options for name, _, options in stand_ins.calls if name == "run"][1]
    assert scored["options"]["variations"] == ("jes",)
    nuisances = stand_ins.calls[-1][2]["options"].model.nuisances
    assert [each.name for each in nuisances.nuisances] == ["jes"]


def test_a_plane_has_the_luminosity_of_the_study_or_its_own(stand_ins, samples) -> None:
    other = PlaneStep("other", "scored", options={"luminosities": [3.0, 4.0]})
    stages.study(replace(LARGE, steps=(*LARGE.steps, other)), samples, lumi_fb=7.0)
    asked = [options["luminosities"] for name, _, options in stand_ins.calls if name == "plane"]
    assert asked == [[7.0], [3.0, 4.0]]
