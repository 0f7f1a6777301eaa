from __future__ import annotations

import pytest

from massgap.contracts.errors import FitFolderError, FolderError
from massgap.contracts.fit_folder import FIT_FORMAT, SCAN_FORMAT, open_fit, write_fit_folder


def test_round_trip_and_a_scan_of_an_earlier_fit_goes(tmp_path):
    results = {"format": FIT_FORMAT, "signal": "s"}
    write_fit_folder(tmp_path / "fit", "{}", results, {"format": SCAN_FORMAT, "scans": [{"histogram": "h"}]})
    found = open_fit(tmp_path / "fit")
    assert found.results == results
    assert found.scans == [{"histogram": "h"}]
    write_fit_folder(tmp_path / "fit", "{}", results, None)
    assert open_fit(tmp_path / "fit").scans == []
    assert sorted(p.name for p in (tmp_path / "fit").iterdir()) == ["results.json", "workspace.json"]


def test_what_is_no_fit_folder_is_named(tmp_path):
    with pytest.raises(FitFolderError, match=r"results\.json is missing.*massgap fit"):
        open_fit(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"cannot be written.*--out"):
        write_fit_folder(tmp_path / "file", "{}", {}, None)
