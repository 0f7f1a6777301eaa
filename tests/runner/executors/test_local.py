"""Executors: every item comes back once, as a result or as lost, whatever happens to the workers."""

from __future__ import annotations

from pathlib import Path

import faulttasks
import pytest

from massgap.runner.errors import RunnerError
from massgap.runner.executors.base import Lost, StallLimit
from massgap.runner.executors.dask_cluster import DaskExecutor
from massgap.runner.executors.local import FuturesExecutor, IterativeExecutor
from massgap.runner.executors.make import make_executor


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    # Worker processes import the tasks by name.
    monkeypatch.syspath_prepend(str(Path(faulttasks.__file__).parent))
    return tmp_path


def collect(executor, folder, n, **options) -> dict[int, object]:
    found: dict[int, object] = {}
    for number, result in executor(faulttasks.square, range(n), shared=str(folder), **options):
        assert number not in found
        found[number] = result
    assert sorted(found) == list(range(n))
    return found


SQUARES = {i: i * i for i in range(12)}


@pytest.mark.parametrize("executor", [IterativeExecutor(), FuturesExecutor(2)], ids=["iterative", "futures"])
@pytest.mark.parametrize("alone", [False, True])
def test_all_items_come_back(executor, folder, alone) -> None:
    assert collect(executor, folder, 12, alone=alone) == SQUARES
    assert list(executor(faulttasks.square, [], shared=str(folder))) == []


def test_a_killed_process_is_replaced(folder) -> None:
    (folder / "kill-once-5").touch()
    assert collect(FuturesExecutor(2), folder, 12) == SQUARES
    assert (folder / "kill-done-5").exists()


def test_what_always_kills_is_lost_and_the_rest_is_done_alone(folder) -> None:
    for x in (3, 4):
        (folder / f"kill-{x}").touch()
    found = collect(FuturesExecutor(2), folder, 12)
    assert isinstance(found[3], Lost)
    assert isinstance(found[4], Lost)
    assert found[3].attempts == 2
    assert "SIGKILL" in found[3].reason
    # One at a time it is known which ones they are.
    found = collect(FuturesExecutor(2), folder, 12, alone=True)
    assert {x for x, result in found.items() if isinstance(result, Lost)} == {3, 4}
    assert {x: r for x, r in found.items() if x not in (3, 4)} == {
        x: x * x for x in range(12) if x not in (3, 4)
    }


def test_a_hanging_process_is_ended(folder, monkeypatch) -> None:
    faulttasks.only_told_hangs_count(monkeypatch, folder)
    (folder / "hang-once-5").touch()
    ticks = []
    # The task itself would sleep for an hour.
    assert collect(FuturesExecutor(2, timeout=2), folder, 12, tick=lambda: ticks.append(1)) == SQUARES
    assert ticks
    assert not any(faulttasks.alive(int(path.name[6:])) for path in folder.glob("hangs.*"))
    (folder / "hang-1").touch()
    found = collect(FuturesExecutor(1, timeout=1, attempts=1), folder, 2, alone=True)
    assert found[0] == 0
    assert "gave no result for 1 s" in found[1].reason


def test_stall_limit() -> None:
    limit = StallLimit()
    assert limit.seconds == 600
    limit.begin(0)
    limit.longest = 100.0
    assert limit.seconds == 2000
    assert 0 < limit.left <= 2000
    limit.end(0)
    assert StallLimit(5).seconds == 5


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("nonsense", {}, "unknown executor 'nonsense'; known are iterative, futures, dask, htcondor"),
        ("futures", {"workers": 0}, "at least 1"),
        ("futures", {"adapt": (1, 2)}, "--adapt goes with a cluster"),
    ],
)
def test_refused(name, options, words) -> None:
    with pytest.raises(RunnerError, match=words):
        make_executor(name, **options)


def test_names() -> None:
    assert isinstance(make_executor("futures", 1), IterativeExecutor)
    assert isinstance(make_executor("futures", 2, timeout=5), FuturesExecutor)
    assert isinstance(make_executor("dask", 2, adapt=(0, 4)), DaskExecutor)
    assert make_executor("tcp://host:8786").client == "tcp://host:8786"
