"""Blocks that ROOT compressed, unpacked into their place in an array.

ROOT compresses at most 16 MB at a time and puts nine bytes before each block: two letters for the algorithm, its
version, and the sizes before and after.  Baskets of a TTree, and pages and descriptions of an RNTuple, are such blocks
one after the other.  Source: ROOT ``core/zip`` and the specification of RNTuple, section Compression Block.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Bytes", "Reader", "UnknownCompressionError", "fresh", "unpack"]

Bytes = npt.NDArray[np.uint8]
Reader = Callable[[int, int], "Bytes | bytes"]
"""Function of a position in the file and a number of bytes that gives those bytes."""

_HEADER = 9
_CHECKSUM = 8  # of a block of LZ4, before its data
_NOT_SAID = -1  # size of the content, by a frame of zstd that was written as a stream


def fresh(size: int) -> Bytes:
    """Memory of its own for so many bytes."""
    return np.empty(size, dtype=np.uint8)


class UnknownCompressionError(Exception):
    """Bytes that are compressed in a way that is not read here; uproot may know it."""


def unpack(raw: Bytes, out: Bytes, what: str, size: int | None = None) -> None:
    """Unpack all blocks, or the beginning of their content.

    Parameters
    ----------
    raw
        The blocks, and nothing after them.
    out
        Where to.
    what
        What this is, for error messages.
    size
        Number of bytes of the whole content, of which ``out`` holds the first; by default it holds all. What comes after is
        not unpacked as far as the algorithm allows it, and damage there is not seen.

    Raises
    ------
    UnknownCompressionError
        If a block is of an algorithm that is not known here.
    ValueError
        If the sizes do not agree, or the checksum of a block of LZ4 is wrong.
    Exception
        Of a decompressor, if the bytes are damaged.
    """
    size = len(out) if size is None else size
    at, to = 0, 0
    while to < len(out):
        header = raw[at : at + _HEADER].tobytes()
        if len(header) < _HEADER:
            msg = f"{what} has {to} bytes instead of {size}"
            raise ValueError(msg)
        unpacker = _UNPACKERS.get(header[:2])
        if unpacker is None:
            msg = f"{what} is compressed with the algorithm {header[:2]!r}"
            raise UnknownCompressionError(msg)
        before, after = int.from_bytes(header[3:6], "little"), int.from_bytes(header[6:9], "little")
        at += _HEADER
        block, place = raw[at : at + before], out[to : to + after]
        if len(block) != before or to + after > size or not after:
            msg = f"{what} has blocks of other sizes than {len(raw)} and {size} bytes"
            raise ValueError(msg)
        n = unpacker(block, place, after, what)
        if n != len(place):
            msg = f"{what} has {n} bytes instead of {len(place)}"
            raise ValueError(msg)
        at, to = at + before, to + after


class _Kept(threading.local):
    """A decompressor of zstd for each thread: no two can use one at a time, and making it takes longer than a small block."""

    open: Any = None


_kept = _Kept()


@functools.cache
def _zstandard() -> Any:
    """The package zstandard; None on a worker without it, where cramjam unpacks all that there is."""
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard


def _zstd(block: Bytes, place: Bytes, size: int, what: str) -> int:
    package = _zstandard()
    if package is None:
        import cramjam

        function: Any = cramjam.zstd.decompress_into
        return _all_of(lambda whole: int(function(block, whole)), place, size)
    found = package.frame_content_size(block)
    if found not in (size, _NOT_SAID):
        msg = f"{what} has {found} bytes instead of {size}"
        raise ValueError(msg)
    if _kept.open is None:
        _kept.open = package.ZstdDecompressor().stream_reader
    return int(_kept.open(block).readinto(place))


def _lz4(block: Bytes, place: Bytes, size: int, what: str) -> int:
    import cramjam
    import xxhash

    data = block[_CHECKSUM:]
    if xxhash.xxh64_intdigest(data.data) != int.from_bytes(block[:_CHECKSUM].tobytes(), "big"):
        msg = f"{what} has a wrong checksum"
        raise ValueError(msg)
    function: Any = cramjam.lz4.decompress_block_into
    # Without the length, the first four bytes of some blocks are taken for one.
    return _all_of(lambda whole: int(function(data, whole, output_len=size)), place, size)


def _all_of(unpacker: Callable[[Bytes], int], place: Bytes, size: int) -> int:
    """Unpack everything, also where only the beginning is wanted."""
    if len(place) == size:
        return unpacker(place)
    whole = fresh(size)
    n = unpacker(whole)
    place[:] = whole[: len(place)]
    return min(n, len(place))


def _zlib(block: Bytes, place: Bytes, size: int, what: str) -> int:  # noqa: ARG001 (unpackers are alike)
    import zlib

    # All of it, as the checksum comes last.
    return _put(zlib.decompress(block.data, bufsize=size), place, size)


def _lzma(block: Bytes, place: Bytes, size: int, what: str) -> int:  # noqa: ARG001
    import lzma

    return _put(lzma.decompress(block.data), place, size)


def _put(content: bytes, place: Bytes, size: int) -> int:
    if len(content) != size:
        return len(content)
    place[:] = np.frombuffer(content, dtype=np.uint8, count=len(place))
    return len(place)


_UNPACKERS = {b"ZS": _zstd, b"L4": _lz4, b"ZL": _zlib, b"XZ": _lzma}
