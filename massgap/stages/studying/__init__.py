"""Whole studies, from nothing to a report, and their numbers beside those of their papers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.stages.studying.scanning import scan
    from massgap.stages.studying.studies import StudyResult, demo, study
    from massgap.stages.studying.validating import Validation, validate

__all__ = ["StudyResult", "Validation", "demo", "scan", "study", "validate"]

__getattr__, __dir__ = face(
    __name__,
    {
        "StudyResult": "studies",
        "Validation": "validating",
        "demo": "studies",
        "scan": "scanning",
        "study": "studies",
        "validate": "validating",
    },
)
