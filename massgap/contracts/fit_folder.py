"""The fit folder: what ``massgap fit`` writes, and reports, studies and later stages read.

- ``workspace.json``: the likelihood, HistFactory JSON that pyhf reads;
- ``scan.json``, where something was scanned: ``scans`` with an entry per histogram and region;
- ``results.json``, written last: what was fitted (``parts``), significances, limit, signal strength, pulls, warnings.

Of a fit for several luminosities, the folder is that of the first one, and holds a fit folder ``lumi_<fb-1>`` for each of the
others.  ``luminosities`` in its results has an entry for each: ``lumi_fb``, ``folder`` (``.`` for the first), significances and
limits.  Whoever knows nothing of several reads the first.

Of a fit of several runs, ``runs`` stands in place of ``run``: an entry for each, with the ``label`` that the entries of
``parts`` and ``scans`` have as ``run``, and the processes that were ``renamed``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FitFolderError, FolderError
from massgap.contracts.writing import read_json, write_atomically, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FIT_FORMAT",
    "SCAN_FORMAT",
    "FitFolder",
    "luminosity_folder",
    "open_fit",
    "remove_luminosities",
    "write_fit_folder",
]

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


def luminosity_folder(lumi_fb: float) -> str:
    """Name of the folder for a further luminosity.

    Examples
    --------
    >>> luminosity_folder(300.0), luminosity_folder(4.7)
    ('lumi_300', 'lumi_4.7')
    """
    return f"lumi_{lumi_fb:.10g}"


def remove_luminosities(folder: Path) -> None:
    """Take away what an earlier fit wrote for further luminosities; nothing but the files of a fit.

    Raises
    ------
    FolderError
        If a file cannot be removed.
    """
    for inner in sorted(folder.glob("lumi_*")):
        if not (inner / RESULTS).is_file():
            continue
        try:
            for name in (RESULTS, SCAN, WORKSPACE):
                (inner / name).unlink(missing_ok=True)
            if not any(inner.iterdir()):
                inner.rmdir()
        except OSError as error:
            message = f"The fit folder {inner} cannot be removed ({error.strerror or error}). Choose another folder (--out)."
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
