"""Branches of a TTree as flat NumPy arrays, with nothing between the decompressor and the array.

uproot opens the file, describes its branches and fetches the bytes.  For branches of plain numbers, one per
event or one per object, its general interpretation of baskets costs as much again as their decompression;
here the content of a basket goes straight into its place in the final array.  Everything else (embedded baskets,
streamed objects, compressions that are not known) is left to uproot.
"""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np
import numpy.typing as npt

from massgap.events.reading.raw.compressed import Bytes, Reader, UnknownCompressionError, unpack

__all__ = ["Reader", "flat_branch", "is_jagged", "is_plain"]

_KEY_LENGTH_AT = 14  # TKey: fNbytes, fVersion, fObjlen, fDatime (14 bytes), then fKeylen
_LAST_AT = 5  # TBasket: fLast and one flag byte end the key


def is_plain(branch: Any) -> bool:
    """Whether the branch holds plain numbers: one per event, or a list per event."""
    # Asked for every column of every chunk.
    found = getattr(branch, "_massgap_plain", None)
    if found is None:
        branch._massgap_plain = found = _holds_numbers(branch)
    return bool(found)


def _holds_numbers(branch: Any) -> bool:
    from uproot.interpretation.jagged import AsJagged
    from uproot.interpretation.numerical import AsDtype

    interpretation = branch.interpretation
    if isinstance(interpretation, AsJagged):
        if interpretation.header_bytes:
            return False
        interpretation = interpretation.content
    # The bits of a TObject are followed by two more bytes if something refers to it.
    odd = branch.name.endswith("fBits")
    if type(interpretation) is not AsDtype or odd:
        return False
    # Neither fixed-size arrays nor several leaves in one branch.
    return not interpretation.from_dtype.shape and interpretation.from_dtype.names is None


def is_jagged(branch: Any) -> bool:
    """Whether the branch holds a list per event."""
    from uproot.interpretation.jagged import AsJagged

    return isinstance(branch.interpretation, AsJagged)


def flat_branch(branch: Any, start: int, stop: int, read: Reader | None = None) -> npt.NDArray[Any]:
    """Entries ``start`` to ``stop`` of a plain branch, all values one after the other, in native byte order.

    Parameters
    ----------
    branch
        A branch of uproot for which :func:`is_plain` holds.
    start, stop
        Range of entries.
    read
        How to get bytes of the file; by default through uproot.

    Raises
    ------
    Exception
        Of uproot or of a decompressor, if bytes are damaged.
    """
    interpretation = branch.interpretation
    jagged = is_jagged(branch)
    stored = (interpretation.content if jagged else interpretation).from_dtype
    edges = branch.entry_offsets
    pieces = []
    for number in _overlapping(edges, start, stop):
        first, last = edges[number], edges[number + 1]
        data, offsets = _basket(branch, number, read or _through_uproot(branch))
        low, high = max(start, first) - first, min(stop, last) - first
        if offsets is not None and len(offsets[0]) != last - first + 1:
            msg = f"basket {number} of branch {branch.name} has offsets of {len(offsets[0]) - 1} entries instead of {last - first}"
            raise ValueError(msg)
        if not jagged:
            piece = data[low * stored.itemsize : high * stored.itemsize]
            if len(piece) != (high - low) * stored.itemsize:
                msg = f"basket {number} of branch {branch.name} has too few bytes for {last - first} entries"
                raise ValueError(msg)
        elif low == 0 and high == last - first:
            piece = data
        else:
            if offsets is None:
                offsets = _counted(branch, number, stored.itemsize, len(data), read), 0
            begin, end = _edge(offsets, low, data), _edge(offsets, high, data)
            if not 0 <= begin <= end <= len(data):
                msg = f"basket {number} of branch {branch.name} has offsets outside of its values"
                raise ValueError(msg)
            piece = data[begin:end]
        pieces.append(piece.view(stored))
    out = np.empty(sum(map(len, pieces)), dtype=stored.newbyteorder("="))
    at = 0
    pieces.reverse()
    while pieces:
        # Each is given back as soon as it is copied: the column is not twice in memory.
        values = pieces.pop()
        out[at : at + len(values)] = values
        at += len(values)
    return out


def _overlapping(edges: list[int], start: int, stop: int) -> range:
    if start >= stop:
        return range(0)
    return range(bisect.bisect_right(edges, start) - 1, bisect.bisect_left(edges, stop))


_Offsets = tuple[npt.NDArray[Any], int]


def _edge(offsets: _Offsets, entry: int, data: npt.NDArray[np.uint8]) -> int:
    """Where an entry of a basket begins; the table has no valid value for the end of the last one."""
    table, shift = offsets
    return int(table[entry]) - shift if entry < len(table) - 1 else len(data)


def _counted(branch: Any, number: int, size: int, length: int, read: Reader | None) -> npt.NDArray[np.int64]:
    """The table of a basket that was written without (ROOT's ``kGenerateOffsetMap``), from the numbers of objects.

    The baskets of the branch that counts need not end with those of this one.
    """
    counter = branch.count_branch
    if counter is None or not is_plain(counter) or is_jagged(counter):
        msg = f"basket {number} of branch {branch.name} has no offsets, and no branch counts its values"
        raise ValueError(msg)
    first, last = branch.entry_offsets[number], branch.entry_offsets[number + 1]
    counts = flat_branch(counter, first, last, read)
    out = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=out[1:])
    out *= size
    if out[-1] != length or (len(counts) and counts.min() < 0):
        msg = f"basket {number} of branch {branch.name} has {length} bytes instead of {out[-1]}, by branch {counter.name}"
        raise ValueError(msg)
    return out


def _basket(branch: Any, number: int, read: Reader) -> tuple[Bytes, _Offsets | None]:
    """Content of a basket and the table of its entries' places."""
    if number < branch.num_baskets - len(branch.embedded_baskets):
        try:
            return _own_basket(branch, number, read)
        except UnknownCompressionError:
            pass
    basket = branch.basket(number)
    offsets = basket.byte_offsets
    return np.asarray(basket.data), None if offsets is None else (offsets, 0)


def _through_uproot(branch: Any) -> Reader:
    return lambda begin, size: np.asarray(branch.file.source.chunk(begin, begin + size).raw_data)


def _own_basket(branch: Any, number: int, read: Reader) -> tuple[Bytes, _Offsets | None]:
    what = f"basket {number} of branch {branch.name}"
    begin = int(branch.member("fBasketSeek")[number])
    size = int(branch.member("fBasketBytes")[number])
    raw = np.frombuffer(read(begin, size), dtype=np.uint8)
    if len(raw) != size:
        msg = f"{what} ends beyond the end of the file"
        raise ValueError(msg)
    head = raw[: _KEY_LENGTH_AT + 2].tobytes()
    key, stored = int.from_bytes(head[_KEY_LENGTH_AT:], "big"), int.from_bytes(head[6:10], "big")
    last = int.from_bytes(raw[key - _LAST_AT : key - 1].tobytes(), "big")
    # Numbers that are not compressed may begin with any bytes.
    if stored == size - key:
        content = raw[key:]
    else:
        content = np.empty(stored, dtype=np.uint8)
        unpack(raw[key:], content, what)
    border = last - key
    if not 0 <= border <= stored:
        msg = f"{what} ends its values at {border} of {stored} bytes"
        raise ValueError(msg)
    if border == stored:
        return content, None
    # The table begins with its length; its entries count from the start of the key.
    return content[:border], (content[border:].view(">i4")[1:], key)
