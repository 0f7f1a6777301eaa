"""Branches of a TTree as flat NumPy arrays, with nothing between the decompressor and the array.

uproot opens the file, describes its branches and fetches the bytes.  For branches of plain numbers, one per
event or one per object, its general interpretation of baskets costs as much again as their decompression;
here the content of a basket goes straight into its place in the final array.  Everything else (embedded baskets,
streamed objects, compressions that are not known) is left to uproot.
"""

from __future__ import annotations

import bisect
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.events.reading.raw.basket import OwnBasket, key_length
from massgap.events.reading.raw.branch import Plain
from massgap.events.reading.raw.compressed import Bytes, Reader, UnknownCompressionError
from massgap.events.reading.raw.native import copy_native
from massgap.events.reading.raw.scratch import Room, borrowed

__all__ = ["Reader", "checked_branch", "flat_branch", "is_jagged", "is_plain", "stored_type"]

_HEAD = 256  # bytes that hold the key of a basket, but for branches of a long name
_Offsets = tuple[npt.NDArray[Any], int]


def is_plain(branch: Any) -> bool:
    """Whether the branch holds plain numbers: one per event, or a list per event."""
    return _plain(branch) is not None


def is_jagged(branch: Any) -> bool:
    """Whether the branch holds a list per event."""
    plain = _plain(branch)
    return _has_lists(branch) if plain is None else plain.jagged


def _has_lists(branch: Any) -> bool:
    from uproot.interpretation.jagged import AsJagged

    return isinstance(branch.interpretation, AsJagged)


def stored_type(branch: Any) -> np.dtype[Any] | None:
    """Type of the numbers in the file; None if the branch does not hold plain numbers."""
    plain = _plain(branch)
    return None if plain is None else plain.stored


def _plain(branch: Any) -> Plain | None:
    # Asked for every column of every chunk.
    try:
        found: Plain | None = branch._massgap_plain
    except AttributeError:
        found = branch._massgap_plain = _described(branch) if _holds_numbers(branch) else None
    return found


def _described(branch: Any) -> Plain:
    jagged = _has_lists(branch)
    interpretation = branch.interpretation.content if jagged else branch.interpretation
    alone = branch.num_baskets - len(branch.embedded_baskets)
    return Plain(
        interpretation.from_dtype,
        jagged,
        branch.entry_offsets,
        branch.member("fBasketSeek")[:alone].tolist(),
        branch.member("fBasketBytes")[:alone].tolist(),
    )


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
    return checked_branch(branch, start, stop, read)[0]


def checked_branch(
    branch: Any,
    start: int,
    stop: int,
    read: Reader | None = None,
    limits: tuple[float, float] | None = None,
) -> tuple[npt.NDArray[Any], bool]:
    """The same, and whether all values are within some limits, which costs next to nothing while they are copied.

    Parameters
    ----------
    branch, start, stop, read
        As of :func:`flat_branch`.
    limits
        Smallest and largest value that is possible (NaN is not within); None for any.

    Raises
    ------
    Exception
        Of uproot or of a decompressor, if bytes are damaged.
    """
    plain = _plain(branch)
    if plain is None:
        msg = f"branch {branch.name} does not hold plain numbers"
        raise ValueError(msg)
    fetch = read or _through_uproot(branch)
    pieces = _pieces(branch, plain, (start, stop), fetch)
    out = np.empty(sum(piece.size for piece in pieces), dtype=plain.stored.newbyteorder("="))
    fine, at = True, 0
    with borrowed() as room:
        for k, piece in enumerate(pieces):
            pieces[k] = _DONE
            values = piece.values
            if values is None:
                # Unpacked where it is copied: the column is not twice in memory.
                values = _content(branch, plain, piece, fetch, room)
            fine &= copy_native(values, out[at : at + piece.size], limits)
            at += piece.size
    return out, fine


class _Piece(NamedTuple):
    """What a range has of one basket.

    Attributes
    ----------
    number
        Of the basket.
    size
        Number of values.
    values
        The values as they are stored, of a part; None for a whole basket, as almost all are, which is still to be unpacked.
    basket, raw
        Such a basket, and its bytes where these were read with its head.
    """

    number: int
    size: int
    values: npt.NDArray[Any] | None
    basket: OwnBasket | None = None
    raw: Bytes | None = None


_DONE = _Piece(0, 0, None)


def _overlapping(edges: list[int], start: int, stop: int) -> range:
    if start >= stop:
        return range(0)
    return range(bisect.bisect_right(edges, start) - 1, bisect.bisect_left(edges, stop))


def _pieces(branch: Any, plain: Plain, wanted: tuple[int, int], read: Reader) -> list[_Piece]:
    """The baskets of a range."""
    numbers = _overlapping(plain.edges, *wanted)
    # Beyond the tree there are none, which is an error before anything is read.
    entries = [(plain.edges[number], plain.edges[number + 1]) for number in numbers]
    out = []
    for number, (first, last) in zip(numbers, entries, strict=True):
        what = f"basket {number} of branch {branch.name}"
        low, high = max(wanted[0], first) - first, min(wanted[1], last) - first
        whole = high - low == last - first
        basket, raw = _own(plain, number, read, what, head_only=whole)
        if basket is not None and whole:
            size = _whole_size(plain, basket, last - first, what)
            out.append(_Piece(number, size, None, basket, raw))
        else:
            found = _through(branch, number) if basket is None else _unpacked(branch, number, basket, raw)
            part = _part(branch, plain, number, found, (low, high), read)
            out.append(_Piece(number, len(part), part))
    return out


def _own(
    plain: Plain, number: int, read: Reader, what: str, *, head_only: bool
) -> tuple[OwnBasket | None, Bytes | None]:
    """A basket with a place of its own, and its bytes, unless its head is enough for now; None for others."""
    if number >= len(plain.seeks):
        return None, None
    begin, size = plain.seeks[number], plain.sizes[number]
    # Whoever reads into memory that is there does so at no cost of asking twice.
    head_only = head_only and size > _HEAD and hasattr(read, "into")
    raw = np.frombuffer(read(begin, _HEAD if head_only else size), dtype=np.uint8)
    if head_only and key_length(raw) > _HEAD:
        raw, head_only = np.frombuffer(read(begin, size), dtype=np.uint8), False
    if len(raw) != (_HEAD if head_only else size):
        msg = f"{what} ends beyond the end of the file"
        raise ValueError(msg)
    return OwnBasket(raw, size, what), None if head_only else raw


def _whole_size(plain: Plain, basket: OwnBasket, entries: int, what: str) -> int:
    """Number of values of a whole basket."""
    if not plain.jagged:
        _long_enough(basket.border, entries, plain, what)
        return entries
    if basket.has_offsets:
        _right_table(basket.table_length, entries, what)
    if basket.border % plain.stored.itemsize:
        msg = f"{what} ends its values at {basket.border} of {basket.size} bytes, within one of them"
        raise ValueError(msg)
    return basket.border // plain.stored.itemsize


def _part(
    branch: Any,
    plain: Plain,
    number: int,
    found: tuple[Bytes, _Offsets | None],
    wanted: tuple[int, int],
    read: Reader,
) -> npt.NDArray[Any]:
    """The values of some entries of a basket."""
    what, size = f"basket {number} of branch {branch.name}", plain.stored.itemsize
    (low, high), entries = wanted, plain.edges[number + 1] - plain.edges[number]
    data, offsets = found
    if offsets is not None:
        _right_table(len(offsets[0]), entries, what)
    if not plain.jagged:
        _long_enough(len(data), high, plain, what)
        return data[low * size : high * size].view(plain.stored)
    if (low, high) == (0, entries):
        return data.view(plain.stored)
    if offsets is None:
        offsets = _counted(branch, number, size, len(data), read), 0
    begin, end = _edge(offsets, low, data), _edge(offsets, high, data)
    if not 0 <= begin <= end <= len(data):
        msg = f"{what} has offsets outside of its values"
        raise ValueError(msg)
    return data[begin:end].view(plain.stored)


def _long_enough(length: int, entries: int, plain: Plain, what: str) -> None:
    if length < entries * plain.stored.itemsize:
        msg = f"{what} has too few bytes for {entries} entries"
        raise ValueError(msg)


def _right_table(length: int, entries: int, what: str) -> None:
    if length != entries + 1:
        msg = f"{what} has offsets of {length - 1} entries instead of {entries}"
        raise ValueError(msg)


def _edge(offsets: _Offsets, entry: int, data: Bytes) -> int:
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


def _content(branch: Any, plain: Plain, piece: _Piece, read: Reader, room: Room) -> npt.NDArray[Any]:
    """The values of a whole basket, until the next one is unpacked."""
    number, raw = piece.number, piece.raw
    assert piece.basket is not None
    if raw is None:
        raw = room.fetch(plain.seeks[number], plain.sizes[number], read)
    try:
        content = piece.basket.content(raw, room.content, table=False)
    except UnknownCompressionError:
        content = _through(branch, number)[0]
    return content[: piece.size * plain.stored.itemsize].view(plain.stored)


def _unpacked(branch: Any, number: int, basket: OwnBasket, raw: Any) -> tuple[Bytes, _Offsets | None]:
    """Content of a basket and the table of its entries' places."""
    try:
        content = basket.content(raw)
    except UnknownCompressionError:
        return _through(branch, number)
    if not basket.has_offsets:
        return content, None
    # The table begins with its length; its entries count from the start of the key.
    return content[: basket.border], (content[basket.border :].view(">i4")[1:], basket.key)


def _through(branch: Any, number: int) -> tuple[Bytes, _Offsets | None]:
    """The same by uproot."""
    basket = branch.basket(number)
    offsets = basket.byte_offsets
    return np.asarray(basket.data), None if offsets is None else (offsets, 0)


def _through_uproot(branch: Any) -> Reader:
    return lambda begin, size: np.asarray(branch.file.source.chunk(begin, begin + size).raw_data)
