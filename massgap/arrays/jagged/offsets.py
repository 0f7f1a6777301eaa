"""Where the events of a collection begin, read on first use and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import EVERYTHING, Column, frozen
from massgap.arrays.kernels.selecting import rising, select

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.arrays.kernels.selecting import Bools, Index

__all__ = ["EventOffsets"]


class EventOffsets:
    """Offsets of the events in the file, and of the objects that belong to the collection at all.

    Parameters
    ----------
    source
        Index of the first object of each event and the total number at the end, or a function that gives it.
    keep
        Function that gives the objects that belong to the collection (boolean, one per object), or None for all.
    where
        File and collection, for error messages.
    """

    def __init__(
        self, source: Callable[[], Index] | Index, keep: Callable[[], Bools] | None, where: str
    ) -> None:
        self._source, self._keep, self._where = source, keep, where
        self._raw: Index | None = None

    def raw(self) -> Index:
        """Offsets of all objects in the file.

        Raises
        ------
        SelectionError
            If they do not rise from 0.
        """
        if self._raw is None:
            source = self._source() if callable(self._source) else self._source
            raw = frozen(np.asarray(source).astype(np.int64, copy=False))
            # The compiled passes read without bounds: offsets that point elsewhere would read rubbish.
            if raw.ndim != 1 or raw.size == 0 or raw[0] != 0 or not rising(raw):
                msg = f"{self._where}: the offsets do not rise from 0 to the number of objects: they were written or made wrongly."
                raise SelectionError(msg)
            self._raw = raw
        return self._raw

    def size(self) -> int:
        """Number of objects in the file."""
        return int(self.raw()[-1])

    def resolved(self) -> tuple[Index, Index | None]:
        """Offsets of the objects that belong to the collection, and their places in the file (None: all)."""
        if self._keep is not None:
            mark = Column("the mark of its objects", self._keep, self.size, self._where).values
            if not mark.all():
                offsets, index = select(self.raw(), EVERYTHING, frozen(mark.astype(bool, copy=False)))
                return frozen(offsets), frozen(index)
        return self.raw(), None
