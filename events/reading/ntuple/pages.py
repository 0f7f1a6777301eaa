"""Elements of a column of an RNTuple, from its pages straight into their place in an array."""

from __future__ import annotations

import bisect
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.events.reading.compressed import unpack
from massgap.events.reading.ntuple.encodings import decode, dtype_of, page_bytes
from massgap.events.reading.ntuple.envelopes import Locator, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.events.reading.compressed import Bytes, Reader
    from massgap.events.reading.ntuple.clusters import Cluster, Pages
    from massgap.events.reading.ntuple.schema import Column

__all__ = ["PageReader", "stored"]

_Array = npt.NDArray[Any]

_GAP = 1 << 14
"""Bytes between two pages that are read rather than asked for once more."""
_MOST = 1 << 25
"""Bytes that are read at once, unless a single page has more."""
_KEPT = 1 << 27
"""Bytes of pages that are kept for the next chunk."""
_CHECKSUM = 8


def stored(columns: list[Column], cluster: Cluster) -> tuple[Column, Pages] | None:
    """The column that holds the content in a cluster, out of those that may; None if there are no elements yet."""
    for column in columns:
        pages = cluster.pages(column.number)
        if pages is not None:
            return column, pages
    return None


class PageReader:
    """Reads elements.

    A page of which a chunk takes the beginning is kept for the next chunk, so that a file whose clusters are larger
    than chunks (uproot writes one page per cluster) is not unpacked over and over.

    Parameters
    ----------
    read
        How to get bytes of the file.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._kept: dict[tuple[int, int, int], _Array] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def fill(
        self, columns: list[Column], cluster: Cluster, span: tuple[int, int], out: _Array, name: str
    ) -> None:
        """Elements of a field.

        Parameters
        ----------
        columns
            Columns of the same content, of which one is stored in each cluster.
        cluster
            The cluster that the elements are in.
        span
            The first element and the one after the last, counted over the whole ntuple.
        out
            Where to, shape (elements,), of a type that holds that of each column.
        name
            Name of the field, for error messages.

        Raises
        ------
        NotLeanError, massgap.events.reading.compressed.UnknownCompressionError
            If the pages are encoded or compressed in a way that is not known here.
        ValueError
            If elements are missing, or a page is damaged.
        """
        low, high = span
        if low >= high:
            return
        found = stored(columns, cluster)
        begin = high if found is None else min(max(low, found[1].first), high)
        if begin > low:
            # What is before a field was added is zero.
            first = min(column.first for column in columns)
            if begin > first:
                msg = f"field {name} has no elements {max(low, first)} to {begin} in cluster {cluster.number}"
                raise ValueError(msg)
            out[: begin - low] = 0
        if found is None or begin == high:
            return
        column, pages = found
        if high > pages.first + pages.edges[-1]:
            msg = (
                f"field {name} has {pages.edges[-1]} elements from {pages.first} on in cluster {cluster.number}, "
                f"and not up to {high}"
            )
            raise ValueError(msg)
        self._place(
            column, pages, cluster.number, (begin - pages.first, high - pages.first), out[begin - low :], name
        )

    def _place(
        self, column: Column, pages: Pages, cluster: int, span: tuple[int, int], out: _Array, name: str
    ) -> None:
        """Elements of one column, counted from its first one in the cluster."""
        edges, dtype = pages.edges, dtype_of(column)
        first, last = bisect.bisect_right(edges, span[0]) - 1, bisect.bisect_left(edges, span[1]) - 1

        def put(number: int, page: _Array) -> None:
            begin, end = max(span[0], edges[number]), min(span[1], edges[number + 1])
            out[begin - span[0] : end - span[0]] = page[begin - edges[number] : end - edges[number]]
            self._keep((cluster, column.number, number), page, unused=end < edges[number + 1])

        # Only what is at the ends can have been read in part.
        kept = {
            k: page
            for k in (first, last)
            if (page := self._kept.get((cluster, column.number, k))) is not None
        }
        for number, page in kept.items():
            put(number, page)
        for number, raw in self._raw(pages, range(first + (first in kept), last + 1 - (last in kept)), name):
            begin, end = edges[number], edges[number + 1]
            content = _unpacked(raw, page_bytes(column, end - begin), number, name)
            if span[0] <= begin and end <= span[1] and dtype == out.dtype:
                decode(column, content, out[begin - span[0] : end - span[0]])
            else:
                page = np.empty(end - begin, dtype=dtype)
                decode(column, content, page)
                put(number, page)

    def _keep(self, key: tuple[int, int, int], page: _Array, *, unused: bool) -> None:
        """Keep a page of which the end is not used yet, if there is room, and forget the others."""
        with self._lock:
            if unused and key not in self._kept:
                done = [
                    old for old in self._kept if old[0] < key[0] or (old[:2] == key[:2] and old[2] < key[2])
                ]
                for old in done:
                    self._bytes -= self._kept.pop(old).nbytes
                if self._bytes + page.nbytes <= _KEPT:
                    self._kept[key] = page
                    self._bytes += page.nbytes
            elif not unused and key in self._kept:
                self._bytes -= self._kept.pop(key).nbytes

    def _raw(self, pages: Pages, numbers: range, name: str) -> Iterator[tuple[int, Bytes]]:
        """The bytes of pages; those that lie close together are read together, and checksums are looked at."""
        at, places = numbers.start, pages.places
        while at < numbers.stop:
            begin, size, checked = places[at]
            end, stop = begin + size + _CHECKSUM * checked, at + 1
            while stop < numbers.stop:
                offset, size, checked = places[stop]
                after = offset + size + _CHECKSUM * checked
                if not 0 <= offset - end <= _GAP or after - begin > _MOST:
                    break
                end, stop = after, stop + 1
            raw = take(self._read, Locator(begin, end - begin), f"page {at} of field {name}")
            for number in range(at, stop):
                offset, size, checked = places[number]
                page = raw[offset - begin : offset - begin + size]
                if checked:
                    after = offset - begin + size
                    _check(page, raw[after : after + _CHECKSUM], number, name)
                yield number, page
            at = stop


def _check(page: Bytes, checksum: Bytes, number: int, name: str) -> None:
    import xxhash

    if xxhash.xxh3_64_intdigest(page.data) != int.from_bytes(checksum.tobytes(), "little"):
        msg = f"page {number} of field {name} has a wrong checksum"
        raise ValueError(msg)


def _unpacked(raw: Bytes, size: int, number: int, name: str) -> Bytes:
    # One kind of array for the compiled loops: one that can be written to.
    content = np.empty(size, dtype=np.uint8)
    if len(raw) == size:
        content[:] = raw
    else:
        unpack(raw, content, f"page {number} of field {name}")
    return content
