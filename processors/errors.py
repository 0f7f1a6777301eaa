"""Errors of the processors: the analysis, option, histogram or dataset at fault, and the remedy."""

from __future__ import annotations

from massgap.errors import MassgapError

__all__ = ["ProcessorError"]


class ProcessorError(MassgapError):
    """Base of all errors that the processors raise."""
