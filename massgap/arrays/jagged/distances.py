"""Angles and distances between the objects of a collection and others of the same events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import frozen, in_one_precision
from massgap.arrays.jagged.per_event import PerEvent
from massgap.arrays.jagged.sums import Jagged
from massgap.arrays.kernels import momenta

if TYPE_CHECKING:
    from massgap.arrays.kernels.selecting import Bools, Floats, Index

__all__ = ["Closest", "Distances"]


class Closest(NamedTuple):
    """The nearest of other objects.

    Attributes
    ----------
    delta_r
        Distance, shape (objects,); inf where the event has no other object.
    index
        Its index in the flat arrays of the others, shape (objects,); -1 where there is none.
    """

    delta_r: Floats
    index: Index  # type: ignore[assignment]  # hides the method index of tuples, which nobody misses


class Distances(Jagged):
    """Objects with eta and phi (radians).  Others are a collection, or one object per event."""

    def near(self, others: Jagged | PerEvent, delta_r: float) -> Bools:
        """Whether each object has one of ``others`` strictly within ``delta_r``.

        Parameters
        ----------
        others
            Collection, or one object per event, of the same events.
        delta_r
            Distance sqrt(delta eta^2 + delta phi^2), compared in double precision.

        Returns
        -------
        numpy.ndarray
            Boolean, shape (objects,).  A direction that is NaN is near nothing.

        Raises
        ------
        SelectionError
            If the numbers of events differ, or eta or phi is missing.
        """
        other = self._same_events(others)
        index, eta, phi = self._directions()
        other_index, other_eta, other_phi = others.in_any_order()._directions()
        eta, phi, other_eta, other_phi = in_one_precision(eta, phi, other_eta, other_phi)
        return momenta.near(
            self.offsets, index, eta, phi, other, other_index, other_eta, other_phi, float(delta_r)
        )

    def away_from(self, others: Jagged | PerEvent, delta_r: float) -> Self:
        """The objects at ``delta_r`` or farther from each of ``others`` (overlap removal); see :meth:`near`."""
        return self.where(~self.near(others, delta_r))

    def closest_to(self, others: Jagged | PerEvent) -> Closest:
        """The nearest of ``others`` in its event for each object, the first of equally near ones.

        Parameters
        ----------
        others
            Collection, or one object per event (then ``index`` is that of the event).

        Returns
        -------
        Closest

        Raises
        ------
        SelectionError
            If the numbers of events differ, or eta or phi is missing.
        """
        a, b = self._field, others._field
        other = self._same_events(others)
        return Closest(*momenta.closest(self.offsets, a("eta"), a("phi"), other, b("eta"), b("phi")))

    def delta_phi(self, other: PerEvent) -> Floats:
        """Azimuth of each object minus that of one object of its event.

        Parameters
        ----------
        other
            One object per event, such as ``event.met``.

        Returns
        -------
        numpy.ndarray
            Radians in (-pi, pi], shape (objects,); NaN where the other is missing.
        """
        self._one_per_event(other, "delta_phi")
        return momenta.delta_phi(self._field("phi"), frozen(self.per_event(other._field("phi"))))

    def delta_r(self, other: PerEvent) -> Floats:
        """Distance of each object to one object of its event, shape (objects,); NaN where that is missing."""
        self._one_per_event(other, "delta_r")
        eta, phi = (frozen(self.per_event(other._field(name))) for name in ("eta", "phi"))
        return momenta.delta_r(self._field("eta"), self._field("phi"), eta, phi)

    def _one_per_event(self, other: Any, what: str) -> None:
        if not isinstance(other, PerEvent):
            msg = f"{self._name}: {what} is to one object per event; for all pairs write objects.pairs(others).{what}."
            raise SelectionError(msg)
        self._same_events(other)

    def _same_events(self, others: Jagged | PerEvent) -> Index:
        """Offsets of the others."""
        if len(others) != len(self):
            msg = f"{self._name} has {len(self)} events, but {others._name} has {len(others)}."
            raise SelectionError(msg)
        if isinstance(others, PerEvent):
            return frozen(np.arange(len(others) + 1))
        return others.offsets
