"""How a run goes, on a terminal: a table of datasets, rate, time left, and workers with what holds them.

:func:`status_table` draws one state; :class:`LiveTable` keeps it at the bottom of the terminal; :class:`PoolNews` says once
what has changed about the workers, which a log wants, too.
"""

from __future__ import annotations

import collections
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, Group

__all__ = [
    "LiveTable",
    "PoolNews",
    "RateWindow",
    "amount",
    "printable",
    "shorten",
    "status_table",
]

WINDOW = 60.0
"""Seconds over which the rate is taken."""


def shorten(name: str, width: int) -> str:
    """A long name without its middle: the ends tell datasets apart.

    Examples
    --------
    >>> shorten("TTToSemiLeptonic_13TeV_ext1_v2", 16), shorten("tt", 16)
    ('TTToSem...xt1_v2', 'tt')
    """
    if len(name) <= width:
        return name
    if width < 5:
        return name[:width]
    left = (width - 2) // 2
    return f"{name[:left]}...{name[len(name) - (width - 3 - left) :]}"


def amount(number: float) -> str:
    """A number in few characters.

    Examples
    --------
    >>> amount(950), amount(12_345), amount(601_500_000), amount(1e10)
    ('950', '12.3k', '601.5M', '10.0G')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if number >= size:
            return f"{number / (1e3 if unit == 'k' else size):.1f}{unit}"
    return f"{number:,.0f}"


def printable(text: str) -> str:
    """A text from elsewhere without line ends and control characters, which could disturb the terminal."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _span(seconds: float) -> str:
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds / 86400:.1f} days"


class RateWindow:
    """Events and chunks per second over the last minute, not since the start: workers come and go.

    Parameters
    ----------
    seconds
        Length of the window.
    clock
        Gives the time.
    """

    def __init__(self, seconds: float = WINDOW, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.clock = clock
        self._seen: collections.deque[tuple[float, int, int]] = collections.deque()
        self._first: tuple[float, int] | None = None

    def restart(self) -> None:
        """Forget what came so far, for instance from an earlier run."""
        self._seen.clear()
        self._first = None

    def add(self, done: int, events: int) -> None:
        """Note how much is done by now."""
        now = self.clock()
        self._first = self._first or (now, done)
        # Ticks come often; ten points per second would be kept for nothing.
        if len(self._seen) >= 2 and now - self._seen[-2][0] < self.seconds / 120:
            self._seen.pop()
        self._seen.append((now, done, events))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self.seconds:
            self._seen.popleft()

    def rates(self) -> tuple[float, float]:
        """Chunks and events per second."""
        if len(self._seen) < 2:
            return 0.0, 0.0
        (start, done, events), (stop, more_done, more_events) = self._seen[0], self._seen[-1]
        seconds = max(stop - start, 1e-9)
        return (more_done - done) / seconds, (more_events - events) / seconds

    def left(self, chunks: int) -> float | None:
        """Seconds that so many chunks take at this rate, or, if none was done in the window, at that so far."""
        rate = self.rates()[0]
        if rate == 0 and self._first is not None and self._seen[-1][1] > self._first[1]:
            rate = (self._seen[-1][1] - self._first[1]) / max(self._seen[-1][0] - self._first[0], 1e-9)
        return chunks / rate if rate > 0 else None


class PoolNews:
    """What has changed about the workers since it was last asked: each held job and each problem is told once."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self._problems: set[str] = set()
        self._running: int | None = None

    def lines(self, pool: Any) -> list[str]:
        """Sentences on what is new.

        Parameters
        ----------
        pool
            With ``idle``, ``running``, ``held`` (pairs of job and reason), ``problems`` and ``released``; None for nothing known.
        """
        if pool is None:
            return []
        held = {str(job): printable(str(reason)) for job, reason in getattr(pool, "held", ())}
        problems = [printable(str(text)) for text in getattr(pool, "problems", ())]
        out = [
            f"held: {text}"
            for text in grouped(
                [(job, reason) for job, reason in held.items() if self._held.get(job) != reason]
            )
        ]
        # Most that are not in the list any more were removed and replaced: that is no release.
        freed = [
            job for job in map(str, getattr(pool, "released", ())) if job in self._held and job not in held
        ]
        if freed:
            out.append(f"no longer held: {_jobs(freed)}")
        out += [f"problem: {text}" for text in problems if text not in self._problems]
        running = int(getattr(pool, "running", 0))
        if self._running is not None and (running == 0) != (self._running == 0):
            out.append(f"workers: {running} running" if running else "workers: none is running any more")
        self._held, self._problems, self._running = held, set(problems), running
        return out


def grouped(held: Sequence[tuple[str, str]]) -> list[str]:
    """One line per reason, with its jobs.

    Examples
    --------
    >>> grouped([("7.0", "memory"), ("7.1", "memory"), ("8.0", "disk")])
    ['2 jobs: memory (7.0, 7.1)', '1 job: disk (8.0)']
    """
    reasons: dict[str, list[str]] = {}
    for job, reason in held:
        reasons.setdefault(printable(str(reason)) or "no reason given", []).append(printable(str(job)))
    return [
        f"{len(jobs)} job{'s' if len(jobs) > 1 else ''}: {reason} ({_jobs(jobs)})"
        for reason, jobs in sorted(reasons.items(), key=lambda row: -len(row[1]))
    ]


def _jobs(jobs: Sequence[str]) -> str:
    return ", ".join(jobs[:5]) + (f" and {len(jobs) - 5} more" if len(jobs) > 5 else "")


def status_table(progress: Any, window: RateWindow, *, width: int, height: int, final: bool = False) -> Group:
    """Draw the state of a run.

    Parameters
    ----------
    progress
        A :class:`massgap.runner.progress.Progress`.
    window
        The rates.
    width, height
        Columns and lines of the terminal.
    final
        Whether nothing more will come.
    """
    from rich.console import Group

    below = _below(progress, window, width, max(height // 3, 3), final)
    rows = max(height - 5 - len(below), 2)  # heading, sum, a line above and one of the prompt
    return Group(_datasets(progress, width, rows), *below)


def _datasets(progress: Any, width: int, rows: int) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    number = amount if width < 90 else lambda n: f"{n:,}"
    bars = width >= 100
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    columns = 8 if width < 90 else 11
    room = width - 4 * (columns + 2) - (22 if bars else 0) - 2
    table.add_column("dataset", no_wrap=True, width=max(min(room, 60), 8))
    for name in ("done", "failed", "left", "events"):
        table.add_column(name, justify="right", no_wrap=True, min_width=columns)
    if bars:
        table.add_column("", width=20)

    def add(name: str, parts: Sequence[Any], style: str = "") -> None:
        total, done = sum(p.total for p in parts), sum(p.done for p in parts)
        failed, events = sum(p.failed for p in parts), sum(p.events for p in parts)
        cells = [
            Text(shorten(printable(name), max(min(room, 60), 8))),
            Text(number(done - failed)),
            Text(number(failed), style="bold red" if failed else ""),
            Text(number(total - done)),
            Text(number(events)),
        ]
        bar = [ProgressBar(total=max(total, 1), completed=done, width=20)] if bars else []
        table.add_row(*cells, *bar, style=style)

    datasets = dict(progress.datasets)
    shown, sums = choose(datasets, rows - 1)
    for name in shown:
        add(name, [datasets[name]])
    for name, parts in sums.items():
        add(name, parts, "dim")
    if len(datasets) > 1:
        add("all", list(datasets.values()), "bold")
    return table


def choose(datasets: dict[str, Any], rows: int) -> tuple[list[str], dict[str, list[Any]]]:
    """Which datasets are shown where there is room for so many lines, and the sums of the others.

    Those at work come first, then those with failures, then the rest in order.
    """
    if len(datasets) <= rows:
        return list(datasets), {}

    def rank(part: Any) -> int:
        if 0 < part.done < part.total:
            return 0
        return 1 if part.failed else 2

    order = sorted(datasets, key=lambda name: rank(datasets[name]))
    if rows < 5:
        kept = set(order[: max(rows - 1, 1)])
        shown = [name for name in datasets if name in kept]
        return shown, {
            f"{len(datasets) - len(kept):,} more": [p for n, p in datasets.items() if n not in kept]
        }
    kept = set(order[: rows - 3])  # the others are up to three sums
    kept = {name for name in kept if rank(datasets[name]) < 2} or kept
    sums: dict[str, list[Any]] = {}
    others = [part for name, part in datasets.items() if name not in kept]
    for what, parts in (
        ("finished", [p for p in others if p.done >= p.total]),
        ("waiting", [p for p in others if p.done == 0 < p.total]),
        ("at work", [p for p in others if 0 < p.done < p.total]),
    ):
        if parts:
            sums[f"{len(parts):,} more {what}"] = parts
    return [name for name in datasets if name in kept], sums


def _below(progress: Any, window: RateWindow, width: int, most: int, final: bool) -> list[Any]:
    """Lines on rate, time and workers, none longer than the terminal is wide."""
    from rich.text import Text

    events = window.rates()[1]
    share = progress.done / progress.total if progress.total else 1.0
    parts = [f"{progress.done:,} of {progress.total:,} chunks ({share:.0%})"]
    if final:
        rate = progress.events / progress.seconds if progress.seconds > 0 else 0.0
        parts += [f"{amount(rate)} events/s", _span(progress.seconds)]
    else:
        left = window.left(progress.total - progress.done)
        parts += [f"{amount(events)} events/s"]
        parts += [f"{_span(left)} left" if left is not None else f"{_span(progress.seconds)} so far"]
    if getattr(progress, "retried", 0):
        parts.append(f"{progress.retried:,} tried again")
    packed = [parts[0]]
    for part in parts[1:]:
        if len(packed[-1]) + 2 + len(part) <= width:
            packed[-1] += f", {part}"
        else:
            packed.append(part)
    lines = [Text(shorten(line, width), no_wrap=True) for line in packed]
    pool = getattr(progress, "pool", None)
    if pool is None or final:
        return lines
    held = tuple(getattr(pool, "held", ()))
    starting = int(getattr(pool, "starting", 0))
    more = f", {starting:,} starting" if starting else ""
    counts = f"workers: {pool.running:,} running{more}, {pool.idle:,} idle, {len(held):,} held"
    lines.append(Text(shorten(counts, width), no_wrap=True, style="" if pool.running else "bold yellow"))
    notes = [("held  ", text, "red") for text in grouped(held)]
    notes += [("note  ", printable(str(text)), "yellow") for text in getattr(pool, "problems", ())]
    if len(notes) > most:
        rest = len(notes) - most + 1
        notes = [*notes[: most - 1], ("      ", f"and {rest} more", "")]
    lines += [
        Text(f"  {head}{shorten(text, max(width - 8, 5))}", no_wrap=True, style=style)
        for head, text, style in notes
    ]
    return lines


class LiveTable:
    """Keeps the state of a run at the bottom of a terminal.

    Nothing is drawn by a thread, and the cursor is shown again by :meth:`close`, also after Ctrl-C.

    Parameters
    ----------
    console
        Where to draw; by default the standard error stream.
    every
        Seconds between two drawings.
    """

    def __init__(self, console: Console | None = None, every: float = 0.25) -> None:
        from rich.console import Console

        self.console = console or Console(stderr=True)
        self.every = every
        self._live: Any = None
        self._drawn = 0.0

    @property
    def usable(self) -> bool:
        """Whether the terminal can move its cursor."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def update(self, progress: Any, window: RateWindow, *, final: bool = False) -> None:
        """Draw a state, if it is time."""
        now = time.monotonic()
        if not final and now - self._drawn < self.every:
            return
        self._drawn = now
        size = self.console.size
        table = status_table(progress, window, width=size.width - 1, height=size.height, final=final)
        self._start()
        self._live.update(table, refresh=True)
        if final:
            self.close()

    def _start(self) -> None:
        if self._live is not None:
            return
        import atexit

        from rich.live import Live

        # Results go to the standard output, which may be a file: it is left alone.
        self._live = Live(console=self.console, auto_refresh=False, redirect_stdout=False)
        atexit.register(self.close)
        self._live.start()

    def say(self, text: str) -> None:
        """Print a line that stays, above the table."""
        from rich.text import Text

        self.console.print(Text(text), soft_wrap=True)

    def close(self) -> None:
        """Leave the last state where it is and give the cursor back."""
        if self._live is None:
            return
        import atexit

        live, self._live = self._live, None
        try:
            live.stop()
        finally:
            # Whatever came in between: a terminal without cursor is of no use.
            self.console.show_cursor(True)
            atexit.unregister(self.close)
