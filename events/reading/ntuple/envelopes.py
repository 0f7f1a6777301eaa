"""The envelopes of an RNTuple: blocks with a type, a length and a checksum, in which its header, its footer and its
lists of pages are written.

Source: ROOT ``tree/ntuple/doc/BinaryFormatSpecification.md``, version 1.0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from massgap.events.reading.raw.compressed import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.events.reading.raw.compressed import Bytes, Reader

__all__ = ["FOOTER", "HEADER", "PAGE_LIST", "Envelope", "FeatureError", "Locator", "NotLeanError", "take"]

HEADER, FOOTER, PAGE_LIST = 1, 2, 3
"""Types of envelopes."""

_LARGE = 1  # a locator with a size of 64 bits
_LONG = struct.Struct("<q")
_INT = struct.Struct("<i")
_UNSIGNED = struct.Struct("<I")
_STANDARD = struct.Struct("<iQ")
_SIZES = struct.Struct("<QQ")


class NotLeanError(Exception):
    """Something that is not known here: uproot's own way has the last word."""


class FeatureError(Exception):
    """The writer says that whoever does not know its features must not read on."""


@dataclass(frozen=True)
class Locator:
    """Where a block is in the file: position, and size there in bytes."""

    offset: int
    size: int


def take(read: Reader, where: Locator, what: str) -> Bytes:
    """Exactly the bytes of a block.

    Raises
    ------
    ValueError
        If the file ends before the block does.
    """
    raw = np.frombuffer(read(where.offset, where.size), dtype=np.uint8)
    if len(raw) != where.size:
        msg = f"{what} ends beyond the end of the file"
        raise ValueError(msg)
    return raw


class Envelope:
    """The content of an envelope, and a place in it from which the next value is read.

    Parameters
    ----------
    read
        How to get bytes of the file.
    where
        Where the envelope is.
    length
        Its size when unpacked, in bytes.
    kind
        Its type.
    what
        What it is, for error messages.

    Raises
    ------
    ValueError
        If it is not of this type and length, or its checksum is wrong.
    """

    def __init__(
        self,
        read: Reader,
        where: Locator,
        length: int,
        kind: int,
        what: str,
    ) -> None:
        import xxhash

        raw = take(read, where, what)
        if length != where.size:
            content = np.empty(length, dtype=np.uint8)
            unpack(raw, content, what)
            raw = content
        self.data = raw.tobytes()
        self.what = what
        self.at = 0
        if length < 2 * _LONG.size:
            msg = f"{what} has only {length} bytes"
            raise ValueError(msg)
        self.end = length - _LONG.size
        self.checksum = int.from_bytes(self.data[self.end :], "little")
        if xxhash.xxh3_64_intdigest(self.data[: self.end]) != self.checksum:
            msg = f"{what} has a wrong checksum"
            raise ValueError(msg)
        head = self.word()
        if head & 0xFFFF != kind or head >> 16 != length:
            msg = f"{what} is of type {head & 0xFFFF} and length {head >> 16} instead of {kind} and {length}"
            raise ValueError(msg)

    def word(self) -> int:
        """An unsigned integer of 64 bits."""
        return self.long() & 0xFFFFFFFFFFFFFFFF

    def long(self) -> int:
        """A signed integer of 64 bits."""
        value = self.peek()
        self.at += _LONG.size
        return value

    def peek(self) -> int:
        """The signed integer that comes next."""
        value: int = _LONG.unpack_from(self.data, self.at)[0]
        return value

    def flags(self) -> int:
        """Feature flags: further words follow as long as the highest bit is set."""
        flags = word = self.word()
        while word >> 63:
            word = self.word()
            flags |= word
        return flags

    def skip_text(self) -> None:
        """Go over a string."""
        self.at += 4 + _UNSIGNED.unpack_from(self.data, self.at)[0]

    def record_end(self, size: int) -> int:
        """Where a record ends that begins here with its size."""
        if not _LONG.size <= size <= self.end - self.at:
            msg = f"{self.what} holds a record of {size} bytes"
            raise ValueError(msg)
        return self.at + size

    def items(self) -> Iterator[int]:
        """Go through a list, whose items are read or skipped by the caller, and then behind it; gives their numbers."""
        at = self.at
        size = -self.long()
        n: int = _UNSIGNED.unpack_from(self.data, self.at)[0]
        self.at += 4
        if not _LONG.size + 4 <= size <= self.end - at:
            msg = f"{self.what} holds a list of {size} bytes"
            raise ValueError(msg)
        yield from range(n)
        if self.at > at + size:
            msg = f"{self.what} holds a list that is longer than its {size} bytes"
            raise ValueError(msg)
        self.at = at + size

    def records(self) -> Iterator[int]:
        """Go through a list of records; gives the position of the end of each."""
        for _ in self.items():
            end = self.record_end(self.peek())
            self.at += _LONG.size
            yield end
            self.at = end

    def locator(self) -> Locator:
        """Where a block is.

        Raises
        ------
        NotLeanError
            If it is not in a file.
        """
        size, offset = _STANDARD.unpack_from(self.data, self.at)
        if size >= 0:
            self.at += _STANDARD.size
            return Locator(offset, size)
        length, kind = -size & 0xFFFF, -size >> 24
        if kind != _LARGE:
            msg = f"{self.what} names a place of type {kind}"
            raise NotLeanError(msg)
        size, offset = _SIZES.unpack_from(self.data, self.at + _INT.size)
        self.at += length
        return Locator(offset, size)
