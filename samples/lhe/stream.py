"""Bytes of a plain or compressed file, piece by piece, and the end of a file that was cut short."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Any

from massgap.samples.errors import LheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_UNPACK: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lzma.LZMADecompressor,
}
_OTHER = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"root": ("ROOT", ""),
}
_PLAIN_PIECE = 1 << 22
_PACKED_PIECE = 1 << 19


class CutShortError(LheError):
    """The compressed file ends, or is damaged, before its end; what came before is good."""


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed with gzip, bzip2 or xz, by its first bytes.

    Raises
    ------
    LheError
        If the file cannot be opened, or is of another kind.
    """
    return _unpacker(path) is not None


def _unpacker(path: Path) -> Callable[[], Any] | None:
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise LheError(msg) from None
    for magic, (kind, command) in _OTHER.items():
        if start.startswith(magic):
            remedy = f"; unpack it: {command} {path}" if command else ""
            msg = f"{path} is a {kind} file: event files are read plain or compressed with gzip, bzip2 or xz{remedy}"
            raise LheError(msg)
    return next((unpack for magic, unpack in _UNPACK.items() if start.startswith(magic)), None)


def pieces(path: Path, start: int = 0) -> Iterator[bytes]:
    """Decompressed content from a position on; a compressed file must be decompressed up to there.

    Raises
    ------
    CutShortError
        After the last good piece of a damaged file.
    """
    unpacker = _unpacker(path)
    if unpacker is None:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(_PLAIN_PIECE):
                yield piece
        return
    for piece in _unpacked(path, unpacker):
        if start >= len(piece):
            start -= len(piece)
            continue
        yield piece[start:] if start else piece
        start = 0


def _unpacked(path: Path, unpacker: Callable[[], Any]) -> Iterator[bytes]:
    # gzip.open and the like lose what they have decompressed when the file ends early, and complete events are to be counted
    unpack = unpacker()
    with path.open("rb") as file:
        while raw := file.read(_PACKED_PIECE):
            while raw:
                if unpack.eof:
                    if not raw.strip(b"\0"):
                        break
                    unpack = unpacker()
                try:
                    piece = unpack.decompress(raw)
                except (zlib.error, lzma.LZMAError, OSError) as error:
                    msg = f"the compressed data are damaged: {error}"
                    raise CutShortError(msg) from None
                raw = unpack.unused_data
                if piece:
                    yield piece
    if not unpack.eof:
        msg = "the compressed data end early"
        raise CutShortError(msg)
