"""The fit folder: what ``massgap fit`` writes, and reports, studies and later stages read.

- ``workspace.json``: the likelihood, HistFactory JSON that pyhf reads;
- ``scan.json``, where something was scanned: ``scans`` with an entry per histogram and region;
- ``results.json``, written last: what was fitted (``parts``), significances, limit, signal strength, pulls, warnings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FitFolderError, FolderError
from massgap.contracts.writing import read_json, write_atomically, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIT_FORMAT", "SCAN_FORMAT", "FitFolder", "open_fit", "write_fit_folder"]

FIT_FORMAT = "massgap-fit/2"
SCAN_FORMAT = "massgap-scan/2"
RESULTS, SCAN, WORKSPACE = "results.json", "scan.json", "workspace.json"


@dataclass(frozen=True)
class FitFolder:
    """A fit folder that has been read.

    Attributes
    ----------
    path
        The folder.
    results
        Content of ``results.json``.
    scans
        Entries of ``scan.json``, one per histogram and region; empty without one.
    """

    path: Path
    results: dict[str, Any] = field(repr=False)
    scans: list[dict[str, Any]] = field(default_factory=list, repr=False)


def write_fit_folder(
    folder: Path, workspace: str, results: Mapping[str, Any], scan: Mapping[str, Any] | None
) -> None:
    """Write a fit folder, the results last.

    Parameters
    ----------
    folder
        Where; made if needed.
    workspace
        Text of ``workspace.json``.
    results, scan
        Contents of ``results.json`` and ``scan.json`` beside their formats; no scan is written for None.

    Raises
    ------
    FolderError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without its results an old folder cannot be taken for a new one.
        (folder / RESULTS).unlink(missing_ok=True)
        (folder / SCAN).unlink(missing_ok=True)
        write_atomically(folder / WORKSPACE, workspace.encode())
        if scan is not None:
            write_json(folder / SCAN, scan, indent=None, default=None, allow_nan=False)
        write_json(folder / RESULTS, results, default=None, allow_nan=False)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"The fit folder {folder} cannot be written ({reason}). Choose another folder (--out)."
        raise FolderError(message) from error


def open_fit(path: str | Path) -> FitFolder:
    """Read a fit folder.

    Raises
    ------
    FitFolderError
        If it is none, or one of its files is damaged or of another format.
    """
    folder = Path(path)
    remedy = "Make the fit folder with `massgap fit`."
    results = read_json(folder / RESULTS, FIT_FORMAT, remedy=remedy, error=FitFolderError)
    scans: list[dict[str, Any]] = []
    if (folder / SCAN).is_file():
        scans = read_json(folder / SCAN, SCAN_FORMAT, remedy=remedy, error=FitFolderError)["scans"]
    return FitFolder(folder, results, scans)
