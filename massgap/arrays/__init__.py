"""Jagged collections of objects: the form in which selections, features and compiled passes take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.arrays.jagged.collection import Collection
    from massgap.arrays.jagged.pairs import Pairs
    from massgap.arrays.jagged.per_event import PerEvent

__all__ = ["Collection", "Pairs", "PerEvent"]

__getattr__, __dir__ = face(
    __name__,
    {"Collection": "jagged.collection", "Pairs": "jagged.pairs", "PerEvent": "jagged.per_event"},
)
