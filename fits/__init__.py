"""From histograms to results: workspaces, significances, limits and threshold scans.

The room reads run folders and plain ``hist.Hist`` objects; it imports no other room. Importing
``massgap.fits`` loads neither pyhf nor hist: the modules do so where they use them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.fits.inference.result import FitResult
    from massgap.fits.plan import FitOptions, FitPart, FitPlan

__all__ = ["FitOptions", "FitPart", "FitPlan", "FitResult"]

__getattr__, __dir__ = face(
    __name__,
    {"FitOptions": "plan", "FitPart": "plan", "FitPlan": "plan", "FitResult": "inference.result"},
)
