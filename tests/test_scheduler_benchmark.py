"""The benchmark of the scheduler: its prediction where the answer is known, and that its driver counts all chunks."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def scheduler():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("there is no folder benchmarks beside the tests")
    sys.path.insert(0, str(ROOT))
    yield importlib.import_module("benchmarks.scheduler")
    sys.path.remove(str(ROOT))


def test_without_costs_the_workers_are_the_limit(scheduler) -> None:
    free = scheduler.Costs(0.0, 0.0, 0.0)
    assert scheduler.simulate(1000, 10, 2.0, free) == pytest.approx(200.0)
    assert scheduler.simulate(1001, 10, 2.0, free) == pytest.approx(202.0)
    assert scheduler.simulate(7, 10, 2.0, free) == pytest.approx(2.0)


@pytest.mark.parametrize("costs", [(0.01, 0.002, 0.0), (0.002, 0.01, 0.0)], ids=["scheduler", "driver"])
def test_with_many_workers_the_slower_of_both_is_the_limit(scheduler, costs) -> None:
    assert scheduler.simulate(5000, 2000, 0.1, scheduler.Costs(*costs)) == pytest.approx(50.0, rel=0.02)


def test_the_administration_of_workers_in_one_process(scheduler) -> None:
    free = scheduler.Costs(0.0, 0.0, 0.0)
    assert scheduler.simulate(1000, 100, 0.1, free, shared=0.02) == pytest.approx(20.1, rel=0.01)


def test_a_small_window_keeps_workers_waiting(scheduler) -> None:
    free = scheduler.Costs(0.0, 0.0, 0.0)
    assert scheduler.simulate(1000, 100, 1.0, free, window=50) == pytest.approx(20.0)


def test_unequal_tasks_end_later(scheduler) -> None:
    free = scheduler.Costs(0.0, 0.0, 0.0)
    even = scheduler.simulate(2000, 100, 1.0, free)
    uneven = scheduler.simulate(2000, 100, 1.0, free, spread=0.5)
    assert even < uneven < 1.3 * even


def test_a_run_of_nothing_on_a_cluster(scheduler) -> None:
    pytest.importorskip("distributed", reason="needs massgap[dask]")
    with scheduler.cluster(3) as pool:
        found = pool.drive(chunks=200, levels=(1, 2))
    assert found["tasks"] == 25
    assert found["scheduler_cpu"] > 0
    assert found["wall"] > 0
