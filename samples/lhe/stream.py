"""Bytes of a plain or gzip-compressed file, piece by piece, and the end of a file that was cut short."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from massgap.samples.errors import LheError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_OTHER = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"root": "ROOT",
}
_PLAIN_PIECE = 1 << 22
_GZIP_PIECE = 1 << 19


class CutShortError(LheError):
    """The compressed file ends, or is damaged, before its end; what came before is good."""


def is_gzip(path: Path) -> bool:
    """Whether a file is gzip-compressed, by its first bytes.

    Raises
    ------
    LheError
        If the file cannot be opened, or is compressed in another way.
    """
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise LheError(msg) from None
    for magic, kind in _OTHER.items():
        if start.startswith(magic):
            msg = f"{path} is a {kind} file: event files are read plain or compressed with gzip"
            raise LheError(msg)
    return start.startswith(_GZIP)


def pieces(path: Path, start: int = 0) -> Iterator[bytes]:
    """Decompressed content from a position on; a gzip file must be decompressed up to there.

    Raises
    ------
    CutShortError
        After the last good piece of a damaged file.
    """
    if not is_gzip(path):
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(_PLAIN_PIECE):
                yield piece
        return
    for piece in _unzip(path):
        if start >= len(piece):
            start -= len(piece)
            continue
        yield piece[start:] if start else piece
        start = 0


def _unzip(path: Path) -> Iterator[bytes]:
    # gzip.open loses what it has decompressed when the file ends early, and complete events are to be counted
    unzip = zlib.decompressobj(31)
    with path.open("rb") as file:
        while raw := file.read(_GZIP_PIECE):
            while raw:
                if unzip.eof:
                    if not raw.strip(b"\0"):
                        break
                    unzip = zlib.decompressobj(31)
                try:
                    piece = unzip.decompress(raw)
                except zlib.error as error:
                    msg = f"the compressed data are damaged: {error}"
                    raise CutShortError(msg) from None
                raw = unzip.unused_data
                if piece:
                    yield piece
    if not unzip.eof:
        msg = "the compressed data end early"
        raise CutShortError(msg)
