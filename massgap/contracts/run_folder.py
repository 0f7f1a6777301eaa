"""Read what a run has written: manifest, histograms, cutflow and ledger of one folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.description import Description
from massgap.contracts.errors import HistogramError, IncompleteRunError, RunFolderError
from massgap.contracts.histograms import read_histograms
from massgap.contracts.writing import read_json

if TYPE_CHECKING:
    from hist import Hist

__all__ = ["RUN_FORMAT", "RunFolder", "open_run"]

RUN_FORMAT = "massgap-run/1"


@dataclass(frozen=True)
class RunFolder:
    """A run folder whose manifest has been read; the other files are read when asked for.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : dict
        Content of ``manifest.json``.
    """

    path: Path
    manifest: dict[str, Any]

    @cached_property
    def histograms(self) -> dict[str, Hist[Any]]:
        """All histograms by name, contents in fb (data in events)."""
        return read_histograms(self.path / "histograms.json")

    @cached_property
    def cutflow(self) -> dict[str, Any]:
        """Content of ``cutflow.json``."""
        return _read(self.path / "cutflow.json", "massgap-cutflow/1")

    @cached_property
    def ledger(self) -> dict[str, Any]:
        """Content of ``ledger.json``."""
        return _read(self.path / "ledger.json", "massgap-ledger/1")

    @cached_property
    def description(self) -> Description:
        """What the analysis said of itself when it ran; empty if it said nothing."""
        return Description.from_dict(self.manifest.get("description"))

    @property
    def signals(self) -> tuple[str, ...]:
        """Signal processes, sorted."""
        return self._processes(signal=True, data=False)

    @property
    def backgrounds(self) -> tuple[str, ...]:
        """Simulated background processes, sorted."""
        return self._processes(signal=False, data=False)

    @property
    def data(self) -> tuple[str, ...]:
        """Processes of recorded data, sorted."""
        return self._processes(signal=False, data=True)

    def histogram(self, name: str) -> Hist[Any]:
        """Return one histogram.

        Raises
        ------
        HistogramError
            If the run has no histogram of this name.
        """
        try:
            return self.histograms[name]
        except KeyError:
            remedy = (
                "Run the analysis again with a trained model (massgap run ... --model FILE.onnx) to fill it"
                if name == "score"
                else "Choose one of these"
            )
            present = ", ".join(sorted(self.histograms)) or "none"
            message = f"{self.path} has no histogram '{name}'; it has: {present}. {remedy}."
            raise HistogramError(message) from None

    def require_complete(self, *, accept_loss: bool = False) -> str | None:
        """Check that the run lost nothing before its yields are scaled to a luminosity.

        Parameters
        ----------
        accept_loss : bool
            Return the description of the loss instead of raising.

        Returns
        -------
        str or None
            What is lost, None if nothing is.

        Raises
        ------
        IncompleteRunError
            If the ledger is not complete and the loss is not accepted.
        """
        ledger = self.ledger
        if ledger.get("complete") is True:
            return None
        loss = _describe_loss(ledger)
        if accept_loss or ledger.get("accepted_loss") is True:
            return loss
        message = (
            f"{self.path} is incomplete and cannot be scaled to a luminosity: {loss}. "
            "Resume the run, or accept the loss (accept_loss=True, --accept-loss)."
        )
        raise IncompleteRunError(message)

    def _processes(self, *, signal: bool, data: bool) -> tuple[str, ...]:
        found = set()
        for dataset, metadata in self.manifest["datasets"].items():
            if "process" not in metadata:
                message = f"{self.path / 'manifest.json'}: dataset '{dataset}' names no process."
                raise RunFolderError(message)
            kind = (bool(metadata.get("is_signal", False)), bool(metadata.get("is_data", False)))
            if kind == (signal, data):
                found.add(str(metadata["process"]))
        return tuple(sorted(found))


def open_run(path: str | Path) -> RunFolder:
    """Open a run folder.

    Parameters
    ----------
    path : path
        Folder that a run has written.

    Returns
    -------
    RunFolder

    Raises
    ------
    RunFolderError
        If the folder or its manifest is missing, damaged or of another format.
    """
    folder = Path(path)
    if not folder.is_dir():
        message = f"{folder} is no folder. Give the folder that massgap run has written (its --out)."
        raise RunFolderError(message)
    manifest = _read(folder / "manifest.json", RUN_FORMAT)
    if not isinstance(manifest.get("datasets"), dict) or not manifest["datasets"]:
        message = f"{folder / 'manifest.json'} lists no datasets. Run the analysis again into this folder."
        raise RunFolderError(message)
    return RunFolder(folder, manifest)


def _read(path: Path, form: str) -> dict[str, Any]:
    return read_json(
        path,
        form,
        missing=f"{path.parent} is not a finished run folder",
        remedy="Run the analysis again into this folder.",
        error=RunFolderError,
    )


def _describe_loss(ledger: dict[str, Any]) -> str:
    """Say per dataset which share of the events or weights is lost, and why where it is known."""
    parts = []
    for name, entry in sorted(ledger.get("datasets", {}).items()):
        lost = int(entry.get("events_failed") or 0) + int(entry.get("events_missing") or 0)
        expected = int(entry.get("events_expected") or 0)
        if lost:
            parts.append(f"dataset '{name}' lost {lost} of {expected} events")
            continue
        w_expected, w_processed = entry.get("weights_expected"), entry.get("weights_processed")
        if w_expected is None or w_processed is None:
            continue
        if abs(w_processed - w_expected) > 1e-9 * abs(w_expected):
            parts.append(f"dataset '{name}' read a sum of weights of {w_processed:g} of {w_expected:g}")
    reasons = sorted({str(c["error"]) for c in ledger.get("chunks", []) if c.get("error")})
    text = "; ".join(parts) or "the ledger does not say what is missing"
    return f"{text} (first error: {reasons[0]})" if reasons else text
