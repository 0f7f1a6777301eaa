"""One object per event, such as the leading jet or the missing transverse momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import Column, Fields, Flat, some_events
from massgap.arrays.kernels.momenta import delta_phi, delta_r

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import awkward as ak

    from massgap.arrays.kernels.selecting import Bools, Floats, Index

__all__ = ["PerEvent"]

UNNAMED = "the object"


class _Number:
    """A function that gives a number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self) -> int:
        return self._number


class _LengthOf:
    """A function that gives the number of values of a column."""

    def __init__(self, column: Column) -> None:
        self._column = column

    def __call__(self) -> int:
        return len(self._column.values)


class PerEvent(Fields):
    """One object per event: a flat array per field, gathered on first use.

    Where an event has no such object, :attr:`exists` is false, floating-point fields are NaN and others 0 or false.
    Fields are attributes; those with the name of a method are reached as ``object["name"]``.

    Parameters
    ----------
    fields
        Name -> flat array with one value per event, or a function that gives it.
    exists
        Which events have the object (boolean, one per event), or None for all.
    name
        What it is called in error messages.

    Raises
    ------
    SelectionError
        If a field has another number of events than the first.

    Examples
    --------
    >>> met = PerEvent({"pt": np.array([50.0, 20.0]), "phi": np.array([3.0, 0.0])}, name="MET")
    >>> met.pt.tolist(), met[met.pt > 30].phi.tolist()
    ([50.0, 20.0], [3.0])
    """

    _events: int | None
    _present: Bools | None
    _nameless: bool

    def __init__(
        self,
        fields: Mapping[str, Callable[[], Flat] | Flat],
        exists: Any = None,
        name: str = UNNAMED,
    ) -> None:
        arrays = [key for key, x in fields.items() if not callable(x)]
        index: Index | None = None
        self._events = None
        if exists is not None:
            mask = np.asarray(exists, dtype=bool)
            self._events = len(mask)
            index = None if mask.all() else np.where(mask, np.arange(len(mask)), -1)
        elif arrays:
            self._events = len(np.asarray(fields[arrays[0]]))
        # Where all fields are functions, the first one says how many events there are.  Columns know no object: with a
        # circle of references, all that they have read would stay in memory until Python looks for such circles.
        columns: dict[str, tuple[Column, Index | None]] = {}
        size: _Number | _LengthOf | None = None if self._events is None else _Number(self._events)
        for key, x in fields.items():
            columns[key] = Column(key, x, size, name), None
            size = size or _LengthOf(columns[key][0])
        self._set(columns, index, name)
        self._present, self._nameless = None, False
        for key in arrays:
            columns[key][0].values  # noqa: B018 (checks their lengths)

    @classmethod
    def of(cls, objects: Any, fields: Sequence[str], name: str = UNNAMED) -> PerEvent:
        """Anything with one value per event and field as one object per event.

        Parameters
        ----------
        objects
            A PerEvent, which is given back; awkward records, a mapping, or anything else that has the fields as flat
            arrays; where one field is asked for, also a flat array of it.
        fields
            The fields that are needed.
        name
            What it is called in messages.

        Raises
        ------
        SelectionError
            If a field is missing, is not a flat array of numbers, or has another number of events than the first.

        Examples
        --------
        >>> PerEvent.of([100, 20], ["pt"], "MET").pt.tolist()
        [100, 20]
        """
        if isinstance(objects, PerEvent):
            if objects._name != UNNAMED:
                return objects
            out = objects._like(objects._index, objects._present)
            out._name = name
            return out
        return cls({x: _flat(_of(objects, x, len(fields) == 1, name), x, name) for x in fields}, name=name)

    @classmethod
    def _chosen(
        cls, columns: Mapping[str, tuple[Column, Index | None]], index: Index, name: str, nameless: bool
    ) -> Self:
        """The objects at the places of ``index``, -1 for none."""
        out = object.__new__(cls)
        out._set(columns, index, name)
        out._events, out._present, out._nameless = len(index), None, nameless
        return out

    def _like(self, index: Index | None, present: Bools | None = None) -> Self:
        out = object.__new__(type(self))
        out._set(self._columns, index, self._name)
        out._events, out._present = (self._events if index is None else len(index)), present
        out._nameless = self._nameless
        return out

    def _is_nameless(self) -> bool:
        return self._nameless  # chosen from a collection without objects

    def __len__(self) -> int:
        if self._events is None:
            first = next(iter(self._columns.values()), None)
            self._events = 0 if first is None else len(first[0].values)
        return self._events

    @property
    def exists(self) -> Bools:
        """Which events have the object, shape (events,)."""
        if self._present is not None:
            return self._present
        return np.ones(len(self), np.bool_) if self._index is None else self._index >= 0

    def __getitem__(self, chosen: Any) -> Any:
        """A field by its name (shape (events,)), or the objects of some events: a mask, indices or a slice."""
        if isinstance(chosen, str):
            return self._field(chosen)
        events = some_events(chosen, len(self), self._name)
        if events is None:
            return self
        present = None if self._present is None else self._present[events]
        return self._like(events if self._index is None else self._index[events], present)

    def __iter__(self) -> Any:
        msg = f"{self._name}: use the arrays of its fields, such as object.pt, instead of a loop over events."
        raise TypeError(msg)

    def columns(self, *names: str) -> Floats:
        """Fields as the rows of one matrix in double precision, shape (fields, events), NaN where it is missing.

        See :meth:`massgap.arrays.jagged.columns.Fields.columns`.
        """
        out = super().columns(*names)
        if self._present is not None or self._index is not None:
            out[:, ~self.exists] = np.nan
        return out

    def with_fields(self, **fields: Any) -> Self:
        """The same objects with some fields replaced or added.

        Parameters
        ----------
        **fields
            Flat arrays with one value per event, or functions that give them.
        """
        out = self._like(None, self.exists)
        out._columns = self._replaced(fields, _Number(len(self)))
        out._events = len(self)
        return out

    def delta_phi(self, other: PerEvent) -> Floats:
        """Azimuth minus that of another object, radians in (-pi, pi], NaN where one is missing; shape (events,)."""
        self._check(other, "delta_phi")
        return delta_phi(self._field("phi"), other._field("phi"))

    def delta_r(self, other: PerEvent) -> Floats:
        """Distance sqrt(delta eta^2 + delta phi^2) to another object, NaN where one is missing; shape (events,)."""
        self._check(other, "delta_r")
        a, b = self._field, other._field
        return delta_r(a("eta"), a("phi"), b("eta"), b("phi"))

    def _check(self, other: Any, what: str) -> None:
        if not isinstance(other, PerEvent):
            msg = f"{self._name}: {what} is to another object per event; for a collection write objects.{what}(this)."
            raise SelectionError(msg)
        if len(other) != len(self):
            msg = f"{self._name} has {len(self)} events, but {other._name} has {len(other)}."
            raise SelectionError(msg)

    @property
    def awkward(self) -> ak.Array:
        """All fields as awkward records, shape (events,), NaN where the object is missing.

        With pt and phi they are vectors of the library ``vector``: Momentum2D, with eta 3D, with mass 4D.
        """
        from massgap.arrays.jagged.records import flat_records

        return flat_records({name: self._field(name) for name in self.fields})

    def __repr__(self) -> str:
        known = "" if self._events is None else f"{self._events} events, "
        return f"<{type(self).__name__} {self._name}: {known}fields {' '.join(self.fields)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return PerEvent, ({name: self.stored(name) for name in self.fields}, self.exists, self._name)


def _of(objects: Any, field: str, alone: bool, name: str) -> Any:
    """One field of anything that has it; the thing itself if it is a flat array of the only one."""
    found = list(objects) if isinstance(objects, Mapping) else list(getattr(objects, "fields", ()))
    try:
        # Indexing, not attributes: behaviours such as those of vector compute attributes anew.
        return objects[field] if field in found else getattr(objects, field)
    except AttributeError as error:
        if alone and not found:
            return objects
        has = f"only {', '.join(found)}" if found else "no fields"
        msg = f"{name} needs the field {field}, but has {has}."
        raise SelectionError(msg) from error


def _flat(values: Any, field: str, name: str) -> Flat:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        msg = f"{name}: {field} is not a flat array of numbers ({error}). Give one value per event."
        raise SelectionError(msg) from error
    if array.ndim != 1:
        msg = f"{name}: {field} has {array.ndim} dimensions. Give one value per event."
        raise SelectionError(msg)
    if array.dtype.kind not in "biuf":
        msg = f"{name}: {field} is not a flat array of numbers ({array.dtype}). Give one value per event."
        raise SelectionError(msg)
    return array
