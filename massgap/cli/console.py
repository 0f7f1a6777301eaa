"""Progress on the console: a live line or table on a terminal, one line now and then in a log."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import click

from massgap.cli.printing.live_table import LiveTable, PoolNews, RateWindow

__all__ = ["Ticker", "command_line", "duration", "pool_text", "say"]


def say(text: str = "") -> None:
    """Print a line to the standard error stream, where it does not mix with results."""
    click.echo(text, err=True)


def command_line() -> str:
    """The command as it was typed, for the manifest."""
    return " ".join(["massgap", *sys.argv[1:]])


def duration(seconds: float) -> str:
    """A time span for people.

    Examples
    --------
    >>> duration(5.2), duration(200)
    ('5.2 s', '3 min 20 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def pool_text(pool: Any) -> str:
    """Workers in few words, to be appended to a line: those that are there, and jobs that are to become some.

    Examples
    --------
    >>> from massgap.runner.executors.base import WorkerStates
    >>> pool_text(WorkerStates(idle=2, running=1)), pool_text(None)
    (', 1 workers (2 jobs wait)', '')
    """
    if pool is None:
        return ""
    starting, idle = int(getattr(pool, "starting", 0)), int(getattr(pool, "idle", 0))
    parts = [f"{starting} starting"] if starting else []
    parts += [f"{idle} jobs wait"] if idle else []
    return f", {pool.running} workers" + (f" ({', '.join(parts)})" if parts else "")


#: Seconds between two lines that say the same, where there is no terminal.
_SAME = 60.0


class Ticker:
    """Shows that work goes on.

    Parameters
    ----------
    every
        Seconds between lines where there is no terminal; at least a minute between two that say the same.
    """

    def __init__(self, every: float = 10.0) -> None:
        self.live = sys.stderr.isatty()
        self.every = every
        self.started = time.monotonic()
        self.last = -math.inf
        self.said = ""
        self.open_line = False
        self.fitted = 0
        self.window = RateWindow()
        self.news = PoolNews()
        self.table: LiveTable | None = None
        context = click.get_current_context(silent=True)
        if context is not None:
            # A message of an error must not be appended to the live line.
            context.call_on_close(self.close)

    def show(self, text: str, *, final: bool = False) -> None:
        """Show the state: replaces the last one on a terminal, else prints at most every few seconds."""
        now = time.monotonic()
        wait = 0.2 if self.live else self.every
        if text == self.said and not self.live:
            wait = max(wait, _SAME)
        if not final and now - self.last < wait:
            return
        self.last, self.said = now, text
        if self.live:
            click.echo(f"\r\x1b[2K  {text}", err=True, nl=False)
            self.open_line = True
            if final:
                self.close()
        else:
            say(f"  {text}")

    def close(self) -> None:
        """End the live line or table; what comes next, another step of a study, is timed anew."""
        self.started = time.monotonic()
        if self.table is not None:
            self.table.close()
        if self.open_line:
            say()
            self.open_line = False

    def run(self, progress: Any) -> None:
        """Callback for :func:`massgap.runner.runner.run`."""
        done = progress.done == progress.total
        if progress.stage == "plan":
            self.close()
            say(f"  {progress.message}")
            # Chunks of an earlier run were counted within moments: they say nothing about the rate.
            self.window.restart()
            return
        if progress.stage == "prepare":
            # What begins and what ends is told at once, what goes on now and then.
            if progress.done == 0:
                self.last = -math.inf
            self.show(progress.message, final=done)
            return
        pool = getattr(progress, "pool", None)
        for line in self.news.lines(pool):
            self._tell(line)
        if progress.stage == "inspect":
            if progress.total > 20 or done:
                workers = "" if done else pool_text(pool)
                self.show(f"files checked: {progress.done} of {progress.total}{workers}", final=done)
            return
        self.window.add(progress.done, progress.events)
        if self.live and getattr(progress, "datasets", None) and self._table().usable:
            self._table().update(progress, self.window, final=done)
            return
        failed = f", {progress.failed} failed" if progress.failed else ""
        if done:
            rate, eta = progress.events / max(progress.seconds, 1e-9), ""
        else:
            rate, left = self.window.rates()[1], self.window.left(progress.total - progress.done)
            eta = "" if left is None else f", {duration(left)} left"
        workers = "" if done else pool_text(pool)
        if not progress.done and not done:
            self.show(f"chunks 0/{progress.total}: none is done yet; a first run compiles{workers}")
            return
        self.show(
            f"chunks {progress.done}/{progress.total}{failed}, {progress.events:,} events, {rate:,.0f}/s{eta}{workers}",
            final=done,
        )

    def _table(self) -> LiveTable:
        if self.table is None:
            self.table = LiveTable()
        return self.table

    def _tell(self, line: str) -> None:
        """Say at once, and for good, what has changed."""
        if self.live and self.table is not None and self.table.usable:
            self.table.say(f"  {line}")
            return
        if self.open_line:
            say()
            self.open_line = False
        say(f"  {line}")

    def train(self, stage: str, done: float, total: int) -> None:
        """Callback for :func:`massgap.models.training.train_run.train_run`."""
        rest = (time.monotonic() - self.started) / max(done, 1e-9) * (total - done)
        left = "" if done == total else f", at most {duration(rest)} left"
        self.show(f"{stage}: {int(done)}/{total}{left}", final=done == total)

    def signals(self, done: int, total: int) -> None:
        """Callback for :func:`massgap.stages.limit`."""
        rest = (time.monotonic() - self.started) / done * (total - done)
        left = "" if done == total else f", {duration(rest)} left"
        self.show(f"signals {done}/{total}{left}", final=done == total)

    def toys(self, done: int) -> None:
        """Callback for toys: gets the number of each block; how many there will be is not known before."""
        self.fitted += done
        rate = self.fitted / max(time.monotonic() - self.started, 1e-9)
        self.show(f"toys {self.fitted:,}, {rate:,.0f}/s")

    def generate(self, progress: Any) -> None:
        """Callback for :func:`massgap.samples.production.generate.generate`."""
        done = progress.done >= progress.total
        left = "" if done else f", {duration(progress.eta_s)} left"
        self.show(
            f"events {progress.done:,}/{progress.total:,}, {progress.events_per_s:,.0f}/s{left} ({progress.dataset})",
            final=done,
        )
