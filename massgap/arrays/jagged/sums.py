"""What is selected, counted and summed per event over jagged objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import EVERYTHING, Fields, frozen, numbers
from massgap.arrays.kernels import selecting as kernels
from massgap.arrays.kernels.summing import count, extreme, total

if TYPE_CHECKING:
    from massgap.arrays.jagged.columns import Flat
    from massgap.arrays.kernels.selecting import Bools, Floats, Index

__all__ = ["Jagged"]

NO_MASK: Bools = frozen(np.empty(0, np.bool_))


class Jagged(Fields):
    """Objects of a chunk of events: where each event begins, selections of objects and events, and sums."""

    _offsets: Index | None

    def _resolve(self) -> Index:
        """Read where the events begin, and which objects belong to the collection."""
        raise NotImplementedError

    def _like(self, offsets: Index, index: Index | None) -> Self:
        """Other objects of the same columns."""
        raise NotImplementedError

    @property
    def offsets(self) -> Index:
        """Index of the first object of each event, and the total number at the end, shape (events + 1,)."""
        return self._resolve() if self._offsets is None else self._offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def size(self) -> int:
        """Number of objects of all events together."""
        return int(self.offsets[-1])

    @property
    def counts(self) -> Index:
        """Number of objects of each event, shape (events,)."""
        return np.diff(self.offsets)

    @property
    def events_of_objects(self) -> Index:
        """Index of the event of each object, shape (objects,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    def _index_or_all(self) -> Index:
        places = self._places()
        return EVERYTHING if places is None else places

    def where(self, mask: Any) -> Self:
        """The objects where ``mask`` is true, in the same order; all events stay.

        Parameters
        ----------
        mask
            Boolean, one per object, flat or as a jagged awkward array.

        Raises
        ------
        SelectionError
            If the mask is of other objects.
        """
        keep = self._mask(mask)
        return self if keep.all() else self._like(*kernels.select(self.offsets, self._index_or_all(), keep))

    def leading(self, n: int) -> Self:
        """At most the first ``n`` objects of each event."""
        if n < 0:
            msg = f"{self._name}: leading takes a number of objects, not {n}."
            raise SelectionError(msg)
        return self._like(*kernels.leading(self.offsets, self._index_or_all(), n))

    def count(self, mask: Any = None) -> Index:
        """Number of objects of each event where ``mask`` is true.

        Parameters
        ----------
        mask
            Boolean, one per object, flat or as a jagged awkward array; None for all objects.

        Returns
        -------
        numpy.ndarray
            int64, shape (events,).

        Raises
        ------
        SelectionError
            If the mask is of other objects.
        """
        return self.counts if mask is None else count(self.offsets, self._mask(mask))

    def any(self, mask: Any) -> Bools:
        """Whether ``mask`` is true for at least one object of each event, shape (events,)."""
        found: Bools = self.count(mask) > 0
        return found

    def all(self, mask: Any) -> Bools:
        """Whether ``mask`` is true for all objects of each event (of which there may be none), shape (events,)."""
        found: Bools = self.count(mask) == self.counts
        return found

    def sum(self, values: Any, mask: Any = None) -> Floats:
        """Sum over the objects of each event, in their order.

        Parameters
        ----------
        values
            Name of a field, or an array with one number per object (flat, or a jagged awkward one).
        mask
            Boolean, one per object: sum those where it is true.

        Returns
        -------
        numpy.ndarray
            float64, shape (events,); 0 for events without objects.

        Raises
        ------
        SelectionError
            If values or mask are of other objects.
        """
        return total(self.offsets, self._numbers(values), NO_MASK if mask is None else self._mask(mask))

    def max(self, values: Any, default: float = np.nan) -> Floats:
        """Largest value of each event.

        Parameters
        ----------
        values
            Name of a field, or a flat array with one number per object.
        default
            For events without objects.

        Returns
        -------
        numpy.ndarray
            float64, shape (events,); NaN where any of the values is NaN.
        """
        return extreme(self.offsets, self._numbers(values), 1.0, float(default))

    def min(self, values: Any, default: float = np.nan) -> Floats:
        """Smallest value of each event; see :meth:`max`."""
        return extreme(self.offsets, self._numbers(values), -1.0, float(default))

    def per_event(self, values: Any) -> Flat:
        """Values per event, repeated for each object of the event.

        Parameters
        ----------
        values
            Flat array, shape (events,).

        Returns
        -------
        numpy.ndarray
            Shape (objects,), of the same type.

        Raises
        ------
        SelectionError
            If there is not one value per event.
        """
        array = np.asarray(values)
        if array.ndim != 1 or len(array) != len(self):
            msg = f"{self._name}: needed is one value for each of the {len(self)} events, but the shape is {array.shape}."
            raise SelectionError(msg)
        return np.repeat(array, self.counts)

    def _numbers(self, values: Any) -> Floats:
        array = self._field(values) if isinstance(values, str) else self._flattened(values)
        return numbers(array, self.size, self._name)

    def _mask(self, mask: Any) -> Bools:
        array = np.asarray(self._flattened(mask))
        if array.ndim != 1 or array.size != self.size:
            found = f"{array.size} values" if array.ndim == 1 else f"the shape {array.shape}"
            msg = (
                f"{self._name}: the mask has {found}, but the collection has {self.size} objects. "
                "Make it from the same objects, after the last selection."
            )
            raise SelectionError(msg)
        if array.dtype != np.bool_:
            if array.size:
                msg = f"{self._name}: the mask holds {array.dtype}, not true and false."
                raise SelectionError(msg)
            return NO_MASK
        return frozen(array)

    def _flattened(self, values: Any) -> Any:
        """The flat form of a jagged awkward array of these objects; anything else as it is."""
        if not hasattr(values, "layout"):
            return values
        import awkward as ak

        if values.ndim == 1:
            return ak.to_numpy(values)
        counts = ak.to_numpy(ak.num(values, axis=1))
        if not np.array_equal(counts, self.counts):
            msg = (
                f"{self._name}: the jagged array has {counts.sum()} values in {len(counts)} events, "
                f"but the collection has {self.size} objects in {len(self)}, or others per event."
            )
            raise SelectionError(msg)
        return ak.to_numpy(ak.flatten(values, axis=1))
