"""Whether what a step made is still good: a key of all that decides it, kept in the record of the study."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.writing import versions
from massgap.source_code import package_digest

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.contracts.study_folder import StudyFolder
    from massgap.fits.inference.result import FitResult
    from massgap.studies.study import Step

__all__ = ["finished_fit", "run_content", "step_key"]

CONTENT = ("histograms.json", "cutflow.json")
"""Files of a run that decide what a fit of it finds; dates and commands do not."""
_CODE = {"fit": ("fits", "arrays", "contracts"), "train": ("models", "arrays", "contracts")}


def step_key(step: Step, record: StudyFolder, needs: tuple[str, ...]) -> str:
    """SHA-256 of a step, the runs that it reads, the luminosity, the seed, and the code and libraries that do it.

    Parameters
    ----------
    step
        Which.
    record
        Of the study.
    needs
        Folders of runs that it reads, relative to the study's.

    Returns
    -------
    str
    """
    plain = {
        name: value for name, value in asdict(step).items() if name not in ("words", "key", "cost", "quick")
    }
    told = [
        plain,
        record.luminosity,
        record.seed,
        package_digest(only=_CODE.get(step.kind, _CODE["fit"])),
        versions(),
    ]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=repr).encode())
    for name in needs:
        digest.update(run_content(record.path / name))
    return digest.hexdigest()


def run_content(folder: Path) -> bytes:
    """What of a run decides what is found of it."""
    paths = [folder / file for file in CONTENT]
    return b"".join(path.read_bytes() if path.is_file() else b"-" for path in paths)


def finished_fit(folder: Path) -> FitResult | None:
    """A fit that was written before, None where it is not whole."""
    from massgap.contracts.fit_folder import open_fit
    from massgap.fits.inference.result import FitResult

    try:
        found = open_fit(folder)
        workspace = _read(folder / "workspace.json")
    except (ContractError, OSError, ValueError):
        return None
    scan = _read(folder / "scan.json") if found.scans else None
    return FitResult(folder, found.results, workspace, scan, tuple(found.results.get("warnings", ())))


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
