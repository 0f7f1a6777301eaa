"""Open a TTree without reading the description of every branch.

Before it gives out a tree, uproot reads all its branches: 0.6 ms of CPU each, 1.5 s for a NanoAOD file with 2,600 of
them, for an analysis that reads thirty.  Here only the names are read, and uproot reads a branch when it is asked for.

How.  In ROOT's byte stream every object begins with its length, so that branches can be skipped.  Later objects
refer to classes and objects in earlier ones by their position, though: such a class name is looked up at that
position, and for such an object the branch that holds it is read (:class:`_References`).
"""

from __future__ import annotations

import bisect
import functools
from typing import TYPE_CHECKING, Any, Self

import uproot
from uproot.deserialization import read_object_any
from uproot.models.TObjArray import Model_TObjArray
from uproot.source.cursor import Cursor

from massgap.events.errors import FileProblem
from massgap.events.formats.names import event_format
from massgap.events.reading.ntuple.envelopes import FeatureError, NotLeanError
from massgap.events.reading.ntuple.ntuple import LeanNtuple
from massgap.events.reading.raw.branch import lean_branch
from massgap.events.reading.raw.local import open_root

if TYPE_CHECKING:
    from massgap.events.reading.raw.compressed import Reader

__all__ = ["LeanFile", "LeanTree"]

_MAP_OFFSET = 2  # ROOT's kMapOffset, from which references count positions
_NEW_CLASS = 0xFFFFFFFF
_CLASS = 0x80000000
_HAS_LENGTH = 0x40000000
_IS_REFERENCED = 1 << 4  # TObject::kIsReferenced: two more bytes follow
_BEFORE_TOBJECT = {"TBranch": 12, "TBranchElement": 18}  # lengths and versions of the class and its bases


class _NotLeanError(Exception):
    """The tree is not written as expected: it is read as a whole."""


class _References(dict[int, Any]):
    """Classes and objects by position, found when they are asked for."""

    def __init__(self, branches: _Branches) -> None:
        super().__init__()
        self.branches = branches

    def __contains__(self, reference: object) -> bool:
        return super().__contains__(reference) or self.branches.resolve(reference)


class _Branches(Model_TObjArray):
    """The branches of a tree, of which only names and positions are read; other lists as ever."""

    _begin, _bytes = 0, b""
    """The list as it is in the file: uproot's own way to a few bytes takes a thousand times as long."""

    def read_members(self, chunk: Any, cursor: Any, context: Any, file: Any) -> None:
        """Read the list, or skip through it if it is a tree's own."""
        tree = self._parent
        if not isinstance(tree, uproot.behaviors.TTree.TTree):
            super().read_members(chunk, cursor, context, file)
            return
        end = self._cursor.index + 4 + (self._word(chunk, self._cursor.index) & ~_HAS_LENGTH)
        self._data: list[Any] = []
        if getattr(tree, "_massgap_branches", None) is not None:
            # The second list, of all leaves, refers to what is in the first.
            self._members.update(fName="", fSize=0, fLowerBound=0)
            cursor.move_to(end)
            return
        tree._massgap_branches = self
        self._chunk, self._context, self._open_file, self._tree = chunk, dict(context), file, tree
        self._origin = cursor.origin
        cursor._refs = self._references = _References(self)
        self._begin, self._bytes = cursor.index, chunk.get(cursor.index, end, cursor, {}).tobytes()
        # TObject, name, number, lower bound
        at = cursor.index + self._tobject(cursor.index)
        at += 1 + self._byte(at)
        n = self._word(chunk, at)
        self._members.update(fName="", fSize=0, fLowerBound=0)
        at += 8
        self.names: dict[str, int] = {}
        self.starts: list[int] = []
        self._read: dict[int, Any] = {}
        self._lean: dict[int, Any] = {}
        self._bodies: list[int] = []
        classes: dict[int, str] = {}
        for number in range(n):
            size, tag = self._word(chunk, at), self._word(chunk, at + 4)
            if not size & _HAS_LENGTH:
                raise _NotLeanError
            begin = at + 8
            if tag == _NEW_CLASS:
                text = self._text(begin)
                classes[at + 4 - self._origin + _MAP_OFFSET] = text
                begin += len(text) + 1
                kind = text
            elif tag & _CLASS:
                kind = classes.get(tag & ~_CLASS) or self._class_at(tag & ~_CLASS)
            else:
                raise _NotLeanError
            if kind not in _BEFORE_TOBJECT:
                raise _NotLeanError
            self._bodies.append(begin if kind == "TBranch" else 0)
            begin += _BEFORE_TOBJECT[kind]
            begin += self._tobject(begin)
            length, begin = self._byte(begin), begin + 1
            if length == 255:
                length, begin = self._word(chunk, begin), begin + 4
            name = self._part(chunk, begin, length).decode()
            self.names.setdefault(name, number)
            self.starts.append(at)
            at += 4 + (size & ~_HAS_LENGTH)
        if at != end:
            raise _NotLeanError
        cursor.move_to(end)

    def _part(self, chunk: Any, at: int, size: int) -> bytes:
        begin = at - self._begin
        if 0 <= begin <= len(self._bytes) - size:
            return self._bytes[begin : begin + size]
        return bytes(chunk.get(at, at + size, Cursor(at), {}).tobytes())

    def _word(self, chunk: Any, at: int) -> int:
        return int.from_bytes(self._part(chunk, at, 4), "big")

    def _byte(self, at: int) -> int:
        return self._part(self._chunk, at, 1)[0]

    def _text(self, at: int) -> str:
        """A string that ends with a zero, of a class name's length."""
        return self._part(self._chunk, at, 64).split(b"\0")[0].decode()

    def _tobject(self, at: int) -> int:
        """Length of the TObject there: version, identifier, bits."""
        return 12 if self._word(self._chunk, at + 6) & _IS_REFERENCED else 10

    def _class_at(self, reference: int) -> str:
        at = self._origin + reference - _MAP_OFFSET
        if not self._origin <= at < self._chunk.stop or self._word(self._chunk, at) != _NEW_CLASS:
            return ""
        return self._text(at + 4)

    def resolve(self, reference: Any) -> bool:
        """Find the class or object at a position; False if there is none."""
        name = self._class_at(reference)
        if name:
            dict.__setitem__(self._references, reference, self._open_file.class_named(name))
            return True
        at = self._origin + reference - _MAP_OFFSET
        number = bisect.bisect_right(self.starts, at) - 1
        if number < 0 or number in self._read:
            return False
        self.branch(number)
        return dict.__contains__(self._references, reference)

    def lean(self, number: int) -> Any:
        """The same without uproot, where it is a branch of plain numbers."""
        if number not in self._lean:
            begin = self._bodies[number]
            found = None
            if begin:
                whole = functools.partial(self.branch, number)
                found = lean_branch(self._bytes, begin - self._begin, self._class_at, whole)
            self._lean[number] = self.branch(number) if found is None else found
        return self._lean[number]

    def branch(self, number: int) -> Any:
        """The branch with this number, read on first use."""
        if number not in self._read:
            self._read[number] = None  # in the making: a branch that refers to itself must not begin again
            cursor = Cursor(self.starts[number], origin=self._origin, refs=self._references)
            context = dict(self._context)
            try:
                branch = read_object_any(
                    self._chunk, cursor, context, self._open_file, self._tree._file, self._tree
                )
            except BaseException:
                # The same error when it is asked for again, and not a branch that is missing.
                del self._read[number]
                raise
            branch._index = number  # its place among its siblings, which uproot would count
            self._read[number] = branch
        return self._read[number]


_Branches.__name__ = "Model_TObjArray"  # uproot takes the name of ROOT's class from it


def _classes() -> dict[str, Any]:
    """uproot's classes for one file alone.

    For a version that it does not know, which a damaged byte can pretend, uproot writes a class and puts it in
    the place of its own: no other file could be read by this process any more.
    """
    out = dict(uproot.classes)
    for name, cls in uproot.classes.items():
        if isinstance(cls, type) and issubclass(cls, uproot.model.DispatchByVersion):
            known: Any = cls
            own = {"known_versions": dict(known.known_versions), "__module__": cls.__module__}
            out[name] = type(cls.__name__, (cls,), own)
    return out


class LeanTree:
    """A tree whose branches are read one by one: names, number of entries, and branches as uproot gives them, or as they are.

    Attributes
    ----------
    names
        Names of the branches at the top of the tree.
    num_entries
        Number of entries.
    """

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._lean = getattr(tree, "_massgap_branches", None)
        self.names: set[str] = set(self._lean.names if self._lean is not None else tree.keys(recursive=False))
        self.num_entries = int(tree.member("fEntries"))

    @functools.cached_property
    def format(self) -> str:
        """Format of the events, by the names of the branches; UnknownFormatError if it is none that is known."""
        return event_format(self.names)

    def __getitem__(self, path: str) -> Any:
        """The branch with a name, or with a path such as ``Jet/Jet.PT``."""
        if self._lean is None:
            return self._tree[path]
        # The name of a branch may hold a slash itself.
        top, _, rest = (path, "", "") if path in self._lean.names else path.partition("/")
        branch = self._lean.lean(self._lean.names[top])
        return branch[rest] if rest else branch

    @property
    def is_lean(self) -> bool:
        """Whether branches are read one by one."""
        return self._lean is not None


class LeanFile:
    """A ROOT file whose trees are read branch by branch.

    Parameters
    ----------
    path
        Local path or URL.

    Attributes
    ----------
    file
        The file as uproot gives it.  Take trees from :meth:`tree` and not from here.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = open_root(path, custom_classes={**_classes(), "TObjArray": _Branches})
        self._whole: Any = None

    def tree(self, name: str) -> LeanTree | None:
        """A TTree of the file; None for an RNTuple."""
        try:
            tree = self.file[name]
            return LeanTree(tree) if isinstance(tree, uproot.behaviors.TTree.TTree) else None
        except Exception:  # noqa: BLE001 - whatever is unusual about the file, uproot's own way has the last word
            tree = self.whole[name]
        return LeanTree(tree) if isinstance(tree, uproot.behaviors.TTree.TTree) else None

    def ntuple(self, name: str, read: Reader | None = None) -> LeanNtuple | None:
        """An RNTuple of the file; None where it is written in a way that only uproot may know.

        Parameters
        ----------
        name
            Its name.
        read
            How to get bytes of the file; by default through uproot.

        Raises
        ------
        FileProblem
            If it is of a format that came before or after RNTuple 1.0.
        """
        found = self.file[name]
        if not isinstance(found, uproot.behaviors.RNTuple.RNTuple):
            msg = (
                f"{self.path}: {name} is a {found.classname}, which cannot be read; RNTuples can that were written by "
                "ROOT 6.34 or newer, or by uproot. Write the file anew with one of them"
            )
            raise FileProblem(msg)
        try:
            return LeanNtuple(found, read)
        except NotLeanError:
            return None
        except FeatureError as error:
            msg = f"{self.path}: {error}; update massgap, or write the file anew with an older ROOT"
            raise FileProblem(msg) from error

    @property
    def whole(self) -> Any:
        """The file once more, with trees that are read as a whole."""
        if self._whole is None:
            self._whole = open_root(self.path, custom_classes=_classes())
        return self._whole

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        if self._whole is not None:
            self._whole.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
