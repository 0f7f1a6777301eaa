"""Open ROOT files by the names that they have.

uproot takes a colon in a name for the beginning of an object's path, and fsspec behind it a ``~`` for a home folder and
``::`` for a chain of file systems.  A file on this machine is opened here by its name and by nothing else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import uproot
from uproot.source.chunk import Chunk, Source
from uproot.source.futures import TrivialFuture

from massgap.contracts.filesets.paths import is_url

if TYPE_CHECKING:
    import queue

__all__ = ["LocalBytes", "LocalSource", "open_root", "read_at"]


_LARGE = 1 << 26
"""Bytes that are asked for without looking whether the file is so long."""


def open_root(path: str, **options: Any) -> Any:
    """A ROOT file as uproot gives it.

    Parameters
    ----------
    path
        Local path, of which every character is part of the name, or URL.
    **options
        Of ``uproot.open``.
    """
    # In a dict, uproot does not look for the path of an object.
    return uproot.open({path: None}, **(options if is_url(path) else {"handler": LocalSource, **options}))


def read_at(handle: int, begin: int, size: int) -> bytes:
    """Bytes of an open file; fewer where it ends before.

    Parameters
    ----------
    handle
        Of ``os.open``.
    begin, size
        Position of the first, and number.
    """
    if size > _LARGE or size < 0:
        # What a damaged file asks for may be more than there is memory.
        size = max(min(size, os.fstat(handle).st_size - begin), 0)
    found = os.pread(handle, size, begin)
    if len(found) == size:
        return found
    parts = [found]
    while parts[-1] and (done := sum(map(len, parts))) < size:  # one call gives 2 GiB at most
        parts.append(os.pread(handle, size - done, begin + done))
    return b"".join(parts)


class LocalBytes:
    """The bytes of an open file, given or written into memory that is there.

    Parameters
    ----------
    handle
        Of ``os.open``.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __call__(self, begin: int, size: int) -> bytes:
        """Bytes as of :func:`read_at`."""
        return read_at(self._handle, begin, size)

    def into(self, begin: int, place: npt.NDArray[np.uint8]) -> int:
        """Fill ``place`` with the bytes from ``begin`` on; the number of bytes that there are."""
        done = 0
        while done < len(place):
            n = os.preadv(self._handle, [place[done:].data], begin + done)
            if not n:
                break
            done += n
        return done


class LocalSource(Source):
    """The bytes of a file on this machine, for uproot: no memory map, no threads, no reading of the name.

    Parameters
    ----------
    file_path
        The file.
    **options
        Of ``uproot.open``; none matters here.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, file_path: str, **options: Any) -> None:  # noqa: ARG002 (as uproot calls it)
        super().__init__()
        self._handle: int | None = None
        self._file_path = file_path
        self._handle = os.open(file_path, os.O_RDONLY)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._file_path!r}>"

    def chunk(self, start: int, stop: int) -> Chunk:
        """The bytes from ``start`` to before ``stop``, fewer where the file ends before."""
        if self._handle is None:
            msg = f"file {self._file_path!r} is closed"
            raise OSError(msg)
        self._num_requests += 1
        self._num_requested_chunks += 1
        self._num_requested_bytes += stop - start
        content = np.frombuffer(read_at(self._handle, start, stop - start), dtype=np.uint8)
        return Chunk(self, start, stop, TrivialFuture(content))

    def chunks(self, ranges: list[tuple[int, int]], notifications: queue.Queue[Any]) -> list[Chunk]:
        """Several ranges of bytes, all there when this returns."""
        found = [self.chunk(start, stop) for start, stop in ranges]
        for chunk in found:
            notifications.put(chunk)
        return found

    @property
    def num_bytes(self) -> int:
        """Size of the file."""
        if self._handle is None:
            return int(os.stat(self._file_path).st_size)  # noqa: PTH116 (the name as it is)
        return os.fstat(self._handle).st_size

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._handle is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
