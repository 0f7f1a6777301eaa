"""A basket of a TTree from its bytes: what its head says, and its content, unpacked on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.events.reading.raw.compressed import Bytes, fresh, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OwnBasket", "key_length"]

_SIZE_AT, _KEY_LENGTH_AT = 6, 14  # TKey: fNbytes, fVersion, fObjlen, fDatime (14 bytes), then fKeylen
_LAST_AT = 5  # TBasket: fLast and one flag byte end the key
_WORD = 4  # of the table of offsets


class OwnBasket:
    """A basket that has a place of its own in the file.

    Parameters
    ----------
    head
        Its first bytes, at least its key.
    length
        How many bytes there should be in all.
    what
        What this is, for error messages.

    Attributes
    ----------
    key
        Length of its key, from whose start offsets count.
    size
        Bytes of its content, values and table of offsets.
    border
        Where the values end and the table begins, if there is one.

    Raises
    ------
    ValueError
        If the head contradicts itself.
    """

    __slots__ = ("_length", "_what", "border", "key", "size")

    def __init__(self, head: Bytes, length: int, what: str) -> None:
        self._length, self._what = length, what
        self.key = key_length(head)
        self.size = int.from_bytes(head[_SIZE_AT : _SIZE_AT + 4].tobytes(), "big")
        self.border = int.from_bytes(head[self.key - _LAST_AT : self.key - 1].tobytes(), "big") - self.key
        if not 0 <= self.border <= self.size:
            msg = f"{what} ends its values at {self.border} of {self.size} bytes"
            raise ValueError(msg)

    @property
    def has_offsets(self) -> bool:
        """Whether a table says where each entry begins."""
        return self.border < self.size

    @property
    def table_length(self) -> int:
        """Number of entries of the table, without its own length before them."""
        words, rest = divmod(self.size - self.border, _WORD)
        if rest:
            msg = f"{self._what} has offsets of {words} entries and {rest} bytes"
            raise ValueError(msg)
        return words - 1

    def content(self, raw: Bytes, memory: Callable[[int], Bytes] = fresh, *, table: bool = True) -> Bytes:
        """What is in it, unpacked.

        Parameters
        ----------
        raw
            All its bytes; of numbers that are not compressed the content is a part of them.
        memory
            Function that gives so many bytes of memory for it.
        table
            Whether the table of offsets is wanted, too.  Where each event has few objects it takes as long to unpack as
            the values.

        Raises
        ------
        ValueError
            If bytes are missing.
        massgap.events.reading.raw.compressed.UnknownCompressionError
            If it is compressed in a way that is not known here.
        Exception
            Of a decompressor, if bytes are damaged.
        """
        if len(raw) != self._length:
            msg = f"{self._what} ends beyond the end of the file"
            raise ValueError(msg)
        wanted = self.size if table else self.border
        # Numbers that are not compressed may begin with any bytes.
        if self.size == len(raw) - self.key:
            return raw[self.key : self.key + wanted]
        out = memory(wanted)
        unpack(raw[self.key :], out, self._what, self.size)
        return out


def key_length(head: Bytes) -> int:
    """Length of the key of a basket, from its first bytes; 0 if these are too few."""
    return int.from_bytes(head[_KEY_LENGTH_AT : _KEY_LENGTH_AT + 2].tobytes(), "big")
