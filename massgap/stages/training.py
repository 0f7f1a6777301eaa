"""A classifier from the feature tables of a run, and those that come with massgap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["train", "zoo"]


def train(
    run_folder: str | Path, out: str | Path | None = None, *, name: str | None = None, **options: Any
) -> Any:
    """Train the classifier on a run's feature tables; see :func:`massgap.models.training.train_run.train_run`.

    Parameters
    ----------
    run_folder
        Folder written by ``massgap run``.
    out
        Model folder; by default ``model`` in the run folder, with a name ``models/NAME``.
    name
        Of the model file, and of the score if the analysis has several.
    **options
        Recipe and changes of it, see there.

    Returns
    -------
    massgap.contracts.model_folder.ModelFolder

    Raises
    ------
    massgap.errors.MassgapError
        If the run cannot be trained on, an option does not fit, or the folder cannot be written.
    """
    from massgap.models.training.train_run import train_run

    if out is None:
        out = Path(run_folder) / "model" if name is None else Path(run_folder) / "models" / name
    return train_run(run_folder, out, name=name, **options)


def zoo(name: str | None = None) -> dict[str, Any]:
    """The trained models that come with massgap; see :mod:`massgap.models.zoo.shelf`.

    Parameters
    ----------
    name
        Of one alone.

    Returns
    -------
    dict
        Name -> :class:`massgap.contracts.model_folder.ModelFolder`.

    Raises
    ------
    massgap.errors.MassgapError
        If there is none of this name, or one is damaged.
    """
    from massgap.models.zoo.shelf import find_model, zoo_models

    return zoo_models() if name is None else {name: find_model(name)}
