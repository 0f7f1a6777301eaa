"""The columns of a range of entries of a TTree: what coffea's NanoEvents gives, without building an events object.

A NanoEvents object describes all branches of a file anew for every chunk (0.2 to 1.2 s); an analysis of massgap
reads some thirty of them.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.arrays.kernels.summing import running_total
from massgap.events.columns import Columns
from massgap.events.errors import MissingBranchError
from massgap.events.formats.names import DELPHES, collection_names, flat_names
from massgap.events.reading.baskets import (
    Reader,
    checked_branch,
    flat_branch,
    is_jagged,
    is_plain,
    stored_type,
)
from massgap.events.reading.raw.native import finite_limits

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from massgap.events.reading.tree import LeanTree

__all__ = ["TreeColumns"]

_FLOATS = (np.dtype(">f4"), np.dtype(">f8"))


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
        self.format = tree.format
        self._flat: dict[str, npt.NDArray[Any]] = {}
        # Collections keep what they need of their columns; what a flag was made of is then given back.
        self._held: weakref.WeakValueDictionary[str, npt.NDArray[Any]] = weakref.WeakValueDictionary()
        # Read to be compared with counts, and not asked for since.
        self._compared: dict[str, npt.NDArray[Any]] = {}
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

    def _path(self, collection: str, field: str) -> str:
        path = self._find(collection, field)
        if path is None:
            raise MissingBranchError(self.branch_name(collection, field), self.where)
        return path

    def _branch(self, collection: str, field: str) -> Any:
        return self._tree[self._path(collection, field)]

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
            raise self.miscounted(collection, field, len(content), int(offsets[-1]))
        return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), content))

    def has(self, collection: str, field: str) -> bool:
        """Whether the file has the column (an empty ``collection`` means an event-level column)."""
        return self._find(collection, field) is not None

    def has_lists(self, collection: str, field: str) -> bool:
        """Whether the column has a list for each event, instead of one number."""
        path = self._find(collection, field)
        return path is not None and bool(is_jagged(self._tree[path]))

    def title(self, collection: str, field: str) -> str:
        """The title of the branch."""
        path = self._find(collection, field)
        return "" if path is None else str(self._tree[path].title)

    def flat(self, collection: str, field: str) -> npt.NDArray[Any]:
        """The column as it is stored, all events one after the other; not read again while somebody holds it."""
        key = self._path(collection, field)
        values = self._known(collection, key)
        if values is None:
            values = self._kept(collection)[key] = self._stored(self._tree[key])
        return values

    def _kept(self, collection: str) -> MutableMapping[str, npt.NDArray[Any]]:
        return self._held if collection else self._flat

    def _known(self, collection: str, key: str) -> npt.NDArray[Any] | None:
        values = self._compared.pop(key, None) if collection else None
        return self._kept(collection).get(key) if values is None else values

    def _flat_within(
        self, collection: str, field: str, limits: tuple[float, float], *, infinite: bool
    ) -> tuple[npt.NDArray[Any], bool]:
        """As that of all columns; one that is read for this is checked on the way."""
        key = self._path(collection, field)
        values = self._known(collection, key)
        if values is None:
            checked = self._checked(self._tree[key], limits, infinite=infinite)
            if checked is not None:
                self._kept(collection)[key] = checked[0]
                return checked
        elif collection:
            self._compared[key] = values
        return super()._flat_within(collection, field, limits, infinite=infinite)

    def _checked(
        self, branch: Any, limits: tuple[float, float], *, infinite: bool
    ) -> tuple[npt.NDArray[Any], bool] | None:
        """The same of a branch that is to be read; None where it is not of floating-point numbers."""
        stored = stored_type(branch)
        if stored not in _FLOATS:
            return None
        within = limits if infinite else finite_limits(stored, limits)
        return checked_branch(branch, self._start, self._stop, self._read, within)

    def _stored(self, branch: Any) -> npt.NDArray[Any]:
        if is_plain(branch):
            return flat_branch(branch, self._start, self._stop, self._read)
        return np.asarray(ak.to_numpy(ak.flatten(self._generic(branch), axis=None)))

    def offsets(self, collection: str, field: str) -> npt.NDArray[np.int64]:
        """Where the objects of each event begin, shape (events + 1,)."""
        # The columns of a collection share their counts; lists that belong to the event, as PSWeight, do not.
        key = collection or field
        if key not in self._offsets:
            branch = self._branch(collection, field)
            counter = f"n{key}"
            counted = self._counts(counter)
            if counted:
                # Not kept: whoever asks for objects asks for where they are, not for how many.
                counts = self._stored(self._tree[counter])
            else:
                array = self._generic(branch)
                counts = np.asarray(ak.num(array, axis=1))
                if array.ndim == 2 and not array.fields:
                    # Vectors of a container: its offsets are asked for first, and its values then.
                    self._compared.setdefault(
                        self._path(collection, field), np.asarray(ak.to_numpy(ak.flatten(array, axis=None)))
                    )
            offsets, fine = running_total(counts)
            if not fine:
                msg = f"{self.where or 'the events'}: {counter} has negative values: the file was written wrongly. Make it again, or leave it out."
                raise SelectionError(msg)
            # The counter is another branch than what it counts: a skim may have changed one of them alone.
            if counted:
                values = self.flat(collection, field)
                if len(values) != offsets[-1]:
                    raise self.miscounted(collection, field, len(values), int(offsets[-1]))
                self._compared[self._path(collection, field)] = values
            self._offsets[key] = offsets
        return self._offsets[key]

    def miscounted(self, collection: str, field: str, values: int, objects: int) -> SelectionError:
        """The error of a column that has another number of values than there are objects; names a stale counter as such."""
        counter = f"n{collection or field}"
        if not self._counts(counter):
            return super().miscounted(collection, field, values, objects)
        name, where = self.branch_name(collection, field), self.where or "the events"
        others = {other: number for other, number in self._sizes(collection).items() if other != name}
        what = (
            f"{where}: branch {name} has {values} values, but the events have {objects} objects by {counter}"
        )
        if self._own_size(collection, field) != values:
            return super().miscounted(collection, field, values, objects)
        if all(number == values for number in others.values()):
            alike = f" ({', '.join(others)} have {values}, too)" if others else ""
            msg = (
                f"{what}{alike}: the counter is stale. A skim changed the collection and not its counter, as RDataFrame's Redefine "
                f'does; write it anew with .Redefine("{counter}", "static_cast<int>({name}.size())"), or without {counter}'
            )
            return SelectionError(msg)
        if agree := [other for other, number in others.items() if number == objects]:
            msg = (
                f"{what} and {agree[0]}: a skim changed this branch alone. Write it anew, with all branches of {collection} "
                "changed alike"
            )
            return SelectionError(msg)
        return super().miscounted(collection, field, values, objects)

    def stale_counter(self) -> SelectionError | None:
        """The error of the first counter that does not count its collection; None if all do."""
        for counter in sorted(name for name in self._fields if name.startswith("n") and self._counts(name)):
            collection = counter[1:]
            fields = (
                name.partition("_")[2] for name in sorted(self._fields) if name.startswith(f"{collection}_")
            )
            field = next((f for f in fields if is_jagged(self._tree[f"{collection}_{f}"])), None)
            if field is not None:
                try:
                    self.offsets(collection, field)
                except SelectionError as error:
                    return error
        return None

    def _own_size(self, collection: str, field: str) -> int:
        """Number of values of a column as uproot finds them, event by event; -1 if it cannot."""
        try:
            return int(ak.sum(ak.num(self._generic(self._branch(collection, field)), axis=1)))
        except Exception:  # noqa: BLE001 - this is asked where something is wrong already
            return -1

    def _sizes(self, collection: str, most: int = 4) -> dict[str, int]:
        """Numbers of values of some columns of a collection."""
        found: dict[str, int] = {}
        for name in sorted(self._fields):
            prefix, _, field = name.partition("_")
            if prefix == collection and field and len(found) < most and is_jagged(self._tree[name]):
                found[name] = self._own_size(collection, field)
        return found

    def _counts(self, name: str) -> bool:
        """Whether a branch of this name can hold numbers of objects: one integer per event."""
        if name not in self._fields:
            return False
        branch = self._tree[name]
        stored = stored_type(branch)
        return stored is not None and not is_jagged(branch) and stored.kind in "iu"
