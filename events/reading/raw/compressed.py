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
_FRAME = b"\x28\xb5\x2f\xfd"  # first bytes of a frame of zstd
_IS_FULL = "failed to write whole buffer"  # what cramjam says of memory that is too small


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
    """The package zstandard, of the extra zstd; None without it, where cramjam unpacks."""
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard


def _zstd(block: Bytes, place: Bytes, size: int, what: str) -> int:
    found = _size_of_frame(block)
    if found not in (size, _NOT_SAID):
        msg = f"{what} has {found} bytes instead of {size}"
        raise ValueError(msg)
    package = _zstandard()
    if package is None:
        return _zstd_by_cramjam(block, place, size)
    if _kept.open is None:
        _kept.open = package.ZstdDecompressor().stream_reader
    return int(_kept.open(block).readinto(place))


def _size_of_frame(block: Bytes) -> int:
    """Bytes of the content of a frame of zstd, by its header.  Source: RFC 8878, section 3.1.1.1."""
    head = block[:18].tobytes()
    if len(head) < 5 or head[:4] != _FRAME:
        return _NOT_SAID  # the decompressor says what is wrong
    flags = head[4]
    single = bool(flags & 0x20)
    width = (int(single), 2, 4, 8)[flags >> 6]
    at = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    if not width:
        return _NOT_SAID
    return int.from_bytes(head[at : at + width], "little") + (256 if width == 2 else 0)


def _zstd_by_cramjam(block: Bytes, place: Bytes, size: int) -> int:
    """A few per cent slower than the package zstandard for baskets of 100 kB, and a fifth for those of 10 kB."""
    import cramjam

    function: Any = cramjam.zstd.decompress_into
    if len(place) == size or not _cramjam_fills():
        return _all_of(lambda whole: int(function(block, whole)), place, size)
    try:
        return int(function(block, place))
    except cramjam.DecompressionError as error:
        if _IS_FULL not in str(error):
            raise
        return len(place)


@functools.cache
def _cramjam_fills() -> bool:
    """Whether cramjam fills memory that is too small to its end before it complains: nothing but its own habit says so."""
    import cramjam

    function: Any = cramjam.zstd.decompress_into
    content = np.resize(np.arange(251, dtype=np.uint8), 300_000)
    block = cramjam.zstd.compress(content.tobytes())
    place = np.zeros(200_001, dtype=np.uint8)
    try:
        function(block, place)
    except cramjam.DecompressionError as error:
        return _IS_FULL in str(error) and np.array_equal(place, content[: len(place)])
    return False


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
