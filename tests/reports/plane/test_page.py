"""The page of a plane: every number of its table, what is missing said, figures inside and beside it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from htmlpages import Page
from planefolders import GAPS, LUMI, MASSES, make_plane, strength

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import PlaneFolderError
from massgap.fits.inference.bootstrap.spread import Spread
from massgap.reports.errors import MissingInput, UnreadableInput
from massgap.reports.html.numbers import number
from massgap.reports.plane.correlations import unlike
from massgap.reports.plane.drawings import draw
from massgap.reports.plane.inputs import read_plane_inputs
from massgap.reports.plane.summary import sentences

if TYPE_CHECKING:
    from pathlib import Path

FAILED = "pair_240_230"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observed")
    other = folder / "atlas.csv"
    other.write_text("m,lsp\n120,80\n170,150\n")
    plane = make_plane(folder / "plane", observed=True, failed=[FAILED])
    report = stages.report_plane(folder / "plane", overlays=[f"{other}:ATLAS 2019"])
    return plane, report, Page(report.page.read_text(encoding="utf-8"))


def test_the_page_is_well_formed_and_self_contained(written) -> None:
    _, report, page = written
    assert report.page.name == "report.html"
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(source.startswith("data:") for source in page.sources)
    assert all(image.get("alt") for image in page.images)
    assert page.scripts == 0


def test_the_page_has_every_number_of_every_point(written) -> None:
    plane, report, page = written
    exact = set(re.findall(r'<data value="([^"]*)"', report.page.read_text()))
    for point in plane["points"]:
        assert point["name"] in page.text
        assert {repr(point["cross_section_fb"]), repr(point["efficiency"])} <= exact
        if point["converged"]:
            for key in ("cls", "upper_limit", "limit_fb"):
                assert {repr(point[key]["expected"][2]), repr(point[key]["observed"])} <= exact
                assert number(point[key]["expected"][1]) in page.text
            assert repr(point["significance"]["expected"]) in exact
    (lost,) = [point for point in plane["points"] if not point["converged"]]
    assert page.text.count(lost["error"]) == 2  # above all, and in its row
    assert page.text.count("no result") >= 4


def test_the_page_says_what_the_plane_is_made_of(written) -> None:
    plane, _, page = written
    for words in (
        plane["workspaces"][0]["digest"],
        plane["digest"],
        plane["xsec"]["source"],
        *plane["warnings"],
        "ATLAS 2019",
        "rate_tt",
        "spline",
        "0.7.6",
    ):
        assert words in page.text


def test_figures_are_beside_the_page(written) -> None:
    _, report, page = written
    names = {path.name for path in report.files}
    assert {
        "exclusion_masses_300fb.pdf",
        "exclusion_gap_300fb.png",
        "significance_300fb.pdf",
        "efficiency.png",
    } <= names
    pdf = [path for path in report.files if path.suffix == ".pdf"]
    assert len(page.images) == len(pdf) == len([path for path in report.files if path.suffix == ".png"])
    assert all(path.read_bytes().startswith(b"%PDF") for path in pdf)


def test_several_luminosities_have_a_figure_together_and_one_each(tmp_path: Path) -> None:
    make_plane(tmp_path, luminosities=[137.0, 3000.0])
    names = [drawing.name for drawing in draw(read_plane_inputs(tmp_path))]
    assert len(names) == len(set(names))
    views = {
        f"exclusion_{view}_{which}" for view in ("masses", "gap") for which in ("all", "137fb", "3000fb")
    }
    assert {name for name in names if name.startswith("exclusion")} == views
    assert {"limit_137fb", "significance_3000fb", "cls_137fb", "efficiency", "interpolation_1"} <= set(names)
    assert not [name for name in names if name.startswith("observed")]


def test_the_sentences_count(written) -> None:
    """Against the formula of the invented plane."""
    plane, _, _ = written
    places = [(m, gap) for m in MASSES for gap in GAPS if f"pair_{m:g}_{m - gap:g}" != FAILED]
    limits = [strength(m, gap, LUMI) for m, gap in places]
    first, observed, *_, last = sentences(plane, LUMI)
    excluded, evident, found = (sum(mu <= top for mu in limits) for top in (1, 2 / 3, 2 / 5))
    assert f"{excluded} of {len(places)} points" in first
    assert f"{evident} would reach 3 σ and {found} would reach 5 σ" in first
    assert f"Observed: {sum(1.2 * mu <= 1 for mu in limits)} are" in observed
    assert last == f"1 of {len(places) + 1} points have no result."


def test_several_luminosities_without_data(tmp_path: Path) -> None:
    make_plane(tmp_path / "plane", line=True, luminosities=[137.0, 3000.0], interpolation=[], contours=[])
    report = stages.report_plane(tmp_path / "plane", tmp_path / "out" / "page.html", title="Mine <b>")
    page = Page(report.page.read_text(encoding="utf-8"))
    assert "At 137 fb⁻¹" in page.text
    assert "At 3000 fb⁻¹" in page.text
    assert "no data were fitted" in page.text
    assert "bserved" not in page.text.replace("Observed limit", "")
    assert "Mine <b>" in page.text
    assert "All 8 results converged" in page.text
    assert (tmp_path / "out" / "figures" / "limit_137fb.pdf").is_file()
    assert not (tmp_path / "plane" / "report.html").exists()


def test_the_uncertainty_of_the_simulation_stands_beside_the_significance(tmp_path: Path) -> None:
    make_plane(tmp_path, line=True)
    content = json.loads((tmp_path / "plane.json").read_text())
    spread = Spread(std=0.123, interval=(0.1, 0.4), mean=0.25, defined=100)
    content["points"][0]["uncertainty"] = {"expected_significance": spread.as_dict()}
    (tmp_path / "plane.json").write_text(json.dumps(content))
    text = Page(stages.report_plane(tmp_path).page.read_text()).text
    assert text.count("± 0.12 finite simulation") == 1


def test_three_points_on_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "plane"
    make_plane(folder, line=True, masses=[100.0, 160.0, 240.0], failed=["pair_160_150"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    first = stages.report_plane(folder).page.read_bytes()
    assert first == stages.report_plane(folder).page.read_bytes()
    assert (
        before.items()
        <= {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}.items()
    )
    page = Page(first.decode())
    assert "1 of 3 results did not converge" in page.text
    assert "ends at m_parent = " in page.text
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("limit_300fb", "interpolation_1") for kind in ("pdf", "png")
    }


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "plane"
    with pytest.raises(PlaneFolderError, match=r"plane\.json is missing.*massgap plane"):
        stages.report_plane(folder)
    make_plane(folder, points=[])
    with pytest.raises(UnreadableInput, match=r"no points.*massgap plane"):
        stages.report_plane(folder)
    make_plane(folder)
    with pytest.raises(MissingInput, match=r"nosuch\.csv.*--overlay"):
        stages.report_plane(folder, overlays=["nosuch.csv:mine"])
    (folder / "patchset.json").unlink()
    with pytest.raises(UnreadableInput, match=r"patchset\.json is missing.*massgap plane"):
        stages.report_plane(folder)
    assert not (folder / "report.html").exists()


def test_parameters_that_not_all_signals_have_are_told() -> None:
    def sample(*names: str) -> dict:
        return {
            "name": "s",
            "data": [1.0],
            "modifiers": [{"name": name, "type": "normsys", "data": {}} for name in names],
        }

    def add(value: object) -> list[dict]:
        return [{"op": "add", "path": "/channels/0/samples/-", "value": value}]

    patches = {
        "a": add(sample("lumi", "jes")),
        "b": add({"name": "cr", "samples": [sample("lumi"), sample("jes")]}),
        "c": [*add(sample("lumi", "isr")), {"op": "replace", "path": "/x", "value": 3}],
        "d": [{"op": "remove", "path": "/channels/0/samples/0"}],
    }
    assert unlike(patches) == {"isr": ["c"], "jes": ["c", "d"], "lumi": ["d"]}
    assert unlike({"a": patches["a"], "b": patches["b"]}) == {}


def test_the_command_finds_out_what_it_is_given(tmp_path: Path) -> None:
    make_plane(tmp_path / "plane", line=True)
    done = CliRunner().invoke(main, ["report", str(tmp_path / "plane")])
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    assert "figures: 2" in done.output
    for arguments, word in (
        (["report", str(tmp_path / "plane"), "--model", "m"], "--model"),
        (["report", str(tmp_path), "--hepdata"], "--hepdata"),
        (["report", str(tmp_path), "--overlay", "x.csv"], "--overlay"),
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 2
        assert word in done.output


def test_names_that_are_html_are_text(tmp_path: Path) -> None:
    make_plane(tmp_path, line=True, warnings=["<script>alert(1)</script>"])
    content = json.loads((tmp_path / "plane.json").read_text())
    content["points"][0]["name"] = "<img src=x>"
    (tmp_path / "plane.json").write_text(json.dumps(content))
    page = Page(stages.report_plane(tmp_path).page.read_text())
    assert page.scripts == 0
    assert "<img src=x>" in page.text
