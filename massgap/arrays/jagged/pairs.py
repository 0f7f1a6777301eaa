"""Pairs of objects of the same event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.columns import NOTHING, Column, Fields, Flat, frozen
from massgap.arrays.jagged.deferred import by_falling_pt
from massgap.arrays.jagged.per_event import PerEvent
from massgap.arrays.kernels import momenta
from massgap.arrays.kernels import selecting as kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.arrays.kernels.selecting import Floats, Index

__all__ = ["PairPerEvent", "Pairs"]

NEEDS = {
    "mass": ("pt", "eta", "phi", "mass"),
    "pt": ("pt", "eta", "phi"),
    "eta": ("pt", "eta", "phi"),
    "phi": ("pt", "eta", "phi"),
    "delta_r": ("eta", "phi"),
    "delta_eta": ("eta", "phi"),
    "delta_phi": ("phi",),
    "charge": ("charge",),
}
"""Fields of a pair, and what both objects must have for it."""


class PairColumn(Column):
    """A field of pairs: computed from their objects, and kept if it was computed for all pairs."""

    __slots__ = ()

    def fill(self, values: Flat) -> None:
        """Take the values for all pairs."""
        self._values = frozen(values)


def computed(name: str, first: Fields, second: Fields) -> dict[str, Flat]:
    """A field of pairs from their objects, and others that come with it."""
    a, b = first._field, second._field
    if name == "mass":
        of = NEEDS["mass"]
        return {"mass": momenta.pair_mass(*(a(x) for x in of), *(b(x) for x in of))}
    if name in {"pt", "eta", "phi"}:
        of = NEEDS["pt"]
        sums = momenta.pair_momentum(*(a(x) for x in of), *(b(x) for x in of))
        return dict(zip(of, sums, strict=True))
    if name == "delta_r":
        return {"delta_r": momenta.delta_r(a("eta"), a("phi"), b("eta"), b("phi"))}
    if name == "delta_phi":
        return {"delta_phi": momenta.delta_phi(a("phi"), b("phi"))}
    if name == "delta_eta":
        return {"delta_eta": a("eta") - b("eta")}
    return {"charge": a("charge") + b("charge")}


class Twos(Fields):
    """Fields that are computed from two objects on first use, for those pairs that are left."""

    @property
    def first(self) -> Any:
        """The first object of each pair."""
        raise NotImplementedError

    @property
    def second(self) -> Any:
        """The second object of each pair."""
        raise NotImplementedError

    @property
    def delta_r(self) -> Floats:
        """Distance of the two objects of each pair, sqrt(delta eta^2 + delta phi^2)."""
        return self._field("delta_r")

    @property
    def delta_phi(self) -> Floats:
        """Azimuth of the first minus that of the second object of each pair, radians in (-pi, pi]."""
        return self._field("delta_phi")

    def with_fields(self, **fields: Any) -> Self:
        """The same pairs with some fields replaced or added; see :meth:`Collection.with_fields`."""
        out = super().with_fields(**fields)  # type: ignore[misc]
        out._roots = (self.first, self.second)
        return out

    def _fill(self, start: Index | None) -> bool:
        """Whether what is computed now is for all pairs of the columns."""
        return start is None and self._index is None

    def _located(self, name: str) -> tuple[Flat, Index | None]:
        column, start = self._placed(name)
        if not isinstance(column, PairColumn) or column.is_read:
            return super()._located(name)
        found = computed(name, self.first, self.second)
        for other, values in found.items():
            target = self._columns[other][0] if other in self._columns else None
            if not isinstance(target, PairColumn):
                continue  # replaced by the user
            if self._fill(start):
                target.fill(values)
            elif other != name:
                self._double[other] = frozen(values)
        return frozen(found[name]), None


class PairPerEvent(Twos, PerEvent):  # type: ignore[misc]  # delta_r, delta_phi: of the two, not to another
    """One pair per event: its fields, and its two objects as ``first`` and ``second``."""

    _roots: tuple[Collection | PerEvent, Collection | PerEvent]

    def _like(self, index: Index | None, present: Any = None) -> Self:
        out = super()._like(index, present)
        out._roots = self._roots
        return out

    @property
    def first(self) -> PerEvent:
        """The first object of each pair, one per event."""
        return _single(self._roots[0], self._index)

    @property
    def second(self) -> PerEvent:
        """The second object of each pair, one per event."""
        return _single(self._roots[1], self._index)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored_single, (self.first, self.second, _own(self), self.exists, self._name)


class Pairs(Twos, Collection):  # type: ignore[misc]  # delta_r, delta_phi: of the two, not to another
    """Pairs of objects of the same event: a collection with the fields of their sums.

    =========================== ==============================================================================
    mass, pt, eta, phi          of the sum of the two, GeV and radians; eta and phi are NaN where its pT is 0
    delta_r                     sqrt(delta eta^2 + delta phi^2)
    delta_eta, delta_phi        first minus second, delta_phi in (-pi, pi]
    charge                      sum of the two
    =========================== ==============================================================================

    There are those for which both objects have what is needed; each is computed on first use, for the pairs that
    are left.  Pairs are made by :meth:`massgap.arrays.jagged.collection.Collection.pairs`.

    Examples
    --------
    >>> lepton = dict(pt=45.0, eta=0.0, mass=0.0)
    >>> leptons = Collection.of([[{**lepton, "phi": 0.0}, {**lepton, "phi": 3.0}, {**lepton, "phi": -1.0}]])
    >>> pairs = leptons.pairs()
    >>> z = pairs.best(abs(pairs.mass - 91.19))
    >>> z.mass.round(2).tolist(), z.second.phi.tolist()
    ([89.77], [3.0])
    """

    _roots: tuple[Collection, Collection]

    @classmethod
    def _within(cls, objects: Collection) -> Pairs:
        offsets, one, two = kernels.twos(objects.offsets, objects._index_or_all())
        return cls._aligned(
            objects._like(offsets, one), objects._like(offsets, two), f"pairs of {objects._name}"
        )

    @classmethod
    def _between(cls, objects: Collection, others: Collection) -> Pairs:
        offsets, one, two = kernels.cross(
            objects.offsets, objects._index_or_all(), others.offsets, others._index_or_all()
        )
        name = f"pairs of {objects._name} and {others._name}"
        return cls._aligned(objects._like(offsets, one), others._like(offsets, two), name)

    @classmethod
    def _aligned(cls, first: Collection, second: Collection, name: str) -> Pairs:
        """The pairs of objects that stand at the same place of two collections."""
        out = cls._of(_columns(first, second, lambda: first.size, name), first.offsets, None, name)
        out._roots = (first, second)
        out._nameless = first._is_nameless() or second._is_nameless()
        return out

    def _defer(self, events: Index | None, *, by_pt: bool) -> Self:
        # Two collections are aligned with the pairs: they are chosen and put in order at once.
        out = (
            self if events is None else self._like(*kernels.take(self.offsets, self._index_or_all(), events))
        )
        return out._like(out.offsets, by_falling_pt(out)) if by_pt else out

    def _like(self, offsets: Index, index: Index | None) -> Self:
        out = super()._like(offsets, index)
        out._roots = self._roots
        return out

    def _single(self, index: Index) -> PerEvent:
        out = PairPerEvent._chosen(self._columns, index, self._name, self._nameless)
        out._roots = self._roots
        return out

    @property
    def first(self) -> Collection:
        """The first object of each pair, a collection with the same offsets."""
        return _jagged(self._roots[0], self.offsets, self._index)

    @property
    def second(self) -> Collection:
        """The second object of each pair, a collection with the same offsets."""
        return _jagged(self._roots[1], self.offsets, self._index)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.first, self.second, _own(self), self._name)


def _columns(
    first: Fields, second: Fields, size: Callable[[], int], name: str
) -> dict[str, tuple[Column, Index | None]]:
    both = set(first.fields) & set(second.fields)
    return {
        x: (PairColumn(x, NOTHING, size, name), None) for x, needs in NEEDS.items() if both.issuperset(needs)
    }


def _composed(start: Index | None, index: Index) -> Index:
    return index if start is None else kernels.compose(start, index)


def _jagged(root: Collection, offsets: Index, index: Index | None) -> Collection:
    return root if index is None else root._like(offsets, _composed(root._places(), index))


def _single(root: Collection | PerEvent, index: Index | None) -> PerEvent:
    if isinstance(root, PerEvent):
        found: PerEvent = root if index is None else root[index]
        return found
    assert index is not None
    return root._single(_composed(root._places(), index))


def _own(pairs: Fields) -> dict[str, Flat]:
    """The fields that are not computed."""
    return {x: pairs.stored(x) for x in pairs.fields if not isinstance(pairs._columns[x][0], PairColumn)}


def _restored(first: Collection, second: Collection, own: dict[str, Flat], name: str) -> Pairs:
    pairs = Pairs._aligned(first, second, name)
    return pairs.with_fields(**own) if own else pairs


def _restored_single(
    first: PerEvent, second: PerEvent, own: dict[str, Flat], exists: Any, name: str
) -> PairPerEvent:
    columns = _columns(first, second, lambda: len(exists), name)
    out = PairPerEvent._chosen(columns, np.arange(len(exists)), name, first._nameless or second._nameless)
    out._index, out._present, out._roots = None, exists, (first, second)
    return out.with_fields(**own) if own else out
