"""``massgap plane`` on a fixed run of real events: 12 mass points of the slepton analysis, see data/plane_run/README.md."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyhf
import pytest
from click.testing import CliRunner

from massgap import stages
from massgap.cli.group import main
from massgap.contracts.plane_folder import open_plane
from massgap.errors import MassgapError
from massgap.fits.inference.hypothesis_tests import upper_limit
from massgap.fits.workspaces.workspace import schema_warnings_off

RUN = Path(__file__).parent / "data" / "plane_run"
POINTS = [(m, m - gap) for m in (110.0, 160.0, 300.0) for gap in (60.0, 50.0, 40.0, 30.0)]


def plane(*words):
    return CliRunner().invoke(main, ["plane", *map(str, words)], catch_exceptions=False)


def test_a_plane_of_12_points_from_the_shell(tmp_path):
    result = plane(RUN, "--lumi", "300,3000", "--xsec", "nlo", "--out", tmp_path / "plane")
    assert result.exit_code == 0, result.output
    for words in (
        "300 fb-1",
        "3000 fb-1",
        "cross sections: nlo",
        "contour, expected exclusion",
        "at 8 points left out",
    ):
        assert words in result.output
    found = open_plane(tmp_path / "plane")
    for lumi, suffix in ((300.0, "_300"), (3000.0, "_3000")):
        rows = found.points(lumi)
        assert [(row["x"], row["y"]) for row in rows] == POINTS
        assert all(row["converged"] for row in rows)
        with schema_warnings_off():
            background = pyhf.Workspace(
                json.loads((tmp_path / "plane" / f"background{suffix}.json").read_text())
            )
            patches = pyhf.PatchSet(json.loads((tmp_path / "plane" / f"patchset{suffix}.json").read_text()))
            patches.verify(background)
            workspace = patches.apply(background, rows[5]["name"])
        assert patches.labels == ["m_slepton", "m_lsp"]
        assert [tuple(patch.values) for patch in patches.patches] == POINTS
        limit = upper_limit(workspace)
        assert rows[5]["upper_limit"]["expected"] == pytest.approx(limit.expected, rel=1e-6)
        if lumi > 300.0:
            continue
        # pyhf itself finds CLs = 0.05 where the limit is said to be.
        with schema_warnings_off():
            model = workspace.model()
        bounds = model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0.0, 100.0)
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-8))
        cls = pyhf.infer.hypotest(limit.expected[2], workspace.data(model), model, par_bounds=bounds)
        assert float(cls) == pytest.approx(0.05, abs=1e-4)
    # Masses of the metadata, cross sections of the set: 160 GeV is an entry of it, 110 GeV lies between two.
    by_mass = {row["x"]: row["cross_section_fb"] for row in found.points(300.0)}
    assert by_mass[160.0] == 50.053
    assert 140.65 < by_mass[110.0] < 267.93
    with (tmp_path / "plane" / "plane.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 24
    # The heavier, the harder to see: whatever the gap.
    limits = np.array([row["upper_limit"]["expected"][2] for row in found.points(300.0)]).reshape(3, 4)
    assert (limits[0] < limits[2]).all()
    assert (limits[1] < limits[2]).all()


def test_the_same_command_again_fits_nothing_and_workers_change_nothing(tmp_path):
    words = ("--histogram", "mt2_100", "--region", "precuts")
    one = plane(RUN, *words, "--out", tmp_path / "one")
    assert one.exit_code == 0, one.output
    again = plane(RUN, *words, "--out", tmp_path / "one")
    assert "12 of 12 points were finished before" in again.output
    two = plane(RUN, *words, "--workers", 2, "--out", tmp_path / "two")
    assert two.exit_code == 0, two.output
    assert open_plane(tmp_path / "one").results == open_plane(tmp_path / "two").results


def test_points_that_are_not_there_end_the_command_with_1(tmp_path):
    shutil.copytree(RUN, tmp_path / "run")
    manifest = json.loads((RUN / "manifest.json").read_text())
    process = "slepton_160_100"
    manifest["datasets"]["extra"] = {
        **next(d for d in manifest["datasets"].values() if d["process"] == process),
        "process": "slepton_200_150",
        "masses": {"m_slepton": 200.0, "m_lsp": 150.0},
    }
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    result = plane(tmp_path / "run")
    assert result.exit_code == 1
    assert "not converged: The signal 'slepton_200_150' has no events" in result.output
    assert open_plane(tmp_path / "run" / "plane").results["points"][8]["error"]


def test_cross_sections_by_name_or_file(tmp_path):
    with pytest.raises(
        MassgapError, match=r"no set of cross sections 'paper'.*there are: own, nlo.*--xsec FILE"
    ):
        stages.plane(RUN, tmp_path / "plane", xsec="paper")
    (tmp_path / "mine.csv").write_text("m_slepton,fb,uncertainty\n100,100,10%\n400,1,10%\n")
    found = stages.plane(RUN, tmp_path / "plane", xsec=tmp_path / "mine.csv").results
    assert found["xsec"]["set"] == "mine.csv"
    assert {entry["cross_section"] for entry in found["contours"]} == {0, 1, -1}
    for row in found["points"]:
        # 100 GeV to 400 GeV is a factor of 100: the power is 3.32.
        assert row["cross_section_fb"] == pytest.approx(
            100.0 * (row["x"] / 100.0) ** (-np.log(100) / np.log(4))
        )
        assert row["cross_section_uncertainty"] == pytest.approx(0.1 * row["cross_section_fb"])
