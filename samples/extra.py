"""The generator extra, pythia8mc and fastjet: import it or say how to get it, and hold back what it prints from C++."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from massgap import extras
from massgap.samples.errors import GeneratorMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["no_banner", "require", "without_banner"]

_announced: set[str] = set()


@contextlib.contextmanager
def no_banner() -> Iterator[None]:
    """Keep standard output quiet, whatever a library's settings say."""
    sys.stdout.flush()
    saved, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
        os.close(null)


@contextlib.contextmanager
def without_banner(library: str) -> Iterator[None]:
    """Hold back what the first call of a library prints; later calls cost nothing."""
    if library in _announced:
        yield
        return
    with no_banner():
        yield
    _announced.add(library)


def require() -> Any:
    """Import pythia8mc, or say how to get it.

    Raises
    ------
    GeneratorMissingError
        If pythia8mc or fastjet is not installed, or cannot be imported.
    """
    extras.require("fastjet", "event generation", error=GeneratorMissingError)
    return extras.require("pythia8mc", "event generation", error=GeneratorMissingError)
