"""Which runs have the scores of models that are asked for, and which are made again."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from massgap.contracts.run_folder import RUN_FORMAT
from massgap.stages import processing


@pytest.fixture
def scored(tmp_path):
    """A run with two scores, whose models are files of any content; only its manifest is looked at."""
    files = {name: tmp_path / f"{name}.onnx" for name in ("low", "high")}
    for name, file in files.items():
        file.write_text(f"model of {name}")
    run = tmp_path / "run"
    run.mkdir()
    manifest = {
        "format": RUN_FORMAT,
        "analysis": "any",
        "datasets": {"d": {"process": "p"}},
        "options": {},
        "models": {
            name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for name, file in files.items()
        },
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    return SimpleNamespace(run=run, files=files)


def test_models_that_have_changed_places_are_others(scored, monkeypatch):
    calls = []

    def run(analysis, **asked):
        calls.append(asked["model"])
        return SimpleNamespace(require_complete=lambda: None)

    monkeypatch.setattr(processing, "run", run)
    low, high = scored.files["low"], scored.files["high"]
    assert processing.with_scores(scored.run, {"low": low, "high": high}) == scored.run
    assert calls == []
    exchanged = {"low": high, "high": low}
    assert processing.with_scores(scored.run, exchanged) == scored.run / "scored"
    assert calls == [exchanged]
