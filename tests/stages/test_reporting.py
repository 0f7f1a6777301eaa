"""The report of a run finds what belongs to it."""

from __future__ import annotations

import json
import shutil

from reportfolders import make_folders

from massgap.stages import report


def test_model_fit_and_chapters_are_found(tmp_path) -> None:
    folders = make_folders(tmp_path)
    shutil.copytree(folders.fit, folders.run / "fit")
    shutil.copytree(folders.model, folders.run / "model")
    path = folders.run / "histograms.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "histograms": {"m_ll": content["histograms"]["m_ll"]}}))
    text = report(folders.run).read_text(encoding="utf-8")
    for chapter in ("fit", "training", "chapter-beside-the-paper"):
        assert f'id="{chapter}"' in text
    manifest = json.loads((folders.run / "manifest.json").read_text())
    (folders.run / "manifest.json").write_text(json.dumps({**manifest, "analysis": "my_own"}))
    assert "chapter-" not in report(folders.run, tmp_path / "own.html").read_text(encoding="utf-8")
