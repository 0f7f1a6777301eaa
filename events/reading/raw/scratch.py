"""Memory into which bytes of a file are read again and again.

What a process asks for anew for every column comes as empty pages from the system, which costs as much as copying into it.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.events.reading.raw.compressed import Bytes, Reader

__all__ = ["Room", "borrowed"]

_MOST_KEPT = 1 << 25
"""Bytes that a thread keeps at most until the next column."""


class Room:
    """Memory that belongs to one column at a time."""

    def __init__(self) -> None:
        self._memory: Bytes = np.empty(0, dtype=np.uint8)
        self._content: Bytes = np.empty(0, dtype=np.uint8)

    def fetch(self, places: list[tuple[int, int]], read: Reader) -> list[Bytes]:
        """The bytes at some places of a file; fewer where it ends before.

        Parameters
        ----------
        places
            Position of the first byte, and number.
        read
            How to get them.  One that has a method ``into`` reads into this memory, which is used again by the next call.
        """
        into, total = getattr(read, "into", None), sum(size for _, size in places)
        if into is None or total > _MOST_KEPT or min((size for _, size in places), default=0) < 0:
            # What a damaged file asks for may be more than there is memory: a reader looks before.
            return [np.frombuffer(read(begin, size), dtype=np.uint8) for begin, size in places]
        if len(self._memory) < total:
            self._memory = np.empty(total + total // 4, dtype=np.uint8)
        out, at = [], 0
        for begin, size in places:
            out.append(self._memory[at : at + into(begin, self._memory[at : at + size])])
            at += size
        return out

    def content(self, size: int) -> Bytes:
        """Memory for the content of one basket, which the next one is written over."""
        if size > _MOST_KEPT:
            return np.empty(size, dtype=np.uint8)
        if len(self._content) < size:
            self._content = np.empty(size + size // 4, dtype=np.uint8)
        return self._content[:size]


class _Kept(threading.local):
    room: Room | None = None


_kept = _Kept()


@contextlib.contextmanager
def borrowed() -> Iterator[Room]:
    """The memory of this thread, or other one while that is in use."""
    room, _kept.room = _kept.room or Room(), None
    yield room
    _kept.room = room
