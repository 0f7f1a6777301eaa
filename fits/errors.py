"""What can go wrong between a run folder and a fit result.

Every message names the file, histogram, bin or option and what to do about it.
"""

from __future__ import annotations

from massgap.errors import MassgapError

__all__ = [
    "BinningError",
    "FitError",
    "HistogramError",
    "IncompleteRunError",
    "InferenceError",
    "RunFolderError",
    "WorkspaceError",
]


class FitError(MassgapError):
    """Base of all errors of the fits room."""


class RunFolderError(FitError):
    """A run folder or one of its files is missing, damaged or of another format."""


class HistogramError(FitError):
    """A histogram, or a category on one of its axes, is not there or has another shape."""


class IncompleteRunError(FitError):
    """The ledger of the run says that events are lost, so the yields would be too small."""


class BinningError(FitError):
    """A binning leaves a bin that cannot be fitted."""


class WorkspaceError(FitError):
    """A workspace cannot be built from the given templates and options."""


class InferenceError(FitError):
    """A fit or a root search did not succeed."""
