"""Several filesets as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.fileset import load_fileset, validate_fileset

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from massgap.contracts.filesets.dataset import Fileset

__all__ = ["join_filesets"]


def join_filesets(paths: Iterable[str | Path], *, allow_duplicates: bool = False) -> Fileset:
    """The datasets of several filesets.

    Parameters
    ----------
    paths
        Their files.
    allow_duplicates
        Take one file under two names.

    Returns
    -------
    dict

    Raises
    ------
    FilesetError
        If one cannot be read, a dataset is in two of them, a file is listed twice, or they were made at different energies.
    """
    joined: Fileset = {}
    source: dict[str, str] = {}
    energies: dict[float, str] = {}
    for path in map(str, paths):
        for name, entry in load_fileset(path, allow_duplicates=allow_duplicates).items():
            if name in joined:
                msg = f"the dataset {name!r} is in {source[name]} and in {path}: run over one of them, or give it another name in one"
                raise FilesetError(msg)
            joined[name], source[name] = entry, path
            energies.setdefault(entry["metadata"]["sqrt_s_tev"], path)
    if len(energies) > 1:
        words = ", ".join(f"{path}: {energy:g} TeV" for energy, path in energies.items())
        msg = f"samples of different energies cannot be run together ({words}): run over each of them with an --out of its own"
        raise FilesetError(msg)
    return validate_fileset(joined, allow_duplicates=allow_duplicates)
