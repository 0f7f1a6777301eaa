"""The elements of a page of an RNTuple as numbers.

A page holds elements of one type.  In split ones all first bytes come first, then all second bytes, and so on, which
compresses better; whole numbers with a sign are then zigzag encoded (0, -1, 1, -2 ...), and positions (the ends of
lists, counted from the beginning of the cluster) are differences from one to the next.  Source: ROOT
``tree/ntuple/doc/BinaryFormatSpecification.md``, section Column Description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.events.reading.ntuple.envelopes import NotLeanError

if TYPE_CHECKING:
    from massgap.events.reading.ntuple.schema import Column
    from massgap.events.reading.raw.compressed import Bytes

__all__ = ["INDICES", "decode", "dtype_of", "page_bytes"]

_BIT, _TRUNCATED, _QUANTISED = 0x00, 0x1C, 0x1D
_TYPES = {
    _BIT: "?", 0x01: "u1", 0x02: "u1", 0x03: "i1", 0x04: "u1", 0x05: "i2", 0x06: "u2", 0x07: "i4", 0x08: "u4",
    0x09: "i8", 0x0A: "u8", 0x0B: "f2", 0x0C: "f4", 0x0D: "f8", 0x0E: "u4", 0x0F: "i8",
    0x11: "i2", 0x12: "u2", 0x13: "i4", 0x14: "u4", 0x15: "i8", 0x16: "u8", 0x17: "f2", 0x18: "f4", 0x19: "f8",
    0x1A: "u4", 0x1B: "i8", _TRUNCATED: "f4", _QUANTISED: "f4",
}  # fmt: skip
_SPLIT = range(0x11, 0x1C)
_ZIGZAG = (0x11, 0x13, 0x15)
_DELTA = (0x1A, 0x1B)
INDICES = (0x0E, 0x0F, *_DELTA)
"""Types of columns that hold the ends of lists."""
_FLOAT_BITS = 32


def dtype_of(column: Column) -> np.dtype[Any]:
    """The type of the numbers of a column.

    Raises
    ------
    NotLeanError
        If its type is not known here.
    """
    kind = _TYPES.get(column.kind)
    if kind is None:
        msg = f"columns of type {column.kind:#x} are not known"
        raise NotLeanError(msg)
    dtype = np.dtype(kind)
    right = {
        _BIT: column.bits == 1,
        _TRUNCATED: 10 <= column.bits < _FLOAT_BITS,
        _QUANTISED: 1 <= column.bits <= _FLOAT_BITS and column.high > column.low,
    }.get(column.kind, column.bits == 8 * dtype.itemsize)
    if not right:
        msg = f"columns of type {column.kind:#x} with {column.bits} bits are not known"
        raise NotLeanError(msg)
    return dtype


def page_bytes(column: Column, elements: int) -> int:
    """Size of a page with this many elements when unpacked, in bytes."""
    return (elements * column.bits + 7) // 8


def decode(column: Column, page: Bytes, out: npt.NDArray[Any]) -> None:
    """The elements of a page.

    Parameters
    ----------
    column
        The column that it belongs to.
    page
        The page, unpacked.
    out
        Where to, of the type :func:`dtype_of` and in one piece.
    """
    n = len(out)
    if column.kind == _BIT:
        out[:] = np.unpackbits(page, count=n, bitorder="little")
    elif column.kind == _TRUNCATED:
        unpack_bits(page, column.bits, out.view(np.uint32))
        np.left_shift(out.view(np.uint32), np.uint32(_FLOAT_BITS - column.bits), out=out.view(np.uint32))
    elif column.kind == _QUANTISED:
        steps = np.empty(n, dtype=np.uint32)
        unpack_bits(page, column.bits, steps)
        out[:] = column.low + steps * ((column.high - column.low) / ((1 << column.bits) - 1))
    elif column.kind not in _SPLIT:
        out[:] = page.view(out.dtype)
    else:
        _unsplit(page, out)
        if column.kind in _ZIGZAG:
            bits = out.view(f"u{out.itemsize}")
            bits[:] = (bits >> 1) ^ -(bits & 1)
        elif column.kind in _DELTA:
            np.cumsum(out, out=out)


def _unsplit(page: Bytes, out: npt.NDArray[Any]) -> None:
    if out.itemsize == 4:
        unsplit_4(page, out.view(np.uint32))
    elif out.itemsize == 8:
        unsplit_8(page, out.view(np.uint64))
    else:
        out.view(np.uint8).reshape(-1, out.itemsize)[:] = page.reshape(out.itemsize, -1).T


@compiled
def unsplit_4(page: Bytes, out: npt.NDArray[np.uint32]) -> None:
    """Put four bytes of each element together again."""
    n = out.size
    a, b, c, d = page[:n], page[n : 2 * n], page[2 * n : 3 * n], page[3 * n : 4 * n]
    for i in range(n):
        low = np.uint32(a[i]) | (np.uint32(b[i]) << np.uint32(8))
        out[i] = low | (np.uint32(c[i]) << np.uint32(16)) | (np.uint32(d[i]) << np.uint32(24))


@compiled
def unsplit_8(page: Bytes, out: npt.NDArray[np.uint64]) -> None:
    """Put eight bytes of each element together again."""
    n = out.size
    for i in range(n):
        value = np.uint64(0)
        for k in range(8):
            value |= np.uint64(page[k * n + i]) << np.uint64(8 * k)
        out[i] = value


@compiled
def unpack_bits(page: Bytes, bits: int, out: npt.NDArray[np.uint32]) -> None:
    """Whole numbers of a number of bits each, one right after the other, lowest bits first."""
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    held, value, at = 0, np.uint64(0), 0
    for i in range(out.size):
        while held < bits:
            value |= np.uint64(page[at]) << np.uint64(held)
            held += 8
            at += 1
        out[i] = np.uint32(value & mask)
        value >>= np.uint64(bits)
        held -= bits
