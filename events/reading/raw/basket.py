"""A basket of a TTree from its bytes: what its head says, and its content, unpacked on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.events.reading.raw.compressed import Bytes, fresh, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OwnBasket"]

_SIZE_AT, _KEY_LENGTH_AT = 6, 14  # TKey: fNbytes, fVersion, fObjlen, fDatime (14 bytes), then fKeylen
_LAST_AT = 5  # TBasket: fLast and one flag byte end the key
_WORD = 4  # of the table of offsets


class OwnBasket:
    """A basket that has a place of its own in the file.

    Parameters
    ----------
    raw
        Its bytes, which must stay as they are until it is unpacked.
    length
        How many there should be.
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
        If bytes are missing, or the head contradicts itself.
    """

    __slots__ = ("_raw", "_what", "border", "key", "size")

    def __init__(self, raw: Bytes, length: int, what: str) -> None:
        if len(raw) != length:
            msg = f"{what} ends beyond the end of the file"
            raise ValueError(msg)
        self._raw, self._what = raw, what
        head = raw[: _KEY_LENGTH_AT + 2].tobytes()
        self.key = int.from_bytes(head[_KEY_LENGTH_AT:], "big")
        self.size = int.from_bytes(head[_SIZE_AT : _SIZE_AT + 4], "big")
        self.border = int.from_bytes(raw[self.key - _LAST_AT : self.key - 1].tobytes(), "big") - self.key
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

    def content(self, memory: Callable[[int], Bytes] = fresh) -> Bytes:
        """Everything in it, unpacked.

        Parameters
        ----------
        memory
            Function that gives so many bytes of memory for it.

        Raises
        ------
        massgap.events.reading.raw.compressed.UnknownCompressionError
            If it is compressed in a way that is not known here.
        Exception
            Of a decompressor, if bytes are damaged.
        """
        # Numbers that are not compressed may begin with any bytes.
        if self.size == len(self._raw) - self.key:
            return self._raw[self.key :]
        return unpacked(self._raw[self.key :], self.size, self._what, memory)
