"""Reading events: what a file holds, as collections with the same fields for every format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.events.event import Event, TaggerOptions

__all__ = ["Event", "TaggerOptions"]

__getattr__, __dir__ = face(
    __name__,
    {"Event": "event", "TaggerOptions": "event"},
)
