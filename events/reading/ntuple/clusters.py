"""Clusters of an RNTuple, and the places of the pages of one column in them.

A file has a page description for every page of every column: of a NanoAOD file some 10^5, of which an analysis needs
some hundred.  Here only the lengths of the lists are looked at until a column is asked for.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgap.events.reading.ntuple.envelopes import PAGE_LIST, Envelope, NotLeanError

if TYPE_CHECKING:
    from massgap.events.reading.compressed import Reader
    from massgap.events.reading.ntuple.schema import Group

__all__ = ["Cluster", "Pages", "read_clusters"]

_SUMMARY = struct.Struct("<QQ")
_LIST = struct.Struct("<qI")
_OFFSET = struct.Struct("<q")
_SHARDED = 1
_PAGE = struct.Struct("<iiQ")  # number of elements, negative where a checksum follows; size; position


@dataclass(frozen=True)
class Pages:
    """The pages of a column in a cluster.

    Attributes
    ----------
    first
        Number of the first element, counted over the whole ntuple.
    edges
        Where the elements of each page begin, counted from ``first``, and where the last one's end.
    places
        Where each page is in the file, its size there in bytes, and whether a checksum of 8 bytes follows it.
    """

    first: int
    edges: list[int]
    places: list[tuple[int, int, bool]]


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
            known = column < len(self._columns) - 1
            self._pages[column] = self._read(*self._columns[column : column + 2]) if known else None
        return self._pages[column]

    def _find_columns(self) -> list[int]:
        """Where the list of each column begins, and where the last one ends."""
        data, at = self._text.data, self._begin
        size, n = _LIST.unpack_from(data, at)
        end = min(at - size, self._text.end)
        at += _LIST.size
        out = [at]
        # Thousands of times per cluster: what is wrong is looked for afterwards.
        for _ in range(n):
            if at > end:
                break
            at -= _OFFSET.unpack_from(data, at)[0]
            out.append(at)
        if at > end or len(out) != n + 1 or any(b - a < _LIST.size for a, b in itertools.pairwise(out)):
            msg = f"{self._text.what} holds lists of pages that do not fit into cluster {self.number}"
            raise ValueError(msg)
        return out

    def _read(self, at: int, end: int) -> Pages | None:
        data = self._text.data
        _, n = _LIST.unpack_from(data, at)
        at += _LIST.size
        after = at + n * _PAGE.size
        if after + _OFFSET.size > end:
            msg = f"{self._text.what} holds {n} pages in {end - at} bytes"
            raise ValueError(msg)
        rows = list(_PAGE.iter_unpack(data[at:after]))
        if any(size < 0 for _, size, _ in rows):
            rows, after = self._large(at, n)
        first: int = _OFFSET.unpack_from(data, after)[0]
        if first < 0:  # suppressed: another column holds the same content
            return None
        edges = [0, *itertools.accumulate(abs(elements) for elements, _, _ in rows)]
        return Pages(first, edges, [(offset, size, elements < 0) for elements, size, offset in rows])

    def _large(self, at: int, n: int) -> tuple[list[tuple[int, int, int]], int]:
        """The same where there are locators of another length."""
        text = self._text
        text.at = at
        rows = []
        for _ in range(n):
            elements = int.from_bytes(text.data[text.at : text.at + 4], "little", signed=True)
            text.at += 4
            where = text.locator()
            rows.append((elements, where.size, where.offset))
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
