"""The page as a whole: well-formed, self-contained, complete, deterministic, safe."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from htmlpages import Page
from reportfolders import SIGNAL, dump

from massgap.contracts.description import Cut, Description, Feature, Region
from massgap.contracts.errors import ContractError, FitFolderError
from massgap.reports.html.html import Markup
from massgap.reports.run.chapters import Chapter
from massgap.reports.run.page import write_report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def written(folders, tmp_path_factory) -> tuple[Path, Page]:
    path = write_report(
        folders.run, folders.model, folders.fit, out=tmp_path_factory.mktemp("page") / "report.html"
    )
    return path, Page(path.read_text(encoding="utf-8"))


def test_page_is_well_formed_and_self_contained(written) -> None:
    path, page = written
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(source.startswith("data:") for source in page.sources)
    assert not re.search(r"url\((?!['\"]?data:)", path.read_text())
    assert all(image.get("alt") for image in page.images)
    assert len(page.images) > 30
    assert path.stat().st_size < 9_000_000


def test_page_shows_the_numbers_of_its_input(written, folders) -> None:
    _, page = written
    manifest = json.loads((folders.run / "manifest.json").read_text())
    for dataset in manifest["datasets"]:
        assert dataset in page.text
    assert manifest["code_hash"][:12] in page.text
    cutflow = json.loads((folders.run / "cutflow.json").read_text())
    for rows in cutflow["processes"].values():
        for row in rows:
            assert f"{row['raw']:,}" in page.text


def copy(source: Path, target: Path, *more: str) -> Path:
    """The run with two histograms only: drawing all of them takes a while."""
    shutil.copytree(source, target)
    path = target / "histograms.json"
    content = json.loads(path.read_text())
    content["histograms"] = {name: content["histograms"][name] for name in ("met", "nminus1_met", *more)}
    path.write_text(json.dumps(content))
    return target


def test_same_input_gives_the_same_bytes_in_another_process(folders, tmp_path: Path) -> None:
    """With another order of sets and dictionaries of strings, too."""
    run = copy(folders.run, tmp_path / "run", "score")
    first = write_report(run, folders.model, folders.fit, out=tmp_path / "first.html")
    call = "import sys; from massgap.reports.run.page import write_report; write_report(*sys.argv[1:5])"
    arguments = [run, folders.model, folders.fit, tmp_path / "again.html"]
    environment = {**os.environ, "PYTHONHASHSEED": "77", "MPLBACKEND": "Agg"}
    subprocess.run([sys.executable, "-c", call, *map(str, arguments)], check=True, env=environment)
    assert (tmp_path / "again.html").read_bytes() == first.read_bytes()


def test_parts_without_input_are_left_out_with_a_word(folders, tmp_path: Path) -> None:
    run = copy(folders.run, tmp_path / "run")
    page = Page(write_report(run, None, None, out=tmp_path / "bare.html").read_text())
    assert "massgap train" in page.text
    assert "massgap fit" in page.text


def test_hostile_names_are_shown_as_text(folders, tmp_path: Path) -> None:
    run = copy(folders.run, tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_text())
    name = next(iter(manifest["datasets"]))
    manifest["datasets"]['<script>alert("x")</script>'] = manifest["datasets"].pop(name)
    (run / "manifest.json").write_text(json.dumps(manifest))
    page = Page(write_report(run, None, None, out=tmp_path / "hostile.html").read_text())
    assert page.scripts == 0
    assert '<script>alert("x")</script>' in page.text


def test_an_incomplete_run_says_what_is_lost(folders, tmp_path: Path) -> None:
    run = copy(folders.run, tmp_path / "run")
    ledger = json.loads((run / "ledger.json").read_text())
    ledger["complete"] = False
    ledger["chunks"][0].update(status="failed", error="broken.root: is truncated")
    (run / "ledger.json").write_text(json.dumps(ledger))
    page = Page(write_report(run, None, None, out=tmp_path / "lost.html").read_text())
    assert "broken.root: is truncated" in page.text
    assert "Complete: all" not in page.text


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=str(tmp_path)):
        write_report(tmp_path, None, None, out=tmp_path / "report.html")


def test_files_that_could_not_be_opened_are_listed(folders, tmp_path: Path) -> None:
    run = copy(folders.run, tmp_path / "run")
    ledger = json.loads((run / "ledger.json").read_text())
    ledger["complete"] = False
    ledger["datasets"]["tt_0"]["files_failed"] = 1
    ledger["files"].append(
        {"dataset": "tt_0", "file": "gone.root", "error": "gone.root does not exist", "status": "failed"}
    )
    ledger["problems"] = ["gone.root does not exist"]
    (run / "ledger.json").write_text(json.dumps(ledger))
    page = Page(write_report(run, None, None, out=tmp_path / "lost.html").read_text())
    assert page.text.count("gone.root does not exist") == 2
    assert "1 files not opened" in page.text


def test_numbers_of_fit_scan_and_training_are_those_of_the_input(written, folders) -> None:
    path, _ = written
    exact = {float(text) for text in re.findall(r'<data value="([^"]+)">', path.read_text(encoding="utf-8"))}
    fit, scan = folders.results, folders.scan
    wanted = [fit["discovery"]["expected_significance"], *fit["upper_limit"]["expected"]]
    wanted += [value for values in fit["parts"][0]["yields"].values() for value in values]
    wanted += [*scan["scans"][0]["all_events"].values(), *scan["scans"][0]["best"].values()]
    wanted += [fold["auc_eval"] for fold in folders.training["folds"]]
    wanted += [value for share in folders.training["importance"].values() for value in share.values()]
    wanted += [row["weighted"] for rows in folders.cutflow["processes"].values() for row in rows]
    assert set(wanted) <= exact


def test_toys_are_told_beside_the_formulae(folders, tmp_path: Path) -> None:
    shutil.copytree(folders.fit, tmp_path / "fit")
    results = json.loads((tmp_path / "fit" / "results.json").read_text())
    limit = {
        "observed": None,
        "expected": [1.0, 1.5, 2.125, 3.0, 4.0],
        "expected_errors": [0.1] * 5,
        "level": 0.95,
    }
    p = {"expected_p": 0.0, "expected_p_error": 0.0006, "expected_significance": 3.25, "observed_p": None}
    results["toys"] = {
        "number": 2000,
        "upper_limit": limit,
        "discovery": {**p, "observed_p_error": None, "observed_significance": None},
        "certificate": {"accepted": 3990, "toys": 4000, "again": 0, "failed": 10, "distance": 1e-7},
    }
    (tmp_path / "fit" / "results.json").write_text(json.dumps(results))
    run = copy(folders.run, tmp_path / "run")
    text = Page(write_report(run, None, tmp_path / "fit", out=tmp_path / "toys.html").read_text()).text
    assert "2.125 +- 0.1 (68 %: 1.5 to 3)" in text
    assert "> 3.25 sigma (p < 0.0006)" in text
    assert "3,990 of 4,000 fitted" in text


def test_another_model_than_the_one_that_scored_is_reported(folders, tmp_path: Path) -> None:
    run = copy(folders.run, tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["models"]["score"]["sha256"] = "0ther"
    (run / "manifest.json").write_text(json.dumps(manifest))
    page = Page(write_report(run, folders.model, None, out=tmp_path / "mismatch.html").read_text())
    assert "not the one that scored this run" in page.text


def test_a_damaged_fit_is_named(folders, tmp_path: Path) -> None:
    fit = tmp_path / "fit"
    fit.mkdir()
    (fit / "results.json").write_text('{"format": "massgap-fit/2"')
    with pytest.raises(FitFolderError, match=r"results\.json is damaged.*massgap fit"):
        write_report(folders.run, None, fit, out=tmp_path / "report.html")
    (fit / "results.json").write_text('{"format": "other/1"}')
    with pytest.raises(FitFolderError, match=r"format 'other/1', but 'massgap-fit/2'"):
        write_report(folders.run, None, fit, out=tmp_path / "report.html")


def test_chapters_that_are_handed_in_stand_where_they_say(folders, tmp_path: Path) -> None:
    run = copy(folders.run, tmp_path / "run")
    chapters = [
        Chapter("At the end", lambda inputs: Markup(f"<p>{len(inputs.histograms)} histograms</p>")),
        Chapter("After the cutflow", "1 < 2", after="cutflow"),
        Chapter("Nothing to show", lambda inputs: None),
        Chapter("After what is not there", "lost?", after="fit"),
    ]
    page = Page(write_report(run, None, None, tmp_path / "own.html", chapters=chapters).read_text())
    own = [name for name in page.ids if name.startswith("chapter-") and not name.endswith("-title")]
    assert own == ["chapter-after-the-cutflow", "chapter-at-the-end", "chapter-after-what-is-not-there"]
    order = [name for name in page.ids if not name.endswith("-title")]
    assert order.index("cutflow") + 1 == order.index("chapter-after-the-cutflow")
    assert order.index("chapter-after-what-is-not-there") + 1 == order.index("ledger")
    assert "2 histograms" in page.text
    assert "1 < 2" in page.text


def test_a_processor_that_says_nothing_of_itself_is_drawn_with_names(folders, tmp_path: Path) -> None:
    """Any coffea processor: no description, no cutflow, no regions, an axis that cannot be drawn."""
    import hist

    run = copy(folders.run, tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["description"], manifest["models"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "cutflow.json").unlink()
    plain = hist.new.StrCat(["tt", SIGNAL], name="process").Reg(4, 0, 4, name="n_jets", label="Jets").Weight()
    plain.fill("tt", [0.5, 1.5, 1.5])
    plain.fill(SIGNAL, [0.5])
    flat = hist.new.Reg(4, 0, 4, name="x").Reg(2, 0, 1, name="y").Weight()
    dump(
        run / "histograms.json",
        {"format": "massgap-histograms/1", "unit": "as filled", "histograms": {"jets": plain, "flat": flat}},
    )
    page = Page(write_report(run, None, None, out=tmp_path / "foreign.html").read_text())
    assert len(page.images) == 1
    assert "Stacked: tt, largest first" in str(page.images[0]["alt"])
    assert "one or two axes of values: flat." in " ".join(page.text.split())
    assert "cutflow" not in page.ids


def test_channels_stand_side_by_side_in_order(folders, tmp_path: Path) -> None:
    """All regions of one channel in a row, from the widest; cuts are those of the region that a plot belongs to."""
    import hist

    run = copy(folders.run, tmp_path / "run")
    described = Description(
        "own",
        features=(Feature("x", "x label", "GeV", group="Mine"),),
        regions=(
            Region("two", "Two leptons", "2l"),
            Region(
                "two_tight", "Tight", "2l", "two", (Cut("x_cut", "x", edges=(1.0,), keeps=(False, True)),)
            ),
            Region("three", "Three leptons", "3l"),
        ),
    )
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["description"] = described.as_dict()
    (run / "manifest.json").write_text(json.dumps(manifest))
    h = hist.new.StrCat(["tt"], name="process").StrCat(["three", "two_tight", "two"], name="region")
    filled = h.Reg(4, 0, 4, name="x").Weight()
    for region in filled.axes["region"]:
        filled.fill("tt", region, [0.5, 1.5])
    only = (
        hist.new.StrCat(["tt"], name="process")
        .StrCat(["two_tight"], name="region")
        .Reg(4, 0, 4, name="x")
        .Weight()
    )
    only.fill("tt", "two_tight", [0.5])
    content = {"x": filled, "nminus1_x_cut": only}
    dump(run / "histograms.json", {"format": "massgap-histograms/1", "unit": "fb", "histograms": content})
    page = Page(write_report(run, None, None, out=tmp_path / "channels.html").read_text())
    shown = [str(image["alt"]).split(".")[0] for image in page.images]
    assert shown == [
        "x after all cuts of 2l: Tight but the one on itself (x_cut)",
        "x 2l: Two leptons",
        "x 2l: Tight",
        "x 3l: Three leptons",
    ]
    assert "2l: Tight (a part of Two leptons), after the cuts x_cut" in page.text
    assert "Mine (1)" in page.text


def test_scores_have_blocks_of_their_own(folders, tmp_path: Path) -> None:
    run = copy(folders.run, tmp_path / "run", "score")
    content = json.loads((run / "histograms.json").read_text())
    content["histograms"]["score_high"] = content["histograms"]["score"]
    (run / "histograms.json").write_text(json.dumps(content))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["description"]["scores"].insert(0, {"name": "high", "label": "Heavy network"})
    (run / "manifest.json").write_text(json.dumps(manifest))
    page = Page(write_report(run, None, folders.fit, out=tmp_path / "scores.html").read_text())
    densities = [str(i["alt"]) for i in page.images if str(i["alt"]).startswith("Density")]
    assert [alt.split(", ")[1] for alt in densities] == ["Heavy network"] * 4 + ["BDT score"] * 4
    # Only one of them was scanned.
    scans = [str(i["alt"]) for i in page.images if "Asimov" in str(i["alt"])]
    assert len(scans) == 4
    assert all("BDT score" in alt for alt in scans)


def test_two_observables_are_drawn_as_maps(folders, tmp_path: Path) -> None:
    import hist

    run = copy(folders.run, tmp_path / "run")
    h = hist.new.StrCat(["tt", SIGNAL], name="process").StrCat(["sr"], name="region")
    filled = h.StrCat(["nominal"], name="variation").Reg(4, 0, 4, name="x").Reg(3, 0, 1, name="y").Weight()
    filled.fill("tt", "sr", "nominal", [0.5, 1.5], [0.1, 0.9])
    dump(run / "histograms.json", {"format": "massgap-histograms/1", "histograms": {"x_y": filled}})
    page = Page(write_report(run, None, None, out=tmp_path / "map.html").read_text())
    assert [image["alt"] for image in page.images] == [
        f"Map of x_y: sr, {SIGNAL}.",
        "Map of x_y: sr, backgrounds.",
    ]
