"""The table of a running run: fits the terminal, tells what matters, and leaves the terminal as it was."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import types
from dataclasses import dataclass

import pytest
from rich.console import Console

from massgap.cli import console as massgap_console
from massgap.cli.console import Ticker
from massgap.cli.printing.live_table import (
    LiveTable,
    PoolNews,
    RateWindow,
    choose,
    printable,
    shorten,
    status_table,
)
from massgap.runner.progress import DatasetProgress, Progress


@dataclass
class Pool:
    idle: int = 0
    running: int = 0
    held: tuple = ()
    problems: tuple = ()
    released: tuple = ()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def state(n: int = 3, pool: Pool | None = None, **options) -> Progress:
    datasets = {}
    for i in range(n):
        total = 10 + i
        done = total if i < n // 3 else (i % total if i < 2 * n // 3 + 1 else 0)
        datasets[f"TTToSemiLeptonic_mass{i:04d}_TuneCP5_13TeV_powheg_pythia8_ext{i}_v2"] = DatasetProgress(
            total, done, failed=i % 2 if done else 0, events=done * 500_000
        )
    total, done = sum(d.total for d in datasets.values()), sum(d.done for d in datasets.values())
    events, failed = (sum(getattr(d, k) for d in datasets.values()) for k in ("events", "failed"))
    return Progress("process", done, total, failed, events, 100.0, datasets, 0, pool, **options)


def window() -> RateWindow:
    clock = Clock()
    made = RateWindow(clock=clock)
    made.add(0, 0)
    clock.now = 10.0
    made.add(5, 2_500_000)
    return made


def drawn(progress, width, height, **options) -> list[str]:
    console = Console(record=True, width=width, height=height, file=io.StringIO(), force_terminal=True)
    console.print(status_table(progress, window(), width=width, height=height, **options))
    return console.export_text().rstrip("\n").split("\n")


HELD = Pool(
    2,
    38,
    (("12.0", "memory usage exceeded request_memory"), ("12.1", "memory usage exceeded request_memory"), ("13.0", "no proxy")),
    ("worker node7 was refused: numpy 1.26 (here 2.4)",),
)  # fmt: skip


@pytest.mark.parametrize("width", [60, 100, 160])
@pytest.mark.parametrize("height", [12, 24, 50])
@pytest.mark.parametrize("n", [1, 3, 200])
def test_it_fits(width, height, n) -> None:
    progress = state(n, HELD)
    lines = drawn(progress, width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for word in ("dataset", "done", "failed", "left", "events", "held", "250.0k events/s"):
        assert word in text
    if n > 1 and (width >= 90 or n < 10):  # numbers in full
        everything = next(line for line in lines if line.startswith("all ")).split()
        assert everything[1].replace(",", "") == str(progress.done - progress.failed)
        assert everything[2] == str(progress.failed)
        assert everything[3].replace(",", "") == str(progress.total - progress.done)


def test_held_jobs_by_reason() -> None:
    text = "\n".join(drawn(state(3, HELD), 120, 30))
    assert "workers: 38 running, 2 idle, 3 held" in text
    assert "held  2 jobs: memory usage exceeded request_memory (12.0, 12.1)" in text
    assert "held  1 job: no proxy (13.0)" in text
    assert "note  worker node7 was refused" in text


def test_many_reasons_leave_room_for_the_datasets() -> None:
    pool = Pool(held=tuple((f"{i}.0", f"reason {i}") for i in range(100)))
    lines = drawn(state(3, pool), 80, 24)
    assert len(lines) < 24
    assert "and 93 more" in "\n".join(lines)


def test_those_at_work_are_shown_and_the_rest_is_summed() -> None:
    progress = state(200)
    shown, sums = choose(progress.datasets, 20)
    assert len(shown) + len(sums) <= 20
    assert all(0 < progress.datasets[name].done < progress.datasets[name].total for name in shown)
    assert len(shown) + sum(len(parts) for parts in sums.values()) == 200
    assert {name.split(" more ")[1] for name in sums} == {"finished", "waiting", "at work"}


def test_when_none_is_at_work_something_is_shown() -> None:
    datasets = {f"d{i}": DatasetProgress(5) for i in range(50)}
    shown, sums = choose(datasets, 10)
    assert len(shown) == 7
    assert [len(parts) for parts in sums.values()] == [43]


def test_old_progress_without_the_new_fields() -> None:
    old = types.SimpleNamespace(stage="process", done=5, total=10, failed=0, events=100, seconds=1.0)
    old.datasets = {"a": DatasetProgress(10, 5, 0, 100)}
    assert any("5 of 10 chunks" in line for line in drawn(old, 80, 24))
    del old.datasets
    Ticker().run(old)


def test_names_are_cut_in_the_middle() -> None:
    name = "TTToSemiLeptonic_TuneCP5_13TeV_v2"
    assert shorten(name, 40) == name
    for width in range(5, 33):
        short = shorten(name, width)
        assert len(short) == width
        assert short[0] == "T"
        assert short[-1] == "2"


def test_texts_from_elsewhere_cannot_write_to_the_terminal() -> None:
    reason = "[red]no\x1b[2Jmemory\nnext\x07"
    assert printable(reason) == "[red]no [2Jmemory next"
    text = "\n".join(drawn(state(1, Pool(held=(("1.0", reason),))), 100, 24))
    assert "[red]no [2Jmemory next (1.0)" in text
    assert "\x1b" not in text


# ---- rate and time left


def test_rate_is_that_of_the_last_minute() -> None:
    clock = Clock()
    rate = RateWindow(clock=clock)
    for second in range(600):
        clock.now = float(second)
        rate.add(second * 10, second * 1000)
    assert rate.rates() == pytest.approx((10.0, 1000.0), rel=0.02)
    for second in range(600, 700):
        clock.now = float(second)
        rate.add(6000 + second - 600, 600_000 + (second - 600) * 50)
    assert rate.rates() == pytest.approx((1.0, 50.0), rel=0.02)
    assert rate.left(120) == pytest.approx(120.0, rel=0.05)
    assert len(rate._seen) < 130


def test_many_ticks_cost_no_memory() -> None:
    clock = Clock()
    rate = RateWindow(clock=clock)
    for tick in range(100_000):
        clock.now = tick * 0.001
        rate.add(tick, tick)
    assert len(rate._seen) < 130
    assert rate.rates()[0] == pytest.approx(1000.0, rel=0.02)


def test_time_left_where_a_chunk_takes_longer_than_the_window() -> None:
    clock = Clock()
    rate = RateWindow(clock=clock)
    rate.add(0, 0)
    assert rate.left(10) is None
    clock.now = 100.0
    rate.add(1, 10)
    for second in range(101, 180):
        clock.now = float(second)
        rate.add(1, 10)
    assert rate.rates() == (0.0, 0.0)
    assert rate.left(10) == pytest.approx(1790.0)


def test_chunks_of_an_earlier_run_do_not_count() -> None:
    ticker = Ticker()
    ticker.window = RateWindow(clock=(clock := Clock()))
    ticker.run(Progress("process", 1, 10_000, 0, 10**6, 0.1))
    ticker.run(Progress("process", 5000, 10_000, 0, 10**9, 0.1))
    ticker.run(Progress("plan", 5000, 10_000, message="10,000 chunks"))
    ticker.run(Progress("process", 5000, 10_000, 0, 10**9, 0.1))
    clock.now = 10.0
    ticker.run(Progress("process", 5010, 10_000, 0, 10**9 + 100, 10.0))
    assert ticker.window.rates() == (1.0, 10.0)


# ---- news


def test_each_change_of_the_pool_is_told_once() -> None:
    news = PoolNews()
    assert news.lines(None) == []
    assert news.lines(Pool(2, 0)) == []
    first = Pool(0, 2, (("1.0", "memory"), ("1.1", "memory")), ("slow",))
    assert news.lines(first) == ["held: 2 jobs: memory (1.0, 1.1)", "problem: slow", "workers: 2 running"]
    assert news.lines(first) == []
    assert news.lines(Pool(0, 2, (("1.0", "disk"), ("1.1", "memory")), ("slow",))) == [
        "held: 1 job: disk (1.0)"
    ]
    # One was released, the other one was removed.
    assert news.lines(Pool(1, 0, released=("1.1", "0.7"))) == [
        "no longer held: 1.1",
        "workers: none is running any more",
    ]


def test_without_terminal_a_held_job_is_logged_at_once_and_once(capsys) -> None:
    ticker = Ticker(every=1000.0)
    for done in range(1, 6):
        pool = Pool(1, 1, (("7.0", "no proxy"),) if done >= 3 else ())
        ticker.run(Progress("process", done, 10, 0, 100, 1.0, {"a": DatasetProgress(10, done)}, 0, pool))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("  chunks 1/10")
    assert lines[1:] == ["  held: 1 job: no proxy (7.0)"]


def test_while_files_are_checked_the_pool_is_told_too(capsys) -> None:
    ticker = Ticker(every=1000.0)
    for _ in range(3):
        ticker.run(
            Progress("inspect", 0, 25, pool=Pool(2, 0, (("7.0", "no proxy"),), ("none runs: ask for less",)))
        )
    ticker.run(
        Progress("inspect", 25, 25, pool=Pool(0, 1, (("7.0", "no proxy"),), ("none runs: ask for less",)))
    )
    assert capsys.readouterr().err.splitlines() == [
        "  held: 1 job: no proxy (7.0)",
        "  problem: none runs: ask for less",
        "  files checked: 0 of 25, 0 workers (2 jobs wait)",
        "  workers: 1 running",
        "  files checked: 25 of 25",
    ]


def test_what_is_prepared_is_told_when_it_begins_and_when_it_ends(capsys) -> None:
    ticker = Ticker(every=1000.0)
    for done, text in enumerate(("packing", "10 of 30 MB", "20 of 30 MB", "packed")):
        ticker.run(Progress("prepare", done, 3, message=text))
    assert capsys.readouterr().err.splitlines() == ["  packing", "  packed"]


def test_the_first_state_is_shown_also_on_a_machine_that_has_just_started(capsys, monkeypatch) -> None:
    now = Clock()
    monkeypatch.setattr(massgap_console.time, "monotonic", now)
    ticker = Ticker(every=10.0)
    for now.now in (0.5, 3.0, 10.6):
        ticker.show(f"at {now.now}")
    assert capsys.readouterr().err.split() == ["at", "0.5", "at", "10.6"]


def test_what_stays_as_it_is_is_told_once_a_minute(capsys, monkeypatch) -> None:
    """A first run compiles: a log had the same line every ten seconds, with a rate of 0 events per second."""
    now = Clock()
    monkeypatch.setattr(massgap_console.time, "monotonic", now)
    ticker = Ticker(every=10.0)
    for now.now in range(1, 130, 11):
        ticker.run(Progress("process", 0, 10, pool=Pool(0, 2)))
    line = "  chunks 0/10: none is done yet; a first run compiles, 2 workers"
    assert capsys.readouterr().err.splitlines() == [line, line]
    ticker.run(Progress("process", 1, 10, 0, 100, 1.0, pool=Pool(0, 2)))
    assert capsys.readouterr().err.startswith("  chunks 1/10, 100 events")


# ---- a real terminal


PATIENCE = 400.0
"""Seconds after which a script is taken to hang, on however slow a machine."""
SCRIPT = """
import sys, time
from massgap.cli.console import Ticker
from massgap.runner.progress import DatasetProgress, Progress
class Pool:
    idle, running, held, problems = 1, 2, (), ()
ticker = Ticker()
datasets = {f"dataset{i}": DatasetProgress(100) for i in range(60)}
progress = Progress("process", 0, 6000, datasets=datasets, pool=Pool)
try:
    for k in range(STEPS):
        progress.done += 1
        progress.events += 1000
        progress.seconds += 0.05
        datasets["dataset3"].done = k + 1
        if k == 5:
            Pool.held = (("7.0", "no proxy"),)
            print("RESULT", flush=True)
        ticker.run(progress)
        time.sleep(0.05)
except KeyboardInterrupt:
    END
"""


def in_terminal(
    script: str, *, interrupt_after: str = "", term: str = "xterm-256color"
) -> tuple[str, str, int]:
    """Run a script with its standard error on a terminal; what it wrote there, its output, its exit code."""
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": term}
    for name in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=slave,
        stdout=subprocess.PIPE,
        stdin=slave,
        env=environment,
        # Tests that run in the background of a shell have inherited that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    os.close(slave)
    seen, deadline, sent = b"", time.monotonic() + PATIENCE, False
    while True:
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the script has not ended: {seen[-500:]!r}")
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            seen += data
        if interrupt_after and not sent and interrupt_after.encode() in seen:
            process.send_signal(signal.SIGINT)
            sent = True
    out, _ = process.communicate(timeout=PATIENCE)
    os.close(master)
    return seen.decode(errors="replace"), out.decode(), process.returncode


SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"


@pytest.mark.parametrize(
    ("end", "code"),
    [("ticker.close()", 0), ("raise", -2), ("sys.exit(130)", 130)],
    ids=["closed", "raised", "exit"],
)
def test_ctrl_c_gives_the_cursor_back(end, code) -> None:
    seen, _, status = in_terminal(
        SCRIPT.replace("STEPS", "10000").replace("END", end), interrupt_after="dataset3"
    )
    assert status in (code, 1)
    assert HIDE in seen
    assert seen.rindex(SHOW) > seen.rindex(HIDE)


def test_on_a_terminal_the_table_is_drawn_in_place_and_results_are_left_alone() -> None:
    seen, out, status = in_terminal(SCRIPT.replace("STEPS", "25").replace("END", "raise"))
    assert status == 0
    assert out == "RESULT\n"
    assert "59 more waiting" in seen or re.search(r"\d+ more waiting", seen)
    assert "\x1b[1A" in seen  # the cursor moves up: the table is not printed again and again below
    assert seen.count("  held: 1 job: no proxy (7.0)") == 1
    assert seen.rindex(SHOW) > seen.rindex(HIDE)


def test_a_terminal_that_cannot_move_its_cursor_gets_lines() -> None:
    seen, _, _ = in_terminal(SCRIPT.replace("STEPS", "10").replace("END", "raise"), term="dumb")
    assert HIDE not in seen
    assert "chunks 1/6000" in seen


def test_the_table_is_only_for_terminals() -> None:
    assert not LiveTable(Console(file=io.StringIO())).usable
    assert LiveTable(Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})).usable


def test_final_state() -> None:
    progress = state(2, HELD)
    progress.retried = 4
    text = "\n".join(drawn(progress, 100, 24, final=True))
    assert "4 tried again" in text
    assert "workers" not in text
    assert "1 min 40 s" in text
    assert massgap_console.duration(100) == "1 min 40 s"


def test_a_second_ctrl_c_while_the_table_is_closed(monkeypatch) -> None:
    out = io.StringIO()
    table = LiveTable(Console(file=out, force_terminal=True, _environ={"TERM": "xterm"}))
    table.update(state(2), window())

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(table._live, "stop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        table.close()
    assert out.getvalue().rindex(SHOW) > out.getvalue().rindex(HIDE)


def test_what_is_left_of_a_step_is_told_by_that_step_alone(monkeypatch, capsys) -> None:
    now = [1000.0]
    monkeypatch.setattr("massgap.cli.console.time.monotonic", lambda: now[0])
    ticker = Ticker(every=0.0)
    now[0] += 3600.0  # generation
    ticker.close()
    now[0] += 10.0
    ticker.train("fold 1 of 3", 1, 3)
    assert "1/3, at most 20.0 s left" in capsys.readouterr().err
