"""What a job wrote, as far as it came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["last_words"]

_TAIL = 8000
"""Bytes at the end of the file that are read."""


def last_words(path: Path, lines: int) -> str:
    """The last lines that are not blank.

    Parameters
    ----------
    path
        The job's standard error; if it is not there, it said nothing.
    lines
        How many at most.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL, 0))
            # A progress line is written over and over again.
            said = file.read().decode(errors="replace").replace("\r", "\n").splitlines()
    except OSError:
        return ""
    return "\n".join([line.rstrip() for line in said if line.strip()][-lines:]).strip()
