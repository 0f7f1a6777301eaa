"""The samples of several steps as one fileset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.contracts.filesets.fileset import write_fileset
from massgap.contracts.filesets.joined import join_filesets

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["merged_fileset"]


def merged_fileset(folder: Path, sources: tuple[str, ...]) -> Path:
    """The fileset of the samples of one step, or one that is written of those of several.

    Parameters
    ----------
    folder
        That of the study.
    sources
        Steps that made samples.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    massgap.contracts.errors.FilesetError
        If one cannot be read, a dataset is in two of them, or they were made at different energies.
    """
    if len(sources) == 1:
        return folder / sources[0] / "fileset.json"
    merged = join_filesets(folder / source / "fileset.json" for source in sources)
    out = folder / "_".join(source.replace("/", "-") for source in sources)
    path = out.with_suffix(".fileset.json")
    write_fileset(merged, path)
    return path
