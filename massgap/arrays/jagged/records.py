"""From awkward records to collections and back, sharing the arrays."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.columns import NOTHING, Flat

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.arrays.kernels.selecting import Index

__all__ = ["collection_of", "flat_records", "jagged_records"]

NEEDED = "Give one list of objects per event, with one number per object."


def collection_of(objects: Any, name: str) -> Collection:
    """See :meth:`massgap.arrays.jagged.collection.Collection.of`."""
    if isinstance(objects, Collection):
        return objects
    if isinstance(objects, list | tuple):
        objects = ak.Array(list(objects))
    if isinstance(objects, Mapping):
        return _of_fields({str(key): ak.Array(values) for key, values in objects.items()}, name)
    if not isinstance(objects, ak.Array):
        msg = f"The {name} are a {type(objects).__name__}. {NEEDED}"
        raise SelectionError(msg)
    if objects.fields and objects.ndim == 1:
        return _of_fields({field: objects[field] for field in objects.fields}, name)
    form = objects.layout.form
    if _is_option(form):
        msg = f"Some events have no list of {name} at all (option type). Fill them with empty lists: ak.fill_none(array, [], axis=0)."
        raise SelectionError(msg)
    if not objects.fields:
        if not _is_empty(objects):
            msg = f"The {name} have no fields ({objects.type}). Give lists of records, such as ak.zip makes."
            raise SelectionError(msg)
        out = Collection(np.zeros(len(objects) + 1, np.int64), {}, where=name)
        out._nameless = True
        return out
    # Indexing, not attributes: behaviours such as those of vector compute attributes anew.

    def flat(field: str) -> Callable[[], Flat]:
        return lambda: _flat(objects[field], name, field)

    fields = {field: flat(field) for field in objects.fields}
    # Events that are in memory are counted at once, those that are still in a file on first use.
    offsets = _offsets(objects) if objects.layout.is_all_materialized else lambda: _offsets(objects)
    return Collection(offsets, fields, where=name)


def _of_fields(fields: dict[str, ak.Array], name: str) -> Collection:
    """A collection of one jagged array per field."""
    if not fields:
        msg = f"The {name} have no fields. {NEEDED}"
        raise SelectionError(msg)
    first = next(iter(fields))
    for field, values in fields.items():
        if values.ndim != 2 or _is_option(values.layout.form):
            msg = f"The field {field} of the {name} is {values.type}. {NEEDED}"
            raise SelectionError(msg)
    offsets = functools.cache(lambda: _offsets(fields[first]))

    def flat(field: str) -> Callable[[], Flat]:
        return lambda: checked(field)

    def checked(field: str) -> Flat:
        if not np.array_equal(_offsets(fields[field]), offsets()):
            msg = f"The fields {first} and {field} of the {name} have different numbers of objects per event."
            raise SelectionError(msg)
        return _flat(fields[field], name, field)

    return Collection(offsets, {field: flat(field) for field in fields}, where=name)


def _is_option(form: Any) -> bool:
    return isinstance(
        form,
        ak.forms.IndexedOptionForm | ak.forms.ByteMaskedForm | ak.forms.BitMaskedForm | ak.forms.UnmaskedForm,
    )


def _is_empty(objects: ak.Array) -> bool:
    return objects.ndim <= 2 and ak.count(objects, axis=None) == 0 if objects.ndim else True


def _offsets(objects: ak.Array) -> Index:
    counts = ak.to_numpy(ak.num(objects, axis=1))
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _flat(values: ak.Array, name: str, field: str) -> Flat:
    """The numbers of a jagged field, one after the other."""
    layout = ak.flatten(values, axis=1).layout if values.ndim > 1 else None
    what = "is not one number per object"
    if layout is not None and layout.is_indexed and not layout.is_option:
        layout = layout.project()
    if layout is not None and layout.is_unknown:
        return NOTHING
    if layout is not None and layout.is_option:
        what = "may be missing for some objects (option type); fill it (ak.fill_none) or drop them (ak.drop_none)"
    elif layout is not None and layout.is_union:
        what = "mixes several types (union)"
    elif layout is not None and layout.is_numpy and layout.purelist_depth == 1:
        array = ak.to_numpy(layout, allow_missing=False)
        if array.dtype.kind in "biuf":
            return np.asarray(array)
        what = f"is not numeric ({array.dtype})"
    msg = f"The field {field} of the {name} {what}. {NEEDED}"
    raise SelectionError(msg)


def _record(columns: dict[str, Flat], length: int) -> tuple[Any, Any]:
    """Records of flat columns, and the behaviour they have: vectors of the library vector if they can be."""
    contents = [ak.contents.NumpyArray(values) for values in columns.values()]
    names = set(columns)
    parameters, behavior = None, None
    if names >= {"pt", "phi"}:
        import vector

        vector.register_awkward()
        dimensions = 2 + ("eta" in names) + (names >= {"eta", "mass"})
        parameters, behavior = {"__record__": f"Momentum{dimensions}D"}, ak.behavior
    return ak.contents.RecordArray(contents, list(columns), length=length, parameters=parameters), behavior


def jagged_records(offsets: Index, columns: dict[str, Flat]) -> ak.Array:
    """Jagged records of flat columns, which they share."""
    record, behavior = _record(columns, int(offsets[-1]))
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), record), behavior=behavior)


def flat_records(columns: dict[str, Flat]) -> ak.Array:
    """Records of flat columns, which they share."""
    record, behavior = _record(columns, len(next(iter(columns.values()), ())))
    return ak.Array(record, behavior=behavior)
