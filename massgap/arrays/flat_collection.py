"""The objects of a chunk of events as flat arrays, for compiled passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FlatCollection", "common_precision"]


class FlatCollection:
    """One collection of a chunk: where each event begins, and one flat array per field, read on first use.

    Fields are in the order of the file, floating-point ones in the precision in which they are stored.

    Parameters
    ----------
    offsets
        Function that gives the index of the first object of each event, and the total number at the end.
    fields
        Name -> function that gives the flat array.
    keep
        Function that gives the objects that belong to the collection at all (boolean, one per object), or None for all.
    where
        File and collection, for error messages.

    Raises
    ------
    SelectionError
        On reading, if a field has not one value per object.

    Examples
    --------
    >>> muons = FlatCollection.of(ak.Array([[{"pt": 20.0}, {"pt": 5.0}], []]))
    >>> muons.offsets.tolist(), muons["pt"].tolist()
    ([0, 2, 2], [20.0, 5.0])
    """

    def __init__(
        self,
        offsets: Callable[[], npt.NDArray[np.int64]],
        fields: dict[str, Callable[[], npt.NDArray[Any]]],
        keep: Callable[[], npt.NDArray[np.bool_]] | None = None,
        where: str = "the events",
    ) -> None:
        self._read_offsets = offsets
        self._fields = fields
        self._keep = keep
        self.where = where
        self._objects: int | None = None
        self._mask: npt.NDArray[np.bool_] | None = None
        self._offsets: npt.NDArray[np.int64] | None = None
        self._cache: dict[str, npt.NDArray[Any]] = {}

    @classmethod
    def of(cls, objects: ak.Array) -> FlatCollection:
        """The flat arrays of jagged records."""

        def field(name: str) -> Callable[[], npt.NDArray[Any]]:
            return lambda: np.asarray(ak.to_numpy(ak.flatten(objects[name])))

        counts = np.asarray(ak.num(objects, axis=1))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(lambda: offsets, {name: field(name) for name in objects.fields})

    def _selected(self) -> npt.NDArray[np.bool_] | None:
        if self._mask is None and self._keep is not None:
            mask = self._keep()
            self._check("the mark of its objects", mask)
            self._mask = mask
        return self._mask

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Index of the first object of each event, and the total number at the end, shape (events + 1,)."""
        if self._offsets is None:
            offsets = self._read_offsets()
            mask = self._selected()
            if mask is not None:
                offsets = np.concatenate([[0], np.cumsum(mask)]).astype(np.int64)[offsets]
            self._offsets = offsets
        return self._offsets

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """The flat array of a field."""
        if name not in self._cache:
            values = self._fields[name]()
            self._check(name, values)
            mask = self._selected()
            self._cache[name] = values if mask is None else values[mask]
        return self._cache[name]

    def _check(self, name: str, values: npt.NDArray[Any]) -> None:
        if self._objects is None:
            self._objects = int(self._read_offsets()[-1])
        if len(values) != self._objects:
            msg = (
                f"{self.where}: {name} has {len(values)} values, but the events have {self._objects} objects; "
                "the file is damaged."
            )
            raise SelectionError(msg)

    def jagged(self) -> ak.Array:
        """All fields as jagged records in double precision, in the order of the file."""
        offsets = ak.index.Index64(self.offsets)
        columns = [self[name] for name in self._fields]
        columns = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in columns]
        contents = [ak.contents.NumpyArray(x) for x in columns]
        record = ak.contents.RecordArray(contents, list(self._fields), length=int(self.offsets[-1]))
        return ak.Array(ak.contents.ListOffsetArray(offsets, record))


def common_precision(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """The arrays as they are where all hold single precision, all in double precision otherwise.

    Compiled passes then exist in two versions, whatever mixture a file or a shifted object brings.
    Single precision turns into double without a loss, so both give the same bits.
    """
    if all(array.dtype == np.float32 for array in arrays):
        return arrays
    return tuple(array.astype(np.float64, copy=False) for array in arrays)
