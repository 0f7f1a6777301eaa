"""A report finds the model, the fit and the study that belong to a run."""

from __future__ import annotations

import json
import shutil

import pytest
from reportfolders import make_folders

from massgap import stages
from massgap.reports.run import page


@pytest.fixture
def asked(monkeypatch):
    found = {}

    def write_report(run, model, fit, out, **options):
        found.update(run=run, model=model, fit=fit, out=out, **options)
        return out

    monkeypatch.setattr(page, "write_report", write_report)
    return found


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()

    def made(**manifest):
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return made


def model(folder):
    folder.mkdir(parents=True)
    (folder / "training.json").write_text("{}")
    return folder


def test_the_model_that_scored_the_run_comes_first(run, asked, tmp_path) -> None:
    used = model(tmp_path / "elsewhere")
    folder = run(analysis="mine", models={"low": {"file": str(used / "m.onnx")}})
    model(folder / "model")
    stages.report(folder)
    assert asked["model"] == used
    # A model that is gone is no reason to fail: the run's own is taken.
    run(analysis="mine", models={"low": {"file": "gone/m.onnx"}, "high": {"sha256": "ab"}})
    stages.report(folder)
    assert asked["model"] == folder / "model"
    stages.report(folder, model_folder="x", out="o.html")
    assert (asked["model"], asked["out"]) == ("x", "o.html")


def test_of_several_models_each_is_found_by_its_score(run, asked, tmp_path) -> None:
    low, high = model(tmp_path / "low"), model(tmp_path / "high")
    # A run may have been given the file of a model or its folder.
    folder = run(models={"low": {"file": str(low / "low.onnx")}, "high": {"file": str(high)}})
    stages.report(folder)
    assert asked["model"] == {"low": low, "high": high}


def test_the_fit_in_the_run_folder(run, asked) -> None:
    folder = run(analysis="mine")
    stages.report(folder)
    assert (asked["fit"], asked["model"], asked["out"]) == (None, None, folder / "report.html")
    (folder / "fit").mkdir()
    (folder / "fit" / "results.json").write_text("{}")
    stages.report(folder)
    assert asked["fit"] == folder / "fit"


def test_chapters_of_the_study_of_an_analysis(run, asked) -> None:
    stages.report(run(analysis="slepton"))
    assert [chapter.title for chapter in asked["chapters"]][:1] == ["Beside the paper"]
    stages.report(run(analysis="slepton"), chapters=("mine",))
    assert asked["chapters"] == ("mine",)
    asked.clear()
    stages.report(run(analysis="./mine.py:Mine"))
    assert asked["chapters"] == []


@pytest.mark.parametrize("text", ["{", "[]", '{"models": 5}', '{"models": {"low": 3}}'])
def test_a_damaged_manifest_is_left_to_the_report(run, asked, text) -> None:
    folder = run()
    (folder / "manifest.json").write_text(text)
    stages.report(folder)
    assert asked["model"] is None


def test_model_fit_and_chapters_are_found(tmp_path) -> None:
    folders = make_folders(tmp_path)
    shutil.copytree(folders.fit, folders.run / "fit")
    shutil.copytree(folders.model, folders.run / "model")
    path = folders.run / "histograms.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "histograms": {"m_ll": content["histograms"]["m_ll"]}}))
    text = stages.report(folders.run).read_text(encoding="utf-8")
    for chapter in ("fit", "training", "chapter-beside-the-paper"):
        assert f'id="{chapter}"' in text
    manifest = json.loads((folders.run / "manifest.json").read_text())
    (folders.run / "manifest.json").write_text(json.dumps({**manifest, "analysis": "my_own"}))
    assert "chapter-" not in stages.report(folders.run, tmp_path / "own.html").read_text(encoding="utf-8")
