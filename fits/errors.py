"""What can go wrong between histograms and a fit result.

Every message names the file, histogram, bin or option and what to do about it.
"""

from __future__ import annotations

from massgap.errors import MassgapError

__all__ = [
    "BinningError",
    "FitError",
    "InferenceError",
    "PlaneError",
    "WorkspaceError",
]


class FitError(MassgapError):
    """Base of all errors of the fits room."""


class BinningError(FitError):
    """A binning leaves a bin that cannot be fitted."""


class WorkspaceError(FitError):
    """A workspace cannot be built from the given templates and options."""


class PlaneError(FitError):
    """The signals of a plane, their masses or cross sections make no plane."""


class InferenceError(FitError):
    """A fit or a root search did not succeed."""
