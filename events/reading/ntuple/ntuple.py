"""An RNTuple of which only the fields are read that are asked for."""

from __future__ import annotations

import bisect
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.events.formats.names import event_format
from massgap.events.reading.ntuple.clusters import Cluster, read_clusters
from massgap.events.reading.ntuple.encodings import INDICES, dtype_of
from massgap.events.reading.ntuple.envelopes import Locator, NotLeanError
from massgap.events.reading.ntuple.pages import PageReader, stored
from massgap.events.reading.ntuple.schema import COLLECTION, LEAF, RECORD, Anchor, read_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.events.reading.ntuple.schema import Column, Field
    from massgap.events.reading.raw.compressed import Reader

__all__ = ["LeanField", "LeanNtuple"]

_Array = npt.NDArray[Any]
_CARDINALITY = "ROOT::RNTupleCardinality<"


class LeanNtuple:
    """An ntuple whose pages are read field by field.

    Parameters
    ----------
    ntuple
        What uproot found in the file.
    read
        How to get bytes of the file; by default through uproot.

    Attributes
    ----------
    names
        Names of the fields at the top.
    num_entries
        Number of entries.

    Raises
    ------
    NotLeanError
        If it is written in a way that is not known here.
    ValueError
        If its header or footer is damaged.
    """

    def __init__(self, ntuple: Any, read: Reader | None = None) -> None:
        self.uproot = ntuple
        read = read or _through_uproot(ntuple)
        places = [
            Locator(int(ntuple.member(f"fSeek{part}")), int(ntuple.member(f"fNBytes{part}")))
            for part in ("Header", "Footer")
        ]
        lengths = [int(ntuple.member(f"fLen{part}")) for part in ("Header", "Footer")]
        self._schema = read_schema(Anchor(places[0], lengths[0], places[1], lengths[1]), read)
        self.names: set[str] = set(self._schema.top)
        groups = self._schema.groups
        self._edges = [0, *(group.first + group.entries for group in groups)]
        if [group.first for group in groups] != self._edges[:-1]:
            msg = "groups of clusters do not follow one another"
            raise NotLeanError(msg)
        self.num_entries = self._edges[-1]
        self._read = read
        self._clusters: dict[int, list[Cluster]] = {}
        self.pages = PageReader(read)

    @functools.cached_property
    def format(self) -> str:
        """Format of the events, by the names of the fields; UnknownFormatError if it is none that is known."""
        return event_format(self.names)

    def __getitem__(self, path: str) -> LeanField:
        """A field by its name, or by that of its collection or record, a dot, and its own.

        Raises
        ------
        KeyError
            If there is none.
        """
        fields = self._schema.fields
        top, _, rest = (path, "", "") if path in self._schema.top else path.partition(".")
        found = fields[self._schema.top[top]]
        if not rest:
            return LeanField(self, path, found, self._content(found))
        record = self._content(found)
        below = () if record is None or record.role != RECORD else record.below
        number = next(number for number in (*below, None) if number is None or fields[number].name == rest)
        if number is None:
            raise KeyError(path)
        field = fields[number]
        if found.role == COLLECTION:
            return LeanField(self, path, found, field)
        return LeanField(self, path, field, self._content(field))

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except KeyError:
            return False
        return True

    def _content(self, field: Field) -> Field | None:
        """What a list holds, or the field itself."""
        if field.role != COLLECTION:
            return field
        return self._schema.fields[field.below[0]] if len(field.below) == 1 else None

    def is_switched(self, path: str) -> bool:
        """Whether clusters hold a field at the top, or something in it, in different representations."""
        waiting = [self._schema.top[path if path in self._schema.top else path.partition(".")[0]]]
        while waiting:
            field = self._schema.fields[waiting.pop()]
            if any(column.representation for column in field.columns):
                return True
            waiting += field.below
        return False

    def clusters(self, start: int, stop: int) -> Iterator[tuple[Cluster, int, int]]:
        """Clusters that hold some of the entries ``start`` to ``stop``, and which."""
        groups = self._schema.groups
        if not 0 <= start <= stop <= self.num_entries:
            msg = f"entries {start} to {stop} are out of the range of the {self.num_entries} of the ntuple"
            raise ValueError(msg)
        for k in range(max(bisect.bisect_right(self._edges, start) - 1, 0), len(groups)):
            if groups[k].first >= stop:
                break
            if k not in self._clusters:
                number = sum(group.clusters for group in groups[:k])
                self._clusters[k] = read_clusters(groups[k], number, self._schema.checksum, self._read)
            for cluster in self._clusters[k]:
                low, high = max(start, cluster.first), min(stop, cluster.stop)
                if low < high:
                    yield cluster, low, high

    @property
    def cluster_edges(self) -> tuple[int, ...]:
        """Entries at which clusters begin, and the last one's end."""
        return (0, *(cluster.stop for cluster, _, _ in self.clusters(0, self.num_entries)))


class LeanField:
    """A field of an ntuple: one number per entry, a list of numbers per entry, or something else.

    Parameters
    ----------
    ntuple, path
        Whose, and which.
    outer
        The field that has one value, or one list, per entry.
    content
        What holds the numbers: the same, or what is in the list; None if that is something else.

    Attributes
    ----------
    title
        What the writer said about it.
    is_jagged
        Whether it has a list per entry.
    is_plain
        Whether it has numbers, and all about it is known here.
    """

    def __init__(self, ntuple: LeanNtuple, path: str, outer: Field, content: Field | None) -> None:
        self._ntuple, self.path = ntuple, path
        self.object_path = path  # as branches of uproot call it
        self.title = (content or outer).title or outer.title
        self.type_name = outer.type_name
        self.is_jagged = outer.role == COLLECTION and outer.type_name.partition("<")[0] not in _OPTIONS
        self._counts = outer.type_name.startswith(_CARDINALITY)
        self._lists: list[Column] = outer.columns if self.is_jagged or self._counts else []
        self._values: list[Column] = [] if content is None or self._counts else content.columns
        self.is_plain = _is_plain(self, outer, content)

    @property
    def list_columns(self) -> tuple[int, ...]:
        """Numbers of the columns that hold the ends of the lists: fields with the same ones share their lengths."""
        return tuple(column.number for column in self._lists)

    def offsets(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Where the lists of the entries ``start`` to ``stop`` begin in :meth:`flat`, shape (entries + 1,)."""
        out = np.zeros(stop - start + 1, dtype=np.int64)
        for cluster, low, high in self._ntuple.clusters(start, stop):
            # The ends are counted from the beginning of the cluster, and the first one's begin is there.
            ends = out[low - start + 1 : high - start + 1]
            self._fill(self._lists, cluster, low, high, ends)
            before = self._end(cluster, low)
            if before < 0 or ends[0] < before or (ends[1:] < ends[:-1]).any():
                msg = f"field {self.path} has lists in cluster {cluster.number} that end before they begin"
                raise ValueError(msg)
            ends += out[low - start] - before
        return out

    def _end(self, cluster: Cluster, entry: int) -> int:
        """Where the lists before an entry end, counted from the beginning of the cluster."""
        if entry == cluster.first:
            return 0
        end = np.empty(1, dtype=np.int64)
        self._fill(self._lists, cluster, entry - 1, entry, end)
        return int(end[0])

    def flat(self, start: int, stop: int) -> _Array:
        """The numbers of the entries ``start`` to ``stop``, one after the other, in native byte order.

        Raises
        ------
        NotLeanError, massgap.events.reading.raw.compressed.UnknownCompressionError
            If something about them is not known here.
        ValueError
            If they are damaged.
        """
        if self._counts:
            return np.diff(self.offsets(start, stop))
        spans = [self._span(*part) for part in self._ntuple.clusters(start, stop)]
        dtype = np.result_type(*(dtype_of(column) for column in self._values))
        out = np.empty(sum(high - low for _, low, high in spans), dtype=dtype)
        at = 0
        for cluster, low, high in spans:
            self._fill(self._values, cluster, low, high, out[at : at + high - low])
            at += high - low
        return out

    def _span(self, cluster: Cluster, low: int, high: int) -> tuple[Cluster, int, int]:
        """Which elements belong to entries ``low`` to ``high`` of a cluster."""
        if not self.is_jagged:
            return cluster, low, high
        found = stored(self._values, cluster)
        if found is None:  # not yet added: all lists are empty
            return cluster, 0, 0
        pages = found[1]
        begin = self._end(cluster, low)
        end = pages.edges[-1] if high == cluster.stop else self._end(cluster, high)
        if not 0 <= begin <= end <= pages.edges[-1]:
            msg = f"field {self.path} has lists outside of its {pages.edges[-1]} values in cluster {cluster.number}"
            raise ValueError(msg)
        return cluster, pages.first + begin, pages.first + end

    def _fill(self, columns: list[Column], cluster: Cluster, low: int, high: int, out: _Array) -> None:
        self._ntuple.pages.fill(columns, cluster, (low, high), out, self.path)

    def array(self, start: int = 0, stop: int | None = None, library: str = "ak") -> Any:
        """The entries as uproot reads them, of whatever type.

        Raises
        ------
        NotImplementedError
            If its representation changes from cluster to cluster, of which uproot makes other numbers.
        """
        if self._ntuple.is_switched(self.path):
            msg = "its encoding changes from cluster to cluster"
            raise NotImplementedError(msg)
        return self._ntuple.uproot[self.path].array(
            entry_start=start, entry_stop=stop, library=library, array_cache=None
        )


_OPTIONS = ("std::optional", "std::unique_ptr")  # lists of at most one, which uproot gives as missing values


def _is_plain(field: LeanField, outer: Field, content: Field | None) -> bool:
    """Whether all about a field is known."""
    if outer.repeated or content is None or content.repeated:
        return False
    if outer.role == COLLECTION and not field.is_jagged:
        return False
    try:
        if field._lists and not all(column.kind in INDICES for column in field._lists):
            return False
        if field._counts:
            return bool(field._lists)
        for column in field._values:
            dtype_of(column)
    except NotLeanError:
        return False
    # A column per representation: strings and others have two in each.
    alone = len({column.representation for column in field._values}) == len(field._values)
    return content.role == LEAF and alone and bool(field._values) and bool(field._lists) == field.is_jagged


def _through_uproot(ntuple: Any) -> Reader:
    return lambda begin, size: np.asarray(ntuple.file.source.chunk(begin, begin + size).raw_data)
