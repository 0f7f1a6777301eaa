"""The table of the benchmarks in a text file, and that of docs/performance.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from massgap.cli import main
from massgap.reports.benchmarks.inputs import read_benchmarks
from massgap.reports.benchmarks.table import BEGIN, END, benchmarks_table, write_benchmarks_table
from massgap.reports.errors import MissingInput, ReportError, UnreadableInput

ROOT = Path(__file__).parents[3]


def row(what, median, low, high, goal=None, *, unit="x", at_least=True, group="MT2", **more):
    measured = {"median": median, "low": low, "high": high, "rounds": 9, "ours": None, "theirs": None}
    return {
        "group": group, "what": what, "measured": measured, "unit": unit, "goal": goal, "at_least": at_least,
        "detail": "", **more,
    }  # fmt: skip


MACHINE = {"processor": "Fast", "cores": 4, "system": "Linux"}
ONE = {
    "format": "massgap-benchmarks/1",
    "date": "2026-01-02 03:04:05+0000",
    "machine": MACHINE,
    "versions": {"python": "3.12.1", "numpy": "2.4.6", "tornado": "6"},
    "quick": False,
    "seconds": 600.0,
    "skipped": [],
    "rows": [
        row("massless, trial mass 0; random: against mt2", 60.0, 51.2, 66.0, 50.0),
        row("massless, trial mass 0; W pairs: against mt2", 44.0, 40.0, 47.0, 50.0),
        row("one event", 3.1, 3.0, 3.3, unit="us"),
        row("time a|b", 5.81, 5.3, 7.7, 10.0, unit="ms", at_least=False, group="Running"),
        row("two workers", 1.87, 1.75, 2.03, 1.9, group="Running"),
        row("memory", 369.0, 369.0, 369.0, 1024.0, unit="MiB", at_least=False, group="Running"),
    ],
}
TABLE = """\
| what                                               | goal        | measured              |                     |
| -------------------------------------------------- | ----------- | --------------------- | ------------------- |
| MT2: massless, trial mass 0, against mt2 (2 kinds) | ≥ 50 x      | 60, 44 x (40 to 66)   | **missed** (1 of 2) |
| Running: time a\\|b                                 | ≤ 10 ms     | 5.8 ms (5.3 to 7.7)   | reached             |
| Running: two workers                               | ≥ 1.9 x     | 1.87 x (1.75 to 2.03) | **missed**          |
| Running: memory                                    | ≤ 1,024 MiB | 370 MiB               | reached             |

Measured on 2026-01-02, Fast, 4 cores: python 3.12.1, numpy 2.4.6."""


def results(folder: Path, content=None, **changes) -> Path:
    path = folder / "benchmarks.json"
    path.write_text(json.dumps({**(content or ONE), **changes}))
    return path


def test_lines_with_a_goal_are_rows(tmp_path) -> None:
    """Kinds of events share a row; two digits, or as many as tell on which side of the goal a number lies."""
    assert benchmarks_table(read_benchmarks(results(tmp_path))) == TABLE


def test_a_line_of_another_run_is_marked(tmp_path) -> None:
    rows = [dict(one, origin=0) for one in ONE["rows"]]
    rows.append(row("against RDataFrame", 4.5, 3.8, 5.4, 2.0, group="Running", origin=1))
    origins = [
        {key: ONE[key] for key in ("date", "machine", "versions")},
        {"date": "2025-12-31", "machine": {"processor": "Other", "cores": 8}, "versions": {"ROOT": "6.40"}},
    ]
    table = benchmarks_table(read_benchmarks(results(tmp_path, rows=rows, origins=origins)))
    (line,) = (text for text in table.splitlines() if "RDataFrame" in text)
    assert line.startswith("| Running: against RDataFrame (1) ")
    assert table.endswith(
        "Measured on 2026-01-02, Fast, 4 cores: python 3.12.1, numpy 2.4.6;\n(1) on 2025-12-31, Other, 8 cores: ROOT 6.40."
    )
    assert table.count("(1)") == 2


@pytest.mark.parametrize(
    ("origins", "origin", "told"),
    [
        ([{"date": "2025"}], 0, "origin 1 lacks 'machine'"),
        ([{"date": "2025", "machine": {}, "versions": {}}], 1, "has the origin 1, but there are 1"),
    ],
)
def test_origins_that_are_damaged(tmp_path, origins, origin, told) -> None:
    rows = [dict(one, origin=origin) for one in ONE["rows"]]
    with pytest.raises(UnreadableInput, match=told):
        read_benchmarks(results(tmp_path, rows=rows, origins=origins))


def test_the_rest_of_the_text_stays(tmp_path) -> None:
    text = tmp_path / "text.md"
    text.write_text(f"# Title\n\nbefore\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n")
    for _ in range(2):
        shown = CliRunner().invoke(
            main,
            ["report", "benchmarks", str(results(tmp_path)), "--table", str(text)],
            catch_exceptions=False,
        )
        assert shown.exit_code == 0, shown.output
        assert text.read_text() == f"# Title\n\nbefore\n\n{BEGIN}\n\n{TABLE}\n\n{END}\n\nafter\n"
    assert not (tmp_path / "benchmarks.html").exists()


@pytest.mark.parametrize(
    "content", ["no markers\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n"]
)
def test_markers_are_needed_once_each(tmp_path, content) -> None:
    text = tmp_path / "text.md"
    text.write_text(content)
    with pytest.raises(ReportError, match="once each, in this order"):
        write_benchmarks_table(results(tmp_path), text)
    assert text.read_text() == content


def test_what_cannot_be_a_table(tmp_path) -> None:
    text = tmp_path / "text.md"
    text.write_text(f"{BEGIN}\n{END}\n")
    with pytest.raises(ReportError, match="of a quick run"):
        write_benchmarks_table(results(tmp_path, quick=True), text)
    with pytest.raises(ReportError, match="no goal was measured"):
        write_benchmarks_table(results(tmp_path, rows=[row("one event", 1.0, 1.0, 1.0)]), text)
    with pytest.raises(MissingInput, match=r"none\.md: no such file"):
        write_benchmarks_table(results(tmp_path), tmp_path / "none.md")
    assert text.read_text() == f"{BEGIN}\n{END}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["samples", "x", "--table", "t.md"], "--table goes with benchmarks"),
        (["runs/x", "--table", "t.md"], "--table goes with benchmarks"),
        (["benchmarks", "x", "--table", "t.md", "--out", "o.html"], "leave out --out and --title"),
    ],
)
def test_the_option_goes_with_benchmarks_alone(arguments, told) -> None:
    shown = CliRunner().invoke(main, ["report", *arguments])
    assert shown.exit_code == 2
    assert told in shown.output


def test_the_table_of_the_site_is_made_from_the_measurements() -> None:
    """Not a number of it is typed: massgap report benchmarks benchmarks/measured.json --table docs/performance.md."""
    results = ROOT / "benchmarks" / "measured.json"
    if not results.is_file():
        pytest.skip("there is no folder benchmarks beside the tests")
    shown = (ROOT / "docs" / "performance.md").read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown == f"\n\n{benchmarks_table(read_benchmarks(results))}\n\n"


def test_every_number_of_the_table_tells_its_run() -> None:
    results = ROOT / "benchmarks" / "measured.json"
    if not results.is_file():
        pytest.skip("there is no folder benchmarks beside the tests")
    measured = read_benchmarks(results)
    assert measured.origins
    for origin in measured.origins:
        assert origin["date"].startswith("20")
        assert origin["machine"]["processor"]
        assert origin["versions"]["python"]
    root = [line for line in measured.lines if "RDataFrame" in line.what]
    assert root
    assert all("ROOT" in measured.origins[line.origin]["versions"] for line in root)
