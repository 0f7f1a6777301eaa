"""Columns of an event file by name, whatever schema opened it.

The same analysis runs on NanoAOD, PHYSLITE and Delphes trees, under coffea's ``NanoAODSchema``, ``PHYSLITESchema``,
``DelphesSchema`` or plain ``BaseSchema``.  They differ in how a column is reached
(``events.Muon.pt``, ``events["Muon_pt"]``, ``events["AnalysisMuonsAuxDyn.pt"]``, ``events["Muon/Muon.PT"]``);
:class:`Columns` hides that and nothing else.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import frozen
from massgap.events.errors import ImpossibleValueError, MissingBranchError, NonFiniteError
from massgap.events.formats.names import (
    DELPHES,
    NANOAOD,
    PHYSLITE,
    branch_name,
    collection_names,
    event_format,
    flat_names,
    record_names,
)
from massgap.events.reading.raw.native import all_within, finite_limits

__all__ = ["DELPHES", "NANOAOD", "PHYSLITE", "Columns", "event_format"]

Integers: TypeAlias = npt.NDArray[np.int64]


class Columns:
    """The columns of one chunk of events, reached by collection and field.

    Parameters
    ----------
    events
        coffea NanoEvents (``NanoAODSchema``, ``PHYSLITESchema``, ``DelphesSchema`` or ``BaseSchema``), or any awkward
        record array with the same fields.
    where
        Text that names the file and entries in error messages.
    """

    def __init__(self, events: Any, where: str = "") -> None:
        # coffea's and vector's records refuse to be made where a field is missing, without naming the file or the
        # branch: columns are taken from the layout below them.
        self._layout = ak.to_layout(events)
        self._fields = set(self._layout.fields)
        self.where = where or _where(events)
        self.format = event_format(self._fields)

    def __len__(self) -> int:
        return int(self._layout.length)

    def _locate(self, collection: str, field: str) -> Any | None:
        found = self._place(collection, field)
        return None if found is None else ak.Array(found)

    def _place(self, collection: str, field: str) -> Any | None:
        """The layout of a column, None if there is none."""
        fields = self._fields
        if not collection:
            return self._layout[field] if field in fields else None
        for flat in flat_names(self.format, collection, field):
            if flat in fields:
                return self._layout[flat]
        # The parts of a link are in a record of their own.
        link, _, part = field.partition(".")
        for flat in flat_names(self.format, collection, link) if part else ():
            if flat in fields:
                return _part(self._layout[flat], part)
        for record in record_names(self.format, collection):
            if record in fields:
                place = _part(self._layout[record], link)
                return _part(place, part) if part and place is not None else place
        return None

    def has(self, collection: str, field: str) -> bool:
        """Whether the column exists (an empty ``collection`` means an event-level column)."""
        return self._place(collection, field) is not None

    def has_lists(self, collection: str, field: str) -> bool:
        """Whether the column has a list for each event, instead of one number; False where there is none."""
        place = self._place(collection, field)
        return place is not None and bool(place.purelist_depth > 1)

    def collections_with(self, field: str) -> list[str]:
        """Names of the collections of the file that have a field, as the file calls them."""
        return [name for name in collection_names(self.format, self._fields) if self.has(name, field)]

    def is_always_empty(self, collection: str, field: str) -> bool:
        """Whether a collection without a field is there and empty: PHYSLITE has no columns of what it never fills.

        Parameters
        ----------
        collection
            As the file calls it.
        field
            What each of its objects would have.
        """
        if self.format != PHYSLITE or self.has(collection, field):
            return False
        container = any(
            name in self._fields for name in (collection, f"{collection}Aux.", f"{collection}Aux:")
        )
        return container and not any(name.startswith(f"{collection}AuxDyn") for name in self._fields)

    def first(self, collection: str, candidates: tuple[str, ...]) -> str | None:
        """The first of the candidate fields that the file has, or None."""
        return next((field for field in candidates if self.has(collection, field)), None)

    def read(self, collection: str, field: str) -> ak.Array:
        """The column as it is stored.

        Raises
        ------
        MissingBranchError
            If the file lacks the column; the message names file and branch.
        """
        column = self._locate(collection, field)
        if column is None:
            name = self.branch_name(collection, field)
            raise MissingBranchError(name, self.where)
        return ak.without_parameters(ak.materialize(column))

    def strings(self, collection: str, field: str) -> ak.Array:
        """A column of words, as it is stored.

        Raises
        ------
        MissingBranchError
            If the file lacks the column.
        """
        column = self._locate(collection, field)
        if column is None:
            raise MissingBranchError(self.branch_name(collection, field), self.where)
        return ak.materialize(column)

    def floats(self, collection: str, field: str, low: float = -np.inf, high: float = np.inf) -> ak.Array:
        """The column in double precision, checked to be finite and within ``low`` to ``high``.

        Raises
        ------
        MissingBranchError
            If the file lacks the column.
        NonFiniteError
            If a value is NaN or infinite: flipped bits in compressed baskets come back like that
            without any other sign.
        ImpossibleValueError
            If a value is outside of what is possible, the other trace of flipped bits.
        """
        column = ak.values_astype(self.read(collection, field), np.float64)
        flat = ak.to_numpy(ak.flatten(column, axis=None))
        bad = ~np.isfinite(flat)
        if bad.any():
            raise NonFiniteError(self.branch_name(collection, field), int(bad.sum()), self.where)
        outside = (flat < low) | (flat > high)
        if outside.any():
            raise ImpossibleValueError(
                self.branch_name(collection, field), float(flat[outside][0]), (low, high), self.where
            )
        return column

    def offsets(self, collection: str, field: str) -> Integers:
        """Where the objects of each event begin in the flat arrays of a collection, shape (events + 1,).

        Parameters
        ----------
        collection, field
            Any column of the collection: all of them have the same numbers of objects.
        """
        layout = ak.to_layout(self.read(collection, field)).to_ListOffsetArray64(True)
        return np.asarray(layout.offsets.data, dtype=np.int64)

    def flat(self, collection: str, field: str) -> npt.NDArray[Any]:
        """The column as it is stored, all events one after the other in one flat array.

        Raises
        ------
        MissingBranchError
            If the file lacks the column.
        """
        return np.asarray(ak.to_numpy(ak.flatten(self.read(collection, field), axis=None)))

    def flat_floats(
        self,
        collection: str,
        field: str,
        low: float = -np.inf,
        high: float = np.inf,
        *,
        infinite: bool = False,
    ) -> npt.NDArray[Any]:
        """The column as :meth:`flat`, in the floating-point precision in which it is stored, checked as :meth:`floats`.

        Parameters
        ----------
        collection, field
            Which column.
        low, high
            What is possible.
        infinite
            Whether infinite values are legal.

        Raises
        ------
        MissingBranchError, NonFiniteError, ImpossibleValueError
            As :meth:`floats`.
        """
        flat, fine = self._flat_within(collection, field, (low, high), infinite=infinite)
        if not fine:
            bad = np.isnan(flat) if infinite else ~np.isfinite(flat)
            if bad.any():
                raise NonFiniteError(self.branch_name(collection, field), int(bad.sum()), self.where)
            outside = flat[(flat < low) | (flat > high)]
            raise ImpossibleValueError(
                self.branch_name(collection, field), float(outside[0]), (low, high), self.where
            )
        return flat

    def _flat_within(
        self, collection: str, field: str, limits: tuple[float, float], *, infinite: bool
    ) -> tuple[npt.NDArray[Any], bool]:
        """A column in floating-point numbers, and whether all values are within the limits."""
        flat = self.flat(collection, field)
        if flat.dtype not in (np.float32, np.float64):
            flat = flat.astype(np.float64)
        low, high = limits if infinite else finite_limits(flat.dtype, limits)
        return flat, bool(all_within(frozen(flat), flat.dtype.type(low), flat.dtype.type(high)))

    def flat_integers(self, collection: str, field: str, low: int, high: int) -> npt.NDArray[Any]:
        """A column of whole numbers as :meth:`flat`, in the type in which they are stored (floats become int64).

        Raises
        ------
        MissingBranchError, NonFiniteError, ImpossibleValueError
            As :meth:`floats`.
        """
        flat = self.flat(collection, field)
        if flat.dtype.kind not in "iu" or (len(flat) and (flat.min() < low or flat.max() > high)):
            return self.flat_floats(collection, field, low, high).astype(np.int64)
        return flat

    def charges(self, collection: str, field: str, largest: int) -> ak.Array:
        """A column of charges in units of e, as integers.

        Raises
        ------
        MissingBranchError, NonFiniteError, ImpossibleValueError
            As :meth:`floats`; no charge may be beyond ``largest``.
        """
        return ak.values_astype(self.floats(collection, field, -largest, largest), np.int64)

    def title(self, collection: str, field: str) -> str:
        """The branch title that coffea keeps as documentation, empty where there is none."""
        column = self._locate(collection, field)
        layout = getattr(column, "layout", None)
        while layout is not None:
            text = layout.parameters.get("__doc__")
            if text:
                return str(text)
            layout = getattr(layout, "content", None)
        return ""

    def miscounted(self, collection: str, field: str, values: int, objects: int) -> SelectionError:
        """The error of a column that has another number of values than there are objects.

        Parameters
        ----------
        collection, field
            Which column.
        values, objects
            How many there are.
        """
        msg = (
            f"{self.where or 'the events'}: branch {self.branch_name(collection, field)} has {values} values, but the events "
            f"have {objects} objects. The file was written wrongly or is damaged: make or copy it again, or leave it out."
        )
        return SelectionError(msg)

    def branch_name(self, collection: str, field: str) -> str:
        """The name of the branch in the file, as a user would look for it."""
        return branch_name(self.format, collection, field)


def _part(record: Any, name: str) -> Any | None:
    """A field of a record, or of the base class of what it was made from; None if it has none of this name."""
    if name in record.fields:
        return record[name]
    return _part(record[":_0"], name) if ":_0" in record.fields else None


def _where(events: Any) -> str:
    metadata = getattr(events, "metadata", None) or {}
    name = metadata.get("filename", "")
    if not name:
        return ""
    start, stop = metadata.get("entrystart"), metadata.get("entrystop")
    return f"{name} (entries {start} to {stop})" if start is not None else str(name)
