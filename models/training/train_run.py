"""From a run folder to a model folder: the function behind ``massgap train``.

Reads ``manifest.json``, ``ledger.json`` and ``features/*.parquet``; writes the ONNX file, the model
card and, last, ``training.json``, which names the hash of the model file. An interrupted call
therefore never leaves a model folder that looks finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.errors import ModelError
from massgap.models.training.boosted_trees import HYPERPARAMETERS, Protocol, TrainedFolds, train
from massgap.source_code import package_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from massgap.models.training.boosted_trees import Progress

FORMAT = "massgap-training/1"
RUN_FORMAT, FEATURES_FORMAT = "massgap-run/1", "massgap-features/1"
# What a manifest says about where its events come from; its date and command do not matter here.
_ORIGIN = ("analysis", "processor", "fileset_hash", "code_hash", "options")


@dataclass(frozen=True)
class ModelFolder:
    """What `train_run` made: paths and the content of ``training.json``."""

    folder: Path
    model_file: Path
    card_file: Path
    training_file: Path
    training: dict[str, Any] = field(repr=False)
    reused: bool = False

    @property
    def auc_eval(self) -> list[float]:
        """Weighted area under the ROC curve of each held-out fold."""
        return [fold["auc_eval"] for fold in self.training["folds"]]


@dataclass(frozen=True)
class RunFeatures:
    """The feature tables of a run folder, joined."""

    table: pd.DataFrame = field(repr=False)
    features: list[str]
    units: dict[str, str]
    manifest: dict[str, Any] = field(repr=False)


def train_run(
    run_folder: str | Path,
    out: str | Path,
    *,
    signal: Sequence[str] | None = None,
    backgrounds: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    name: str | None = None,
    n_folds: int = 3,
    protocol: Protocol = "nested",
    seed: int = 1,
    hyperparameters: Mapping[str, Any] | None = None,
    precuts: bool = True,
    negative_weights: Literal["error", "absolute"] = "error",
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
    signal, backgrounds
        Process names; by default the processes that the manifest marks as signal, and all other
        simulated processes with selected events.
    features
        Names and order of the inputs; by default all of the feature tables.
    name
        Name of the ONNX file without ``.onnx``; by default the analysis of the run.
    accept_loss
        Train although the run's ledger says that events were lost.
    resume
        Return the folder as it is if it was trained on the same tables with the same options and code.
    n_folds, protocol, seed, hyperparameters, precuts, negative_weights, importances
        As in `massgap.models.training.boosted_trees.train`; so are `compare_protocols` and `progress`.

    Raises
    ------
    ModelError
        If the run folder is not one, is incomplete, cannot be trained on, or `out` cannot be written.

    Examples
    --------
    >>> train_run("runs/slepton", "models/slepton")  # doctest: +SKIP
    """
    from massgap.models.training.card import model_card
    from massgap.models.training.export import PREPROCESSING, verified_bytes

    run = read_run_features(run_folder, accept_loss=accept_loss)
    signal_names, background_names, notes = _processes(run, signal, backgrounds)
    inputs = list(features) if features is not None else run.features
    stem = name or str(run.manifest.get("analysis") or "model")
    if not stem.replace("_", "").replace("-", "").replace(".", "").isalnum():
        msg = f"The name {stem!r} cannot be a file name: use letters, digits, '_' and '-'."
        raise ModelError(msg)
    options = {
        "n_folds": n_folds,
        "protocol": protocol,
        "seed": seed,
        "precuts": precuts,
        "negative_weights": negative_weights,
        "importances": importances,
        "compare_protocols": compare_protocols,
    }
    request = {
        **options,
        "signal": signal_names,
        "backgrounds": background_names,
        "features": inputs,
        "hyperparameters": {**HYPERPARAMETERS, **(hyperparameters or {})},
        "model_file": f"{stem}.onnx",
        "versions": _versions(),
    }
    request_hash = _request_hash(request, run)
    folder = Path(out)
    if resume and (finished := _finished(folder, request_hash)) is not None:
        if progress is not None:
            progress(f"{folder} is up to date", 1, 1)
        return finished

    folds = train(
        run.table,
        signal_names,
        background_names,
        inputs,
        units=run.units,
        n_folds=n_folds,
        protocol=protocol,
        seed=seed,
        hyperparameters=hyperparameters,
        precuts=precuts,
        negative_weights=negative_weights,
        importances=importances,
        compare_protocols=compare_protocols,
        progress=progress,
    )
    content, difference = verified_bytes(folds, run.table[inputs].to_numpy(dtype=np.float32))
    training = {
        "format": FORMAT,
        "model_file": f"{stem}.onnx",
        "model_sha256": hashlib.sha256(content).hexdigest(),
        "request_hash": request_hash,
        **training_record(folds),
        "precuts": precuts,
        "negative_weights": negative_weights,
        "preprocessing": PREPROCESSING,
        "onnx_difference": difference,
        "notes": [*notes, *folds.notes],
        "versions": _versions(),
        "source": {
            "run_folder": Path(run_folder).resolve().name,
            **{key: run.manifest.get(key) for key in _ORIGIN},
        },
    }
    card = model_card(training)
    text = json.dumps(training, indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{stem}.onnx", content)
        write_atomically(folder / "card.md", card.encode())
        write_atomically(folder / "training.json", (text + "\n").encode())
    except OSError as error:
        msg = f"Cannot write the model folder {folder}: {error.strerror or error}."
        raise ModelError(msg) from error
    return _folder(folder, training, reused=False)


def training_record(folds: TrainedFolds) -> dict[str, Any]:
    """Return what ``training.json`` says about the training itself, ready for JSON."""
    return {
        "training_hash": folds.training_hash,
        "features": folds.features,
        "units": folds.units,
        "signal": folds.signal,
        "backgrounds": folds.backgrounds,
        "processes": folds.processes,
        "n_folds": folds.n_folds,
        "hyperparameters": folds.hyperparameters,
        "protocol": folds.protocol,
        "seed": folds.seed,
        "folds": [asdict(fold) for fold in folds.folds],
        "importance": folds.importance,
        "importance_left_out": folds.importance_left_out,
        "protocol_comparison": folds.protocol_comparison,
    }


def read_run_features(run_folder: str | Path, *, accept_loss: bool = False) -> RunFeatures:
    """Return the joined feature tables of the simulated datasets of a run folder.

    Raises
    ------
    TableError
        If the folder is not that of a finished run, lost events (unless accepted), or its tables
        are missing, damaged or disagree in their features.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(run_folder)
    manifest = _json(folder / "manifest.json", RUN_FORMAT)
    ledger_file = folder / "ledger.json"
    if ledger_file.exists() and not accept_loss:
        ledger = _json(ledger_file, "massgap-ledger/1")
        if not ledger.get("complete", True) and not ledger.get("accepted_loss", False):
            msg = (
                f"The run {folder} lost events ({ledger_file.name} says complete: false), so its weights are not "
                "cross sections: finish the run, or accept the loss."
            )
            raise TableError(msg)
    datasets = manifest.get("datasets") or {}
    simulated = [name for name, meta in sorted(datasets.items()) if not meta.get("is_data", False)]
    if not simulated:
        msg = f"The run {folder} has no simulated dataset to train on (manifest.json lists {len(datasets)} datasets)."
        raise TableError(msg)
    tables, first = [], None
    for dataset in simulated:
        path = folder / (manifest.get("features") or {}).get(dataset, f"features/{dataset}.parquet")
        try:
            arrow = pq.read_table(path)
        except FileNotFoundError as error:
            msg = f"The run {folder} has no feature table for the dataset {dataset!r} ({path} is missing): run it again."
            raise TableError(msg) from error
        except (OSError, pa.ArrowException) as error:
            msg = f"The feature table {path} cannot be read ({str(error).splitlines()[0]}): run it again."
            raise TableError(msg) from error
        described = _description(arrow.schema.metadata, path)
        if first is None:
            first = (path, described)
        elif described != first[1]:
            msg = (
                f"The feature tables {first[0].name} and {path.name} differ: {first[1]['features']} with units "
                f"{first[1]['units']} against {described['features']} with {described['units']}."
            )
            raise TableError(msg)
        if arrow.num_rows:
            tables.append(arrow.to_pandas())
    if not tables or first is None:
        msg = f"No simulated event of the run {folder} passed the selection: there is nothing to train on."
        raise TableError(msg)
    return RunFeatures(
        pd.concat(tables, ignore_index=True),
        first[1]["features"],
        first[1]["units"],
        manifest,
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the complete new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # mkstemp makes files for their owner alone
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _processes(
    run: RunFeatures, signal: Sequence[str] | None, backgrounds: Sequence[str] | None
) -> tuple[list[str], list[str], list[str]]:
    """Return signal, backgrounds and notes, from the manifest where they are not given."""
    selected = {str(p) for p in run.table["process"].unique()}
    marked: dict[str, bool] = {}
    for dataset, meta in sorted(run.manifest["datasets"].items()):
        if meta.get("is_data", False):
            continue
        process = str(meta.get("process", dataset))
        marked[process] = marked.get(process, False) or bool(meta.get("is_signal", False))
    notes = []
    if signal is None:
        signal = [p for p in sorted(marked) if marked[p] and p in selected]
    if backgrounds is None:
        others = [p for p in sorted(marked) if not marked[p] and p not in set(signal)]
        backgrounds = [p for p in others if p in selected]
        notes = [
            f"{p} has no selected events and is not trained against" for p in others if p not in selected
        ]
    for names, role in ((signal, "signal"), (backgrounds, "background")):
        if not names:
            msg = (
                f"The run has no selected {role} events: its processes are {', '.join(sorted(marked))} "
                f"(signal: {', '.join(p for p in sorted(marked) if marked[p]) or 'none'})."
            )
            raise TableError(msg)
    return list(signal), list(backgrounds), notes


def _json(path: Path, wanted: str) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path.parent} is not a run folder: {path.name} cannot be read ({error.strerror})."
        raise TableError(msg) from error
    try:
        parsed = json.loads(content)
    except ValueError as error:
        msg = f"{path} is damaged: it is not JSON ({error})."
        raise TableError(msg) from error
    found = parsed.get("format") if isinstance(parsed, dict) else None
    if found != wanted:
        msg = f"{path} has the format {found!r}; {wanted!r} is expected."
        raise TableError(msg)
    return parsed


def _description(metadata: dict[bytes, bytes] | None, path: Path) -> dict[str, Any]:
    raw = (metadata or {}).get(b"massgap")
    try:
        described = json.loads(raw) if raw is not None else None
    except ValueError:
        described = None
    if (
        not isinstance(described, dict)
        or described.get("format") != FEATURES_FORMAT
        or "features" not in described
    ):
        msg = f"{path} is not a feature table: its metadata lacks the format {FEATURES_FORMAT!r}."
        raise TableError(msg)
    return {"features": list(described["features"]), "units": dict(described.get("units", {}))}


def _request_hash(request: dict[str, Any], run: RunFeatures) -> str:
    """Hash all that decides the result: options, versions, the code of this room, and the tables' content."""
    import pandas as pd

    digest = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode())
    digest.update(package_digest(only=("models",)).encode())
    origin = {key: run.manifest.get(key) for key in _ORIGIN}
    digest.update(json.dumps([list(run.table.columns), run.units, origin], sort_keys=True).encode())
    digest.update(pd.util.hash_pandas_object(run.table, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _finished(folder: Path, request_hash: str) -> ModelFolder | None:
    """Return the model folder if it is whole and made by the same request."""
    try:
        training = json.loads((folder / "training.json").read_text())
        if training["format"] != FORMAT or training["request_hash"] != request_hash:
            return None
        content = (folder / training["model_file"]).read_bytes()
        whole = (folder / "card.md").exists()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole or hashlib.sha256(content).hexdigest() != training["model_sha256"]:
        return None
    return _folder(folder, training, reused=True)


def _folder(folder: Path, training: dict[str, Any], *, reused: bool) -> ModelFolder:
    return ModelFolder(
        folder,
        folder / training["model_file"],
        folder / "card.md",
        folder / "training.json",
        training,
        reused,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("massgap", "xgboost", "onnx", "onnxruntime", "numpy", "pandas"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
