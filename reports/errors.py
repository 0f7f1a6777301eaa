"""Errors about what a report reads: which folder or file is at fault, and the remedy."""

from __future__ import annotations

from massgap.errors import MassgapError


class ReportError(MassgapError):
    """Base of all errors that the reports raise."""


class MissingInput(ReportError):
    """A folder or file that was asked for is not there."""


class UnreadableInput(ReportError):
    """A file is there but does not hold what its format promises."""
