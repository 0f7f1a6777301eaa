"""The benchmarks: their arithmetic, their table, and that each of them runs."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

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


def run_of(date: str, rows: list[tuple[str, str, float]], **changes: Any) -> dict[str, Any]:
    """What a run of the benchmarks writes, cut down."""
    return {
        "format": "massgap-benchmarks/1",
        "date": date,
        "machine": {"processor": f"that of {date}"},
        "versions": {"python": "3"},
        "quick": False,
        "seconds": 1.0,
        "skipped": [],
        "rows": [
            {"group": group, "what": what, "measured": {"median": median, "theirs": math.nan}}
            for group, what, median in rows
        ],
        **changes,
    }


def told(content: dict[str, Any]) -> list[tuple[str, str, float, str]]:
    """Group, line, median and date of all lines."""
    return [
        (row["group"], row["what"], row["measured"]["median"], content["origins"][row["origin"]]["date"])
        for row in content["rows"]
    ]


def test_measurements_of_several_runs_are_kept_with_their_dates(tmp_path) -> None:
    """New lines of a subject replace all older ones of it, but for what could not be measured this time."""
    keep = importlib.import_module("benchmarks.measured").keep
    path = tmp_path / "measured.json"
    keep(
        path,
        run_of(
            "Monday", [("A", "one", 1.0), ("B", "gone", 2.0), ("B", "against ROOT", 3.0), ("C", "x", 4.0)]
        ),
    )
    keep(path, run_of("Tuesday", [("B", "new", 5.0)], skipped=["ROOT (cannot be imported)"]))
    keep(path, run_of("Wednesday", [("C", "x", 6.0)]))
    content = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert told(content) == [
        ("A", "one", 1.0, "Monday"),
        ("B", "new", 5.0, "Tuesday"),
        ("B", "against ROOT", 3.0, "Monday"),
        ("C", "x", 6.0, "Wednesday"),
    ]
    assert [origin["machine"]["processor"] for origin in content["origins"]] == [
        f"that of {day}" for day in ("Monday", "Tuesday", "Wednesday")
    ]


def test_a_quick_run_is_not_kept(tmp_path, monkeypatch, capsys) -> None:
    keep = importlib.import_module("benchmarks.measured").keep
    with pytest.raises(ValueError, match="a quick run"):
        keep(tmp_path / "measured.json", run_of("Monday", [], quick=True))
    assert not (tmp_path / "measured.json").exists()
    entry = importlib.import_module("benchmarks.__main__")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "merging", "--quick", "--into", str(tmp_path / "m.json")])
    with pytest.raises(SystemExit):
        entry.main()
    assert "leave out --quick and --smoke" in capsys.readouterr().err


def test_every_subject_has_its_file() -> None:
    subjects = importlib.import_module("benchmarks.__main__").SUBJECTS
    assert [name for name in subjects if not (ROOT / "benchmarks" / f"{name}.py").is_file()] == []


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Run a subject in its smallest form and give what is written; event files are shared."""
    entry = importlib.import_module("benchmarks.__main__")
    folder = tmp_path_factory.mktemp("bench")

    def run(subject: str) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            for name in entry.ONE_THREAD:
                patch.setenv(name, "1")
            patch.setenv("MASSGAP_BENCH", "")
            # Subjects start processes of their own.
            patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
            patch.setattr(sys, "argv", ["benchmarks", subject, "--smoke", "--out", str(folder)])
            assert entry.main() == 0
        return json.loads((folder / "benchmarks.json").read_text())

    return run


LINES = {
    "mt2": 18, "slepton": 10, "smuon": 5, "vlq": 5, "electroweakino": 3, "reading": 11, "running": 6, "merging": 3, "scoring": 19,
    "training": 7, "agreement": 4, "observables": 12,
    "reconstruction": 5, "cascade": 6, "parton": 3, "fits": 27, "scheduler": 13,
}  # fmt: skip
"""Lines of each subject where everything is there that it compares with (training: without torch)."""


def test_lines_are_known_of_every_subject() -> None:
    assert LINES.keys() == importlib.import_module("benchmarks.__main__").SUBJECTS.keys()


@pytest.mark.parametrize("subject", LINES)
def test_a_subject_runs_in_its_smallest_form(smoke, subject: str) -> None:
    """Imports, agreement with what it compares with, lines; only what is not there is left out, with the reason."""
    if subject == "scheduler":
        pytest.importorskip("distributed", reason="needs massgap[dask]")
    content = smoke(subject)
    skipped = content["skipped"]
    assert len(content["rows"]) + len(skipped) == LINES[subject]
    assert all(math.isfinite(row["measured"]["median"]) for row in content["rows"])
    elsewhere = ("(--opponents FOLDER", "(there is no module for them)")
    for reason in [reason for reason in skipped if not any(text in reason for text in elsewhere)]:
        package = re.search(r"RDataFrame \((\w+) cannot be imported", reason)
        assert package, reason
        assert importlib.util.find_spec(package[1]) is None or "MASSGAP_ROOT_PYTHON" in os.environ


def test_what_rdataframe_calls_is_the_compiled_form_of_the_observables() -> None:
    """Also where there is no ROOT: names of the package that change must change there."""
    from massgap.selections.slepton.features import FEATURE_NAMES

    kernel = importlib.import_module("benchmarks.rdataframe").observables()
    given = (ctypes.c_double * 15)(
        *(
            60.0,
            0.5,
            0.1,
            0.1056583755,
            40.0,
            -0.3,
            2.0,
            0.1056583755,
            80.0,
            1.1,
            -2.2,
            9.0,
            120.0,
            -1.0,
            110.0,
        )
    )
    out = (ctypes.c_double * 27)()
    kernel.ctypes(given, out)
    found = dict(zip(FEATURE_NAMES, out, strict=True))
    assert found["met"] == 120.0
    assert found["ht"] == 110.0
    assert found["meff"] == 230.0
    assert found["pt_l1_over_met"] == pytest.approx(0.5)
    assert found["dphi_l1_l2"] == pytest.approx(1.9)
    assert found["cos_theta_star"] == pytest.approx(math.tanh(0.4))


def test_a_process_with_root_that_breaks_is_no_missing_root(tmp_path, monkeypatch) -> None:
    """Its last words are told instead."""
    slepton = importlib.import_module("benchmarks.slepton")
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no such name' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("MASSGAP_ROOT_PYTHON", str(broken))
    with pytest.raises(RuntimeError, match=r"ended with 1: ImportError: no such name"):
        list(slepton._rdataframe(tmp_path / "events.root", lambda: None, None, 1))


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


def test_unknown_kinds_of_models_are_named(monkeypatch, capsys) -> None:
    entry = importlib.import_module("benchmarks.__main__")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "agreement", "--kinds", "mlp,forest"])
    with pytest.raises(SystemExit):
        entry.main()
    assert "no such kind: forest; there are trees, mlp, tabnet, tabm" in capsys.readouterr().err
