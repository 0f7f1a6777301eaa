"""Scoring by other compilers of trees, where they are installed, and what a processor adds to onnxruntime, one thread."""

from __future__ import annotations

import importlib
import tempfile
import types
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Row, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from massgap.models.scoring.scorer import OnnxScorer

GROUP = "Scoring"
N_FOLDS = 3


def compilers(
    x: NDArray[np.float32], label: NDArray[np.int64], ours: OnnxScorer, n_trees: int, depth: int, rounds: int
) -> Iterator[Row | str]:
    """Yield a line for lleaves and one for YDF: trees of their own training, as many and as deep.

    Parameters
    ----------
    x, label
        Events to train on and to score.
    ours
        A scorer of as many trees.
    n_trees, depth, rounds
        Of either side, and how often it is measured.
    """
    zero = np.zeros(len(x), np.int64)
    for name, made in (("lleaves", _lleaves), ("YDF", _ydf)):
        try:
            with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
                warnings.simplefilter("ignore")
                theirs = made(x, label, n_trees, depth, Path(folder))
        except ImportError as error:
            yield f"compiled trees against {name}, {n_trees} trees: {error} (there is no module for them)"
            continue
        measured = ratio(lambda: ours.score(x, zero), theirs, rounds=rounds)
        yield Row(
            GROUP,
            f"compiled trees against {name}, {n_trees} trees, {len(x):,} events",
            measured,
            goal=3.0,
            detail=f"{n_trees} trees of depth {depth} that each side trained itself on the same events, {x.shape[1]} features; "
            f"{measured.ours / len(x) * 1e9:.0f} and {measured.theirs / len(x) * 1e9:.0f} ns per event; one thread",
        )


def _lleaves(
    x: NDArray[np.float32], label: NDArray[np.int64], n_trees: int, depth: int, folder: Path
) -> Callable[[], Any]:
    lightgbm, lleaves = importlib.import_module("lightgbm"), importlib.import_module("lleaves")
    if not hasattr(importlib.import_module("llvmlite.binding"), "PassManagerBuilder"):
        msg = "lleaves 1.3 needs an llvmlite older than that of numba"
        raise ImportError(msg)
    options = {
        "objective": "binary", "max_depth": depth, "num_leaves": 2**depth, "min_data_in_leaf": 1, "num_threads": 1,
        "verbosity": -1, "learning_rate": 0.1,
    }  # fmt: skip
    n = min(len(x), 30_000)
    lightgbm.train(options, lightgbm.Dataset(x[:n], label[:n]), n_trees).save_model(folder / "model.txt")
    model = lleaves.Model(model_file=str(folder / "model.txt"))
    model.compile()
    wide = np.ascontiguousarray(x, np.float64)  # what it takes without a copy
    return lambda: model.predict(wide, n_jobs=1)


def _ydf(
    x: NDArray[np.float32], label: NDArray[np.int64], n_trees: int, depth: int, folder: Path
) -> Callable[[], Any]:
    del folder
    ydf = importlib.import_module("ydf")
    ydf.verbose(0)
    columns = {f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(x.shape[1])}
    n = min(len(x), 30_000)
    learner = ydf.GradientBoostedTreesLearner(
        label="y", num_trees=n_trees, max_depth=depth + 1, min_examples=1, early_stopping="NONE", validation_ratio=0.0,
        num_threads=1,
    )  # fmt: skip
    model = learner.train({name: column[:n] for name, column in columns.items()} | {"y": label[:n]})
    data = ydf.create_vertical_dataset(columns | {"y": label}, data_spec=model.data_spec())
    return lambda: model.predict(data, num_threads=1)


def processor(effort: Effort) -> Iterator[Row]:
    """Yield lines about what scoring in a processor costs over a session of onnxruntime that is given a matrix."""
    from massgap.models.networks import dense, tabnet

    n = effort.of(50_000, 20_000, 500)
    sizes: dict[str, Any] = {"hidden": [64, 64]} if effort is not Effort.SMOKE else {"hidden": [8]}
    for kind, design, changes in (("mlp", dense, sizes), ("tabnet", tabnet, {})):
        for events in (n // 50, n):
            yield _against_a_session(kind, design, changes, events, min(effort.rounds(), 5))


def _against_a_session(kind: str, design: Any, changes: dict[str, Any], n: int, rounds: int) -> Row:
    """Events as columns with folds, checks of names and scores included, against ``session.run`` on their matrix."""
    from massgap.models.scoring.scorer import OnnxScorer

    width = 12
    x = np.random.default_rng(2).normal(size=(n, width)).astype(np.float32)
    content = _untrained(kind, design, changes, x)
    scorer = OnnxScorer.from_bytes(content, kind)
    columns = {name: np.ascontiguousarray(x[:, j], np.float64) for j, name in enumerate(scorer.features)}
    fold = np.arange(n) % N_FOLDS
    session, part = scorer.whole.open(), 65536

    def bare() -> NDArray[np.float32]:
        return np.concatenate(
            [session.run(None, {"features": x[start : start + part]})[0] for start in range(0, n, part)]
        )

    if not (scorer.score(columns, fold) == bare()[np.arange(n), fold]).all():
        msg = f"The scores of {kind} differ from those of the session."
        raise AssertionError(msg)
    measured = ratio(bare, lambda: scorer.score(columns, fold), rounds=rounds)
    return Row(
        GROUP,
        f"scoring in a processor over bare onnxruntime, {kind}, {n:,} events",
        measured,
        goal=1.3,
        at_least=False,
        detail=f"{width} columns of float64 by name, {N_FOLDS} folds, against a session given their matrix; "
        f"{measured.theirs / n * 1e9:.0f} and {measured.ours / n * 1e9:.0f} ns per event; one thread",
    )


def _untrained(kind: str, design: Any, changes: dict[str, Any], x: NDArray[np.float32]) -> bytes:
    """A model of random networks, one per fold."""
    from massgap.models.networks.scaling import scaling_of
    from massgap.models.networks.trainer import Network
    from massgap.models.training.export import to_bytes, to_onnx
    from massgap.models.training.recipe import Recipe

    names = [f"x{j}" for j in range(x.shape[1])]
    settings = design.TRAINER.checked_hyperparameters(changes)
    scaling = scaling_of(x, np.ones(len(x)), names, clip=settings["clip"], tell_missing=False, where="here")
    networks = [
        (
            Network(seed, scaling, settings, *design.TRAINER.design.initial(settings, x.shape[1],
                    np.random.default_rng(seed)), 0, 1, 0.0, {}),
        )
        for seed in range(N_FOLDS)
    ]  # fmt: skip
    recipe = Recipe("benchmark", kind=kind, n_folds=N_FOLDS, features=names, signal=["s"], backgrounds=["b"])
    folds = types.SimpleNamespace(
        features=names, n_folds=N_FOLDS, classifiers=networks, units={}, training_hash="benchmark", recipe=recipe,
        flattening=None, inputs=names,
    )  # fmt: skip
    return to_bytes(to_onnx(folds))  # type: ignore[arg-type]
