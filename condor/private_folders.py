"""Folders that a pool gives each job privately, so that nothing in them is the same here and there."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["private_folder"]

_PRIVATE = ("/tmp", "/var/tmp")
"""What HTCondor puts below a job's own folder, unless a pool says otherwise (its setting MOUNT_UNDER_SCRATCH)."""


def private_folder(path: str | os.PathLike[str]) -> str | None:
    """The folder of this kind in which a path lies; None if it lies in none, or is an address.

    Examples
    --------
    >>> private_folder("/tmp/my/events.root"), private_folder("/data/tmp/events.root")
    ('/tmp', None)
    """
    if "://" in str(path):
        return None
    # Both as it is written and as links lead.
    places = (Path(os.path.abspath(path)), Path(os.path.realpath(path)))  # noqa: PTH100
    return next((top for top in _PRIVATE for place in places if Path(top) in (place, *place.parents)), None)
