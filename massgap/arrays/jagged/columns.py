"""Flat columns that are read once, and objects that refer to places in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.arrays.kernels.selecting import Index, compose, gather, taken, true_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sized

__all__ = [
    "EVERYTHING",
    "Column",
    "Fields",
    "Flat",
    "UnknownFieldError",
    "frozen",
    "in_one_precision",
    "numbers",
    "same_events",
    "some_events",
]

Flat: TypeAlias = npt.NDArray[Any]


class UnknownFieldError(SelectionError, AttributeError):
    """Objects have no field of this name."""


def frozen(values: Flat) -> Flat:
    """The same contiguous array, native and read-only, without a copy where it can be avoided."""
    flags = values.flags
    if not (flags.c_contiguous and flags.aligned and values.dtype.isnative):
        values = np.require(values, dtype=values.dtype.newbyteorder("="), requirements=["C", "A"])
    if values.flags.writeable:
        values = values.view()
        values.flags.writeable = False
    return values


EVERYTHING: Index = frozen(np.empty(0, np.int64))
"""The index that stands for all objects as they are."""

NOTHING: Flat = frozen(np.empty(0))


class Column:
    """The values of one field in the order of the file, read on first use and checked.

    Parameters
    ----------
    name
        The field.
    source
        The flat array, or a function that gives it.
    size
        Function that gives the number of values it must have; None for any number.
    where
        File and collection, for error messages.
    """

    __slots__ = ("_name", "_size", "_source", "_values", "_where")

    def __init__(
        self, name: str, source: Callable[[], Flat] | Flat, size: Callable[[], int] | None, where: str
    ) -> None:
        self._name, self._where = name, where
        self._source: Callable[[], Flat] | Flat | None = source
        self._size: Callable[[], int] | None = size
        self._values: Flat | None = None

    @property
    def is_read(self) -> bool:
        """Whether the values are there."""
        return self._values is not None

    @property
    def values(self) -> Flat:
        """The flat array.

        Raises
        ------
        SelectionError
            If it has not one value per object.
        """
        if self._values is None:
            source = self._source
            values = np.asarray(source() if callable(source) else source)
            size = self._size() if self._size is not None else values.size
            if values.ndim != 1 or len(values) != size:
                found = f"{len(values)} values" if values.ndim == 1 else f"the shape {values.shape}"
                why = "the columns do not belong together" if callable(source) else "give one value for each"
                msg = f"{self._where}: {self._name} has {found}, but the events have {size} objects; {why}."
                raise SelectionError(msg)
            self._values = frozen(values)
            self._source = self._size = None  # what they hold is no longer needed
        return self._values


class Fields:
    """Objects whose fields are at some places of flat columns: what collections and single objects share.

    Every field is gathered on first use, for the objects that are left.  Arrays that are handed out are read-only.
    """

    _columns: Mapping[str, tuple[Column, Index | None]]
    _index: Index | None
    _name: str
    _double: dict[str, Flat]
    _as_stored: dict[str, Flat]
    _composed: dict[int, Index]

    def _set(
        self, columns: Mapping[str, tuple[Column, Index | None]], index: Index | None, name: str
    ) -> None:
        if index is not None:
            index.flags.writeable = False
        # Not by assignment, which is refused to users, and asks each time whether it is one.
        self.__dict__.update(
            _columns=columns, _index=index, _name=name, _double={}, _as_stored={}, _composed={}
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return tuple(self._columns)

    def stored(self, name: str) -> Flat:
        """A field in the precision in which it is stored, for compiled passes.

        Parameters
        ----------
        name
            The field.

        Returns
        -------
        numpy.ndarray
            Flat and read-only; floating-point numbers where an object is missing are NaN, others 0.

        Raises
        ------
        SelectionError
            If there is no such field, or it has not one value for each object.
        """
        values = self._as_stored.get(name)
        if values is None:
            column, index = self._located(name)
            values = column if index is None else _at(column, index)
            values.flags.writeable = False
            self._as_stored[name] = values
        return values

    def _field(self, name: str) -> Flat:
        """The same with floating-point numbers in double precision."""
        values = self._double.get(name)
        if values is None:
            column, index = self._located(name)
            if column.dtype.kind != "f":
                return self.stored(name)
            if column.dtype.itemsize not in (4, 8):
                column = frozen(column.astype(np.float64))
            values = column.astype(np.float64, copy=False) if index is None else gather(column, index)
            values.flags.writeable = False
            self._double[name] = values
        return values

    def columns(self, *names: str) -> Flat:
        """Fields as the rows of one matrix in double precision, the form in which compiled passes read them.

        Parameters
        ----------
        *names
            The fields, in the order of the rows.

        Returns
        -------
        numpy.ndarray
            float64, shape (fields, objects), contiguous, and a copy that may be changed.  NaN where an object is
            missing.

        Raises
        ------
        SelectionError
            If there is no such field, or it holds no numbers.
        """
        arrays = [self._field(name) for name in names]
        for name, values in zip(names, arrays, strict=True):
            if values.dtype.kind not in "biuf":
                msg = f"{self._name}: the field {name} is not numeric ({values.dtype}); give one number per object."
                raise SelectionError(msg)
        return np.array(arrays, dtype=np.float64)

    def _located(self, name: str) -> tuple[Flat, Index | None]:
        """The values of a field in the file, and the places of these objects there (None: as they are)."""
        column, start = self._placed(name)
        if start is None:
            return column.values, self._places()
        return column.values, self._place_in(start)

    def _placed(self, name: str) -> tuple[Column, Index | None]:
        try:
            return self._columns[name]
        except KeyError:
            if self._is_nameless():
                return Column(name, NOTHING, int, self._name), None
            known = f"they have {', '.join(self._columns)}" if self._columns else "they have none"
            msg = f"{self._name}: there is no field {name!r}; {known}."
            raise UnknownFieldError(msg) from None

    def _is_nameless(self) -> bool:
        """Whether the fields are unknown since there is not a single object."""
        return False

    def _directions(self) -> tuple[Index, Flat, Flat]:
        """Places, and the columns eta and phi in which they are (an empty index for all as they are)."""
        (eta, eta_index), (phi, phi_index) = self._located("eta"), self._located("phi")
        if eta_index is not phi_index or (eta_index is not None and eta_index.size and eta_index.min() < 0):
            # From different columns, or of objects that some events do not have.
            return EVERYTHING, self._field("eta"), self._field("phi")
        return EVERYTHING if eta_index is None else frozen(eta_index), eta, phi

    def in_any_order(self) -> Fields:
        """The same objects, for what does not depend on their order."""
        return self

    def _places(self) -> Index | None:
        return self._index

    def _place_in(self, start: Index) -> Index:
        """Places in columns of which ``start`` gives those that this collection began with."""
        index = self._places()
        if index is None:
            return start
        key = id(start)  # held by the columns, so that the number stays its own
        if key not in self._composed:
            self._composed[key] = frozen(compose(start, index))
        return self._composed[key]

    def _replaced(
        self, fields: Mapping[str, Any], size: Callable[[], int]
    ) -> dict[str, tuple[Column, Index | None]]:
        """The columns seen from these objects, with some added."""
        columns: dict[str, tuple[Column, Index | None]] = {}
        for name, (column, start) in self._columns.items():
            columns[name] = column, self._places() if start is None else self._place_in(start)
        columns.update({name: (Column(name, x, size, self._name), None) for name, x in fields.items()})
        return columns

    def __getattr__(self, name: str) -> Any:
        # Names with an underscore are Python's own questions (copy, pickle, NumPy), never fields.
        if name.startswith("_"):
            msg = f"{type(self).__name__} has no attribute {name}"
            raise AttributeError(msg)
        if hasattr(type(self), name):
            # A property has met an AttributeError of its own: that is the message, not a field of its name.
            return object.__getattribute__(self, name)
        return self._field(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            msg = f"{self._name}: objects are not changed in place; make others with with_fields({name}=...)."
            raise SelectionError(msg)
        super().__setattr__(name, value)

    def __array__(self, *_: Any, **__: Any) -> Flat:
        msg = f"{self._name}: NumPy takes one field at a time, such as objects.pt; objects.awkward gives all as records."
        raise SelectionError(msg)

    def __copy__(self) -> Self:
        return self  # nothing in it ever changes

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._columns})


def _at(values: Flat, index: Index) -> Flat:
    """Values at the places of ``index``: NaN, 0 or False for the place -1."""
    if index.size == 0 or values.size == 0 or index.min() < 0:
        missing = index < 0
        out = np.zeros(index.size, values.dtype)
        out[~missing] = values[index[~missing]]
        if values.dtype.kind == "f":
            out[missing] = np.nan
        return out
    return taken(frozen(values), frozen(index)) if values.dtype.kind in "biuf" else values.take(index)


def in_one_precision(*arrays: Flat) -> tuple[Flat, ...]:
    """The arrays as they are where all hold single precision, all in double precision otherwise.

    A compiled pass then exists in two versions, whatever mixture a file or a shifted object brings.
    """
    if all(array.dtype == np.float32 for array in arrays):
        return arrays
    return tuple(frozen(array.astype(np.float64, copy=False)) for array in arrays)


def numbers(values: Any, size: int, where: str) -> Flat:
    """A flat array of numbers in double precision, one per object.

    Raises
    ------
    SelectionError
        If it is no flat array of numbers, or of another length.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.ndim != 1 or len(array) != size:
        msg = f"{where}: needed is a flat array of {size} numbers, but this is {array.dtype} of shape {array.shape}."
        raise SelectionError(msg)
    return frozen(array.astype(np.float64, copy=False))


def some_events(chosen: Any, events: int, where: str) -> Index | None:
    """Index of the chosen events, None for all of them as they are.

    Parameters
    ----------
    chosen
        Boolean mask with one value per event, indices in any order (negative ones from the end), or a slice.
    events
        Number of events.
    where
        What the events are of, for error messages.

    Raises
    ------
    SelectionError
        If the mask has another length, or an index points to no event.
    """
    if isinstance(chosen, slice):
        index = np.arange(*chosen.indices(events))
        return None if index.size == events and chosen.step in (None, 1) else frozen(index)
    array = np.asarray(chosen)
    if array.ndim == 1 and array.dtype == np.bool_:
        if array.size != events:
            msg = f"{where}: the mask has {array.size} values, but there are {events} events."
            raise SelectionError(msg)
        index = true_places(frozen(array))
        return None if index.size == events else frozen(index)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        msg = f"{where}: events are chosen by a mask, a list of indices or a slice, not by {chosen!r}."
        raise SelectionError(msg)
    index = array.astype(np.int64, copy=False)
    if index.size and (index.min() < -events or index.max() >= events):
        msg = f"{where}: the indices go from {index.min()} to {index.max()}, but there are {events} events."
        raise SelectionError(msg)
    return frozen(np.where(index < 0, index + events, index) if index.size and index.min() < 0 else index)


def same_events(**objects: Sized) -> int:
    """The number of events, which all collections, objects per event and flat arrays must share.

    Parameters
    ----------
    **objects
        By the names that they have in messages.

    Raises
    ------
    SelectionError
        If their numbers of events differ.

    Examples
    --------
    >>> same_events(met=[100.0, 20.0], ht=[50.0, 0.0])
    2
    """
    events = {name: len(values) for name, values in objects.items()}
    if len(set(events.values())) != 1:
        msg = f"The inputs must be of the same events, but their numbers of events differ: {events}."
        raise SelectionError(msg)
    return next(iter(events.values()))
