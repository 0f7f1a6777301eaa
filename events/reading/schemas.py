"""coffea schemas that open every file that massgap reads, without warnings.

They are importable subclasses: settings made on coffea's own classes do not reach worker processes.
"""

from __future__ import annotations

from typing import Any, ClassVar

from coffea.nanoevents import BaseSchema, DelphesSchema, NanoAODSchema, PHYSLITESchema

from massgap.events.columns import DELPHES, NANOAOD, PHYSLITE

__all__ = ["Delphes", "NanoAOD", "schema_for"]


class NanoAOD(NanoAODSchema):
    """coffea's NanoAODSchema for any version, skims and generator files included."""

    warn_missing_crossrefs = False
    error_missing_event_ids = False


class Delphes(DelphesSchema):
    """coffea's DelphesSchema, also for files older than Delphes 3.5, whose tracks have no mass."""

    warn_missing_crossrefs = False
    mixins: ClassVar[dict[str, str]] = {
        name: "MasslessParticle" if mixin == "Track" else mixin
        for name, mixin in DelphesSchema.mixins.items()
    }


def schema_for(event_format: str, *, bare: bool = False) -> Any:
    """The schema class for a format name of :func:`massgap.events.columns.event_format`.

    Parameters
    ----------
    event_format
        The format.
    bare
        For columns alone: coffea's PHYSLITESchema does not know the names that ATLAS gives the fields of RNTuples.
    """
    if bare and event_format == PHYSLITE:
        return BaseSchema
    return {NANOAOD: NanoAOD, DELPHES: Delphes, PHYSLITE: PHYSLITESchema}.get(event_format, BaseSchema)
