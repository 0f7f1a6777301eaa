"""The columns of a range of entries of a TTree: what coffea's NanoEvents gives, without building an events object.

A NanoEvents object describes all branches of a file anew for every chunk (0.2 to 1.2 s); an analysis of massgap
reads some thirty of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.events.columns import Columns
from massgap.events.errors import MissingBranchError
from massgap.events.formats.names import DELPHES, collection_names, event_format, flat_names
from massgap.events.reading.baskets import Reader, flat_branch, is_jagged, is_plain

if TYPE_CHECKING:
    from massgap.events.reading.tree import LeanTree

__all__ = ["TreeColumns"]


class TreeColumns(Columns):
    """Columns of the entries ``start`` to ``stop`` of a tree.

    Parameters
    ----------
    tree
        A :class:`massgap.events.reading.tree.LeanTree`.
    start, stop
        Range of entries.
    metadata
        What a processor finds as ``events.metadata``: dataset, file name and the rest.
    read
        How to get bytes of the file; by default through uproot.

    Raises
    ------
    massgap.events.errors.UnknownFormatError
        If the branches are those of no format that can be read.
    """

    def __init__(
        self,
        tree: LeanTree,
        start: int,
        stop: int,
        metadata: dict[str, Any] | None = None,
        read: Reader | None = None,
    ) -> None:
        self.metadata = dict(metadata or {})
        name = self.metadata.get("filename", "")
        self.where = f"{name} (entries {start} to {stop})" if name else ""
        self._tree = tree
        self._start, self._stop = start, stop
        self._read = read
        self._fields = tree.names
        self.format = event_format(self._fields)
        self._flat: dict[str, npt.NDArray[Any]] = {}
        self._offsets: dict[str, npt.NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return self._stop - self._start

    def _find(self, collection: str, field: str) -> str | None:
        if not collection:
            return field if field in self._fields else None
        for path in flat_names(self.format, collection, field):
            if path in self._fields:
                return path
            # A branch within another one: Jet.PT of Delphes in Jet, the fields of a container without decorations.
            top, slash, branch = path.partition("/")
            if slash and top in self._fields and branch in self._tree[top]:
                return path
        return None

    def collections_with(self, field: str) -> list[str]:
        """Names of the collections of the file that have a field, as the file calls them."""
        names = collection_names(self.format, self._fields)
        if self.format == DELPHES:
            # Each collection has a branch of sizes; a flat skim has none, and nothing but what may be one.
            names = [name for name in names if f"{name}_size" in self._fields] or names
        return [name for name in names if self.has(name, field)]

    def _branch(self, collection: str, field: str) -> Any:
        path = self._find(collection, field)
        if path is None:
            raise MissingBranchError(self.branch_name(collection, field), self.where)
        return self._tree[path]

    def _generic(self, branch: Any) -> ak.Array:
        return branch.array(entry_start=self._start, entry_stop=self._stop, library="ak", array_cache=None)

    def _locate(self, collection: str, field: str) -> Any | None:
        path = self._find(collection, field)
        if path is None:
            return None
        branch = self._tree[path]
        if not is_plain(branch):
            return self._generic(branch)
        content = ak.contents.NumpyArray(self.flat(collection, field))
        if not is_jagged(branch):
            return ak.Array(content)
        offsets = self.offsets(collection, field)
        if offsets[-1] != len(content):
            name = self.branch_name(collection, field)
            msg = (
                f"{self.where or 'the events'}: branch {name} has {len(content)} values, but the events have "
                f"{offsets[-1]} objects; the file is damaged."
            )
            raise SelectionError(msg)
        return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), content))

    def has(self, collection: str, field: str) -> bool:
        """Whether the file has the column (an empty ``collection`` means an event-level column)."""
        return self._find(collection, field) is not None

    def title(self, collection: str, field: str) -> str:
        """The title of the branch."""
        path = self._find(collection, field)
        return "" if path is None else str(self._tree[path].title)

    def flat(self, collection: str, field: str) -> npt.NDArray[Any]:
        """The column as it is stored, all events one after the other; read once."""
        branch = self._branch(collection, field)
        key = str(branch.object_path)
        if key not in self._flat:
            if is_plain(branch):
                self._flat[key] = flat_branch(branch, self._start, self._stop, self._read)
            else:
                self._flat[key] = np.asarray(ak.to_numpy(ak.flatten(self._generic(branch), axis=None)))
        return self._flat[key]

    def offsets(self, collection: str, field: str) -> npt.NDArray[np.int64]:
        """Where the objects of each event begin, shape (events + 1,)."""
        # The columns of a collection share their counts; lists that belong to the event, as PSWeight, do not.
        key = collection or field
        if key not in self._offsets:
            branch = self._branch(collection, field)
            counter = f"n{key}"
            if self._counts(counter):
                counts = self.flat("", counter)
            else:
                array = self._generic(branch)
                counts = np.asarray(ak.num(array, axis=1))
                if array.ndim == 2 and not array.fields:
                    # Vectors of a container: its offsets are asked for first, and its values then.
                    self._flat.setdefault(
                        str(branch.object_path), np.asarray(ak.to_numpy(ak.flatten(array, axis=None)))
                    )
            offsets = np.zeros(len(counts) + 1, dtype=np.int64)
            np.cumsum(counts, out=offsets[1:])
            if len(counts) and counts.min() < 0:
                msg = f"{self.where or 'the events'}: {counter} has negative values; the file is damaged."
                raise SelectionError(msg)
            self._offsets[key] = offsets
        return self._offsets[key]

    def _counts(self, name: str) -> bool:
        """Whether a branch of this name can hold numbers of objects: one integer per event."""
        if name not in self._fields:
            return False
        branch = self._tree[name]
        return is_plain(branch) and not is_jagged(branch) and branch.interpretation.from_dtype.kind in "iu"
