"""A study folder: which samples, runs, models and fits in it belong together, in ``study.json``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from massgap.contracts.errors import ContractError, FolderError
from massgap.contracts.writing import read_json, write_json

__all__ = ["STUDY_FILE", "STUDY_FORMAT", "StudyFolder", "open_study", "write_study"]

STUDY_FORMAT = "massgap-study/1"
STUDY_FILE = "study.json"


@dataclass(frozen=True)
class StudyFolder:
    """What is in the folder of a study.

    All places are relative to the folder; an entry is there once its step is done.

    Parameters
    ----------
    path
        The folder.
    study
        Name of the study.
    small
        Whether it is the small form.
    seed, luminosity
        Seed of samples and training; fb-1 of the fits.
    samples
        Place -> ``{"events": how many, "fileset": file}``.
    runs
        Place -> ``{"analysis", "samples": place, "models": {score: place of the model}}``.
    models
        Place -> ``{"run": place, "file": ONNX file}``.
    fits, planes
        Place -> ``{"run": place}``.
    keys
        Place -> key of all that decided what is there, of steps that are not done again while it is the same.
    scans
        Place -> ``{"run": place}``.
    reports
        File -> ``{"run", "model", "fit"}``.
    failed
        Place -> why, of steps that the study goes on without.
    complete
        Whether all steps are done.
    command
        How it was made.
    """

    path: Path
    study: str
    small: bool = False
    seed: int = 1
    luminosity: float | None = None
    samples: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    fits: dict[str, Any] = field(default_factory=dict)
    planes: dict[str, Any] = field(default_factory=dict)
    scans: dict[str, Any] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    command: str = ""

    def place(self, name: str) -> Path:
        """The folder or file of a step.

        Raises
        ------
        ContractError
            If the step is not done.
        """
        done = {**self.samples, **self.runs, **self.models, **self.fits, **self.planes}
        done |= {**self.scans, **self.reports}
        if name not in done:
            msg = f"{self.path / STUDY_FILE} has no {name!r}: massgap study {self.study} --out {self.path} makes what is missing"
            raise ContractError(msg)
        return self.path / name


def write_study(folder: StudyFolder) -> Path:
    """Write ``study.json``.

    Raises
    ------
    FolderError
        If it cannot be written.
    """
    path = folder.path / STUDY_FILE
    content = {"format": STUDY_FORMAT, **asdict(folder)}
    del content["path"]
    try:
        write_json(path, content, default=None)
    except OSError as error:
        msg = f"{path} cannot be written ({error.strerror or error}); choose another folder with --out"
        raise FolderError(msg) from error
    return path


def open_study(folder: str | Path) -> StudyFolder:
    """Read ``study.json``.

    Raises
    ------
    ContractError
        If it is missing, damaged or of another format.
    """
    path = Path(folder)
    remedy = f"massgap study NAME --out {path} makes it."
    found = read_json(path / STUDY_FILE, STUDY_FORMAT, missing="it is no folder of a study", remedy=remedy)
    known = {f.name for f in fields(StudyFolder)} - {"path"}
    if "study" not in found:
        msg = f"{path / STUDY_FILE} does not say of which study it is. {remedy}"
        raise ContractError(msg)
    return StudyFolder(path, **{key: value for key, value in found.items() if key in known})
