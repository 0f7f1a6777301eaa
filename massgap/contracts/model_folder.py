"""The model folder: one ONNX file, its card, and ``training.json``, which names the hash of the model file.

``training.json`` is written last: what was interrupted never looks finished.  Its format ``massgap-training/1`` says

- what was made: ``model_file``, ``model_sha256``, ``onnx_difference``, ``preprocessing``, ``versions``;
- from what: ``source`` (run, analysis, hashes), ``processes`` (raw events, weight in fb, effective events), ``notes``;
- how: ``recipe`` (all its fields, nothing left open) and ``recipe_digest``; of them also by themselves ``features``,
  ``region`` (``"all"`` for all rows), ``signal``, ``backgrounds``, ``n_folds``, ``protocol`` (``"nested"`` or
  ``"held_out"``), ``early_stopping``, ``hyperparameters``, ``negative_weights``, ``seed``; and ``units``;
- how well: ``folds`` (an entry per fold: events, AUC, log loss, curves), ``protocol_comparison`` (per protocol, and
  ``auc_eval_held_out_minus_nested``), ``importance`` (training -> feature -> share: ``"all"``, each background, each
  subset of the recipe) and ``importance_left_out`` (why a training is missing);
- whether it is up to date: ``request_hash`` and ``training_hash``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from massgap.contracts.errors import FolderError, ModelFolderError
from massgap.contracts.writing import read_json, write_atomically, write_json

__all__ = [
    "FORMAT",
    "TRAINING",
    "ModelFolder",
    "check_model_file",
    "finished_model_folder",
    "model_file",
    "models_in",
    "open_model",
    "write_model_folder",
]

FORMAT = "massgap-training/1"
TRAINING, CARD = "training.json", "card.md"


@dataclass(frozen=True)
class ModelFolder:
    """A trained model: paths and the content of ``training.json``."""

    folder: Path
    model_file: Path
    card_file: Path
    training_file: Path
    training: dict[str, Any] = field(repr=False)
    reused: bool = False

    @property
    def card(self) -> str | None:
        """The model card, Markdown; None if it is gone."""
        return self.card_file.read_text(encoding="utf-8") if self.card_file.is_file() else None

    @property
    def auc_eval(self) -> list[float]:
        """Weighted area under the ROC curve of each held-out fold."""
        return [fold["auc_eval"] for fold in self.training["folds"]]


def write_model_folder(folder: Path, training: dict[str, Any], content: bytes, card: str) -> ModelFolder:
    """Write a model folder.

    Parameters
    ----------
    folder
        Where; made if needed, files of other names in it stay untouched.
    training
        What ``training.json`` says beside its format, ``model_file`` and ``model_sha256`` among it.
    content
        The ONNX file.
    card
        The model card, Markdown.

    Raises
    ------
    FolderError
        If it cannot be written.
    """
    training = {"format": FORMAT, **training}
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, bytes_ in ((training["model_file"], content), (CARD, card.encode())):
            write_atomically(folder / name, bytes_)
            written.append(folder / name)
        write_json(folder / TRAINING, training, default=None, allow_nan=False)
    except BaseException as error:
        # A model without its description would be taken for one that came from elsewhere.
        for file in written:
            file.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        msg = f"Cannot write the model folder {folder}: {error.strerror or error}; choose another with --out."
        raise FolderError(msg) from error
    return _folder(folder, training, reused=False)


def finished_model_folder(folder: Path, request_hash: str) -> ModelFolder | None:
    """Return the model folder if it is whole and made by the same request; None otherwise."""
    try:
        training = json.loads((folder / TRAINING).read_text())
        if training["format"] != FORMAT or training["request_hash"] != request_hash:
            return None
        content = (folder / training["model_file"]).read_bytes()
        whole = (folder / CARD).exists()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole or hashlib.sha256(content).hexdigest() != training["model_sha256"]:
        return None
    return _folder(folder, training, reused=True)


def open_model(path: str | Path) -> ModelFolder:
    """Read a model folder.

    Raises
    ------
    ModelFolderError
        If it is none, or its ``training.json`` is damaged or of another format.
    """
    folder = Path(path)
    training = read_json(
        folder / TRAINING,
        FORMAT,
        remedy="Make the model folder with `massgap train`.",
        error=ModelFolderError,
    )
    return _folder(folder, training, reused=False)


def model_file(path: Path) -> Path:
    """The ONNX file that a path means: itself, or the one in a model folder.

    Raises
    ------
    ModelFolderError
        If the folder does not hold exactly one.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.onnx"))
    if not found and (path / TRAINING).is_file():
        msg = (
            f"The model folder {path} has lost its .onnx file, or the training was interrupted; train again."
        )
        raise ModelFolderError(msg)
    if len(found) != 1:
        names = ", ".join(f.name for f in found) or "none"
        msg = f"The model folder {path} should hold one .onnx file; it holds {names}. Give the file itself."
        raise ModelFolderError(msg)
    return found[0]


def models_in(path: Path) -> Path | dict[str, Path]:
    """The ONNX file of a model folder, or score name -> file of a folder that has a model folder for each score.

    Raises
    ------
    ModelFolderError
        If it is neither.
    """
    found = {file.parent.name: model_file(file.parent) for file in sorted(path.glob(f"*/{TRAINING}"))}
    return found or model_file(path)


def check_model_file(file: Path, content: bytes) -> None:
    """Refuse a model file other than the one that ``training.json`` beside it describes; one that stands alone is taken.

    Raises
    ------
    ModelFolderError
        If ``training.json`` describes another one.
    """
    try:
        training = json.loads((file.parent / TRAINING).read_text())
        described, wanted = training["model_file"], training["model_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    found = hashlib.sha256(content).hexdigest()
    if described == file.name and found != wanted:
        msg = (
            f"The model {file} has the SHA-256 {found[:12]}..., but training.json beside it describes "
            f"{wanted[:12]}...: the file was changed or the training was interrupted; train again."
        )
        raise ModelFolderError(msg)


def _folder(folder: Path, training: dict[str, Any], *, reused: bool) -> ModelFolder:
    return ModelFolder(
        folder,
        folder / training["model_file"],
        folder / CARD,
        folder / TRAINING,
        training,
        reused,
    )
