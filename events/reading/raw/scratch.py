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

_MOST_KEPT = 1 << 24
"""Bytes that a thread keeps at most, of each of the two."""


class Room:
    """Memory for one basket at a time, before and after it is unpacked."""

    def __init__(self) -> None:
        self._raw: Bytes = np.empty(0, dtype=np.uint8)
        self._content: Bytes = np.empty(0, dtype=np.uint8)

    def fetch(self, begin: int, size: int, read: Reader) -> Bytes:
        """Bytes of a file, until the next ones are fetched; fewer where it ends before.

        Parameters
        ----------
        begin, size
            Position of the first byte, and number.
        read
            How to get them.  One that has a method ``into`` reads into this memory.
        """
        into = getattr(read, "into", None)
        if into is None or not 0 <= size <= _MOST_KEPT:
            # What a damaged file asks for may be more than there is memory: a reader looks before.
            return np.frombuffer(read(begin, size), dtype=np.uint8)
        if len(self._raw) < size:
            self._raw = np.empty(size + size // 4, dtype=np.uint8)
        return self._raw[: into(begin, self._raw[:size])]

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
