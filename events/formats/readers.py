"""The table of formats: what each can read, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.events.columns import DELPHES, NANOAOD
from massgap.events.formats import delphes, nanoaod

if TYPE_CHECKING:
    from massgap.events.formats.fields import Reader

__all__ = ["FORMATS", "IN_FILE_ORDER"]

FORMATS: dict[str, dict[str, Reader]] = {NANOAOD: nanoaod.READERS, DELPHES: delphes.READERS}
"""Format -> name of a collection -> function that reads it."""

IN_FILE_ORDER = ("gen_particles",)
"""Collections that stay in the order of the file, since their objects refer to one another by it."""
