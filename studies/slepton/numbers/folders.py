"""What is compared: the folders of a study, or a single run with its fit and model, and the paper's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.fit_folder import open_fit
from massgap.contracts.model_folder import open_model
from massgap.contracts.run_folder import open_run
from massgap.contracts.study_folder import STUDY_FILE, open_study
from massgap.fits.scans.shared_events import shared_variances
from massgap.fits.scans.threshold_scan import ThresholdScan
from massgap.studies.errors import StudyError
from massgap.studies.slepton.numbers.replicas import Replicas
from massgap.studies.slepton.places import SPECTRA, masses_of
from massgap.studies.tables import Paper, read_paper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.contracts.run_folder import RunFolder

__all__ = ["Folders", "paper", "printed_precuts"]


def paper() -> Paper:
    """The paper's numbers, out of the data file beside this module."""
    return read_paper(Path(__file__).parent.with_name("paper_tables.json"))


def printed_precuts(printed: Paper, process: str) -> float:
    """Cross section of a process after the pre-cuts in Table I, fb."""
    table = printed.tables["Table I"]
    return float(table.values[table.rows.index(process)][table.columns.index("pre-cuts")] or 0.0)


_OF_BENCHMARK, _MODELS = ("fits/benchmark", "scored/fit"), ("models/benchmark", "model")
"""Fit of the benchmark and the classifier that it is of, of the study and of the demonstration."""


def _made_of(fits: Mapping[str, Any], name: str, home: Path, run: Path) -> bool:
    """Whether a study has made a fit, of this run."""
    return name in fits and home / str(fits[name].get("run", "")) == run


@dataclass(frozen=True)
class Folders:
    """What is compared: a run, and the fit and model that belong to it, if any.

    Parameters
    ----------
    run
        Run folder.
    fit, model
        Fit and model folder.
    study
        Folder of the complete study, if they are part of one.
    """

    run: Path
    fit: Path | None = None
    model: Path | None = None
    study: Path | None = None

    @classmethod
    def find(cls, folder: str | Path) -> Folders:
        """Find them in the folder of a study, or beside a single run.

        Raises
        ------
        StudyError
            If there is no run.
        """
        folder = Path(folder)
        home = next((place for place in (folder, folder.parent) if (place / STUDY_FILE).is_file()), None)
        runs = [folder, folder / "scored", folder / "run"]
        done = None if home is None else open_study(home)
        if done is not None and home == folder:
            # What an earlier call left there, and this one has not come to, is not of this study.
            runs = [place for place in runs if place == folder or place.name in done.runs]
        run = next((place for place in runs if (place / "manifest.json").is_file()), None)
        if run is None:
            message = (
                f"{folder} holds no run (a folder with manifest.json, or scored or run in it): "
                f"`massgap study slepton --out {folder}` makes all."
            )
            raise StudyError(message)
        fits = [run / "fit", folder / "fit"]
        models = [folder / "model", folder.parent / "model", run / "model"]
        if done is not None:
            # Its own alone: a fit that somebody has made of the run besides, with other options, is not the study's.
            fits = [done.path / name for name in _OF_BENCHMARK if _made_of(done.fits, name, done.path, run)]
            models = [done.path / name for name in _MODELS if name in done.models]
        return cls(
            run,
            next((place for place in fits if (place / "results.json").is_file()), None),
            next((place for place in models if (place / "training.json").is_file()), None),
            home,
        )

    @cached_property
    def opened(self) -> RunFolder:
        """The run."""
        return open_run(self.run)

    @cached_property
    def _fits_done(self) -> frozenset[str]:
        return frozenset() if self.study is None else frozenset(open_study(self.study).fits)

    @cached_property
    def scan(self) -> ThresholdScan | None:
        """The scan of the score's threshold, if the fit has one."""
        if self.fit is None:
            return None
        found = (scan for scan in open_fit(self.fit).scans if scan["histogram"] == "score")
        return next((ThresholdScan.from_dict(scan) for scan in found), None)

    @cached_property
    def replicas(self) -> Replicas:
        """Replicas of the simulation of the run."""
        return Replicas(self.opened)

    @cached_property
    def _shared(self) -> dict[tuple[str, str, bool], dict[str, Any]]:
        return {}

    def shared(self, histogram: str, region: str, *, above: bool = False) -> dict[str, Any]:
        """Process -> what bins of a histogram share where one event is in several of them, with what is outside of it."""
        name = (histogram, region, above)
        if name not in self._shared:
            self._shared[name] = shared_variances(self.opened, histogram, region, above=above, outside=True)
        return self._shared[name]

    @cached_property
    def importance(self) -> dict[str, dict[str, float]]:
        """Shares of the total gain per training, empty without a model."""
        if self.model is None:
            return {}
        return dict(open_model(self.model).training.get("importance") or {})

    def trained_on(self, process: str) -> float:
        """Effective number of events of a process in the training, 0 without a model."""
        if self.model is None:
            return 0.0
        entry = (open_model(self.model).training.get("processes") or {}).get(process) or {}
        return float(entry.get("effective", 0.0))

    def signal(self) -> str | None:
        """The process of the benchmark, if the run has it."""
        return self.process(*SPECTRA[0])

    def process(self, m: int, gap: int) -> str | None:
        """The process of a spectrum, if the run has it."""
        wanted = masses_of(m, gap)
        for metadata in self.opened.manifest["datasets"].values():
            masses = metadata.get("masses") or {}
            if metadata.get("is_signal") and all(masses.get(k) == v for k, v in wanted.items()):
                return str(metadata["process"])
        return None

    def results(self, place: str) -> dict[str, Any] | None:
        """What a fit of the study found, None where it was not made, or an earlier call made it and this one could not."""
        if self.study is None or place not in self._fits_done:
            return None
        try:
            return open_fit(self.study / place).results
        except ContractError:
            return None
