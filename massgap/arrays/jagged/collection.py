"""A jagged collection of objects, such as the jets of a chunk of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from massgap.arrays.jagged.columns import Column, frozen
from massgap.arrays.jagged.deferred import Deferrable
from massgap.arrays.jagged.offsets import EventOffsets
from massgap.arrays.jagged.per_event import PerEvent
from massgap.arrays.kernels import selecting as kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import awkward as ak

    from massgap.arrays.jagged.columns import Flat
    from massgap.arrays.jagged.pairs import Pairs
    from massgap.arrays.kernels.selecting import Bools, Index

__all__ = ["Collection"]


class Collection(Deferrable):
    """The objects of a chunk of events: where each event begins, and one flat array per field.

    Fields are attributes (``jets.pt``; ``jets["count"]`` where a method has the name): flat arrays over all objects,
    floating-point numbers in double precision.  A field is read on first use, and gathered for the objects that are
    left.  A collection never changes: selections give others, which share what was read.

    Parameters
    ----------
    offsets
        Index of the first object of each event and the total number at the end, or a function that gives it.
    fields
        Name -> flat array, or a function that gives it.
    keep
        Function that gives the objects that belong to the collection at all (boolean, one per object), or None for all.
    where
        File and collection, for error messages.

    Raises
    ------
    SelectionError
        On first use, if a field has not one value per object, or the offsets do not rise from 0.

    Examples
    --------
    >>> import numpy as np
    >>> jets = Collection(np.array([0, 2, 3]), {"pt": np.array([50.0, 20.0, 40.0])}, where="jets")
    >>> hard = jets.where(jets.pt > 30)
    >>> hard.counts.tolist(), hard.sum("pt").tolist(), hard[hard.counts == 1].pt.tolist()
    ([1, 1], [50.0, 40.0], [50.0, 40.0])
    """

    def __init__(
        self,
        offsets: Callable[[], Index] | Index,
        fields: Mapping[str, Callable[[], Flat] | Flat],
        keep: Callable[[], Bools] | None = None,
        where: str = "the objects",
    ) -> None:
        self._source, self._offsets, self._nameless = EventOffsets(offsets, keep, where), None, False
        self._deferred = None
        self._set({x: (Column(x, fields[x], self._source.size, where), None) for x in fields}, None, where)
        if not callable(offsets):
            self._resolve()
            for name in fields:
                if not callable(fields[name]):
                    self._columns[name][0].values  # noqa: B018 (checks its length)

    @classmethod
    def of(cls, objects: Any, name: str = "objects") -> Collection:
        """Jagged records as a collection.

        Parameters
        ----------
        objects
            Awkward array of lists of records (coffea's NanoEvents, too), lists of lists of dictionaries, a mapping
            name -> jagged array, or a collection, which is given back.
        name
            What the collection is called in messages.

        Returns
        -------
        Collection
            Without a copy where the records are contiguous.  Events without a single record have no fields: any one
            that is asked for is empty.

        Raises
        ------
        SelectionError
            If there is not one list per event; and on first use, if a field has not one number per object.

        Examples
        --------
        >>> Collection.of([[{"pt": 20.0}, {"pt": 5.0}], []], "muons")
        <Collection muons: 2 events, 2 objects, fields pt>
        """
        from massgap.arrays.jagged.records import collection_of

        return collection_of(objects, name)

    @classmethod
    def merged(cls, collections: Mapping[int, Collection], name: str = "leptons") -> Collection:
        """Several collections as one, ordered by falling pT, with the fields that all of them have.

        Parameters
        ----------
        collections
            PDG number -> collection; the number becomes the integer field ``flavour``.
        name
            What the new collection is called in messages.

        Returns
        -------
        Collection
            Equal pT in the order of the collections.

        Raises
        ------
        SelectionError
            If the numbers of events differ.

        Examples
        --------
        >>> muons, electrons = Collection.of([[{"pt": 20.0}]]), Collection.of([[{"pt": 30.0}, {"pt": 5.0}]])
        >>> Collection.merged({13: muons, 11: electrons}).flavour.tolist()
        [11, 13, 11]
        """
        from massgap.arrays.jagged.merging import merged

        return merged(collections, name)

    @classmethod
    def _of(
        cls,
        columns: Mapping[str, tuple[Column, Index | None]],
        offsets: Index,
        index: Index | None,
        name: str,
    ) -> Self:
        out = object.__new__(cls)
        out._set(columns, index, name)
        out.__dict__.update(_offsets=frozen(offsets), _nameless=False, _deferred=None)
        return out

    def _like(self, offsets: Index, index: Index | None) -> Self:
        """Other objects of the same columns."""
        out = self._of(self._columns, offsets, index, self._name)
        out._nameless = self._nameless
        return out

    def _single(self, index: Index) -> PerEvent:
        """One object per event at the places of ``index``."""
        return PerEvent._chosen(self._columns, index, self._name, self._nameless)

    def _is_nameless(self) -> bool:
        return self._nameless

    def at(self, k: int) -> PerEvent:
        """The k-th object of each event, from 0; from the end for negative ``k``.

        Examples
        --------
        >>> jets = Collection.of([[{"pt": 50.0}, {"pt": 20.0}], [{"pt": 40.0}]])
        >>> jets.at(1).pt.tolist(), jets.at(1).exists.tolist()
        ([20.0, nan], [True, False])
        """
        return self._single(kernels.pick(self.offsets, self._index_or_all(), k))

    def best(self, values: Any) -> PerEvent:
        """The object of each event with the smallest value, the first of equal ones; NaN is never chosen.

        Parameters
        ----------
        values
            Name of a field, or a flat array with one number per object.
        """
        return self._single(kernels.lowest(self.offsets, self._index_or_all(), self._numbers(values)))

    def pairs(self, others: Collection | None = None) -> Pairs:
        """All pairs within each event (01, 02, 12 ...), or all with one of ``others`` (00, 01, 10 ...).

        Examples
        --------
        >>> muon = dict(pt=45.0, eta=0.0, mass=0.0)
        >>> muons = Collection.of([[{**muon, "phi": 0.0}, {**muon, "phi": 3.0}, {**muon, "phi": 3.1}]])
        >>> pairs = muons.pairs()
        >>> pairs.where(abs(pairs.delta_phi) > 1).mass.round(3).tolist()
        [89.775, 89.981]
        """
        from massgap.arrays.jagged.pairs import Pairs

        if others is None:
            return Pairs._within(self)
        self._same_events(others)
        return Pairs._between(self, others)

    def with_fields(self, **fields: Any) -> Self:
        """The same objects with some fields replaced or added.

        Parameters
        ----------
        **fields
            Arrays with one value per object (flat, or jagged awkward ones), or functions that give flat ones.

        Raises
        ------
        SelectionError
            If an array has another length (for functions: on first use).
        """
        fields = {name: self._flattened(values) for name, values in fields.items()}
        out = self._like(self.offsets, None)
        size = self.size  # a function of the new collection would hold it in a circle of references
        out._columns = self._replaced(fields, lambda: size)
        for name, values in fields.items():
            if not callable(values):
                out._columns[name][0].values  # noqa: B018 (checks its length)
        return out

    @property
    def awkward(self) -> ak.Array:
        """All fields as jagged awkward records, shape (events, objects), sharing the arrays.

        With pt, eta and phi they are vectors of the library ``vector``: Momentum3D, and 4D with mass.
        """
        return self.to_awkward(self.fields)

    def to_awkward(self, fields: Sequence[str]) -> ak.Array:
        """Some fields as jagged awkward records; see :attr:`awkward`."""
        from massgap.arrays.jagged.records import jagged_records

        return jagged_records(self.offsets, {name: self._field(name) for name in fields})

    def __iter__(self) -> Any:
        msg = f"{self._name}: use flat arrays such as objects.pt and sums such as objects.count(mask), not a loop over events."
        raise TypeError(msg)

    def __repr__(self) -> str:
        known = "not read yet" if self._offsets is None else f"{len(self)} events, {self.size} objects"
        return f"<{type(self).__name__} {self._name}: {known}, fields {' '.join(self.fields) or '(none)'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (
            self.offsets,
            {name: self.stored(name) for name in self.fields},
            self._name,
            self._nameless,
        )


def _restored(offsets: Index, fields: dict[str, Flat], name: str, nameless: bool) -> Collection:
    out = Collection(offsets, fields, where=name)
    out._nameless = nameless
    return out
