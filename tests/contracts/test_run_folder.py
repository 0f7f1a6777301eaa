from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from massgap.contracts.errors import HistogramError, IncompleteRunError, RunFolderError
from massgap.contracts.run_folder import open_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, make_run: Callable[..., Path], make_feature: Callable[..., object]) -> Path:
    return make_run(tmp_path / "run", {"met": make_feature()}, data=True)


def test_reads_processes_and_histograms(
    run: Path, signal: str, backgrounds: tuple[str, ...], make_feature: Callable[..., object]
) -> None:
    folder = open_run(run)
    assert folder.signals == (signal,)
    assert folder.backgrounds == backgrounds
    assert folder.data == ("data",)
    assert folder.histogram("met") == make_feature()
    assert folder.require_complete() is None
    assert folder.cutflow["steps"] == []


def test_importing_the_room_is_light() -> None:
    code = (
        "import sys, massgap.fits, massgap.contracts.run_folder; "
        "print([m for m in ('pyhf', 'hist', 'scipy', 'numpy', 'matplotlib', 'coffea') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_histogram_lists_the_present_ones(run: Path) -> None:
    with pytest.raises(HistogramError, match=r"no histogram 'score'; it has: met.*--model"):
        open_run(run).histogram("score")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is no folder"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"manifest\.json is missing"):
        open_run(tmp_path)


@pytest.mark.parametrize("name", ["histograms.json", "ledger.json", "cutflow.json"])
def test_missing_file(run: Path, name: str) -> None:
    (run / name).unlink()
    folder = open_run(run)
    with pytest.raises(RunFolderError, match=f"{name} is missing"):
        getattr(folder, name.removesuffix(".json"))


def test_damaged_and_foreign_files(run: Path) -> None:
    (run / "ledger.json").write_text('{"format": ', encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"ledger\.json is damaged \(line 1"):
        _ = open_run(run).ledger
    (run / "ledger.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunFolderError, match="cannot be read"):
        _ = open_run(run).ledger
    (run / "manifest.json").write_text('{"format": "massgap-run/2"}', encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"format 'massgap-run/2', but 'massgap-run/1'"):
        open_run(run)
    (run / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(RunFolderError, match="format None"):
        open_run(run)


def test_manifest_without_datasets_or_process(run: Path) -> None:
    (run / "manifest.json").write_text('{"format": "massgap-run/1", "datasets": {}}', encoding="utf-8")
    with pytest.raises(RunFolderError, match="lists no datasets"):
        open_run(run)
    (run / "manifest.json").write_text('{"format": "massgap-run/1", "datasets": {"a": {}}}', encoding="utf-8")
    with pytest.raises(RunFolderError, match="'a' names no process"):
        _ = open_run(run).signals


def test_histogram_of_another_form(run: Path) -> None:
    content = {"format": "massgap-histograms/1", "histograms": {"met": {"axes": 3}}}
    (run / "histograms.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunFolderError, match="'met' is not in UHI form"):
        open_run(run).histogram("met")


def test_loss_is_refused_and_named(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    folder = open_run(make_run(tmp_path, {}, complete=False))
    with pytest.raises(IncompleteRunError, match=r"'tt_0' lost 40 of 100 events.*truncated.*accept"):
        folder.require_complete()
    loss = folder.require_complete(accept_loss=True)
    assert loss is not None
    assert "'tt_0' lost 40 of 100 events" in loss


def test_lost_weights_are_named(run: Path) -> None:
    ledger = json.loads((run / "ledger.json").read_text(encoding="utf-8"))
    ledger["complete"] = False
    ledger["datasets"]["WW_0"].update(weights_expected=100.0, weights_processed=90.0)
    (run / "ledger.json").write_text(json.dumps(ledger), encoding="utf-8")
    with pytest.raises(IncompleteRunError, match="'WW_0' read a sum of weights of 90 of 100"):
        open_run(run).require_complete()
