"""Jagged objects as flat columns with offsets, the form in which the compiled passes read them.

The objects of event ``i`` are the entries ``offsets[i]`` to ``offsets[i + 1]`` (exclusive) of every column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["FlatObjects", "Offsets", "as_flat", "one_per_event", "same_events"]

Offsets = npt.NDArray[np.int64]


class FlatObjects(NamedTuple):
    """A jagged collection: ``columns[k]`` is the k-th field of all objects, one event after the other.

    Parameters
    ----------
    columns
        float64, shape (fields, objects).
    offsets
        int64, shape (events + 1,), from 0 to the number of objects.
    """

    columns: Floats
    offsets: Offsets


def as_flat(name: str, objects: Any, fields: tuple[str, ...]) -> FlatObjects:
    """The fields of a jagged collection as flat columns in double precision.

    Parameters
    ----------
    name
        What the collection is called in messages.
    objects
        An awkward array of lists of records, a list of events which are lists of dictionaries, or a mapping
        or object with one jagged array per field; or :class:`FlatObjects`, taken as it is.
    fields
        The fields, in the order of the columns.

    Returns
    -------
    FlatObjects

    Raises
    ------
    SelectionError
        If a field is missing, is not one number per object, or has other objects than the first field.

    Examples
    --------
    >>> jets = as_flat("jets", [[{"pt": 50.0}, {"pt": 30.0}], []], ("pt",))
    >>> jets.columns.tolist(), jets.offsets.tolist()
    ([[50.0, 30.0]], [0, 2, 2])
    """
    if isinstance(objects, FlatObjects):
        return _checked(name, objects, len(fields))
    import awkward as ak

    if isinstance(objects, list | tuple) and not hasattr(objects, fields[0]):
        objects = ak.Array(list(objects))
    if isinstance(objects, ak.Array) and not objects.fields and ak.count(objects, axis=None) == 0:
        # Lists without any record have no field names: there are events, but no objects.
        return FlatObjects(np.empty((len(fields), 0)), np.zeros(len(objects) + 1, np.int64))
    columns: list[Floats] = []
    offsets: Offsets | None = None
    for field in fields:
        values = ak.Array(_field(name, objects, field))
        if values.ndim != 2:
            raise SelectionError(_not_jagged(name, field, f"has {values.ndim} dimensions"))
        counts = ak.to_numpy(ak.num(values, axis=1))
        mine = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=mine[1:])
        if offsets is None:
            offsets = mine
        elif not np.array_equal(offsets, mine):
            msg = f"The fields {fields[0]} and {field} of the {name} have different numbers of objects per event."
            raise SelectionError(msg)
        try:
            columns.append(np.asarray(ak.to_numpy(ak.flatten(values), allow_missing=False), dtype=np.float64))
        except (TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise SelectionError(_not_jagged(name, field, f"is not numeric ({reason})")) from error
    assert offsets is not None
    return FlatObjects(np.array(columns).reshape(len(fields), -1), offsets)


def one_per_event(name: str, values: Any) -> Floats:
    """A flat array of numbers in double precision.

    Parameters
    ----------
    name
        What the input is called in messages.
    values
        NumPy or awkward array, or a list, with one number per event.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    SelectionError
        If it is not numeric or not one-dimensional.

    Examples
    --------
    >>> one_per_event("met", [100, 20]).tolist()
    [100.0, 20.0]
    """
    try:
        array = np.ascontiguousarray(np.asarray(values), dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"The input {name} is not a flat array of numbers ({error}). Give one value per event."
        raise SelectionError(msg) from error
    if np.ndim(values) != 1:
        msg = f"The input {name} has {np.ndim(values)} dimensions. Give one value per event."
        raise SelectionError(msg)
    return array


def same_events(**numbers: int) -> int:
    """The number of events, which all inputs must share.

    Parameters
    ----------
    **numbers
        Number of events of each input, by its name.

    Returns
    -------
    int

    Raises
    ------
    SelectionError
        If they differ.

    Examples
    --------
    >>> same_events(jets=3, met=3)
    3
    """
    if len(set(numbers.values())) != 1:
        msg = f"The inputs must be of the same events, but their numbers of events differ: {numbers}."
        raise SelectionError(msg)
    return next(iter(numbers.values()))


def _field(name: str, objects: Any, field: str) -> Any:
    try:
        # Indexing, not attributes: behaviours such as those of vector compute attributes anew.
        if hasattr(objects, "keys") or field in getattr(objects, "fields", ()):
            return objects[field]
        return getattr(objects, field)
    except (AttributeError, KeyError) as error:
        found = getattr(objects, "fields", None) or list(getattr(objects, "keys", list)())
        has = f"only {', '.join(found)}" if found else "no fields"
        msg = f"The {name} need the field {field}, but have {has}."
        raise SelectionError(msg) from error


def _not_jagged(name: str, field: str, what: str) -> str:
    return f"The field {field} of the {name} {what}. Give one list of objects per event, with one number per object."


def _checked(name: str, flat: FlatObjects, n_fields: int) -> FlatObjects:
    columns = np.ascontiguousarray(flat.columns, dtype=np.float64)
    offsets = np.ascontiguousarray(flat.offsets, dtype=np.int64)
    # The compiled passes read without bounds: offsets that point elsewhere would crash or read rubbish.
    if columns.ndim != 2 or len(columns) != n_fields:
        msg = f"The flat {name} need {n_fields} columns, but their shape is {columns.shape}."
        raise SelectionError(msg)
    sound = offsets.ndim == 1 and offsets.size > 0 and offsets[0] == 0 and offsets[-1] == columns.shape[1]
    if not sound or np.any(np.diff(offsets) < 0):
        msg = f"The offsets of the flat {name} must rise from 0 to the number of objects, {columns.shape[1]}."
        raise SelectionError(msg)
    return FlatObjects(columns, offsets)
