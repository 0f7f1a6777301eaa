"""What all executors share: how they are called, what they give back, and how long nothing may happen.

An executor is a generator of ``(number of the item, result)`` in the order in which results arrive, so that results
can be kept one by one and an interruption loses nothing.  A worker that ends without a result does not end the
run: its item is tried again, and given back as :class:`Lost` when that was in vain.

A plain function of ``(function, items)`` is an executor, too.  Those of this folder take more, see
:class:`massgap.runner.executors.local.IterativeExecutor`.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Executor", "Lost", "StallLimit", "WorkerStates", "accepted", "bound", "states_of"]

Executor = Callable[..., Iterator[tuple[int, Any]]]


@dataclass(frozen=True)
class Lost:
    """An item whose workers ended without a result.

    Attributes
    ----------
    reason
        What happened.
    attempts
        How many workers it had.
    """

    reason: str
    attempts: int


@dataclass(frozen=True)
class WorkerStates:
    """Workers of an executor.

    Attributes
    ----------
    idle, running
        Jobs that wait for a place, and workers that are there.
    held
        Pairs of job and reason.
    problems
        What else is wrong, one sentence each.
    released
        Jobs that are no longer held.
    starting
        Jobs that run and whose worker is not there yet.
    """

    idle: int = 0
    running: int = 0
    held: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    starting: int = 0


class StallLimit:
    """How long nothing at all may happen before the tasks at work are taken to hang.

    Parameters
    ----------
    seconds
        Fixed limit; None for twenty times the longest task so far, but at least ten minutes.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.fixed = seconds
        self.longest = 0.0
        self._since = time.monotonic()
        self._begun: dict[int, float] = {}

    def begin(self, number: int) -> None:
        """A task was handed out."""
        if not self._begun:
            self._since = time.monotonic()
        self._begun[number] = time.monotonic()

    def end(self, number: int) -> None:
        """A task has ended."""
        now = time.monotonic()
        self.longest = max(self.longest, now - self._begun.pop(number, now))
        self._since = now

    def wait(self) -> None:
        """Nothing can happen at present, for instance because there is no worker."""
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """The limit."""
        return self.fixed if self.fixed is not None else max(600.0, 20 * self.longest)

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return self._since + self.seconds - time.monotonic()


def bound(function: Callable[..., Any], shared: Any) -> Callable[[Any], Any]:
    """The function of one item."""
    return function if shared is None else functools.partial(function, shared)


def accepted(executor: Any) -> set[str]:
    """Names of the arguments that an executor takes."""
    try:
        return set(inspect.signature(executor).parameters)
    except (TypeError, ValueError):
        return set()


def states_of(executor: Any) -> WorkerStates | None:
    """The workers of an executor; None if it has none, or does not tell."""
    states = getattr(executor, "states", None)
    return states() if states is not None else None
