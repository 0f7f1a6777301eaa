"""From a run folder to a model folder: the function behind ``massgap train``.

Reads a run folder (`massgap.contracts.run_folder`, `massgap.contracts.feature_table`), writes a model folder
(`massgap.contracts.model_folder`, where the content of ``training.json`` is described).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.description import Description
from massgap.contracts.feature_table import RunFeatures, read_feature_tables
from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.model_folder import ModelFolder, finished_model_folder, write_model_folder
from massgap.contracts.run_folder import open_run
from massgap.contracts.writing import versions
from massgap.models.conditioning.labels import TRUE_RANDOM, with_true_masses
from massgap.models.errors import ModelError
from massgap.models.training.defaults import completed_recipe
from massgap.models.training.recipe import Recipe
from massgap.models.training.steps import Steps
from massgap.models.training.table import weights_of_rows
from massgap.models.training.trained_folds import train
from massgap.source_code import package_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.models.training.trained_folds import Progress, TrainedFolds

_VERSIONED = ("massgap", "onnx", "onnxruntime", "numpy", "pandas")
# What a manifest says about where its events come from; its date and command do not matter here.
_ORIGIN = ("analysis", "processor", "fileset_hash", "code_hash", "options")


def train_run(
    run_folder: str | Path,
    out: str | Path,
    *,
    recipe: Recipe | str | Path | None = None,
    name: str | None = None,
    signal: Sequence[str] | None = None,
    backgrounds: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    region: str | None = None,
    n_folds: int | None = None,
    protocol: str | None = None,
    seed: int | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    negative_weights: str | None = None,
    classifier: str | None = None,
    seeds: int | None = None,
    seed_choice: str | None = None,
    weighting: str | None = None,
    class_weights: Mapping[str, float] | None = None,
    early_stopping: int | None = None,
    balance: Mapping[str, Any] | None = None,
    label: str | None = None,
    flatten: str | None = None,
    fraction: float | None = None,
    importances: bool = True,
    compare_protocols: bool = True,
    accept_loss: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
) -> ModelFolder:
    """Train on the feature tables of a run and write a model folder.

    Parameters
    ----------
    run_folder
        Folder written by ``massgap run``.
    out
        Model folder to write; made if needed, files of other names in it stay untouched.
    recipe
        A recipe, or what `massgap.models.recipes.registry.find_recipe` takes: the name of one, or a file. By default
        that of the run's analysis, else ``"trees"``.
    name
        Name of the ONNX file without ``.onnx``, and of the score that is trained if the analysis has several;
        by default the name of the analysis, or of its class if it is one of your own.
    protocol
        ``"nested"``, ``"held_out"`` or a variant of the recipe: ``"paper"`` for one that has ``NAME-paper`` beside it.
    classifier
        Kind of classifier, see `massgap.models.recipes.registry.CLASSIFIERS`; by default that of the recipe. Without a recipe
        it has what the analysis' recipe says of features, region and processes.
    signal, backgrounds, features, region, n_folds, seed, hyperparameters, negative_weights, seeds, seed_choice, weighting, \
    class_weights, early_stopping, balance, label, flatten, fraction
        Changes of the recipe, see `massgap.models.training.recipe.Recipe`; hyperparameters are changed one by one.
    importances, compare_protocols, progress
        As in `massgap.models.training.trained_folds.train`.
    accept_loss
        Train although the run's ledger says that events were lost.
    resume
        Return the folder as it is if it was trained on the same tables with the same recipe, options and code.

    Raises
    ------
    MassgapError
        If the run folder is not one or is incomplete (RunFolderError, IncompleteRunError), its tables cannot be trained
        on (TableError), recipe or an option cannot be used (ModelError), the library that trains is not installed
        (TrainerMissingError), or `out` cannot be written, or is being written by another process (FolderError).

    Examples
    --------
    >>> train_run("runs/slepton", "models/slepton")  # doctest: +SKIP
    """
    run = read_run_features(run_folder, accept_loss=accept_loss)
    analysis = str(run.manifest.get("analysis") or "")
    scores = Description.from_dict(run.manifest.get("description")).scores
    described = name if name in {score.name for score in scores} else None
    wanted = _wanted_recipe(recipe, protocol, analysis, classifier, described).changed(
        signal=signal,
        backgrounds=backgrounds,
        features=features,
        region=region,
        n_folds=n_folds,
        seed=seed,
        hyperparameters=hyperparameters,
        negative_weights=negative_weights,
        seeds=seeds,
        seed_choice=seed_choice,
        weighting=weighting,
        class_weights=class_weights,
        early_stopping=early_stopping,
        balance=balance,
        label=label,
        flatten=flatten,
        fraction=fraction,
    )
    wanted.trainer.library()  # refuses before the work if it is not installed
    complete, notes = completed_recipe(wanted, run.table, run.manifest, run.features, name)
    complete, run = _labelled(complete, run)
    request = _Request(
        f"{_stem(name or _own_name(analysis))}.onnx", complete, importances, compare_protocols, tuple(notes)
    )
    request_hash = _request_hash(request, run)
    folder = Path(out)
    if resume and (finished := finished_model_folder(folder, request_hash)) is not None:
        if progress is not None:
            progress(f"{folder} is up to date", 1, 1)
        return finished
    with locked_folder(folder):
        folds = train(
            run.table,
            complete,
            units=run.units,
            importances=importances,
            compare_protocols=compare_protocols,
            progress=progress,
            keep_in=(steps := folder / f".steps_{request_hash[:16]}"),
        )
        made = _write(folder, request, request_hash, folds, run, Path(run_folder))
        Steps(steps).clear()
        return made


def require_trainer(recipe: Recipe | str | Path | None = None, analysis: str = "") -> None:
    """Import what trains a recipe, before hours of other work.

    Parameters
    ----------
    recipe, analysis
        As `train_run` is given it, and the name of the analysis whose recipe it otherwise is.

    Raises
    ------
    ModelError
        If there is no such recipe, or the library that trains it is not installed (TrainerMissingError).
    """
    _wanted_recipe(recipe, None, analysis).trainer.library()


def _labelled(recipe: Recipe, run: RunFeatures) -> tuple[Recipe, RunFeatures]:
    """The recipe with its label among the features, and the run with the columns that this needs."""
    features, label = list(recipe.features or ()), recipe.label
    if label is None or label in features:
        return recipe, run
    if label != TRUE_RANDOM:
        return recipe.changed(features=[*features, label]), run
    table, names = with_true_masses(
        run.table,
        run.manifest["datasets"],
        recipe.signal or (),
        weight=weights_of_rows(run.table, recipe),
        seed=recipe.seed,
    )
    units = {**run.units, **dict.fromkeys(names, "GeV")}
    return recipe.changed(features=[*features, *names]), replace(run, table=table, units=units)


class _Request(NamedTuple):
    """All that was asked for, beside the run."""

    model_file: str
    recipe: Recipe
    importances: bool
    compare_protocols: bool
    notes: tuple[str, ...]


def _wanted_recipe(
    recipe: Recipe | str | Path | None,
    protocol: str | None,
    analysis: str,
    classifier: str | None = None,
    score: str | None = None,
) -> Recipe:
    from massgap.models.recipes.registry import (
        find_recipe,
        find_variant,
        of_kind,
        recipe_of_analysis,
        require_kind,
    )

    if recipe is None:
        recipe = recipe_of_analysis(analysis, score)
        found = recipe if classifier is None else of_kind(recipe, classifier)
    else:
        found = recipe if isinstance(recipe, Recipe) else find_recipe(recipe)
        require_kind(found, classifier)
    return found if protocol is None else find_variant(found, protocol)


def _own_name(analysis: str) -> str:
    """A name for the model of an analysis: its own, or that of its class where it is given as path/to/file.py:Class."""
    return analysis.rpartition(":")[2] or "model"


def _stem(name: str) -> str:
    if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        msg = f"The name {name!r} cannot be a file name: use letters, digits, '_' and '-' (name=..., --name)."
        raise ModelError(msg)
    return name


def _write(
    folder: Path, request: _Request, request_hash: str, folds: TrainedFolds, run: RunFeatures, source: Path
) -> ModelFolder:
    from massgap.models.training.card import model_card
    from massgap.models.training.export import verified_bytes

    options = run.manifest.get("options") or {}
    # What the features depend on: an analysis may refuse the model where its own options differ.
    about = {"massgap.run_options": json.dumps(options, sort_keys=True)} if options else {}
    if met := options.get("met"):
        about["massgap.met"] = met
    content, difference = verified_bytes(
        folds, run.table[folds.inputs].to_numpy(dtype=np.float32), about or None
    )
    training = {
        "model_file": request.model_file,
        "model_sha256": hashlib.sha256(content).hexdigest(),
        "request_hash": request_hash,
        **training_record(folds),
        "preprocessing": folds.recipe.trainer.PREPROCESSING,
        "onnx_difference": difference,
        "notes": [*request.notes, *folds.notes],
        "versions": {**versions(_VERSIONED), **folds.recipe.trainer.library()},
        "source": {
            "run_folder": source.resolve().name,
            **{key: run.manifest.get(key) for key in _ORIGIN},
        },
    }
    return write_model_folder(folder, training, content, model_card(training))


def training_record(folds: TrainedFolds) -> dict[str, Any]:
    """Return what ``training.json`` says about the training itself, ready for JSON."""
    recipe = folds.recipe
    plain = recipe.as_dict()
    of_recipe = (
        "features",
        "region",
        "signal",
        "backgrounds",
        "n_folds",
        "hyperparameters",
        "early_stopping",
        "protocol",
        "seed",
        "negative_weights",
    )
    return {
        "training_hash": folds.training_hash,
        **{key: plain[key] for key in of_recipe},
        "recipe": plain,
        "recipe_digest": recipe.digest,
        "units": folds.units,
        "processes": folds.processes,
        "folds": [{k: v for k, v in asdict(fold).items() if k != "seeds" or v} for fold in folds.folds],
        **({"flatness": folds.flatness} if folds.flatness else {}),
        **({"attention": folds.attention} if folds.attention else {}),
        "iterations": recipe.trainer.ITERATIONS,
        "importance_is": recipe.trainer.SHARES,
        "importance": folds.importance,
        "importance_left_out": folds.importance_left_out,
        "protocol_comparison": folds.protocol_comparison,
    }


def read_run_features(run_folder: str | Path, *, accept_loss: bool = False) -> RunFeatures:
    """Return the joined feature tables of the simulated datasets of a run folder.

    Raises
    ------
    RunFolderError
        If the folder is not that of a finished run.
    IncompleteRunError
        If the run lost events, unless this is accepted.
    TableError
        If its tables are missing, damaged or disagree in their features.
    """
    run = open_run(run_folder)
    if not accept_loss:
        run.require_complete()
    return read_feature_tables(run.path, run.manifest)


def _request_hash(request: _Request, run: RunFeatures) -> str:
    """Hash all that decides the result: recipe and its file, options, versions, the code, and the tables' content."""
    import pandas as pd

    wanted = {
        "recipe": request.recipe.digest,
        "recipe_code": request.recipe.code,
        "model_file": request.model_file,
        "importances": request.importances,
        "compare_protocols": request.compare_protocols,
        "notes": request.notes,
        "versions": {**versions(_VERSIONED), **request.recipe.trainer.library()},
        "code": package_digest(only=("models", "arrays")),
        "columns": list(run.table.columns),
        "units": run.units,
        "origin": {key: run.manifest.get(key) for key in _ORIGIN},
    }
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True, default=str).encode())
    digest.update(pd.util.hash_pandas_object(run.table, index=False).to_numpy().tobytes())
    return digest.hexdigest()
