"""What is put off: objects are picked and put in order when something depends on it.

A cut keeps some events, and of their objects a selection keeps a few: to pick and to order all of them in between would be
wasted.  A collection therefore remembers from which other objects it is still to be made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from massgap.arrays.jagged.columns import frozen, some_events
from massgap.arrays.jagged.distances import Distances
from massgap.arrays.kernels import ordering as orders
from massgap.arrays.kernels import selecting as kernels
from massgap.arrays.kernels.summing import counts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from massgap.arrays.jagged.offsets import EventOffsets
    from massgap.arrays.jagged.per_event import PerEvent
    from massgap.arrays.jagged.sums import Jagged
    from massgap.arrays.kernels.selecting import Bools, Floats, Index

__all__ = ["Deferrable", "Deferred", "by_falling_pt"]

MANY = 2
"""Objects in the file for each event that is left, up to which it is faster to test all than to pick those of the events."""

FEW = 64
"""Up to so many objects per event, sorting by insertion is the fastest."""


class Deferred(NamedTuple):
    """Objects of which others are still to be made: those of some events, then by falling pT."""

    objects: Deferrable
    events: Index | None
    by_pt: bool


class Deferrable(Distances):
    """Jagged objects that may still have to be made from others."""

    _source: EventOffsets
    _nameless: bool
    _deferred: Deferred | None
    """What is still to be done to other objects to get these; None once it is done."""
    _by_falling_pt: bool = False
    """Whether they were put in order."""
    _known: dict[Hashable, Any] | None = None
    """What was made of them by tests with a key; None where nothing is kept."""

    def _resolve(self) -> Index:
        if self._deferred is not None:
            self._offsets = self.in_any_order().offsets  # the order within an event moves no event
        if self._offsets is None:
            self._offsets, self._index = self._source.resolved()
        return self._offsets

    def _places(self) -> Index | None:
        if self._deferred is not None:
            objects = self.in_any_order()
            if self._deferred is not None:
                self._index, self._offsets, self._deferred = by_falling_pt(objects), objects.offsets, None
                self._by_falling_pt = True
        if self._offsets is None:
            self._resolve()
        return self._index

    def _defer(self, events: Index | None, *, by_pt: bool) -> Self:
        out = object.__new__(type(self))
        out._set(self._columns, None, self._name)
        out.__dict__.update(_offsets=None, _nameless=self._nameless, _deferred=Deferred(self, events, by_pt))
        return out

    def in_any_order(self) -> Deferrable:
        """The same objects for what does not depend on their order: those of the right events, not yet ordered."""
        if self._deferred is None:
            return self
        objects, events, by_pt = self._deferred
        if events is not None:
            objects = objects._like(*kernels.take(objects.offsets, objects._index_or_all(), events))
            self._deferred = Deferred(objects, None, by_pt)
        if not by_pt:
            self._index, self._offsets, self._deferred = objects._places(), objects.offsets, None
            return self
        return objects

    @property
    def counts(self) -> Index:
        """Number of objects of each event, shape (events,)."""
        if self._deferred is not None and self._deferred.events is not None:
            return counts_of(self._deferred.objects.offsets, self._deferred.events)
        return super().counts

    @property
    def size(self) -> int:
        """Number of objects of all events together."""
        return (
            int(self.counts.sum()) if self._offsets is None and self._deferred is not None else super().size
        )

    def __len__(self) -> int:
        if self._deferred is not None and self._deferred.events is not None:
            return len(self._deferred.events)
        return super().__len__()

    def by_pt(self) -> Self:
        """The objects of each event by falling pT, equal ones in the order of the file, NaN last.

        They are put in order when something is asked for that depends on it: not for objects that a cut then leaves out.
        """
        self._placed("pt")
        if self._by_falling_pt:
            return self
        if self._deferred is None:
            return self._defer(None, by_pt=True)
        objects, events, by_pt = self._deferred
        return self if by_pt else objects._defer(events, by_pt=True)  # type: ignore[return-value]

    def __getitem__(self, chosen: Any) -> Any:
        """A field by its name (flat array), or the objects of some events.

        Parameters
        ----------
        chosen
            Name of a field; or a boolean mask with one value per event, indices in any order, or a slice.

        Returns
        -------
        numpy.ndarray or Collection

        Raises
        ------
        SelectionError
            If there is no such field, or the mask is of other events.
        """
        if isinstance(chosen, str):
            return self._field(chosen)
        events = some_events(chosen, len(self), self._name)
        if events is None:
            return self
        if self._deferred is None:
            return self._defer(events, by_pt=False)
        objects, before, by_pt = self._deferred
        return objects._defer(
            events if before is None else frozen(kernels.taken(before, events)), by_pt=by_pt
        )

    def remembering(self) -> Self:
        """The same objects, which keep what :meth:`filter` has made of them under a key: for several passes over one chunk."""
        out = self._like(self.offsets, self._places())
        out.__dict__["_known"] = {}
        return out

    def filter(
        self, test: Callable[..., Bools], *fields: str, stored: bool = False, key: Hashable = None
    ) -> Self:
        """The objects that pass a test of each by itself, in the same order.

        As ``where(test(...))``, but faster: the test may see the objects in any order, and those of events that a cut has
        left out.

        Parameters
        ----------
        test
            Function of flat arrays, one per field, that gives a boolean for each object.
        *fields
            Names of the fields.
        stored
            Give the test the fields as they are stored, for a compiled one that compares in double precision itself: NumPy
            would round a threshold to single precision.
        key
            What tells the test from all others, where the result may be kept: see :meth:`remembering`.

        Raises
        ------
        SelectionError
            If there is no such field, or the test gives anything but one boolean per object.

        Examples
        --------
        >>> from massgap.arrays import Collection
        >>> jets = Collection.of([[{"pt": 50.0}, {"pt": 20.0}]])
        >>> jets.filter(lambda pt: pt > 30, "pt").pt.tolist()
        [50.0]
        """
        if self._deferred is None:
            if key is not None and self._known is not None:
                found = self._known.get(key)
                if found is None:
                    found = self._known[key] = self.filter(test, *fields, stored=stored)
                return found
            values = (self.stored(name) if stored else self._field(name) for name in fields)
            return self.where(test(*values))
        objects, events, by_pt = self._deferred
        kept = key is not None and objects._known is not None
        if events is not None and not kept and objects.size > MANY * len(events):
            objects, events = self.in_any_order(), None
            if objects is self:
                return self.filter(test, *fields, stored=stored)
        return objects.filter(test, *fields, stored=stored, key=key)._defer(events, by_pt=by_pt)  # type: ignore[return-value]

    def away_from(self, others: Jagged | PerEvent, delta_r: float) -> Self:
        """The objects at ``delta_r`` or farther from each of ``others`` (overlap removal); see :meth:`near`."""
        if len(others) == len(self) and getattr(others, "size", 1) == 0:
            return self
        objects = self.in_any_order()
        if objects is self:
            return super().away_from(others, delta_r)
        return objects.away_from(others, delta_r).by_pt()  # type: ignore[return-value]

    def sum(self, values: Any, mask: Any = None) -> Floats:
        """Sum over the objects of each event, in their order; see :meth:`massgap.arrays.jagged.sums.Jagged.sum`."""
        if mask is None and isinstance(values, str):
            objects = self.in_any_order()
            # Whole numbers add up to the same in any order.
            if objects is not self and objects.stored(values).dtype.kind in "biu":
                return objects.sum(values)
        return super().sum(values, mask)


def by_falling_pt(objects: Deferrable) -> Index | None:
    """Places of the objects by falling pT."""
    pt = objects["pt"]
    places = objects._places()
    if orders.in_order(objects.offsets, pt):
        return places
    few = int(objects.counts.max()) <= FEW
    index = orders.order(objects.offsets, pt) if few else orders.any_order(objects.events_of_objects, pt)
    return frozen(index if places is None else kernels.taken(places, frozen(index)))
