"""Clusters of an RNTuple, and the places of the pages of one column in them.

A file has a page description for every page of every column: of a NanoAOD file some 10^5, of which an analysis needs
some hundred.  Here only the lengths of the lists are looked at until a column is asked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from massgap.events.reading.ntuple.envelopes import PAGE_LIST, Envelope, NotLeanError

if TYPE_CHECKING:
    from massgap.events.reading.compressed import Reader
    from massgap.events.reading.ntuple.schema import Group

__all__ = ["Cluster", "Pages", "read_clusters"]

_SUMMARY = struct.Struct("<QQ")
_LIST = struct.Struct("<qI")
_OFFSET = struct.Struct("<q")
_SHARDED = 1
_CHECKSUM = 8
_PAGE = np.dtype([("elements", "<i4"), ("size", "<i4"), ("offset", "<u8")])


@dataclass(frozen=True)
class Pages:
    """The pages of a column in a cluster, shape (pages,) each.

    Attributes
    ----------
    first
        Number of the first element, counted over the whole ntuple.
    edges
        Where the elements of each page begin, counted from ``first``, shape (pages + 1,).
    offsets, sizes
        Where each page is in the file, and its size there in bytes.
    checked
        Whether a checksum of 8 bytes follows it.
    """

    first: int
    edges: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    checked: npt.NDArray[np.bool_]


class Cluster:
    """The entries ``first`` to ``stop`` of an ntuple.

    Parameters
    ----------
    number
        Its number in the ntuple.
    first, stop
        Range of entries.
    text
        The list of pages that it is in.
    begin
        Where in the list its columns begin.
    """

    def __init__(self, number: int, first: int, stop: int, text: Envelope, begin: int) -> None:
        self.number = number
        self.first, self.stop = first, stop
        self._text, self._begin = text, begin
        self._columns: list[int] | None = None
        self._pages: dict[int, Pages | None] = {}

    def pages(self, column: int) -> Pages | None:
        """Pages of a column; None where it is not stored in this cluster.

        Raises
        ------
        NotLeanError
            If a page is not in a file.
        ValueError
            If the list does not agree with itself.
        """
        if column not in self._pages:
            if self._columns is None:
                self._columns = self._find_columns()
            # Columns that were added later are missing at the end.
            known = column < len(self._columns)
            self._pages[column] = self._read(self._columns[column]) if known else None
        return self._pages[column]

    def _find_columns(self) -> list[int]:
        data, at = self._text.data, self._begin
        size, n = _LIST.unpack_from(data, at)
        end = min(at - size, self._text.end)
        at += _LIST.size
        out = []
        for _ in range(n):
            out.append(at)
            size = _OFFSET.unpack_from(data, at)[0]
            if size > -_LIST.size or at - size > end:
                msg = f"{self._text.what} holds a list of {-size} bytes for column {len(out) - 1} of cluster {self.number}"
                raise ValueError(msg)
            at -= size
        return out

    def _read(self, at: int) -> Pages | None:
        data = self._text.data
        size, n = _LIST.unpack_from(data, at)
        end = at - size
        at += _LIST.size
        if at + n * _PAGE.itemsize + _OFFSET.size > end:
            msg = f"{self._text.what} holds {n} pages in {-size} bytes"
            raise ValueError(msg)
        table = np.frombuffer(data, dtype=_PAGE, count=n, offset=at)
        after: int = at + table.nbytes
        sizes, offsets = table["size"].astype(np.int64), table["offset"].astype(np.int64)
        elements = table["elements"].astype(np.int64)
        if n and sizes.min() < 0:
            (elements, sizes, offsets), after = self._large(at, n)
        first: int = _OFFSET.unpack_from(data, after)[0]
        if first < 0:  # suppressed: another column holds the same content
            return None
        edges = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.abs(elements), out=edges[1:])
        return Pages(first, edges, offsets, sizes, elements < 0)

    def _large(self, at: int, n: int) -> tuple[npt.NDArray[np.int64], int]:
        """The same where there are locators of another length."""
        text = self._text
        text.at = at
        rows = np.empty((3, n), dtype=np.int64)
        for row in rows.T:
            elements = int.from_bytes(text.data[text.at : text.at + 4], "little", signed=True)
            text.at += 4
            where = text.locator()
            row[:] = elements, where.size, where.offset
        return rows, text.at


def read_clusters(group: Group, number: int, checksum: int, read: Reader) -> list[Cluster]:
    """The clusters of a group.

    Parameters
    ----------
    group
        Where its list of pages is.
    number
        Number of the first cluster in the ntuple.
    checksum
        That of the header.
    read
        How to get bytes of the file.

    Raises
    ------
    NotLeanError
        If clusters do not follow one another, entry by entry.
    ValueError
        If the list is damaged or of another ntuple.
    """
    what = f"the list of pages of the entries {group.first} to {group.first + group.entries}"
    text = Envelope(read, group.pages, group.length, PAGE_LIST, what)
    if text.word() != checksum:
        msg = f"{what} belongs to another header"
        raise ValueError(msg)
    ranges = []
    for _ in text.records():
        first, entries = _SUMMARY.unpack_from(text.data, text.at)
        if (entries >> 56) & _SHARDED:
            msg = f"{what} has clusters that share entries"
            raise NotLeanError(msg)
        ranges.append((first, first + (entries & (1 << 56) - 1)))
    out = []
    for k in text.items():
        begin = text.at
        size: int = _OFFSET.unpack_from(text.data, begin)[0]
        if k >= len(ranges) or size > -_LIST.size:
            msg = f"{what} does not agree with itself on cluster {number + k}"
            raise ValueError(msg)
        out.append(Cluster(number + k, *ranges[k], text, begin))
        text.at = begin - size
    edges = [group.first, *(cluster.stop for cluster in out)]
    if [cluster.first for cluster in out] != edges[:-1] or edges[-1] != group.first + group.entries:
        msg = f"{what} has clusters that do not follow one another"
        raise NotLeanError(msg)
    return out
