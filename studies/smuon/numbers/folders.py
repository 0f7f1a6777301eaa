"""What of a study's folder is read beside its run: trainings, fits, planes, the run with the scales varied."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.fit_folder import open_fit
from massgap.contracts.model_folder import open_model
from massgap.contracts.plane_folder import open_plane
from massgap.contracts.run_folder import open_run
from massgap.contracts.study_folder import STUDY_FILE, open_study

if TYPE_CHECKING:
    from massgap.contracts.run_folder import RunFolder

__all__ = ["Folders"]


@dataclass(frozen=True)
class Folders:
    """Parts of a study; of a single run alone nothing else is there.

    Parameters
    ----------
    home
        Folder of the study, None for a single run.
    """

    home: Path | None

    @classmethod
    def of(cls, folder: str | Path) -> Folders:
        """The study that a folder is of, be it its own or that of its run."""
        folder = Path(folder)
        return cls(next((p for p in (folder, folder.parent) if (p / STUDY_FILE).is_file()), None))

    @cached_property
    def small(self) -> bool | None:
        """Whether it is the small form; None for a run that belongs to no study."""
        return None if self.home is None else open_study(self.home).small

    def training(self, place: str) -> dict[str, Any] | None:
        """What ``training.json`` of a model says, None without it."""
        try:
            return None if self.home is None else open_model(self.home / place).training
        except ContractError:
            return None

    def fit(self, name: str) -> dict[str, Any] | None:
        """Results of a fit, None where it was not made."""
        try:
            return None if self.home is None else open_fit(self.home / "fits" / name).results
        except ContractError:
            return None

    def plane(self, score: str) -> dict[str, Any] | None:
        """Results of a plane, None where it was not made."""
        try:
            return None if self.home is None else open_plane(self.home / "planes" / score).results
        except ContractError:
            return None

    def run(self, name: str) -> RunFolder | None:
        """A run, None where it was not made."""
        try:
            return None if self.home is None else open_run(self.home / name)
        except ContractError:
            return None
