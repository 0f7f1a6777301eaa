"""What trees Runs say of a dataset, and what they cannot: sums of weights that are not those of the events are no sums."""

from __future__ import annotations

import eventfiles
import numpy as np
import pytest

from massgap.errors import MassgapError
from massgap.processors import Slepton
from massgap.runner import run
from massgap.runner.errors import RunnerError

FIRST = eventfiles.make_events(60, seed=3, negative=False)
SECOND = eventfiles.make_events(60, seed=4, first=1000, negative=False)


def sum_of(events) -> float:
    return float(sum(event["weight"] for event in events))


def counted(n, total):
    return {"run": [1], "genEventCount": [n], "genEventSumw": [total]}


def nothing():
    return {"run": np.zeros(0, "u4"), "genEventCount": np.zeros(0, "i8"), "genEventSumw": np.zeros(0, "f8")}


@pytest.fixture
def second(tmp_path):
    return eventfiles.write_nano(tmp_path / "second.root", SECOND, runs=counted(60, sum_of(SECOND)))


def go(*paths, xsec_fb=1.0, **metadata):
    normalised = {"xsec_fb": xsec_fb} if xsec_fb else {"unnormalised": True}
    files = {str(path): "Events" for path in paths}
    return run(Slepton(), {"tt": {"files": files, "metadata": {**normalised, "process": "tt", **metadata}}})


def all_of(result) -> float:
    return result.cutflow["processes"]["tt"][0]["weighted"]


@pytest.mark.parametrize("runs", [counted(30, sum_of(FIRST[:30])), nothing()], ids=["of half", "of none"])
def test_a_tree_runs_of_other_events_is_no_sum_of_weights(tmp_path, second, runs) -> None:
    path = eventfiles.write_nano(tmp_path / "first.root", FIRST, runs=runs)
    with pytest.raises(
        RunnerError, match=r"first\.root: its tree Runs counts (30|0) events, and Events has 60"
    ):
        go(path, second)
    # Where nothing is normalised to it, or the remedy is followed, it does not matter.
    total = sum_of(FIRST) + sum_of(SECOND)
    assert all_of(go(path, second, xsec_fb=None)) == pytest.approx(total)
    remedied = go(path, second, sum_weights=total)
    assert remedied.ledger.complete
    assert all_of(remedied) == pytest.approx(1.0)


def test_a_skim_beside_a_file_without_a_sum_is_refused(tmp_path, second) -> None:
    skim = eventfiles.write_nano(tmp_path / "skim.root", FIRST, runs=counted(600, 10 * sum_of(FIRST)))
    without = eventfiles.write_nano(tmp_path / "without.root", SECOND)
    with pytest.raises(
        RunnerError, match=r"skim\.root: holds 60 of the 600 events .*without\.root has no sum"
    ):
        go(skim, without)
    expected = (sum_of(FIRST) + sum_of(SECOND)) / (10 * sum_of(FIRST) + sum_of(SECOND))
    assert all_of(go(skim, second)) == pytest.approx(expected)


def test_a_file_without_runs_beside_one_whose_runs_counts_what_is_there(tmp_path, second) -> None:
    without = eventfiles.write_nano(tmp_path / "without.root", FIRST)
    assert all_of(go(without, second)) == pytest.approx(1.0)


def test_weights_that_do_not_sum_to_what_runs_says_of_them_are_told(tmp_path, second) -> None:
    wrong = eventfiles.write_nano(tmp_path / "first.root", FIRST, runs=counted(60, 0.0))
    result = go(wrong, second)
    assert not result.ledger.complete
    (problem,) = result.ledger.problems()
    assert f"{sum_of(FIRST) + sum_of(SECOND):.6g}"[:5] in problem
    assert "trees Runs" in problem
    right = eventfiles.write_nano(tmp_path / "right.root", FIRST, runs=counted(60, sum_of(FIRST)))
    assert go(right, second).ledger.complete


def test_events_whose_weights_are_all_zero_are_not_normalised_in_silence(tmp_path) -> None:
    path = eventfiles.write_nano(tmp_path / "zero.root", FIRST, change={"genWeight": lambda w: 0 * w})
    try:
        problems = go(path).ledger.problems()
    except MassgapError as error:
        problems = [str(error)]
    assert "the sum of generator weights is 0" in problems[0]
