"""Blocks that ROOT compressed, unpacked into their place in an array.

ROOT compresses at most 16 MB at a time and puts nine bytes before each block: two letters for the algorithm, its
version, and the sizes before and after.  Baskets of a TTree, and pages and descriptions of an RNTuple, are such blocks
one after the other.  Source: ROOT ``core/zip`` and the specification of RNTuple, section Compression Block.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Bytes", "Reader", "UnknownCompressionError", "fresh", "unpack", "unpacked"]

Bytes = npt.NDArray[np.uint8]
Reader = Callable[[int, int], "Bytes | bytes"]
"""Function of a position in the file and a number of bytes that gives those bytes."""

_HEADER = 9
_CHECKSUM = 8  # of a block of LZ4, before its data


def fresh(size: int) -> Bytes:
    """Memory of its own for so many bytes."""
    return np.empty(size, dtype=np.uint8)


class UnknownCompressionError(Exception):
    """Bytes that are compressed in a way that is not read here; uproot may know it."""


def unpack(raw: Bytes, out: Bytes, what: str) -> None:
    """Unpack all blocks.

    Parameters
    ----------
    raw
        The blocks, and nothing after them.
    out
        Where to; its size is that of the content.
    what
        What this is, for error messages.

    Raises
    ------
    UnknownCompressionError
        If a block is of an algorithm that is not known here.
    ValueError
        If the sizes do not agree, or the checksum of a block of LZ4 is wrong.
    Exception
        Of a decompressor, if the bytes are damaged.
    """
    at, to = 0, 0
    while to < len(out):
        header = raw[at : at + _HEADER].tobytes()
        if len(header) < _HEADER:
            msg = f"{what} has {to} bytes instead of {len(out)}"
            raise ValueError(msg)
        unpacker = _UNPACKERS.get(header[:2])
        if unpacker is None:
            msg = f"{what} is compressed with the algorithm {header[:2]!r}"
            raise UnknownCompressionError(msg)
        before, after = _sizes(header)
        at += _HEADER
        block, place = raw[at : at + before], out[to : to + after]
        if len(block) != before or len(place) != after or not after:
            msg = f"{what} has blocks of other sizes than {len(raw)} and {len(out)} bytes"
            raise ValueError(msg)
        n = unpacker(block, place, what)
        if n != after:
            msg = f"{what} has {n} bytes instead of {after}"
            raise ValueError(msg)
        at, to = at + before, to + after


def _sizes(header: bytes) -> tuple[int, int]:
    """Bytes of a block before and after it is unpacked."""
    return int.from_bytes(header[3:6], "little"), int.from_bytes(header[6:9], "little")


def unpacked(raw: Bytes, size: int, what: str, memory: Callable[[int], Bytes] = fresh) -> Bytes:
    """All blocks as :func:`unpack`, in memory that the decompressor may choose.

    Parameters
    ----------
    raw, what
        As of :func:`unpack`.
    size
        Number of bytes of the content.
    memory
        Function that gives so many bytes of memory, used if the decompressor has none.
    """
    header = raw[:_HEADER].tobytes()
    if header[:2] == b"ZS" and _sizes(header) == (len(raw) - _HEADER, size):
        # A single block, as mostly. Arrow takes a tenth less time than cramjam; what it refuses, cramjam gives the reason for.
        with contextlib.suppress(OSError):
            return np.frombuffer(_arrow_zstd()(raw[_HEADER:], size), dtype=np.uint8)
    out = memory(size)
    unpack(raw, out, what)
    return out


@functools.cache
def _arrow_zstd() -> Any:
    import pyarrow as pa

    # Its own pools would keep 20 MB that nobody else can use.
    return functools.partial(pa.Codec("zstd").decompress, memory_pool=pa.system_memory_pool())


def _zstd(block: Bytes, place: Bytes, what: str) -> int:  # noqa: ARG001 (unpackers are alike)
    import cramjam

    function: Any = cramjam.zstd.decompress_into
    return int(function(block, place))


def _lz4(block: Bytes, place: Bytes, what: str) -> int:
    import cramjam
    import xxhash

    data = block[_CHECKSUM:]
    if xxhash.xxh64_intdigest(data.data) != int.from_bytes(block[:_CHECKSUM].tobytes(), "big"):
        msg = f"{what} has a wrong checksum"
        raise ValueError(msg)
    function: Any = cramjam.lz4.decompress_block_into
    # Without the length, the first four bytes of some blocks are taken for one.
    return int(function(data, place, output_len=len(place)))


def _zlib(block: Bytes, place: Bytes, what: str) -> int:  # noqa: ARG001
    import zlib

    content = zlib.decompress(block.data, bufsize=len(place))
    if len(content) == len(place):
        place[:] = np.frombuffer(content, dtype=np.uint8)
    return len(content)


def _lzma(block: Bytes, place: Bytes, what: str) -> int:  # noqa: ARG001
    import lzma

    content = lzma.decompress(block.data)
    if len(content) == len(place):
        place[:] = np.frombuffer(content, dtype=np.uint8)
    return len(content)


_UNPACKERS = {b"ZS": _zstd, b"L4": _lz4, b"ZL": _zlib, b"XZ": _lzma}
