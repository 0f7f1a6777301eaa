"""Errors of runs: the option, file, chunk or worker at fault, and the remedy."""

from __future__ import annotations

from massgap.contracts.errors import IncompleteRunError
from massgap.errors import MassgapError

__all__ = [
    "EnvironmentMismatchError",
    "IncompleteRunError",
    "NoWorkersError",
    "RunnerError",
    "SchedulerLostError",
    "short",
]


class RunnerError(MassgapError):
    """Base of all errors that the runner raises."""


class SchedulerLostError(RunnerError):
    """The dask scheduler is gone."""


class NoWorkersError(RunnerError):
    """There is no worker, and none is coming."""


class EnvironmentMismatchError(RunnerError):
    """The software of a worker is not that of the driver."""


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
