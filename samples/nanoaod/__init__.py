"""NanoAOD files of generated events: what they hold and how they are written.

Names and types are those of CMS NanoAOD v12, so that coffea's ``NanoAODSchema``, uproot and any NanoAOD tool read the
files as they are.  Branch names are in ``branches``, the simulation in ``content``, files in ``writer``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.samples.nanoaod.branches import COLLECTIONS, SCALARS, VARIATIONS
    from massgap.samples.nanoaod.content import event_content
    from massgap.samples.nanoaod.truth import Truth
    from massgap.samples.nanoaod.writer import FORMS, METADATA_KEY, NanoWriter

__all__ = [
    "COLLECTIONS",
    "FORMS",
    "METADATA_KEY",
    "SCALARS",
    "VARIATIONS",
    "NanoWriter",
    "Truth",
    "event_content",
]

__getattr__, __dir__ = face(
    __name__,
    {
        **dict.fromkeys(("COLLECTIONS", "SCALARS", "VARIATIONS"), "branches"),
        "Truth": "truth",
        "event_content": "content",
        **dict.fromkeys(("FORMS", "METADATA_KEY", "NanoWriter"), "writer"),
    },
)
