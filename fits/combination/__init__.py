"""Several regions and several runs in one likelihood, and whether they share events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.fits.combination.runs import combine, planned_runs, require_disjoint
    from massgap.fits.plan import PlannedRun

__all__ = ["PlannedRun", "combine", "planned_runs", "require_disjoint"]

__getattr__, __dir__ = face(
    "massgap.fits",
    {
        "PlannedRun": "plan",
        "combine": "combination.runs",
        "planned_runs": "combination.runs",
        "require_disjoint": "combination.runs",
    },
)
