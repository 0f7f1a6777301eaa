"""Say where Ctrl-C may strike: not into a child process, and not between a finished chunk and its entry in the ledger."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["deaf_to_interrupts", "held_interrupts"]


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C for the moment in which processes are started: they inherit that, from their first instruction.

    Ctrl-C reaches the whole process group, but only the driver decides what happens to the work.  (A blocked
    signal would not do: multiprocessing unblocks it when it starts its resource tracker.)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def held_interrupts() -> Iterator[None]:
    """Hold Ctrl-C (and a SIGTERM that has a handler) back until the block is left, then let it act.

    For steps that belong together: a result that is kept but not on record, or a sum to which half of a
    result was added, would make the ledger lie.  Outside of the main thread nothing is delivered anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, Any]] = []
    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if callable(handler := signal.getsignal(number)) and not isinstance(handler, signal.Handlers)
    }
    try:
        for number in before:
            signal.signal(number, lambda n, frame: came.append((n, frame)))
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
        if came:
            first, frame = came[0]
            before[signal.Signals(first)](first, frame)
