from __future__ import annotations

import csv

import pytest

from massgap.contracts.errors import FolderError, PlaneFolderError
from massgap.contracts.plane_folder import PLANE_FORMAT, open_plane, plane_table, write_plane_folder


def _spread():
    """Of the finite simulation, as far as the table has it."""
    return {
        "expected_significance": {"std": 0.25},
        "upper_limit": {"expected": [{"std": 0.1 * i} for i in range(5)]},
    }


def row(name, lumi, *, converged=True, **masses):
    return {
        "name": name,
        "process": name,
        "masses": masses,
        "lumi_fb": lumi,
        "cross_section_fb": 2.0,
        "cross_section_uncertainty": None,
        "efficiency": 0.5,
        "efficiency_error": 0.01,
        "events": {"signal": 1.0, "background": 2.0, "observed": None},
        "cls": {"observed": None, "expected": [0.1, 0.2, 0.3, 0.4, 0.5]} if converged else None,
        "upper_limit": {"observed": 7.0, "expected": [1.0, 2.0, 3.0, 4.0, 5.0]} if converged else None,
        "limit_fb": {"observed": 14.0, "expected": [2.0, 4.0, 6.0, 8.0, 10.0]} if converged else None,
        "significance": {"expected": 1.5, "observed": None} if converged else None,
        "uncertainty": _spread() if converged else {},
        "certificate": {"distance": 1e-12, "second_start": 0.0} if converged else None,
        "converged": converged,
        "error": None if converged else 'a "bad", day',
    }


def results():
    points = [row(n, lumi, converged=n == "a", m=3.0) for lumi in (1.0, 2.0) for n in "ab"]
    contours = [{"lumi_fb": 2.0, "what": what, "band": 0} for what in ("exclusion", "discovery")]
    return {"format": PLANE_FORMAT, "luminosities": [1.0, 2.0], "points": points, "contours": contours}


def test_round_trip_and_files_of_an_earlier_plane_go(tmp_path):
    folder = tmp_path / "plane"
    write_plane_folder(folder, {"background.json": "{}", "patchset.json": "{}"}, results())
    (folder / "points.jsonl").write_text("kept")
    write_plane_folder(folder, {"background_1.json": "{}"}, results())
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["background_1.json", "plane.csv", "plane.json", "points.jsonl"]
    found = open_plane(folder)
    assert found.results == results()
    assert [point["name"] for point in found.points()] == ["a", "b"]
    assert {point["lumi_fb"] for point in found.points(2.0)} == {2.0}
    assert found.contours() == []
    assert found.contours(2.0, what="discovery") == [results()["contours"][1]]


def test_the_table_has_a_row_per_point_and_gaps_where_nothing_converged():
    rows = list(csv.DictReader(plane_table(results()).splitlines()))
    assert [r["name"] for r in rows] == ["a", "b", "a", "b"]
    good, bad = rows[:2]
    assert (good["m"], good["limit_mu_expected_median"], good["limit_fb_observed"]) == ("3.0", "3.0", "14.0")
    assert (good["cls_expected_m2"], good["cls_expected_p2"], good["cls_observed"]) == ("0.1", "0.5", "")
    assert good["significance_expected_simulation_error"] == "0.25"
    assert good["limit_mu_expected_median_simulation_error"] == "0.2"
    assert (bad["converged"], bad["error"]) == ("False", 'a "bad", day')
    assert {bad[key] for key in bad if key.startswith(("cls", "limit", "significance"))} == {""}


def test_what_is_no_plane_folder_is_named(tmp_path):
    with pytest.raises(PlaneFolderError, match=r"plane\.json is missing.*massgap plane"):
        open_plane(tmp_path)
    (tmp_path / "plane.json").write_text('{"format": "massgap-fit/2"}')
    with pytest.raises(PlaneFolderError, match=r"format 'massgap-fit/2'"):
        open_plane(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"cannot be written.*--out"):
        write_plane_folder(tmp_path / "file", {}, results())
