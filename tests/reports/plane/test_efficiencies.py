"""Efficiencies and cutflows of points, from the runs of the plane."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from planefolders import make_plane
from reportfolders import SIGNAL, YIELDS

from massgap.reports.plane.efficiencies import point_cutflows, write_efficiencies
from massgap.reports.plane.hepdata.tables import contents
from massgap.reports.plane.inputs import read_plane_inputs

if TYPE_CHECKING:
    from pathlib import Path


def described(run: Path, **changes: Any) -> dict[str, Any]:
    manifest = json.loads((run / "manifest.json").read_text())
    keys = {key: manifest.get(key) for key in ("code_hash", "fileset_hash")}
    return {"path": str(run), "analysis": "mine", **keys, **changes}


def plane_of(folder: Path, run: dict[str, Any]) -> Path:
    """A plane whose first point is the signal of the run."""
    make_plane(folder, runs=[run], luminosities=[300.0, 3000.0])
    content = json.loads((folder / "plane.json").read_text())
    for point in content["points"]:
        if point["name"] == "pair_120_110":
            point["process"] = SIGNAL
    (folder / "plane.json").write_text(json.dumps(content))
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_point_has_its_cutflow(folders, tmp_path: Path) -> None:
    inputs = read_plane_inputs(plane_of(tmp_path / "plane", described(folders.run)))
    flows, absent = point_cutflows(inputs)
    assert absent == []
    assert [(flow.name, flow.process) for flow in flows] == [("pair_120_110", SIGNAL)]
    written = write_efficiencies(inputs, flows, tmp_path)
    assert [path.name for path in written] == ["efficiencies.json", "efficiencies.csv", "cutflows.csv"]

    steps = rows(tmp_path / "cutflows.csv")
    entries = folders.cutflow["processes"][SIGNAL]
    assert [row["step"] for row in steps] == [entry["step"] for entry in entries]
    assert [int(row["events"]) for row in steps] == [entry["raw"] for entry in entries]
    assert [float(row["cross_section_fb"]) for row in steps] == [entry["weighted"] for entry in entries]
    assert float(steps[-1]["cross_section_fb"]) == pytest.approx(YIELDS[SIGNAL][1])
    assert float(steps[-1]["of_all"]) == pytest.approx(entries[-1]["weighted"] / entries[0]["weighted"])

    points = rows(tmp_path / "efficiencies.csv")
    assert len(points) == 12  # not once per luminosity
    by_name = {row["name"]: row for row in points}
    processed = sum(
        entry["events_processed"]
        for name, entry in folders.ledger["datasets"].items()
        if json.loads((folders.run / "manifest.json").read_text())["datasets"][name]["process"] == SIGNAL
    )
    assert int(by_name["pair_120_110"]["events_processed"]) == processed > 0
    assert by_name["pair_160_150"]["events_processed"] == ""
    assert float(by_name["pair_160_150"]["m_lsp"]) == 150

    content = json.loads((tmp_path / "efficiencies.json").read_text())
    first = content["points"][0]
    assert first["efficiency"] == float(by_name["pair_120_110"]["efficiency"])
    assert [step["events"] for step in first["runs"][0]["cutflow"]] == [entry["raw"] for entry in entries]


@pytest.mark.parametrize("key", ["code_hash", "fileset_hash"])
def test_a_run_that_was_made_again_is_another_one(folders, tmp_path: Path, key: str) -> None:
    inputs = read_plane_inputs(plane_of(tmp_path / "plane", described(folders.run, **{key: "another"})))
    flows, absent = point_cutflows(inputs)
    assert flows == []
    assert key.replace("_", " ") in absent[0]
    assert "massgap plane" in absent[0]
    (tmp_path / "cutflows.csv").write_text("of another time")
    written = write_efficiencies(inputs, flows, tmp_path)
    assert [path.name for path in written] == ["efficiencies.json", "efficiencies.csv"]
    assert not (tmp_path / "cutflows.csv").exists()


def test_efficiencies_are_those_of_the_first_luminosity_everywhere(tmp_path: Path) -> None:
    """Bins, and with them efficiencies, may depend on the luminosity."""
    make_plane(tmp_path, luminosities=[300.0, 3000.0])
    content = json.loads((tmp_path / "plane.json").read_text())
    for point in content["points"]:
        point["efficiency"] *= 2.0 if point["lumi_fb"] == 3000.0 else 1.0
    (tmp_path / "plane.json").write_text(json.dumps(content))
    inputs = read_plane_inputs(tmp_path)
    wanted = [point["efficiency"] for point in content["points"] if point["lumi_fb"] == 300.0]
    write_efficiencies(inputs, [], tmp_path)
    assert [float(row["efficiency"]) for row in rows(tmp_path / "efficiencies.csv")] == wanted
    (table,) = [one for one in contents(inputs, []) if one.name == "Efficiencies"]
    assert table.what[0].values == wanted
    assert "at 300 fb" in table.description


def test_a_run_that_has_gone_is_named(tmp_path: Path) -> None:
    run = {"path": str(tmp_path / "nosuch"), "analysis": "mine"}
    flows, absent = point_cutflows(read_plane_inputs(plane_of(tmp_path / "plane", run)))
    assert flows == []
    assert "nosuch" in absent[0]


def test_a_run_is_also_found_beside_the_plane(folders, tmp_path: Path) -> None:
    """A plane and its run that were moved together, with a path as seen from the plane."""
    shutil.copytree(folders.run, tmp_path / "moved" / "run")
    run = described(tmp_path / "moved" / "run", path="../run")
    flows, absent = point_cutflows(read_plane_inputs(plane_of(tmp_path / "moved" / "plane", run)))
    assert absent == []
    assert len(flows) == 1
    # As `massgap plane` does it without --out: the plane lies in the run, which has got another name since.
    inside = plane_of(tmp_path / "moved" / "run" / "plane", {**run, "path": "nosuch"})
    assert len(point_cutflows(read_plane_inputs(inside))[0]) == 1
