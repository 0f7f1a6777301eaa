"""Files are looked into on the workers where they are many; what becomes of the workers is told meanwhile."""

from __future__ import annotations

import eventfiles
import pytest
from runs import fileset_of

from massgap.runner.executors.base import WorkerStates
from massgap.runner.ledger import Ledger
from massgap.runner.planning import make_plan


class Slow:
    """An executor whose workers come late."""

    def __init__(self) -> None:
        self.now = WorkerStates(idle=2)

    def states(self) -> WorkerStates:
        return self.now

    def __call__(self, function, items, *, tick=None):
        tick()
        self.now = WorkerStates(idle=2, problems=("none runs: ask for less",))
        tick()
        self.now = WorkerStates(running=1)
        for i, item in enumerate(items):
            yield i, function(item)


@pytest.fixture(scope="module")
def fileset(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("many")
    events = eventfiles.make_events(20, seed=1)
    return fileset_of(*(eventfiles.write_nano(folder / f"{i}.root", events) for i in range(21)))


def test_the_pool_is_told_before_the_first_file_is_done(fileset) -> None:
    seen = []
    make_plan(
        fileset,
        Ledger(),
        executor=Slow(),
        progress=lambda p: seen.append(
            (p.stage, p.done, p.total, p.pool.idle, p.pool.running, p.pool.problems)
        ),
    )
    assert seen[:2] == [
        ("inspect", 0, 21, 2, 0, ()),
        ("inspect", 0, 21, 2, 0, ("none runs: ask for less",)),
    ]
    assert seen[2:] == [("inspect", n, 21, 0, 1, ()) for n in range(1, 22)]


def test_a_plain_function_is_an_executor_too(fileset) -> None:
    seen = []

    def plain(function, items):
        return ((i, function(item)) for i, item in enumerate(items))

    make_plan(fileset, Ledger(), executor=plain, progress=lambda p: seen.append((p.done, p.pool)))
    assert seen == [(n, None) for n in range(1, 22)]
