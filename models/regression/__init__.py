"""Networks that estimate a number instead of a class: from the columns of one row, or from a set of events in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.models.regression.fitted import Regressor, Schedule, fit_rows, fit_sets

__all__ = ["Regressor", "Schedule", "fit_rows", "fit_sets"]

__getattr__, __dir__ = face(__name__, dict.fromkeys(__all__, "fitted"))
