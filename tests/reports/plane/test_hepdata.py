"""Tables for HEPData: its validator takes them, pyhf reads the likelihood, and the numbers are those of the plane."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import warnings
from pathlib import Path
from typing import Any

import pyhf
import pytest
import yaml
from matplotlib.figure import Figure
from planefolders import LUMI, MASSES, make_plane

from massgap import stages
from massgap.extras import MissingExtraError
from massgap.reports.errors import ReportError
from massgap.reports.html.tables import CutflowRow
from massgap.reports.plane.efficiencies import PointCutflow
from massgap.reports.plane.hepdata.submission import validate, write_submission
from massgap.reports.plane.hepdata.tables import contents
from massgap.reports.plane.inputs import read_plane_inputs

pytest.importorskip("hepdata_validator")
FAILED = "pair_240_230"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("plane")
    plane = make_plane(folder, luminosities=[LUMI, 3000.0], observed=True, failed=[FAILED])
    figures = folder / "figures"
    figures.mkdir()
    for name in ("limit_300fb", "exclusion_masses_3000fb"):
        Figure((2, 2)).savefig(figures / f"{name}.png")
    return plane, write_submission(read_plane_inputs(folder), [], folder / "hepdata")


def documents(archive: Path) -> list[dict[str, Any]]:
    with tarfile.open(archive) as files:
        return list(yaml.safe_load_all(files.extractfile("submission.yaml")))


def table(archive: Path, name: str) -> dict[str, Any]:
    (entry,) = [one for one in documents(archive)[1:] if one["name"] == name]
    with tarfile.open(archive) as files:
        return yaml.safe_load(files.extractfile(entry["data_file"]))


def test_the_validator_takes_the_archive_and_the_folder(written) -> None:
    """As HEPData does with what is uploaded."""
    _, archive = written
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from hepdata_validator.full_submission_validator import FullSubmissionValidator

        for given in ({"archive": str(archive)}, {"directory": str(archive.with_name("hepdata"))}):
            validator = FullSubmissionValidator()
            assert validator.validate(**given), validator.get_messages()


def test_limits_are_those_of_the_plane(written) -> None:
    plane, archive = written
    good = [point for point in plane["points"] if point["lumi_fb"] == LUMI and point["converged"]]
    for name, key in (
        ("Limits on the signal strength at 300 fb-1", "upper_limit"),
        ("Limits on the cross section at 300 fb-1", "limit_fb"),
        ("CLs and significance at 300 fb-1", "cls"),
    ):
        content = table(archive, name)
        masses = [
            [entry["value"] for entry in column["values"]] for column in content["independent_variables"]
        ]
        assert list(zip(*masses, strict=True)) == [tuple(point["masses"].values()) for point in good]
        expected, observed, *_ = content["dependent_variables"]
        for point, low, seen in zip(good, expected["values"], observed["values"], strict=True):
            bands = point[key]["expected"]
            assert low["value"] == pytest.approx(bands[2], rel=1e-5)
            one, two = low["errors"]
            assert low["value"] + one["asymerror"]["plus"] == pytest.approx(bands[3], rel=1e-5)
            assert low["value"] + two["asymerror"]["minus"] == pytest.approx(bands[0], rel=1e-5)
            assert seen["value"] == pytest.approx(point[key]["observed"], rel=1e-5)
        qualifiers = {entry["name"]: entry["value"] for entry in expected["qualifiers"]}
        assert qualifiers == {"SQRT(S)": 13000.0, "LUMINOSITY": LUMI}
    (entry,) = [one for one in documents(archive)[1:] if one["name"] == name]
    assert FAILED in entry["description"]


def test_contours_are_those_of_the_plane(written) -> None:
    plane, archive = written
    tables = {one["name"]: one for one in documents(archive)[1:]}
    drawn = [contour for contour in plane["contours"] if contour["lines"]]
    assert len([name for name in tables if name.startswith("Contour")]) == len(drawn)
    content = table(archive, "Contour, exclusion, observed, 300 fb-1")
    (wanted,) = [c for c in drawn if c["lumi_fb"] == LUMI and c["band"] == "observed"]
    x, y = (
        [entry["value"] for entry in content[key][0]["values"]]
        for key in ("independent_variables", "dependent_variables")
    )
    for found, place in zip(zip(x, y, strict=True), wanted["lines"][0], strict=True):
        assert found == pytest.approx(place, rel=1e-5)


def test_the_likelihood_is_inside(written) -> None:
    """pyhf applies the patches to the workspace, whose digest the patch set names."""
    _, archive = written
    head = documents(archive)[0]
    resources = [entry for entry in head["additional_resources"] if entry.get("type") == "HistFactory"]
    assert [entry["location"] for entry in resources] == [
        "likelihood_300fb.tar.gz",
        "likelihood_3000fb.tar.gz",
    ]
    with tarfile.open(archive) as files:
        packed = files.extractfile("likelihood_300fb.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        names = files.getnames()
        workspace, patches = (json.load(files.extractfile(name)) for name in names)
    assert names == ["background_300.json", "patchset_300.json"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of jsonschema, in pyhf
        patchset = pyhf.PatchSet(patches)
        patchset.verify(workspace)
        model = pyhf.Workspace(patchset.apply(workspace, "pair_120_90")).model()
    assert model.config.poi_name == "mu"


def test_figures_are_inside_and_the_current_folder_stays_clean(written, tmp_path: Path, monkeypatch) -> None:
    _, archive = written
    with tarfile.open(archive) as files:
        names = files.getnames()
    assert len(names) == len(set(names))
    assert {"limit_300fb.png", "thumb_limit_300fb.png", "exclusion_masses_3000fb.png"} <= set(names)
    assert {path.name for path in archive.with_name("hepdata").iterdir()} == set(names)
    # From another place, by a relative path.
    monkeypatch.chdir(tmp_path)
    make_plane(Path("plane"), line=True)
    first = stages.report_plane("plane", hepdata=True).hepdata
    assert sorted(path.name for path in Path().iterdir()) == ["plane"]
    before = first.read_bytes()
    assert stages.report_plane("plane", hepdata=True).hepdata.read_bytes() == before
    crossings = table(first, "Crossings at 300 fb-1")
    named = [entry["value"] for entry in crossings["independent_variables"][0]["values"]]
    assert named[0].startswith("exclusion, expected")
    assert not [one for one in documents(first)[1:] if one["name"].startswith("Contour")]
    assert "observed" not in str(crossings)


def flow(name: str, run: str = "runs/mine") -> PointCutflow:
    steps = [CutflowRow("all events", 100, 10.0, 1.0, None, 1.0), CutflowRow("met", 0, 0.0, 0.0, 0.0, 0.0)]
    return PointCutflow(name, name, run, "fb", {"processed": 100}, {"sr": steps})


def test_cutflows_have_a_column_per_point(tmp_path: Path) -> None:
    make_plane(tmp_path / "plane")
    inputs = read_plane_inputs(tmp_path / "plane")
    flows = [flow("pair_120_110"), flow("pair_120_100"), flow("pair_120_110", "runs/second")]
    first, second = [content for content in contents(inputs, flows) if content.name.startswith("Cutflow")]
    assert [column.qualifiers["POINT"][0] for column in first.what] == ["pair_120_110", "pair_120_100"]
    assert first.what[0].values == [10.0, 0.0]
    assert first.what[0].qualifiers["m_lsp"] == (110.0, "GeV")
    assert len(second.what) == 1
    validate_it = write_submission(inputs, flows, tmp_path / "hepdata")
    assert validate_it.is_file()
    content = table(validate_it, "Cutflow 1")
    assert [entry["value"] for entry in content["independent_variables"][0]["values"]] == [
        "all events",
        "met",
    ]


def test_names_of_tables_are_short_enough_and_different(tmp_path: Path) -> None:
    plane = make_plane(tmp_path, luminosities=[3000.25, 3000.75], observed=True)
    moved = [{**contour, "cross_section": sign} for contour in plane["contours"] for sign in (-1, 0, 1)]
    make_plane(tmp_path, luminosities=[3000.25, 3000.75], observed=True, contours=moved)
    names = [content.name for content in contents(read_plane_inputs(tmp_path), [])]
    assert max(map(len, names)) <= 64
    assert len(names) == len({name.lower().replace(" ", "_") for name in names}) > 40


def test_a_plane_without_a_result_still_has_efficiencies(tmp_path: Path) -> None:
    make_plane(
        tmp_path, line=True, failed=[f"pair_{m:g}_{m - 10:g}" for m in MASSES], contours=[], interpolation=[]
    )
    archive = write_submission(read_plane_inputs(tmp_path), [], tmp_path / "hepdata")
    assert [one["name"] for one in documents(archive)[1:]] == ["Efficiencies"]


def test_what_the_validator_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "submission.yaml").write_text("---\nname: a table without data\n")
    with pytest.raises(ReportError, match=r"validator refuses.*submission\.yaml.*--hepdata"):
        validate(tmp_path)


def test_without_the_library_the_command_that_brings_it_is_named(tmp_path: Path, monkeypatch) -> None:
    make_plane(tmp_path)
    monkeypatch.setitem(sys.modules, "hepdata_lib", None)
    with pytest.raises(MissingExtraError, match=r"hepdata_lib.*pip install \"massgap\[hepdata\]\""):
        stages.report_plane(tmp_path, hepdata=True)
    assert not (tmp_path / "report.html").exists()
