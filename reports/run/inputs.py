"""Everything a report shows, read once: run folder, model folder, fit folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgap.reports.errors import MissingInput, UnreadableInput


@dataclass(frozen=True)
class Inputs:
    """What was found. The parts of a model and a fit are None when there is none.

    `signals`, `backgrounds` and `data` are process names, sorted, from the manifest's datasets.
    """

    run_name: str
    manifest: dict[str, Any]
    histograms: dict[str, Any]
    cutflow: dict[str, Any]
    ledger: dict[str, Any]
    training: dict[str, Any] | None
    card: str | None
    results: dict[str, Any] | None
    scan: dict[str, Any] | None
    signals: list[str]
    backgrounds: list[str]
    data: list[str]
    masses: dict[str, dict[str, float]]

    @property
    def processes(self) -> list[str]:
        """Signals first, then backgrounds, then data."""
        return [*self.signals, *self.backgrounds, *self.data]


def read_json(path: Path, form: str, remedy: str) -> dict[str, Any]:
    """Read one JSON file of a format, or say which one cannot be read and how to make it again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{path} is missing: {remedy}"
        raise MissingInput(message) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        message = f"{path} cannot be read ({error}): {remedy}"
        raise UnreadableInput(message) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != form:
        message = f"{path} has the format {found!r}, but {form!r} is needed: {remedy}"
        raise UnreadableInput(message)
    return dict(content)


def _masses(manifest: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        str(metadata["process"]): dict(metadata.get("masses") or {})
        for metadata in manifest["datasets"].values()
        if metadata.get("is_signal")
    }


def read_inputs(
    run_folder: str | Path, model_folder: str | Path | None = None, fit_folder: str | Path | None = None
) -> Inputs:
    """Read what a report shows.

    Raises
    ------
    massgap.contracts.errors.RunFolderError
        If the run folder or one of its files is missing, damaged or of another format.
    MissingInput
        If a model or fit folder that was asked for, or one of its files, is not there.
    UnreadableInput
        If a file of these is damaged or of another format.
    """
    from massgap.contracts.run_folder import open_run

    run = open_run(run_folder)
    training = card = results = scan = None
    if model_folder is not None:
        model = Path(model_folder)
        training = read_json(
            model / "training.json", "massgap-training/1", "make the model folder with `massgap train`."
        )
        card_path = model / "card.md"
        card = card_path.read_text(encoding="utf-8") if card_path.is_file() else None
    if fit_folder is not None:
        fit = Path(fit_folder)
        results = read_json(fit / "results.json", "massgap-fit/2", "make the fit folder with `massgap fit`.")
        if (fit / "scan.json").is_file():
            made = read_json(fit / "scan.json", "massgap-scan/2", "make the fit folder with `massgap fit`.")
            scan = next(iter(made["scans"]), None)
    return Inputs(
        run_name=run.path.resolve().name,
        manifest=run.manifest,
        histograms=dict(run.histograms),
        cutflow=run.cutflow,
        ledger=run.ledger,
        training=training,
        card=card,
        results=results,
        scan=scan,
        signals=list(run.signals),
        backgrounds=list(run.backgrounds),
        data=list(run.data),
        masses=_masses(run.manifest),
    )
