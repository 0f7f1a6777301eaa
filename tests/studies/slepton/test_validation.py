"""The slepton paper's tables beside a run."""

from __future__ import annotations

import json
import math
import shutil

import hist
import pytest
from reportfolders import SIGNAL, YIELDS

from massgap.reports.run.page import write_report
from massgap.studies.errors import StudyError
from massgap.studies.slepton.chapters import chapters
from massgap.studies.slepton.numbers.folders import Folders
from massgap.studies.slepton.validation import validate


@pytest.fixture(scope="module")
def rows(folders):
    return {
        (row.table, row.row, row.column): row
        for row in validate(Folders(folders.run, folders.fit, folders.model))
    }


def test_table_one_is_what_the_run_holds(rows) -> None:
    """The folders were made with the paper's cross sections, but for ZZ, of which nothing is left."""
    for process, (topology, precuts) in YIELDS.items():
        name = "signal" if process == SIGNAL else process
        assert rows["Table I", name, "topology"].ours == pytest.approx(topology, rel=2e-3)
        assert rows["Table I", name, "pre-cuts"].ours == pytest.approx(precuts, rel=2e-3)
        assert rows["Table I", name, "efficiency"].ours == pytest.approx(precuts / topology, rel=2e-3)
        assert rows["Table I", name, "topology"].verdict == "agrees"
    assert rows["Table I", "tt", "efficiency"].verdict == "agrees"
    # A shower has too few hard jets, which is known of this process.
    assert rows["Table I", "ZZ", "pre-cuts"].verdict == "explained"
    assert any("matrix-element" in cause for cause in rows["Table I", "ZZ", "pre-cuts"].causes)


def test_table_three_follows_from_table_one(rows) -> None:
    """1.38 fb x 300 fb-1 over the printed backgrounds; 413, 0.05 and 4.4 are printed."""
    background = 300.0 * (3.19 + 14.6 + 5.49 + 0.234 + 0.355 + 5.44)
    assert rows["Table III from Table I", "this work", "S"].ours == pytest.approx(414.0)
    assert rows["Table III from Table I", "this work", "S/(1+B)"].ours == pytest.approx(
        414.0 / (1 + background)
    )
    s, b = 414.0, background
    wanted = math.sqrt(2 * ((s + b) * math.log(1 + s / b) - s))
    assert rows["Table III from Table I", "this work", "significance"].ours == pytest.approx(wanted)
    assert {row.verdict for key, row in rows.items() if key[0] == "Table III from Table I"} == {"agrees"}


def test_table_three_is_read_from_the_scan(rows, folders) -> None:
    scan = folders.scan["scans"][0]
    own = {
        column: row
        for (table, name, column), row in rows.items()
        if table == "Table III" and row.ours is not None
    }
    assert {row.row for row in own.values()} == {"this work"}
    assert own["pre-cuts: S"].ours == pytest.approx(sum(fold["S"][0] for fold in scan["folds"]) / 3)
    # Where the smoothed S/(1+B) is at least 0.15 and enough events are left, on all folds, in one piece.
    good = [
        all(fold["reliable"][i] and fold["s_over_1pb_smooth"][i] >= 0.15 for fold in scan["folds"])
        for i in range(400)
    ]
    inside = [i for i, keep in enumerate(good) if keep]
    assert inside == list(range(inside[0], inside[-1] + 1))
    assert own["BDT: lowest threshold"].ours == inside[0] / 400
    highest = max(fold["S_smooth"][i] for fold in scan["folds"] for i in inside)
    assert own["BDT: highest S"].ours == pytest.approx(highest)
    # An event weighs 3e-3 fb in a fold: S = 300 * n * 3e-3 with an error of sqrt(n) events.
    assert own["BDT: highest S"].error == pytest.approx(0.9 * math.sqrt(highest / 0.9), rel=0.05)


def test_a_threshold_is_as_uncertain_as_the_ratio_that_sets_it(rows, folders) -> None:
    """By how much it moves where all of S/(1+B) is one standard error of it larger or smaller, up to its curvature."""
    found = rows["Table III", "this work", "BDT: lowest threshold"]
    widths = []
    for fold in folders.scan["scans"][0]["folds"]:
        index = round(found.ours * 400)
        s, b = fold["S_smooth"][index], fold["B_smooth"][index]
        error = s / (1 + b) * math.hypot((0.9 / s) ** 0.5, b / (1 + b) * (0.9 / b) ** 0.5)
        ratio = fold["s_over_1pb_smooth"]
        up = next(i for i in range(index, 400) if s_over(fold, i) >= s_over(fold, index) + error)
        widths.append((up - index) / 400)
        assert ratio[index] > 0
    assert found.error == pytest.approx(max(widths), rel=0.35)


def s_over(fold, index: int) -> float:
    return fold["S_smooth"][index] / (1 + fold["B_smooth"][index])


def test_ranks_and_shares_of_the_text(rows, folders) -> None:
    for background in ("tt", "WW"):
        share = folders.training["importance"][background]
        rank = sorted(share, key=share.get, reverse=True).index("mt2_100") + 1
        assert rows["Text", f"rank of M_T2^100 against {background}", "number"].ours == rank


def test_shares_count_bins_below_the_cut(folders, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folders.run, run)
    h = hist.Hist(
        hist.axis.StrCategory([SIGNAL], name="process"),
        hist.axis.StrCategory(["precuts"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(75, 100, 250, name="mt2_100"),
        storage=hist.storage.Weight(),
    )
    h.fill(SIGNAL, "precuts", "nominal", [99.0, 129.9, 130.1, 300.0], weight=[1.0, 2.0, 3.0, 4.0])
    import uhi.io.json

    content = {"format": "massgap-histograms/1", "histograms": {"mt2_100": h}}
    (run / "histograms.json").write_text(json.dumps(content, default=uhi.io.json.default))
    found = {(row.row, row.table): row for row in validate(run)}
    share = found["M_T2^100 < 130 keeps of the signal", "Text"]
    assert share.ours == pytest.approx(0.3)
    # Independent: variance of a ratio of two disjoint sums, a = 3 +- sqrt(5) and b = 7 +- sqrt(25).
    assert share.error == pytest.approx(math.sqrt(7**2 * 5 + 3**2 * 25) / 100)
    assert found["M_T2^100 < 130 keeps of tt + WW", "Text"].verdict == "absent"


def test_another_signal_is_not_the_benchmark(folders, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folders.run, run)
    manifest = json.loads((run / "manifest.json").read_text())
    for metadata in manifest["datasets"].values():
        if "masses" in metadata:
            metadata["masses"]["m_lsp"] = 60.0
    (run / "manifest.json").write_text(json.dumps(manifest))
    found = [row for row in validate(Folders(run, folders.fit)) if row.ours is not None]
    assert not any(row.row == "signal" or row.table == "Table III" for row in found)
    assert any(row.row == "tt" for row in found)


def test_folders_are_found_as_the_study_leaves_them(folders, tmp_path) -> None:
    shutil.copytree(folders.run, tmp_path / "scored")
    shutil.copytree(folders.fit, tmp_path / "scored" / "fit")
    shutil.copytree(folders.model, tmp_path / "model")
    found = Folders.find(tmp_path)
    assert (found.run, found.fit, found.model) == (
        tmp_path / "scored",
        tmp_path / "scored" / "fit",
        tmp_path / "model",
    )
    assert Folders.find(tmp_path / "scored").model == tmp_path / "model"
    with pytest.raises(StudyError, match=r"holds no run.*massgap study slepton"):
        Folders.find(tmp_path / "model")


def test_a_fit_beside_the_study_is_not_the_studys(folders, tmp_path) -> None:
    """massgap fit DIR/scored writes scored/fit, with options of its own."""
    shutil.copytree(folders.run, tmp_path / "scored")
    shutil.copytree(folders.fit, tmp_path / "scored" / "fit")
    shutil.copytree(folders.fit, tmp_path / "fits" / "benchmark")
    record = {"format": "massgap-study/1", "study": "slepton", "runs": {"scored": {}}}
    for fits, wanted in (
        ({"fits/benchmark": {"run": "scored"}}, tmp_path / "fits" / "benchmark"),
        ({"scored/fit": {"run": "scored"}}, tmp_path / "scored" / "fit"),
        ({"fits/benchmark": {"run": "varied"}}, None),
        ({}, None),
    ):
        (tmp_path / "study.json").write_text(json.dumps({**record, "fits": fits}))
        assert Folders.find(tmp_path).fit == wanted
        assert Folders.find(tmp_path / "scored").fit == wanted


def test_a_run_of_another_analysis_is_refused(folders, tmp_path) -> None:
    manifest = json.loads((folders.run / "manifest.json").read_text())
    manifest["description"] = {"analysis": "my_analysis"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StudyError, match="is a run of the analysis 'my_analysis'"):
        validate(tmp_path)


def test_the_report_has_the_chapters_of_the_study(folders, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folders.run, run)
    content = json.loads((run / "histograms.json").read_text())
    kept = {name: content["histograms"][name] for name in ("m_ll", "mt2_100")}
    (run / "histograms.json").write_text(json.dumps({**content, "histograms": kept}))
    out = write_report(run, folders.model, folders.fit, tmp_path / "report.html", chapters=chapters())
    text = out.read_text(encoding="utf-8")
    assert 'id="chapter-beside-the-paper"' in text
    assert "Without initial-state radiation the signal ends at 129.21 GeV." in text
    # The paper's values stand beside ours as they are printed.
    for printed in ("12500", "0.47", "386", "8.2"):
        assert f">{printed}</data>" in text


def test_a_run_of_another_analysis_has_none_of_them(folders, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folders.run, run)
    content = json.loads((run / "histograms.json").read_text())
    kept = {name: content["histograms"][name] for name in ("met",)}
    (run / "histograms.json").write_text(json.dumps({**content, "histograms": kept}))
    out = write_report(run, None, None, tmp_path / "report.html", chapters=chapters())
    assert "chapter-" not in out.read_text(encoding="utf-8")
