"""Toys: CLs, limits and discovery from pseudo-experiments, where counts are too small for asymptotic formulae."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.fits.inference.toys.hypotheses import toy_cls, toy_discovery, toy_tests
    from massgap.fits.inference.toys.limits import toy_limit
    from massgap.fits.inference.toys.options import ToyOptions
    from massgap.fits.inference.toys.results import toy_results

__all__ = ["ToyOptions", "toy_cls", "toy_discovery", "toy_limit", "toy_results", "toy_tests"]

__getattr__, __dir__ = face(
    __name__,
    {
        "ToyOptions": "options",
        "toy_cls": "hypotheses",
        "toy_discovery": "hypotheses",
        "toy_limit": "limits",
        "toy_results": "results",
        "toy_tests": "hypotheses",
    },
)
