"""Errors of the processors and the runner: the option, file or chunk at fault, and the remedy."""

from __future__ import annotations

from massgap.errors import MassgapError

__all__ = ["FileProblem", "IncompleteRunError", "ProcessorError", "short"]


class ProcessorError(MassgapError):
    """Base of all errors that the processors and the runner raise."""


class FileProblem(ProcessorError):
    """A file that cannot be processed: missing, damaged, of an unknown format, or without a needed branch."""


class IncompleteRunError(ProcessorError):
    """Some work could not be done; what was done is kept."""


def short(error: object, most: int | None = None) -> str:
    """The type of an error and the first line of its message.

    Parameters
    ----------
    error
        The error, or whatever came in its place.
    most
        Characters of the line at most.

    Examples
    --------
    >>> short(OSError("no route\\nto host")), short(KeyError())
    ('OSError: no route', 'KeyError')
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:most]}" if lines else type(error).__name__
