"""The light face of a room: names that are imported from where they live when they are first used.

A room says what it offers in its ``__init__.py``; importing the room loads none of it, so that ``import massgap.runner``
costs nothing and modules may move within the room.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["face"]


def face(room: str, places: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    room
        Name of the package.
    places
        Name that it offers -> module, relative to the package (``"runner"`` or ``"executors.make"``).

    Returns
    -------
    tuple of two functions

    Examples
    --------
    >>> find, names = face("os", {"join": "path"})
    >>> find("join")("a", "b"), names()
    ('a/b', ['join'])
    """

    def find(name: str) -> Any:
        if name in places:
            return getattr(importlib.import_module(f"{room}.{places[name]}"), name)
        msg = f"module {room!r} has no attribute {name!r}"
        raise AttributeError(msg)

    return find, lambda: sorted(places)
