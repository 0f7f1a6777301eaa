"""Networks of sets of variables, trained by a study on a run."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.writing import read_json, versions
from massgap.source_code import package_digest
from massgap.stages.studying.keys import run_content
from massgap.stages.studying.parts import FinishedParts
from massgap.studies.errors import StudyError
from massgap.studies.study import Study, find_study, known_studies

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCANNED", "SCAN_FILE", "SCAN_FORMAT", "finished_scan", "scan"]

SCANNED = ("arrays", "contracts", "fits", "models", "samples", "selections", "studies")
"""Where the code lies that decides what a scan finds."""

SCAN_FILE, SCAN_FORMAT = "scan.json", "massgap-scan/1"


def scan(
    name: str | Study, run: str | Path, out: str | Path, *, workers: int = 1, **options: Any
) -> Mapping[str, Any]:
    """Train networks of sets of variables, and say how well they separate and what stands in for what.

    An interrupted call leaves the parts that it has finished in the folder, and the next one with the same options, run and code
    takes them.

    Parameters
    ----------
    name
        Name of a study that scans.
    run
        A run of its analysis, with feature tables.
    out
        Folder for ``scan.json``.
    workers
        Processes that share what does not need each other; no number depends on it.
    options
        Of the study's scan.

    Returns
    -------
    mapping
        Plain data; ``summary`` has lines to print.

    Raises
    ------
    massgap.errors.MassgapError
        If the study has no scan, or it cannot be done.
    """
    study = name if isinstance(name, Study) else find_study(name)
    if study.scan is None:
        able = [other for other in known_studies() if find_study(other).scan is not None]
        msg = (
            f"the study {study.name!r} has no scan of variables; there is one in {', '.join(able) or 'none'}"
        )
        raise StudyError(msg)
    told = {key: value for key, value in options.items() if key != "announce"}
    content = hashlib.sha256(run_content(Path(run))).hexdigest()
    key = [study.name, told, content, package_digest(only=SCANNED), versions()]
    part = FinishedParts(Path(out) / "parts", key)
    if _takes(study.scan, "workers"):
        options["workers"] = workers
    found: Mapping[str, Any] = study.scan(Path(out), Path(run), part=part, **options)
    part.remove()
    return found


def _takes(function: Any, name: str) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def finished_scan(folder: Path) -> Mapping[str, Any] | None:
    """A scan that was written before, None where it is not whole."""
    try:
        found: Mapping[str, Any] = read_json(
            folder / SCAN_FILE, SCAN_FORMAT, remedy="massgap scan NAME makes it."
        )
    except ContractError:
        return None
    return found if found.get("complete") else None
