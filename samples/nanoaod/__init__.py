"""NanoAOD files of generated events: what they hold and how they are written.

Names and types are those of CMS NanoAOD v12, so that coffea's ``NanoAODSchema``, uproot and any NanoAOD tool read the
files as they are. This module gathers the parts: branch names in :mod:`massgap.samples.branches`, the simulation in
:mod:`massgap.samples.content`, files in :mod:`massgap.samples.writer`.
"""

from __future__ import annotations

from massgap.samples.branches import COLLECTIONS, SCALARS, VARIATIONS
from massgap.samples.content import event_content
from massgap.samples.writer import FORMS, METADATA_KEY, NanoWriter

__all__ = ["COLLECTIONS", "FORMS", "METADATA_KEY", "SCALARS", "VARIATIONS", "NanoWriter", "event_content"]
