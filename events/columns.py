"""Columns of an event file by name, whatever schema opened it.

The same analysis runs on NanoAOD and on Delphes trees, under coffea's ``NanoAODSchema``,
``DelphesSchema`` or plain ``BaseSchema``.  They differ in how a column is reached
(``events.Muon.pt``, ``events["Muon_pt"]``, ``events["Muon/Muon.PT"]``); :class:`Columns` hides that
and nothing else.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.arrays.errors import SelectionError
from massgap.events.errors import (
    ImpossibleValueError,
    MissingBranchError,
    NonFiniteError,
    UnknownFormatError,
)

__all__ = ["DELPHES", "NANOAOD", "Columns", "event_format"]

Integers: TypeAlias = npt.NDArray[np.int64]

NANOAOD = "NanoAOD"
DELPHES = "Delphes"


def event_format(fields: list[str] | set[str]) -> str:
    """Tell the format of an event tree from its branch (or coffea field) names.

    Parameters
    ----------
    fields
        Names of the branches of the tree, or the fields of coffea's events.

    Returns
    -------
    str
        ``"NanoAOD"`` or ``"Delphes"``.

    Raises
    ------
    UnknownFormatError
        If the names belong to neither; ATLAS PHYSLITE and DAOD names are named as such.

    Examples
    --------
    >>> event_format(["nMuon", "Muon_pt", "MET_pt"])
    'NanoAOD'
    >>> event_format(["Event", "MissingET", "Muon"])
    'Delphes'
    """
    names = {name.split("/")[0].split(".")[0] for name in fields}
    if "MissingET" in names or any("MissingET" in name for name in fields):
        return DELPHES
    known = {name.split("_")[0].removeprefix("n") for name in names} & {"Muon", "Electron", "Jet"}
    # A flat tree with other conventions (px, py, pz) also has a "Muon..." branch: ask for pt.
    has_pt = any(name.endswith("_pt") for name in names) or bool({"Muon", "Jet", "Electron"} & names)
    if has_pt and (known or {"run", "event"} & names):
        return NANOAOD
    if any("AuxDyn" in name for name in fields) or "AnalysisMuons" in names or "AnalysisJets" in names:
        msg = (
            "This is an ATLAS PHYSLITE file; massgap reads CMS NanoAOD and Delphes trees so far. "
            "Convert it to the NanoAOD layout first."
        )
        raise UnknownFormatError(msg)
    shown = ", ".join(sorted(names)[:8]) or "none"
    msg = (
        f"The tree is neither NanoAOD nor Delphes (its first branches: {shown}). massgap needs NanoAOD branches "
        "such as Muon_pt, Jet_pt, MET_pt, or a Delphes tree with Muon, Jet and MissingET."
    )
    raise UnknownFormatError(msg)


@compiled
def all_within(values: npt.NDArray[Any], low: float, high: float) -> bool:
    """Whether all values are within ``low`` to ``high``; NaN is not.  Limits in the precision of the values are fastest."""
    for first in range(0, values.size, 4096):
        outside = np.int32(0)
        for i in range(first, min(first + 4096, values.size)):
            # Without a branch, and in 32 bits: the loop is vectorised.
            outside |= np.int32(not ((values[i] >= low) & (values[i] <= high)))
        if outside:
            return False
    return True


class Columns:
    """The columns of one chunk of events, reached by collection and field.

    Parameters
    ----------
    events
        coffea NanoEvents (``NanoAODSchema``, ``DelphesSchema`` or ``BaseSchema``), or any awkward
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
        fields = self._fields
        if not collection:
            return ak.Array(self._layout[field]) if field in fields else None
        for flat in (f"{collection}_{field}", f"{collection}/{collection}.{field}", f"{collection}.{field}"):
            if flat in fields:
                return ak.Array(self._layout[flat])
        if collection in fields and field in self._layout[collection].fields:
            return ak.Array(self._layout[collection][field])
        return None

    def has(self, collection: str, field: str) -> bool:
        """Whether the column exists (an empty ``collection`` means an event-level column)."""
        fields = self._fields
        if not collection:
            return field in fields
        if {f"{collection}_{field}", f"{collection}/{collection}.{field}", f"{collection}.{field}"} & fields:
            return True
        return collection in fields and field in self._layout[collection].fields

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
        flat = self.flat(collection, field)
        if flat.dtype not in (np.float32, np.float64):
            flat = flat.astype(np.float64)
        if infinite or (low, high) != (-np.inf, np.inf):
            fine = all_within(flat, flat.dtype.type(low), flat.dtype.type(high))
        else:
            fine = bool(np.isfinite(flat).all())
        if not fine:
            bad = np.isnan(flat) if infinite else ~np.isfinite(flat)
            if bad.any():
                raise NonFiniteError(self.branch_name(collection, field), int(bad.sum()), self.where)
            outside = flat[(flat < low) | (flat > high)]
            raise ImpossibleValueError(
                self.branch_name(collection, field), float(outside[0]), (low, high), self.where
            )
        return flat

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
        if not collection:
            return field
        return f"{collection}.{field}" if self.format == DELPHES else f"{collection}_{field}"


def _where(events: Any) -> str:
    metadata = getattr(events, "metadata", None) or {}
    name = metadata.get("filename", "")
    if not name:
        return ""
    start, stop = metadata.get("entrystart"), metadata.get("entrystop")
    return f"{name} (entries {start} to {stop})" if start is not None else str(name)
