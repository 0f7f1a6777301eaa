"""The benchmarks: their arithmetic, their table, and that one of them runs."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", autouse=True)
def from_the_root():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("there is no folder benchmarks beside the tests")
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))


@pytest.fixture
def clock(monkeypatch):
    """CPU time that goes on as told."""
    measure = importlib.import_module("benchmarks.measure")
    now = [0.0]
    monkeypatch.setattr(measure.time, "process_time", lambda: now[0])

    def taking(seconds):
        def work() -> None:
            now[0] += seconds

        return work

    return measure, taking


def test_ratio_is_theirs_over_ours(clock) -> None:
    measure, taking = clock
    found = measure.ratio(taking(0.01), taking(0.5), rounds=5, least=0.1)
    assert (found.median, found.low, found.high) == pytest.approx((50.0, 50.0, 50.0))
    assert (found.ours, found.theirs, found.rounds) == pytest.approx((0.01, 0.5, 5))


def test_cost_of_one_call(clock) -> None:
    measure, taking = clock
    assert measure.cost(taking(0.002), scale=1e3).median == pytest.approx(2.0)


def test_a_slow_round_does_not_move_the_median(clock) -> None:
    measure, taking = clock
    times = iter([1.0] * 5 + [100.0] + [1.0] * 1000)

    def ours() -> None:
        taking(next(times))()

    found = measure.ratio(ours, taking(2.0), rounds=9, least=0.1)
    assert found.median == pytest.approx(2.0)
    assert found.low < 0.1


@pytest.mark.parametrize(
    ("median", "goal", "at_least", "expected"),
    [(2.0, 1.9, True, True), (1.8, 1.9, True, False), (9.0, 10.0, False, True), (11.0, 10.0, False, False)],
)
def test_goals(median, goal, at_least, expected) -> None:
    measure = importlib.import_module("benchmarks.measure")
    one = measure.Measurement(median, median, median, 1, 0.0)
    row = measure.Row("group", "what", one, goal=goal, at_least=at_least)
    assert row.reached is expected
    assert measure.Row("group", "what", one).reached is None
    line = importlib.import_module("benchmarks.__main__").line(row)
    assert ("reached" in line) is expected
    assert ("MISSED" in line) is not expected


def test_every_subject_has_its_file() -> None:
    subjects = importlib.import_module("benchmarks.__main__").SUBJECTS
    assert [name for name in subjects if not (ROOT / "benchmarks" / f"{name}.py").is_file()] == []


QUICK = ("mt2", "slepton", "running", "merging", "scoring", "observables", "reconstruction", "cascade")


def test_every_subject_is_run_here() -> None:
    """All in their quick form; the scheduler has a file of tests of its own."""
    assert {*QUICK, "scheduler"} == set(importlib.import_module("benchmarks.__main__").SUBJECTS)


@pytest.mark.parametrize("subject", QUICK)
def test_a_subject_runs_in_its_quick_form(subject: str, tmp_path: Path) -> None:
    """In a process of its own, as ``make bench`` runs it: imports, agreement of the results, lines."""
    pytest.importorskip("mt2", reason="compares with the package mt2, which is in the extra massgap[test]")
    command = [sys.executable, "-m", "benchmarks", subject, "--quick", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    rows = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]
    assert len(rows) >= 3
    assert all(row["measured"]["median"] > 0 for row in rows)


def test_a_subject_runs_and_its_results_are_written(tmp_path, monkeypatch, capsys) -> None:
    entry = importlib.import_module("benchmarks.__main__")
    for name in entry.ONE_THREAD:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MASSGAP_BENCH", "")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "merging", "--quick", "--out", str(tmp_path)])
    assert entry.main() == 0
    content = json.loads((tmp_path / "benchmarks.json").read_text())
    assert content["format"] == "massgap-benchmarks/1"
    assert {row["group"] for row in content["rows"]} == {"Adding histograms"}
    assert "numpy" in content["versions"]
    assert "3 lines" in capsys.readouterr().out


def test_unknown_subjects_are_named(monkeypatch, capsys) -> None:
    entry = importlib.import_module("benchmarks.__main__")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "mt3"])
    with pytest.raises(SystemExit):
        entry.main()
    assert "no such subject: mt3; there are mt2" in capsys.readouterr().err
