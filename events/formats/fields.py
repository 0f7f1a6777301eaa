"""Fields of collections as functions that read them, alike for all formats."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.collection import Collection
from massgap.events.columns import DELPHES, Columns
from massgap.events.errors import MissingBranchError
from massgap.events.formats.taggers import TaggerOptions

__all__ = [
    "POSSIBLE",
    "Fields",
    "Reader",
    "all_true",
    "at_least",
    "charge",
    "chosen",
    "collection",
    "event_lists",
    "event_numbers",
    "first_branch",
    "kinematics",
    "per_event",
    "plain",
    "whole_numbers",
    "with_bit",
    "yes_or_no",
]

POSSIBLE = {"pt": (0.0, 2e5), "eta": (-20.0, 20.0), "phi": (-6.3, 6.3), "mass": (-2e5, 2e5)}
"""What a detector can measure, with a wide margin (100 TeV colliders; azimuths from -pi or from 0; the small
negative masses of cleaned jets).  Flipped bits in a basket mostly end far outside."""

Fields: TypeAlias = dict[str, Callable[[], npt.NDArray[Any]]]
Reader: TypeAlias = Callable[[Columns, TaggerOptions], Any]

_YES_OR_NO = ("identified", "b_tagged", "tau_tagged")

_DELPHES_NAMES = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass"}


def _first(columns: Columns) -> str:
    """The field that tells how many objects there are."""
    return "PT" if columns.format == DELPHES else "pt"


def kinematics(columns: Columns, name: str, mass: float | None = None) -> Fields:
    """Readers of pt, eta, phi and mass, in GeV and radians.

    Parameters
    ----------
    columns
        The columns of the file.
    name
        The collection as the file calls it.
    mass
        The mass of the particle, taken where the file stores none.
    """
    delphes = columns.format == DELPHES

    def field(key: str) -> Callable[[], npt.NDArray[Any]]:
        branch = _DELPHES_NAMES[key] if delphes else key
        if key == "mass" and mass is not None and not columns.has(name, branch):
            return lambda: np.full(len(columns.flat(name, _first(columns))), mass)
        return lambda: columns.flat_floats(name, branch, *POSSIBLE[key])

    return {key: field(key) for key in POSSIBLE}


def chosen(columns: Columns, taggers: TaggerOptions, name: str, default: str, first: str = "") -> str:
    """What a collection is read from: what was chosen, else the default of the format.

    Parameters
    ----------
    columns
        The columns of the file.
    taggers
        With the choice.
    name
        The collection: ``jets``, ``met``.
    default
        What the format calls it.
    first
        Field that it must have; by default its transverse momentum.

    Returns
    -------
    str
        Its name in the file.

    Raises
    ------
    MissingBranchError
        If the file has no such collection; the message says what of this kind it has, and what would still run.
    """
    stored = taggers.source(name, default)
    first = first or _first(columns)
    if columns.has(stored, first) or columns.is_always_empty(stored, first):
        return stored
    others = [other for other in columns.collections_with(first) if other != stored]
    if name.endswith("met"):
        others = [other for other in others if not columns.has(other, "eta")]
    remedy = f"What asks for no {name} still runs on this file. "
    if others:
        remedy += (
            f"Choose another collection with --collections {name}=NAME; with {first} the file has: "
            f"{', '.join(others[:20])}{' ...' if len(others) > 20 else ''}."
        )
    else:
        remedy += f"It has no collection with {first} that could be chosen instead."
    if name == "met":
        remedy += " MET of leptons and jets needs none: --met objects."
    raise MissingBranchError(columns.branch_name(stored, first), columns.where, remedy)


def collection(
    columns: Columns,
    name: str,
    fields: Fields,
    keep: Callable[[], npt.NDArray[np.bool_]] | None = None,
    first: str = "",
) -> Collection:
    """A collection in the order of the file, of which nothing is read yet.

    Parameters
    ----------
    columns
        The columns of the file.
    name
        The collection as the file calls it.
    fields
        Name -> function that reads it.
    keep
        Function that tells which objects belong to it, or None for all.
    first
        Field that tells how many objects there are; by default the transverse momentum.
    """
    where = f"{columns.where or 'the events'}, {name}"
    first = first or _first(columns)
    if columns.is_always_empty(name, first):
        empty = {key: np.empty(0, bool if key in _YES_OR_NO else np.float64) for key in fields}
        return Collection(np.zeros(len(columns) + 1, np.int64), empty, None, where)

    @functools.cache
    def offsets() -> npt.NDArray[np.int64]:
        return columns.offsets(name, first)

    def counted(key: str) -> Callable[[], npt.NDArray[Any]]:
        told = _telling(fields[key], name, key)

        def read() -> npt.NDArray[Any]:
            values, objects = told(), int(offsets()[-1])
            if len(values) != objects:
                branch = _DELPHES_NAMES.get(key, key) if columns.format == DELPHES else key
                raise columns.miscounted(name, branch, len(values), objects)
            return values

        return read

    return Collection(offsets, {key: counted(key) for key in fields}, keep, where)


def _telling(read: Callable[[], npt.NDArray[Any]], name: str, key: str) -> Callable[[], npt.NDArray[Any]]:
    """The same function, whose error about a missing branch says what would still run."""

    def told() -> npt.NDArray[Any]:
        try:
            return read()
        except MissingBranchError as error:
            if error.remedy:
                raise
            remedy = f"What asks for no {key.replace('_', ' ')} of {name} still runs on this file."
            raise MissingBranchError(error.branch, error.where, remedy) from error

    return told


def plain(name: str, default: str) -> Reader:
    """Reader of a collection of which pt, eta, phi and mass are all that is read.

    Parameters
    ----------
    name
        The collection: ``fat_jets``.
    default
        What the format calls it.
    """

    def read(columns: Columns, taggers: TaggerOptions) -> Collection:
        stored = chosen(columns, taggers, name, default)
        return collection(columns, stored, kinematics(columns, stored))

    return read


def all_true(columns: Columns, name: str) -> npt.NDArray[np.bool_]:
    """True for each object."""
    return np.ones(len(columns.flat(name, _first(columns))), dtype=bool)


def charge(columns: Columns, name: str, largest: int) -> Callable[[], npt.NDArray[Any]]:
    """Reader of the charge in units of e, at most ``largest``."""
    branch = "Charge" if columns.format == DELPHES else "charge"
    return lambda: columns.flat_integers(name, branch, -largest, largest)


def whole_numbers(columns: Columns, name: str, field: str) -> npt.NDArray[Any]:
    """A column of bits, codes or working points, in the type in which it is stored.

    Skims store them as floats where an expression of RDataFrame has made them; these become int64.  What is stored as
    yes or no stays so.

    Raises
    ------
    MissingBranchError, NonFiniteError
        As :meth:`massgap.events.columns.Columns.flat_floats`.
    SelectionError
        If a value is not whole: a discriminant, for instance.
    """
    stored = columns.flat(name, field)
    if stored.dtype.kind in "iub":
        return stored
    values = columns.flat_floats(name, field, -(2.0**53), 2.0**53)
    broken = values != np.trunc(values)
    if broken.any():
        msg = (
            f"{columns.where or 'the events'}: branch {columns.branch_name(name, field)} holds {values[broken][0]:g} where whole "
            "numbers or yes and no are needed: it is none of an identification. Choose another one with --taggers, or write the "
            "file anew"
        )
        raise SelectionError(msg)
    return values.astype(np.int64)


def yes_or_no(columns: Columns, name: str, field: str) -> npt.NDArray[np.bool_]:
    """A column of yes and no, however it is stored; raises as :func:`whole_numbers`."""
    return whole_numbers(columns, name, field).astype(bool)


def at_least(values: npt.NDArray[Any], working_point: int) -> npt.NDArray[np.bool_]:
    """Which objects reach a working point; a skim that stores yes or no has decided itself.

    Examples
    --------
    >>> at_least(np.array([1, 3]), 2).tolist(), at_least(np.array([False, True]), 2).tolist()
    ([False, True], [False, True])
    """
    return values if values.dtype == bool else values >= working_point


def with_bit(values: npt.NDArray[Any], mask: int) -> npt.NDArray[np.bool_]:
    """Which objects have a bit; a skim that stores yes or no has decided itself.

    Examples
    --------
    >>> with_bit(np.array([4, 6]), 2).tolist(), with_bit(np.array([False, True]), 2).tolist()
    ([False, True], [False, True])
    """
    return values if values.dtype == bool else (values & mask) != 0


def first_branch(columns: Columns, name: str, candidates: tuple[str, ...]) -> str:
    """The first of the candidate fields that the file has.

    Raises
    ------
    MissingBranchError
        If it has none; the message names the preferred one.
    """
    found = columns.first(name, candidates)
    if found is None:
        raise MissingBranchError(columns.branch_name(name, candidates[0]), columns.where)
    return found


def per_event(
    columns: Columns, name: str, field: str, low: float = -np.inf, high: float = np.inf
) -> npt.NDArray[Any]:
    """A column of one number per event, checked as :meth:`massgap.events.columns.Columns.flat_floats`, shape (n,).

    Raises
    ------
    SelectionError
        If an event has no or several entries: those of all later events would belong to their neighbours.
    """
    values = columns.flat_floats(name, field, low, high)
    _require_one_each(columns, name, field, len(values))
    return values


def event_lists(columns: Columns, name: str, field: str) -> ak.Array:
    """A column of one list of numbers per event, such as ``PSWeight``, checked as :meth:`massgap.events.columns.Columns.floats`.

    Raises
    ------
    SelectionError
        If it is no list.
    """
    found = columns.floats(name, field)
    if found.ndim != 2 and len(found):
        kind = "one number" if found.ndim < 2 else "lists of lists"
        msg = (
            f"{columns.where or 'the events'}: branch {columns.branch_name(name, field)} has {kind} for each event where a list of "
            "numbers should be, so that nothing says what they are. Write the file anew with the list as NanoAOD has it, or leave "
            "out the systematics that need it (--variations)"
        )
        raise SelectionError(msg)
    return found


def event_numbers(columns: Columns, name: str, field: str) -> npt.NDArray[np.uint64]:
    """A column that numbers events, runs or luminosity blocks, shape (n,); exact where it is stored as integers.

    Raises
    ------
    NonFiniteError, ImpossibleValueError, SelectionError
        If a float is none that can number anything, or as :func:`per_event`.
    """
    values = columns.flat(name, field)
    _require_one_each(columns, name, field, len(values))
    if values.dtype.kind not in "iub":
        # Up to here each whole number is a double of its own.
        values = columns.flat_floats(name, field, 0.0, 2.0**53)
    return values.astype(np.uint64)


def _require_one_each(columns: Columns, name: str, field: str, n: int) -> None:
    lists = columns.has_lists(name, field)
    if n == len(columns) and not (lists and not ak.all(ak.num(columns.read(name, field)) == 1)):
        return
    msg = (
        f"{columns.where or 'the events'}: {columns.branch_name(name, field)} has not exactly one entry in every event: the file was "
        "written wrongly. Make it again, or leave it out."
    )
    raise SelectionError(msg)
