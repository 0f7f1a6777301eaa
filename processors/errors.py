"""Errors of the processors and the runner: the option, file or chunk at fault, and the remedy."""

from __future__ import annotations

__all__ = ["FileProblem", "IncompleteRunError", "ProcessorError"]


class ProcessorError(ValueError):
    """Base of all errors that the processors and the runner raise."""


class FileProblem(ProcessorError):
    """A file that cannot be processed: missing, damaged, of an unknown format, or without a needed branch."""


class IncompleteRunError(ProcessorError):
    """Some work could not be done; what was done is kept."""
