"""The samples of several steps as one fileset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.contracts.filesets.fileset import load_fileset, write_fileset
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.contracts.filesets.dataset import Fileset

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
    StudyError
        If a dataset is in two of them, or they were made at different energies.
    massgap.contracts.errors.FilesetError
        If one cannot be read.
    """
    if len(sources) == 1:
        return folder / sources[0] / "fileset.json"
    merged: Fileset = {}
    energies: dict[object, str] = {}
    for source in sources:
        for name, entry in load_fileset(folder / source / "fileset.json").items():
            if name in merged:
                msg = f"{folder}: the samples {source} and those before them both have the dataset {name!r}"
                raise StudyError(msg)
            merged[name] = entry
            energies.setdefault(entry["metadata"].get("sqrt_s_tev"), source)
    if len(energies) > 1:
        words = ", ".join(f"{source}: {energy} TeV" for energy, source in energies.items())
        msg = f"{folder}: samples of different energies cannot be run together ({words}): generate them again into another --out"
        raise StudyError(msg)
    out = folder / "_".join(source.replace("/", "-") for source in sources)
    path = out.with_suffix(".fileset.json")
    write_fileset(merged, path)
    return path
