"""When a scan that was made before, or parts of one, are still good."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from massgap.contracts.study_folder import StudyFolder
from massgap.contracts.writing import write_json
from massgap.source_code import PACKAGE, imported_files
from massgap.stages.studying import scanning, steps
from massgap.stages.studying.scanning import SCANNED
from massgap.studies.scan_step import ScanStep
from massgap.studies.study import Study, find_study


def test_the_code_that_decides_what_a_scan_finds_is_in_its_key():
    """Whatever the modules of the scan import of the rooms that compute: a change of it makes kept parts stale."""
    rooms = set()
    for path in (PACKAGE / "studies" / "cascade").rglob("*.py"):
        rooms |= {
            file.relative_to(PACKAGE).parts[0] for file in imported_files(path) if PACKAGE in file.parents
        }
    computing = {"arrays", "fits", "models", "samples", "selections", "studies"}
    assert {"fits", "models"} <= rooms
    assert rooms & computing <= set(SCANNED)


@pytest.mark.parametrize("small", [False, True])
def test_the_small_form_of_a_scan_is_not_taken_for_the_whole_one(tmp_path, monkeypatch, small):
    made = []

    def scan(study, run, out, **options):
        made.append(options.get("quick", False))
        out.mkdir(exist_ok=True)
        write_json(out / "scan.json", {"format": "massgap-scan/1", "complete": True})
        return {}

    monkeypatch.setattr(steps, "scan", scan)
    step = ScanStep("scan", "run", options={}, small={"quick": True})
    keys: dict[str, str] = {}
    for form in (small, small, not small):
        record = StudyFolder(tmp_path, "cascade", small=form, keys=keys)
        going = steps.Going(
            find_study("cascade"), record, SimpleNamespace(workers=1, executor="futures"), {}, None, {}
        )
        going._scan(step)
        keys = going.record.keys
    assert made == [small, not small]


def test_a_scan_of_ones_own_need_not_share_its_work(tmp_path):
    """``workers`` goes where it is asked for."""

    def alone(out, run, *, part, lines=1):
        return {"summary": [part("a", lambda: "found")] * lines}

    def shared(out, run, *, part, workers):
        return {"summary": [f"{workers} at a time"]}

    for made, told in ((alone, "found"), (shared, "2 at a time")):
        mine = Study("mine", "Mine", (), scan=made)
        assert scanning.scan(mine, tmp_path / "run", tmp_path / told, workers=2) == {"summary": [told]}
