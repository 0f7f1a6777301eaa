"""Progress on the console: a live line on a terminal, one line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

__all__ = ["Ticker", "command_line", "duration", "say"]


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


class Ticker:
    """Shows that work goes on.

    Parameters
    ----------
    every
        Seconds between lines where there is no terminal.
    """

    def __init__(self, every: float = 10.0) -> None:
        self.live = sys.stderr.isatty()
        self.every = every
        self.started = time.monotonic()
        self.last = 0.0
        self.open_line = False
        context = click.get_current_context(silent=True)
        if context is not None:
            # A message of an error must not be appended to the live line.
            context.call_on_close(self.close)

    def show(self, text: str, *, final: bool = False) -> None:
        """Show the state: replaces the last one on a terminal, else prints at most every few seconds."""
        now = time.monotonic()
        wait = 0.2 if self.live else self.every
        if not final and now - self.last < wait:
            return
        self.last = now
        if self.live:
            click.echo(f"\r\x1b[2K  {text}", err=True, nl=False)
            self.open_line = True
            if final:
                self.close()
        else:
            say(f"  {text}")

    def close(self) -> None:
        """End the live line."""
        if self.open_line:
            say()
            self.open_line = False

    def run(self, progress: Any) -> None:
        """Callback for :func:`massgap.processors.runner.run`."""
        done = progress.done == progress.total
        if progress.stage == "plan":
            self.close()
            say(f"  {progress.message}")
            return
        if progress.stage == "inspect":
            if progress.total > 20 or done:
                self.show(f"files checked: {progress.done} of {progress.total}", final=done)
            return
        rate = progress.events / progress.seconds if progress.seconds > 0 else 0.0
        left = progress.seconds * (progress.total - progress.done) / max(progress.done, 1)
        failed = f", {progress.failed} failed" if progress.failed else ""
        eta = "" if done else f", {duration(left)} left"
        self.show(
            f"chunks {progress.done}/{progress.total}{failed}, {progress.events:,} events, {rate:,.0f}/s{eta}",
            final=done,
        )

    def train(self, stage: str, done: int, total: int) -> None:
        """Callback for :func:`massgap.models.train_run.train_run`."""
        self.show(f"{stage}: {done}/{total}", final=done == total)

    def generate(self, progress: Any) -> None:
        """Callback for :func:`massgap.samples.generate.generate`."""
        done = progress.done >= progress.total
        left = "" if done else f", {duration(progress.eta_s)} left"
        self.show(
            f"events {progress.done:,}/{progress.total:,}, {progress.events_per_s:,.0f}/s{left} ({progress.dataset})",
            final=done,
        )
