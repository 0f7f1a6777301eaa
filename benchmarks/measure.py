"""Timing two ways of doing the same thing, turn by turn, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

__all__ = ["Effort", "Measurement", "Row", "cost", "cpu_seconds", "paired", "ratio"]


class Effort(Enum):
    """How much is measured: all of it, enough for a first figure, or just so much that everything is called once."""

    WHOLE = "whole"
    QUICK = "quick"
    SMOKE = "smoke"

    def of(self, whole: T, quick: T, smoke: T) -> T:
        """The size that belongs to it."""
        return {Effort.WHOLE: whole, Effort.QUICK: quick, Effort.SMOKE: smoke}[self]

    def rounds(self, whole: int = 9) -> int:
        """How often both sides are measured."""
        return self.of(whole, 3, 1)


@dataclass(frozen=True)
class Measurement:
    """Median and spread of a number that was measured several times.

    Attributes
    ----------
    median, low, high
        Median, and the lowest and highest of the rounds.
    rounds
        How often it was measured.
    ours, theirs
        Median CPU seconds of one call of each side; ``theirs`` is NaN where there is only one.
    """

    median: float
    low: float
    high: float
    rounds: int
    ours: float
    theirs: float = float("nan")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    group
        The subject, for instance "MT2": lines of one subject stand together.
    what
        What is compared with what, in words that need no context.
    measured
        The measurement.
    unit
        "x" for a ratio, else the unit of the measurement ("ms", "MiB", "ns per event").
    goal
        The number to reach, or None for a line that only informs.
    at_least
        Whether more is better.
    detail
        What else a reader must know: sizes, the agreement of the results, where it was cut short.
    """

    group: str
    what: str
    measured: Measurement
    unit: str = "x"
    goal: float | None = None
    at_least: bool = True
    detail: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the goal; None without a goal."""
        if self.goal is None:
            return None
        return self.measured.median >= self.goal if self.at_least else self.measured.median <= self.goal


def cpu_seconds(function: Callable[[], Any], calls: int) -> float:
    """CPU seconds of this process for one call, all its threads together."""
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def _calls(function: Callable[[], Any], least: float) -> int:
    """How many calls take at least ``least`` seconds; the first call, which may compile, does not count."""
    function()
    calls = 1
    while True:
        seconds = cpu_seconds(function, calls) * calls
        if seconds >= 0.5 * least or calls >= 1 << 20:
            return max(1, round(calls * least / max(seconds, 1e-9)))
        calls *= 4


def ratio(
    ours: Callable[[], Any], theirs: Callable[[], Any], *, rounds: int = 9, least: float = 0.1
) -> Measurement:
    """How many times faster ours is than theirs: the median over rounds of (CPU time theirs / ours).

    Parameters
    ----------
    ours, theirs
        Functions without arguments that do the same work.
    rounds
        How often both are measured, one right after the other, in alternating order.
    least
        CPU seconds that each side is kept busy per round; with a single round each is called once.

    Returns
    -------
    Measurement
    """
    least = least if rounds > 1 else 0.0
    n_ours, n_theirs = _calls(ours, least), _calls(theirs, least)
    times: list[tuple[float, float]] = []
    gc.collect()
    for i in range(rounds):
        if i % 2:
            b = cpu_seconds(theirs, n_theirs)
            a = cpu_seconds(ours, n_ours)
        else:
            a = cpu_seconds(ours, n_ours)
            b = cpu_seconds(theirs, n_theirs)
        times.append((a, b))
    return paired(times)


def paired(times: Sequence[tuple[float, float]]) -> Measurement:
    """How many times longer the second takes than the first, from pairs of times that were taken side by side."""
    ratios = [b / a for a, b in times]
    return Measurement(
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        len(times),
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
    )


def cost(
    function: Callable[[], Any], *, rounds: int = 9, least: float = 0.1, scale: float = 1.0
) -> Measurement:
    """CPU seconds of one call times ``scale`` (1e3 for ms, 1e9 / events for ns per event)."""
    calls = _calls(function, least if rounds > 1 else 0.0)
    gc.collect()
    times = [cpu_seconds(function, calls) for _ in range(rounds)]
    median = statistics.median(times)
    return Measurement(median * scale, min(times) * scale, max(times) * scale, rounds, median)
