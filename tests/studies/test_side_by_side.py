"""Pieces of work side by side in processes."""

from __future__ import annotations

import os
import time
from concurrent.futures import wait
from pathlib import Path

import pytest

from massgap.studies.errors import StudyError
from massgap.studies.side_by_side import side_by_side


def _work(name, announce):
    announce(f"{name}: begun")
    announce(f"{name}: nearly done")
    return name, os.getpid()


@pytest.mark.parametrize(("names", "workers"), [(("one",), 2), (("one", "two"), 1), ((), 2)])
def test_one_piece_or_one_worker_needs_no_process(names, workers):
    lines = []
    found = side_by_side(_work, names, workers, lines.append)
    assert found == {name: (name, os.getpid()) for name in names}
    assert lines == [f"{name}: {word}" for name in names for word in ("begun", "nearly done")]


def test_pieces_have_processes_of_their_own_and_are_heard():
    lines = []
    found = side_by_side(_work, ("two", "one", "three"), 2, lines.append)
    assert list(found) == ["two", "one", "three"]
    assert all(found[name][0] == name and found[name][1] != os.getpid() for name in found)
    assert sorted(lines) == sorted(f"{name}: {word}" for name in found for word in ("begun", "nearly done"))


def test_lines_are_heard_before_the_work_is_done(tmp_path):
    go = tmp_path / "go"

    def waits(name, announce):
        announce(name)
        while not go.exists():
            time.sleep(0.01)

    heard = []

    def hear(line):
        heard.append(line)
        if len(heard) == 2:
            go.touch()

    side_by_side(waits, ("a", "b"), 2, hear)
    assert sorted(heard) == ["a", "b"]


def test_a_piece_that_fails_ends_the_others(tmp_path):
    running = tmp_path / "pid"

    def work(name, announce):
        announce(name)
        if name == "fails":
            while not running.exists():
                time.sleep(0.01)
            msg = "too few events"
            raise StudyError(msg)
        Path(tmp_path / "part").write_text(str(os.getpid()))
        (tmp_path / "part").rename(running)
        while True:
            time.sleep(0.01)

    with pytest.raises(StudyError, match="too few events"):
        side_by_side(work, ("fails", "goes on"), 2, lambda _: None)
    with pytest.raises(ProcessLookupError):
        os.kill(int(running.read_text()), 0)


def test_what_is_done_is_told_before_what_fails_ends_all(monkeypatch):
    """Both between two looks, with last words."""

    def lines(futures, _):
        wait(futures.values())
        yield "last words"
        yield None

    def work(name, _):
        if name == "fails":
            msg = "too few events"
            raise StudyError(msg)
        return name

    monkeypatch.setattr("massgap.studies.side_by_side._lines", lines)
    heard, done = [], []
    with pytest.raises(StudyError, match="too few events"):
        side_by_side(work, ("fails", "good"), 2, heard.append, lambda *each: done.append(each))
    assert heard == ["last words"]
    assert done == [("good", "good")]


def test_a_process_that_is_killed_is_told_with_a_remedy():
    with pytest.raises(StudyError, match=r"lack of memory: use --workers 1"):
        side_by_side(lambda *_: os._exit(9), ("a", "b"), 2, lambda _: None)


def test_an_interrupt_ends_the_processes(tmp_path):
    def work(name, announce):
        (tmp_path / name).write_text(str(os.getpid()))
        announce(name)
        while True:
            time.sleep(0.01)

    heard = []

    def interrupt(line):
        heard.append(line)
        if len(heard) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, ("a", "b"), 2, interrupt)
    for name in "ab":
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / name).read_text()), 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_piece_is_told_when_it_is_done(tmp_path, workers):
    """Not when all are: what is written down then is there after an interrupt."""
    go = tmp_path / "go"
    done = []

    def work(name, announce):
        announce(name)
        while name == "last" and workers > 1 and not go.exists():
            time.sleep(0.01)
        return f"{name} made"

    def finished(name, result):
        done.append((name, result))
        go.touch()

    side_by_side(work, ("last", "first"), workers, lambda _: None, finished)
    order = ["last", "first"] if workers == 1 else ["first", "last"]
    assert done == [(name, f"{name} made") for name in order]
