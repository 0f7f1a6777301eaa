"""The page about the benchmarks."""

from __future__ import annotations

import copy
import json
import math
import re

import pytest
from click.testing import CliRunner

from massgap.cli import main
from massgap.reports.benchmarks.inputs import read_benchmarks
from massgap.reports.benchmarks.page import write_benchmarks_report
from massgap.reports.benchmarks.ratios import ratios
from massgap.reports.errors import MissingInput, ReportError, UnreadableInput


def row(what, median, goal=None, *, unit="x", at_least=True, group="MT2", detail="", theirs=math.nan):
    reached = None if goal is None else (median >= goal if at_least else median <= goal)
    measured = {
        "median": median, "low": 0.5 * median, "high": 2 * median, "rounds": 9, "ours": 1e-3, "theirs": theirs,
    }  # fmt: skip
    return {
        "group": group, "what": what, "measured": measured, "unit": unit, "goal": goal, "at_least": at_least,
        "detail": detail, "reached": reached,
    }  # fmt: skip


CONTENT = {
    "format": "massgap-benchmarks/1",
    "date": "2026-01-01 00:00:00+0000",
    "machine": {"processor": "A <fast> one", "cores": 2, "system": "Linux"},
    "versions": {"python": "3.11", "numpy": "2.4"},
    "quick": False,
    "seconds": 600.0,
    "skipped": ["RDataFrame (ROOT cannot be imported)"],
    "rows": [
        row("massless visibles", 60.0, 50.0, theirs=0.06, detail="1e5 events"),
        row("muon mass", 20.0, 30.0),
        row("per chunk", 3.0, 10.0, unit="ms", at_least=False, group="Running"),
        row("no goal", 1.5, group="Running"),
    ],
}


def written(tmp_path, content) -> str:
    path = tmp_path / "benchmarks.json"
    path.write_text(json.dumps(content))
    return write_benchmarks_report(path).read_text()


def test_goals_reached_and_missed_are_told(tmp_path) -> None:
    page = written(tmp_path, CONTENT)
    assert "2 of 3 goals are reached, 1 missed." in page
    banner = page[page.index('class="banner warning"') :]
    banner = banner[: banner.index("</div>")]
    assert "MT2: muon mass: 20.0, goal ≥ 30 (rounds from 10.0 to 40.0: some reach it)" in banner
    assert "massless visibles" not in banner
    assert "reached (not in every round)" in page
    assert "≤ 10 ms" in page
    assert "RDataFrame (ROOT cannot be imported)" in page
    assert "A &lt;fast&gt; one" in page
    assert "1.00 ms / 60.0 ms" in page
    for text in ("no goal", "1e5 events", "30.0 to 120", "numpy"):
        assert text in page


def test_the_page_stands_alone(tmp_path) -> None:
    page = written(tmp_path, CONTENT)
    assert page.count("data:image/svg+xml") >= 2
    assert not re.findall(r'(?:src|href)="https?:', page)
    assert "nan" not in re.sub(r"data:[^\"]*", "", page).lower().replace("nanoaod", "")


def test_all_reached_none_measured_and_quick_runs(tmp_path) -> None:
    good = {**CONTENT, "rows": CONTENT["rows"][:1], "skipped": []}
    assert "All 1 goals are reached." in written(tmp_path, good)
    assert "No goal was measured." in written(tmp_path, {**good, "rows": CONTENT["rows"][3:]})
    assert "No goal was measured." in written(tmp_path, {**good, "rows": []})
    assert "A quick run." in written(tmp_path, {**good, "quick": True})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda c: c.update(format="other/1"), "no result of the benchmarks"),
        (lambda c: c.pop("machine"), "lacks 'machine'"),
        (lambda c: c["rows"][0].pop("goal"), "lacks 'goal'"),
        (lambda c: c["rows"][0]["measured"].pop("low"), "lacks 'low'"),
        (
            lambda c: c["rows"][1]["measured"].update(median=math.nan),
            r"line 2 \(muon mass\) has nan as 'median'",
        ),
        (lambda c: c["rows"][1]["measured"].update(high=math.inf), "has inf as 'high'"),
        (lambda c: c["rows"][1].update(goal=math.nan), "has nan as 'goal'"),
        (lambda c: c["rows"][1]["measured"].update(low=True), "has True as 'low'"),
        (lambda c: c["rows"][1]["measured"].update(low=30.0), "outside of its spread 30 to 40"),
        (lambda c: c.update(rows={"a": 1}), "as 'rows', which is no list"),
        (lambda c: c["rows"].append(None), "line 5 lacks 'what'"),
    ],
)
def test_other_files_are_refused(tmp_path, spoil, words) -> None:
    content = copy.deepcopy(CONTENT)
    spoil(content)
    with pytest.raises(UnreadableInput, match=words):
        written(tmp_path, content)


def test_verdicts_follow_from_the_numbers(tmp_path) -> None:
    """A file that says otherwise than its numbers does not make a goal reached."""
    content = copy.deepcopy(CONTENT)
    content["rows"][1]["reached"] = True
    assert "2 of 3 goals are reached, 1 missed." in written(tmp_path, content)


def test_no_page_over_its_own_results(tmp_path) -> None:
    path = tmp_path / "benchmarks.json"
    path.write_text(json.dumps(CONTENT))
    with pytest.raises(ReportError, match="--out"):
        write_benchmarks_report(path, path)
    assert json.loads(path.read_text())["rows"][0]["what"] == "massless visibles"


def test_figure_has_medians_spreads_and_goals_on_a_logarithmic_axis(tmp_path) -> None:
    path = tmp_path / "benchmarks.json"
    path.write_text(json.dumps(CONTENT))
    lines = read_benchmarks(path).lines
    figure = ratios(lines)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    points = [tuple(drawn.get_xdata()) for drawn in axes.lines]
    for one in lines[:2]:
        assert {(one.median,), (one.low, one.high), (one.goal,)} <= set(points)
    # Milliseconds are no ratio.
    assert (3.0,) not in points
    low, high = axes.get_xlim()
    assert low < 0.75
    assert high > 120
    assert ratios(lines[2:3]) is None


def test_damaged_and_missing_files_are_named(tmp_path) -> None:
    with pytest.raises(MissingInput, match=r"none.json: no such file; make bench"):
        write_benchmarks_report(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"format": "mass')
    with pytest.raises(UnreadableInput, match=r"half.json: is damaged"):
        write_benchmarks_report(tmp_path / "half.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UnreadableInput, match="format 'list'"):
        write_benchmarks_report(tmp_path / "list.json")


def test_command(tmp_path) -> None:
    (tmp_path / "benchmarks.json").write_text(json.dumps(CONTENT))
    done = CliRunner().invoke(
        main, ["report", "benchmarks", str(tmp_path), "--out", str(tmp_path / "b.html")]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "b.html").is_file()
    wrong = CliRunner().invoke(main, ["report", "benchmarks", str(tmp_path), "--fit", "x"])
    assert "--fit does not go with benchmarks" in wrong.output
    (tmp_path / "benchmarks.json").write_text("{")
    damaged = CliRunner().invoke(main, ["report", "benchmarks", str(tmp_path)])
    assert damaged.exit_code == 1
    assert damaged.output.startswith("Error: ")
    assert "benchmarks.json: is damaged" in damaged.output
    assert "fault of massgap" not in damaged.output
