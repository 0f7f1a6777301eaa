"""Everything a report shows, read once: run folder, model folder, fit folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.fit_folder import open_fit
from massgap.contracts.model_folder import open_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.contracts.description import Description
    from massgap.contracts.model_folder import ModelFolder


@dataclass(frozen=True)
class Inputs:
    """What was found. The parts of a model and a fit are None when there is none.

    Attributes
    ----------
    run_folder, fit_folder
        Where all this was read.
    models
        Score -> its model folder; one by itself has the name "".
    description
        What the analysis says of itself; empty for a processor that says nothing.
    cutflow
        None for a processor that counts nothing.
    scans
        The entries of a fit's ``scan.json``, one per histogram and region.
    signals, backgrounds, data
        Process names, sorted, from the manifest's datasets.
    masses
        Masses per signal.
    """

    run_folder: Path
    models: dict[str, ModelFolder]
    fit_folder: Path | None
    manifest: dict[str, Any]
    description: Description
    histograms: dict[str, Any]
    cutflow: dict[str, Any] | None
    ledger: dict[str, Any]
    results: dict[str, Any] | None
    scans: list[dict[str, Any]]
    signals: list[str]
    backgrounds: list[str]
    data: list[str]
    masses: dict[str, dict[str, float]]

    @property
    def run_name(self) -> str:
        """Name of the run folder."""
        return self.run_folder.resolve().name

    @property
    def model_folder(self) -> Path | None:
        """The first model folder, None without."""
        return next((model.folder for model in self.models.values()), None)

    @property
    def processes(self) -> list[str]:
        """Signals first, then backgrounds, then data."""
        return [*self.signals, *self.backgrounds, *self.data]

    @property
    def drawing(self) -> dict[str, Any]:
        """What all figures of distributions are drawn with; a run of data alone is drawn in events."""
        shared: dict[str, Any] = {"description": self.description, "masses": self.masses}
        if self.signals or self.backgrounds:
            return {"signals": self.signals, "backgrounds": self.backgrounds, **shared}
        return {"backgrounds": self.data, "unit": "events", **shared}

    def regions(self, histogram: Any) -> dict[str, list[str | None]]:
        """Return the regions of a histogram by channel, in the order of the description; [None] if it has none."""
        from massgap.reports.figures.labels import ordered_regions
        from massgap.reports.figures.spectra import regions

        channels: dict[str, list[str | None]] = {}
        for channel, members in ordered_regions(regions(histogram), self.description).items():
            channels[channel] = [*members]
        return channels or {"": [None]}


def _masses(manifest: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        str(metadata["process"]): dict(metadata.get("masses") or {})
        for metadata in manifest["datasets"].values()
        if metadata.get("is_signal")
    }


def read_inputs(
    run_folder: str | Path,
    model_folder: str | Path | Mapping[str, str | Path] | None = None,
    fit_folder: str | Path | None = None,
) -> Inputs:
    """Read what a report shows; of several models, score -> model folder.

    Raises
    ------
    massgap.contracts.errors.RunFolderError
        If the run folder or one of its files is missing, damaged or of another format.
    massgap.contracts.errors.ModelFolderError, massgap.contracts.errors.FitFolderError
        If a model or fit folder that was asked for, or one of its files, is not there, damaged or of another format.
    """
    from massgap.contracts.run_folder import open_run

    run = open_run(run_folder)
    named = {"": model_folder} if isinstance(model_folder, (str, Path)) else dict(model_folder or {})
    fit = None if fit_folder is None else open_fit(fit_folder)
    return Inputs(
        run_folder=run.path,
        models={name: open_model(folder) for name, folder in named.items()},
        fit_folder=None if fit_folder is None else Path(fit_folder),
        manifest=run.manifest,
        description=run.description,
        histograms=dict(run.histograms),
        cutflow=run.cutflow if (run.path / "cutflow.json").is_file() else None,
        ledger=run.ledger,
        results=None if fit is None else fit.results,
        scans=[] if fit is None else fit.scans,
        signals=list(run.signals),
        backgrounds=list(run.backgrounds),
        data=list(run.data),
        masses=_masses(run.manifest),
    )
