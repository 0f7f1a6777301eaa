"""What the header and the footer of an RNTuple describe: fields, columns, and groups of clusters."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from massgap.events.reading.ntuple.envelopes import (
    FOOTER,
    HEADER,
    Envelope,
    FeatureError,
    Locator,
    NotLeanError,
)

if TYPE_CHECKING:
    from massgap.events.reading.raw.compressed import Reader

__all__ = ["COLLECTION", "LEAF", "RECORD", "Anchor", "Column", "Field", "Group", "Schema", "read_schema"]

LEAF, COLLECTION, RECORD = 0, 1, 2
"""Structural roles of fields."""

# The records begin with their size.
_FIELD = struct.Struct("<qIIIHH")
_COLUMN = struct.Struct("<qHHIHH")
_ALIAS = struct.Struct("<qII")
_LENGTH = struct.Struct("<I")
_GROUP = struct.Struct("<QQI")
_RANGE = struct.Struct("<dd")
_REPEATED = 1
_DEFERRED, _RANGED = 1, 2


@dataclass(frozen=True)
class Anchor:
    """Where header and footer are, and how long they are when unpacked, in bytes."""

    header: Locator
    header_length: int
    footer: Locator
    footer_length: int


@dataclass(slots=True)
class Column:
    """A column: a sequence of elements of one type.

    Attributes
    ----------
    number
        Its number in the ntuple.
    kind, bits
        Type of its elements, and how many bits each takes in a page.
    representation
        A field may have several columns of the same content, of which each cluster holds one.
    first
        The first element that is stored; those before are zero.
    low, high
        Range of the values, where they are quantised.
    """

    number: int
    kind: int
    bits: int
    representation: int
    first: int = 0
    low: float = 0.0
    high: float = 0.0


@dataclass(slots=True)
class Field:
    """A field: a name for a column, or for what is below it.

    Attributes
    ----------
    name, title, type_name
        As the writer gave them.
    role
        :data:`LEAF`, :data:`COLLECTION`, :data:`RECORD` or another number.
    repeated
        Whether an entry holds a fixed number of them.
    columns
        Columns; those of a projected field are of the field that it shows.
    below
        Numbers of the fields below.
    """

    name: str
    title: str
    type_name: str
    role: int
    repeated: bool
    columns: list[Column] = field(default_factory=list)
    below: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """A group of clusters: its first entry, how many entries and clusters there are, and where its pages are listed."""

    first: int
    entries: int
    clusters: int
    pages: Locator
    length: int


@dataclass
class Schema:
    """All of it.

    Attributes
    ----------
    fields, columns
        By their numbers.
    top
        Name -> number of the fields at the top.
    groups
        Groups of clusters.
    checksum
        Checksum of the header, which the lists of pages repeat.
    """

    fields: list[Field] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    top: dict[str, int] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    checksum: int = 0


def read_schema(anchor: Anchor, read: Reader) -> Schema:
    """Read header and footer.

    Parameters
    ----------
    anchor
        Where they are.
    read
        How to get bytes of the file.

    Raises
    ------
    FeatureError
        If the writer used features of the format without which it must not be read.
    NotLeanError
        If something else is not known here.
    ValueError
        If they are damaged.
    """
    schema = Schema()
    header = Envelope(read, anchor.header, anchor.header_length, HEADER, "the header of the ntuple")
    flags = header.flags()
    for _ in range(3):  # name, description, writer
        header.skip_text()
    _read_description(header, schema)
    schema.checksum = header.checksum
    footer = Envelope(read, anchor.footer, anchor.footer_length, FOOTER, "the footer of the ntuple")
    flags |= footer.flags()
    if flags:
        msg = f"the ntuple has features that are not known (flags {flags:#x})"
        raise FeatureError(msg)
    if footer.word() != schema.checksum:
        msg = "the footer of the ntuple belongs to another header"
        raise ValueError(msg)
    end = footer.record_end(footer.peek())
    footer.long()
    if footer.at < end:
        _read_description(footer, schema)
    footer.at = end
    for _ in footer.records():
        first, entries, clusters = _GROUP.unpack_from(footer.data, footer.at)
        footer.at += _GROUP.size
        length = footer.word()
        schema.groups.append(Group(first, entries, clusters, footer.locator(), length))
    return schema


def _read_description(text: Envelope, schema: Schema) -> None:
    """Fields, columns and aliases; what is known of types for ROOT's own use follows and is left out.

    There are thousands of them: no function is called for what can be said in place.
    """
    data, fields = text.data, schema.fields
    for _ in text.items():
        size, _, _, parent, role, flags = _FIELD.unpack_from(data, text.at)
        end = text.record_end(size)
        at = text.at + _FIELD.size
        strings = []
        for _ in range(4):  # name, type, the type as its programmer wrote it, title
            at += 4 + _LENGTH.unpack_from(data, at)[0]
            strings.append(at)
        name = data[text.at + _FIELD.size + 4 : strings[0]].decode("utf-8", "replace")
        type_name = data[strings[0] + 4 : strings[1]].decode("utf-8", "replace")
        title = data[strings[2] + 4 : strings[3]].decode("utf-8", "replace")
        number, repeated = len(fields), bool(flags & _REPEATED)
        fields.append(Field(name, title, type_name, role, repeated))
        if parent == number:
            schema.top[name] = number
        elif parent < number:
            fields[parent].below.append(number)
        else:
            msg = f"{text.what} has field {name} below a field that comes later"
            raise NotLeanError(msg)
        text.at = end
    for _ in text.items():
        size, kind, bits, owner, flags, representation = _COLUMN.unpack_from(data, text.at)
        end = text.record_end(size)
        text.at += _COLUMN.size
        column = Column(len(schema.columns), kind, bits, representation)
        if flags & _DEFERRED:
            # Negative for a representation that came later: what is before is in another one.
            column.first = max(text.long(), 0)
        if flags & _RANGED:
            column.low, column.high = _RANGE.unpack_from(data, text.at)
        schema.columns.append(column)
        fields[owner].columns.append(column)
        text.at = end
    for _ in text.items():
        size, physical, owner = _ALIAS.unpack_from(data, text.at)
        fields[owner].columns.append(schema.columns[physical])
        text.at = text.record_end(size)
