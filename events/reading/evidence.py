"""Is a ROOT file damaged?  Only what its own bytes show is called so.

A file says in its header where it ends and where its first directory is; directories say where their records are and how long.
Records of compressed data say with what, and how long they become.

Source: ROOT's documentation of the file format (``TFile``, ``TKey``), and ``core/zip/src/RZip.cxx`` for compressed blocks.
"""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING, Any

from massgap.events.reading.raw.local import open_root, read_at

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CODECS", "damage", "shows_damage"]

CODECS = {b"ZL": "ZLIB", b"XZ": "LZMA", b"L4": "LZ4", b"ZS": "ZSTD"}
"""First bytes of a compressed block -> what it is compressed with, of those that can be read."""

_LARGE = 1_000_000  # version of a file, and below 1000 of a record, from which places have 64 bits
_SMALL_HEADER, _LARGE_HEADER = struct.Struct(">4siiiiiiiB"), struct.Struct(">4siiqqiiiB")
_KEY = struct.Struct(">ihiIhh")  # length, version, length of the object, date, length of the key, cycle
_MOST_RECORDS = 1_000
"""Of what directories name; the events are elsewhere, and whoever reads them notices."""

_CONTRADICTION = re.compile(
    r"basket \d+ of branch .* (ends beyond|has -?\d+ bytes instead|has offsets (of|outside)|ends its values|has too few bytes)"
    r"|computed checksum .* didn't match|decompressed to \d+ bytes, but the|uncompressed block size|corrupt",
    re.DOTALL | re.IGNORECASE,
)
_CODEC_ERRORS = {"DecompressionError", "LZMAError", "ZstdError"}


def shows_damage(errors: Iterable[BaseException]) -> str | None:
    """What an error and its causes show by themselves: a known decompressor refused the bytes, or a record contradicts itself.

    Parameters
    ----------
    errors
        What was raised, and its causes.

    Returns
    -------
    str or None
        The evidence in words; None if there is none.
    """
    for error in errors:
        if type(error).__name__ in _CODEC_ERRORS or _is_zlib(error):
            return "what is compressed in it cannot be unpacked"
        if isinstance(error, ValueError) and _CONTRADICTION.search(str(error)):
            return "one of its records contradicts itself"
    return None


def _is_zlib(error: BaseException) -> bool:
    return type(error).__module__ == "zlib"


def damage(path: str) -> str | None:
    """What the bytes of a file on this machine show of damage.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str or None
        The evidence in words; None if there is none: file and records are where they say, and what is not events can be unpacked.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        return _not_whole(handle) or _wrong_record(path, handle)
    finally:
        os.close(handle)


def _not_whole(handle: int) -> str | None:
    size = os.fstat(handle).st_size
    raw = read_at(handle, 0, 64)
    if len(raw) < _LARGE_HEADER.size:
        return f"it has {size} bytes and not even a whole header"
    _, version, begin, end, *_ = _SMALL_HEADER.unpack_from(raw)
    if version >= _LARGE:
        _, version, begin, end, *_ = _LARGE_HEADER.unpack_from(raw)
    if not 0 < begin < end:
        return f"its header says that it goes from byte {begin} to byte {end}"
    if size < end:
        return f"it has {size} of {end} bytes"
    return None


def _wrong_record(path: str, handle: int) -> str | None:
    """What is wrong with the records that the file's directories name, in words."""
    try:
        with open_root(path) as directory:
            names = directory.keys(recursive=True)[:_MOST_RECORDS]
            records = [(name, directory.key(name)) for name in names]
            places = [(name, key.fSeekKey, key.fNbytes, key.fKeylen, key.fObjlen) for name, key in records]
            info = directory.file.fSeekInfo, directory.file.fNbytesInfo
    except Exception:  # noqa: BLE001 - of uproot: a directory is plain numbers and names, which it has no choice how to read
        return "its header points to a directory that is none"
    for name, at, length, key, unpacked in places:
        if int.from_bytes(read_at(handle, at, 4), "big") != length or not 0 < key <= length:
            return f"the record of {name} is not at byte {at}"
        packed = length - key
        if 0 < packed < unpacked and _not_unpacked(read_at(handle, at + key, packed), unpacked):
            return f"the record of {name} cannot be unpacked"
    at, length = info
    if at:
        head = read_at(handle, at, _KEY.size)
        if len(head) < _KEY.size or int.from_bytes(head[:4], "big") != length:
            return f"the description of its classes is not at byte {at}"
        _, _, unpacked, _, key, _ = _KEY.unpack(head)
        if 0 < length - key < unpacked and _not_unpacked(read_at(handle, at + key, length - key), unpacked):
            return "the description of its classes cannot be unpacked"
    return None


def _not_unpacked(raw: bytes, unpacked: int) -> bool:
    """Whether a record of a known compression cannot be unpacked; another compression is no damage."""
    from uproot.compression import decompress
    from uproot.source.chunk import Chunk
    from uproot.source.cursor import Cursor

    if raw[:2] not in CODECS:
        return False
    source: Any = type("_Bytes", (), {"file_path": "", "num_bytes": len(raw)})()
    try:
        decompress(Chunk.wrap(source, raw), Cursor(0), {}, len(raw), unpacked)
    except Exception:  # noqa: BLE001 - of any of four decompressors
        return True
    return False
