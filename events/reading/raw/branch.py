"""Branches of plain numbers, described from their bytes in 0.05 ms each; uproot takes 0.45 ms.

What ROOT writes of a branch that holds one number per event, or a list of them, is read here: where its baskets are and
of which type the numbers are.  Whatever else there is, or is written in another way than ROOT 6 and uproot do, is left to
uproot, to which a branch also hands on what it does not know itself.  Source: ROOT's streamers of TBranch 13 and TLeaf 2.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LeanBranch", "Plain", "lean_branch"]

_HAS_LENGTH = 0x40000000
_NEW_CLASS = 0xFFFFFFFF
_CLASS = 0x80000000
_IS_REFERENCED = 1 << 4  # TObject::kIsReferenced: two more bytes follow
_BRANCH_VERSION, _LEAF_VERSION = 13, 2

_FIRST = struct.Struct(">iiiiq")  # fCompress, fBasketSize, fEntryOffsetLen, fWriteBasket, fEntryNumber
_SECOND = struct.Struct(
    ">iIiqqqq"
)  # fOffset, fMaxBaskets, fSplitLevel, fEntries, fFirstEntry, fTotBytes, fZipBytes
_LEAF = struct.Struct(">iii??")  # fLen, fLenType, fOffset, fIsRange, fIsUnsigned
_ONE_LIST = re.compile(r"[^\[\]]*\[[^\[\]]*[^\[\]0-9][^\[\]]*\][^\[\]]*")  # of a counter, not of a fixed size
_TYPES = {"TLeafO": "?", "TLeafB": "i1", "TLeafS": "i2", "TLeafI": "i4", "TLeafL": "i8", "TLeafG": "i8", "TLeafF": "f4", "TLeafD": "f8"}  # fmt: skip


class Plain(NamedTuple):
    """What every chunk asks of a branch of plain numbers.

    Attributes
    ----------
    stored
        Type of the numbers in the file.
    jagged
        Whether there is a list per event.
    edges
        Entries at which baskets begin, and the end of the last one.
    seeks, sizes
        Where the baskets are, and their numbers of bytes.
        Those that come after are within the tree.
    """

    stored: np.dtype[Any]
    jagged: bool
    edges: list[int]
    seeks: list[int]
    sizes: list[int]


class LeanBranch:
    """A branch of plain numbers, all baskets of which have places of their own.

    Parameters
    ----------
    name, title
        Of the branch.
    plain
        Its numbers.
    whole
        Function that gives the branch as uproot does: whatever is not here is asked of it.
    """

    def __init__(self, name: str, title: str, plain: Plain, whole: Callable[[], Any]) -> None:
        self.name, self.title = name, title
        self.entry_offsets, self.num_baskets = plain.edges, len(plain.seeks)
        self._massgap_plain = plain
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._whole(), name)

    # Python looks for these on the class alone.
    def __contains__(self, name: object) -> bool:
        return name in self._whole()

    def __getitem__(self, name: str) -> Any:
        return self._whole()[name]


class _OtherError(Exception):
    """The branch is another one than those that are read here."""


def lean_branch(
    data: bytes, at: int, class_at: Callable[[int], str], whole: Callable[[], Any]
) -> LeanBranch | None:
    """A branch from the bytes of a tree; None for one that is left to uproot.

    Parameters
    ----------
    data
        The bytes of the tree's list of branches.
    at
        Where the branch begins in them, after its length and class.
    class_at
        Function that gives the name of the class at a position to which ROOT refers.
    whole
        Function that gives the branch as uproot does.
    """
    try:
        return _Parser(data, at, class_at).branch(whole)
    except (_OtherError, struct.error, ValueError):
        return None


class _Parser:
    """A position in the bytes of a tree that goes on with what is read."""

    def __init__(self, data: bytes, at: int, class_at: Callable[[int], str]) -> None:
        self.data, self.at, self.class_at = data, at, class_at

    def numbers(self, form: struct.Struct) -> tuple[Any, ...]:
        out = form.unpack_from(self.data, self.at)
        self.at += form.size
        return out

    def word(self) -> int:
        return int(self.numbers(_WORD)[0])

    def text(self) -> str:
        size = self.data[self.at] if self.at < len(self.data) else 0
        self.at += 1
        if size == 255:
            size = self.word()
        found = self.data[self.at : self.at + size]
        self.at += size
        return found.decode("utf-8", errors="surrogateescape")

    def begin(self, version: int | None = None) -> int:
        """Where an object ends that begins here; its version must be this one."""
        size, found = self.numbers(_HEAD)
        if not size & _HAS_LENGTH or (version is not None and found != version):
            raise _OtherError
        return int(self.at - 2 + (size & ~_HAS_LENGTH))

    def end(self, at: int) -> None:
        if self.at != at:
            raise _OtherError

    def skip(self) -> None:
        self.at = self.begin()

    def tobject(self) -> None:
        _, _, bits = self.numbers(_TOBJECT)
        self.at += 2 if bits & _IS_REFERENCED else 0

    def named(self) -> tuple[str, str]:
        end = self.begin(1)
        self.tobject()
        name, title = self.text(), self.text()
        self.end(end)
        return name, title

    def objects(self) -> tuple[int, int]:
        """Number of objects of a list, and where it ends."""
        end = self.begin()
        self.tobject()
        self.text()
        n, _ = self.numbers(_TWO)
        return n, end

    def branch(self, whole: Callable[[], Any]) -> LeanBranch:
        end = self.begin(_BRANCH_VERSION)
        name, title = self.named()
        self.skip()  # TAttFill
        writing = self.numbers(_FIRST)[3]
        self.skip()  # TIOFeatures
        _, most, _, entries, _, _, _ = self.numbers(_SECOND)
        branches, after = self.objects()
        self.end(after)
        stored, jagged = self.leaf()
        _, after = self.objects()
        # Of baskets within the tree ROOT leaves empty places.
        if branches or name.endswith("fBits") or any(self.data[self.at : after]):
            raise _OtherError
        self.at = after
        sizes, edges, seeks = self.array(">i4", most), self.array(">i8", most), self.array(">i8", most)
        self.text()
        self.end(end)
        empty = np.flatnonzero(seeks == 0)
        n = min(len(seeks), writing if writing >= 0 else len(seeks), *empty[:1].tolist())
        if n >= len(edges) or edges[n] != entries or (not n and entries):
            raise _OtherError
        begins = edges[: n + 1].tolist() if n else [0]
        return LeanBranch(
            name, title, Plain(stored, jagged, begins, seeks[:n].tolist(), sizes[:n].tolist()), whole
        )

    def array(self, kind: str, n: int) -> np.ndarray[Any, np.dtype[Any]]:
        # A byte that says whether there is anything.
        out = np.frombuffer(self.data, dtype=kind, count=n, offset=self.at + 1)
        self.at += 1 + out.nbytes
        return out

    def leaf(self) -> tuple[np.dtype[Any], bool]:
        """Type of the numbers, and whether there is a list per event."""
        n, after = self.objects()
        size, tag = self.numbers(_TAG)
        if n != 1 or not size & _HAS_LENGTH:
            raise _OtherError
        if tag == _NEW_CLASS:
            stop = self.data.index(b"\0", self.at)
            kind, self.at = self.data[self.at : stop].decode(), stop + 1
        elif tag & _CLASS:
            kind = self.class_at(tag & ~_CLASS)
        else:
            raise _OtherError
        if kind not in _TYPES:
            raise _OtherError
        self.begin()
        self.begin(_LEAF_VERSION)
        _, title = self.named()
        length, _, _, _, unsigned = self.numbers(_LEAF)
        jagged = self.word() != 0  # a counter, wherever it is
        # Neither fixed-size arrays nor what a counter and a title disagree about.
        if length != 1 or bool(_ONE_LIST.fullmatch(title)) != jagged or ("[" in title and not jagged):
            raise _OtherError
        self.at = after
        word = _TYPES[kind]
        return np.dtype(word.replace("i", "u") if unsigned else word).newbyteorder(">"), jagged


_WORD, _HEAD, _TOBJECT, _TWO, _TAG = map(struct.Struct, (">I", ">IH", ">HII", ">ii", ">II"))
