"""Names of files for things that have names of their own, such as data sets.

A data set is named as its owner likes, ``/TTTo2L2Nu/RunIISummer20UL18/NANOAODSIM`` for instance.  A file is not: readers of
folders (pyarrow, pandas, dask, Spark) skip names that begin with ``_`` or ``.``, a name has at most 255 bytes, and on some
file systems ``TT`` and ``tt`` are one file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from massgap.contracts.writing import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["file_names"]

LONGEST = 200
"""Bytes of a name with its extension.  File systems allow 255; :func:`massgap.contracts.writing.replacing` adds some 24 while it writes."""

_REPLACED = re.compile(r"[^A-Za-z0-9_.+-]+")
_MARK = re.compile(r"-[0-9a-f]{12}\Z")


def file_names(names: Iterable[str], extension: str = "") -> dict[str, str]:
    """A file name for each of some names, which no reader skips and no two of them share.

    A name that is one already stays as it is.  Of others what cannot stand in a file name is replaced, and a digest of the
    whole name tells apart what has become equal.  Two names that differ only in upper and lower case get one as well.

    Parameters
    ----------
    names
        Any texts, all different.
    extension
        Of the files, with its dot.

    Returns
    -------
    dict
        Name -> file name, of at most :data:`LONGEST` bytes.

    Examples
    --------
    >>> file_names(["ttbar", "/TT/RunII_v1/NANOAODSIM"], ".parquet")
    {'ttbar': 'ttbar.parquet', '/TT/RunII_v1/NANOAODSIM': 'TT_RunII_v1_NANOAODSIM-518c79913f6a.parquet'}
    """
    names = list(names)
    folded: dict[str, int] = {}
    for name in names:
        folded[name.casefold()] = folded.get(name.casefold(), 0) + 1
    return {name: _file_name(name, extension, alone=folded[name.casefold()] == 1) for name in names}


def _file_name(name: str, extension: str, *, alone: bool) -> str:
    safe = _REPLACED.sub("_", name).lstrip("_.+-")
    unchanged = name and safe == name and not _MARK.search(name) and len(name) + len(extension) <= LONGEST
    if unchanged and alone:
        return name + extension
    # What ends like a digest gets one, too: no name can be that of another one's file.
    mark = f"-{digest(name)[:12]}"
    stem = safe[: LONGEST - len(mark) - len(extension)].rstrip("_.+-") or "unnamed"
    return f"{stem}{mark}{extension}"
