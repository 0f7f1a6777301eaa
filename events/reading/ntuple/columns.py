"""The columns of a range of entries of an RNTuple, as those of a TTree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.events.errors import FileProblem, MissingBranchError
from massgap.events.formats.names import flat_names, record_names
from massgap.events.reading.ntuple.envelopes import NotLeanError
from massgap.events.reading.raw.compressed import UnknownCompressionError
from massgap.events.reading.tree_columns import TreeColumns

if TYPE_CHECKING:
    from massgap.events.reading.ntuple.ntuple import LeanField, LeanNtuple

__all__ = ["NtupleColumns"]


class NtupleColumns(TreeColumns):
    """Columns of the entries ``start`` to ``stop`` of an ntuple.

    Parameters
    ----------
    ntuple
        A :class:`massgap.events.reading.ntuple.ntuple.LeanNtuple`.
    start, stop
        Range of entries.
    metadata
        What a processor finds as ``events.metadata``: dataset, file name and the rest.

    Raises
    ------
    massgap.events.errors.UnknownFormatError
        If the fields are not those of a format that is known.
    """

    _tree: Any

    def __init__(
        self, ntuple: LeanNtuple, start: int, stop: int, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(ntuple, start, stop, metadata)  # type: ignore[arg-type]
        self._arrays: dict[str, Any] = {}

    def _find(self, collection: str, field: str) -> str | None:
        if not collection:
            return field if field in self._fields else None
        paths = [*flat_names(self.format, collection, field)]
        paths += [f"{record}.{field}" for record in record_names(self.format, collection)]
        # After a dot comes what is in a record, or in a list of them.
        return next((path for path in paths if path in self._tree), None)

    def _field(self, collection: str, field: str) -> LeanField:
        path = self._find(collection, field)
        if path is None:
            raise MissingBranchError(self.branch_name(collection, field), self.where)
        found: LeanField = self._tree[path]
        return found

    def _generic(self, branch: LeanField) -> Any:
        """A field as uproot reads it, once."""
        if branch.path not in self._arrays:
            try:
                self._arrays[branch.path] = branch.array(self._start, self._stop)
            except (NotImplementedError, RuntimeError, KeyError, AssertionError) as error:
                kind = f" of type {branch.type_name}" if branch.type_name else ""
                first = (str(error).strip().splitlines() or [""])[0]
                msg = (
                    f"{self.where or 'the events'}: field {branch.path}{kind} cannot be read "
                    f"({type(error).__name__}: {first}). Write the file anew with numbers, or lists of numbers, in this field"
                )
                raise FileProblem(msg) from error
        return self._arrays[branch.path]

    def _locate(self, collection: str, field: str) -> Any | None:
        if self._find(collection, field) is None:
            return None
        found = self._field(collection, field)
        if not found.is_plain:
            return self._generic(found)
        content = ak.contents.NumpyArray(self.flat(collection, field))
        if not found.is_jagged:
            return ak.Array(content)
        offsets = self.offsets(collection, field)
        if offsets[-1] != len(content):
            raise self.miscounted(collection, field, len(content), int(offsets[-1]))
        return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), content))

    def has_lists(self, collection: str, field: str) -> bool:
        """Whether the column has a list for each event, instead of one number."""
        return self._find(collection, field) is not None and self._field(collection, field).is_jagged

    def _stored(self, branch: LeanField) -> npt.NDArray[Any]:
        if branch.is_plain:
            try:
                return branch.flat(self._start, self._stop)
            except (NotLeanError, UnknownCompressionError):
                pass
        return np.asarray(ak.to_numpy(ak.flatten(self._generic(branch), axis=None)))

    def _checked(self, *_: Any, **__: Any) -> None:
        """Pages are checked when they are together."""

    def _counts(self, name: str) -> bool:  # noqa: ARG002 (as for trees)
        """No other field is needed to tell how long lists are."""
        return False

    def offsets(self, collection: str, field: str) -> npt.NDArray[np.int64]:
        """Where the objects of each event begin, shape (events + 1,)."""
        found = self._field(collection, field)
        key = str(found.list_columns)
        if key not in self._offsets:
            if found.is_plain and found.is_jagged:
                try:
                    self._offsets[key] = found.offsets(self._start, self._stop)
                    return self._offsets[key]
                except (NotLeanError, UnknownCompressionError):
                    pass
            layout = ak.to_layout(self._generic(found)).to_ListOffsetArray64(True)
            key = found.path
            self._offsets[key] = np.asarray(layout.offsets.data, dtype=np.int64)
        return self._offsets[key]
