"""What is on the shelf: the model folders beside this module, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from massgap.contracts.model_folder import ModelFolder

__all__ = ["find_model", "zoo_folder", "zoo_models", "zoo_row"]

_SHELF = Path(__file__).parent  # of links: never resolved


def zoo_models() -> dict[str, ModelFolder]:
    """Name -> model folder, sorted.

    Raises
    ------
    massgap.contracts.errors.ModelFolderError
        If one is damaged.

    Examples
    --------
    >>> "slepton-small" in zoo_models()
    True
    """
    from massgap.contracts.model_folder import open_model

    return {file.parent.name: open_model(file.parent) for file in sorted(_SHELF.glob("*/training.json"))}


def zoo_folder(name: str) -> Path | None:
    """The folder of the model of this name, None without."""
    folder = _SHELF / name
    plain = Path(name).name == name and name not in ("", ".", "..")
    return folder if plain and (folder / "training.json").is_file() else None


def find_model(name: str) -> ModelFolder:
    """The model of this name.

    Raises
    ------
    ModelError
        If there is none.
    """
    found = zoo_models()
    if name not in found:
        msg = (
            f"The zoo has no model {name!r}; it has {', '.join(found) or 'none'}: massgap models lists them."
        )
        raise ModelError(msg)
    return found[name]


def zoo_row(name: str, model: ModelFolder) -> dict[str, Any]:
    """What a list says of a model, as plain data."""
    training = model.training
    aucs = model.auc_eval
    return {
        "name": name,
        "kind": training["recipe"]["kind"],
        "analysis": training["source"].get("analysis") or "",
        "region": training["region"],
        "signal": training["signal"],
        "backgrounds": training["backgrounds"],
        "features": {feature: training["units"].get(feature, "") for feature in training["features"]},
        "n_folds": training["n_folds"],
        "seed": training["seed"],
        "auc": sum(aucs) / len(aucs),
        "events": {process: counts["raw"] for process, counts in training["processes"].items()},
        "fileset_hash": training["source"].get("fileset_hash"),
        "sha256": training["model_sha256"],
        "bytes": model.model_file.stat().st_size,
    }
