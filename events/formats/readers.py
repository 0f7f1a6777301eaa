"""The table of formats: what each can read, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from massgap.events.formats import delphes, nanoaod, physlite
from massgap.events.formats.names import DELPHES, NANOAOD, PHYSLITE

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from massgap.events.columns import Columns
    from massgap.events.formats.fields import Reader

__all__ = ["COLLECTIONS", "EVENT_READERS", "FORMATS", "IN_FILE_ORDER", "EventReaders"]


class EventReaders(NamedTuple):
    """How a format tells what belongs to whole events.

    Attributes
    ----------
    simulated
        Function of columns: whether they are of simulated events.
    weights
        Generator weights of simulated events, shape (n,).
    identifiers
        Run, luminosity block and event number, shape (n, 3).
    """

    simulated: Callable[[Columns], bool]
    weights: Callable[[Columns], npt.NDArray[np.float64]]
    identifiers: Callable[[Columns], npt.NDArray[np.uint64]]


_MODULES = {NANOAOD: nanoaod, PHYSLITE: physlite, DELPHES: delphes}

FORMATS: dict[str, dict[str, Reader]] = {name: module.READERS for name, module in _MODULES.items()}
"""Format -> name of a collection -> function that reads it."""

EVENT_READERS: dict[str, EventReaders] = {
    name: EventReaders(module.simulated, module.weights, module.identifiers)
    for name, module in _MODULES.items()
}
"""Format -> how it tells weights and identifiers."""

COLLECTIONS: tuple[str, ...] = tuple(dict.fromkeys(name for readers in FORMATS.values() for name in readers))
"""Names of all collections of all formats."""

IN_FILE_ORDER = ("gen_particles",)
"""Collections that stay in the order of the file, since their objects refer to one another by it."""
