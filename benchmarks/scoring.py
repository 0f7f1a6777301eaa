"""Scoring by classifiers: the scorer's compiled trees against native XGBoost and against onnxruntime, one thread."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Row, cost, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

N_FEATURES, N_FOLDS, DEPTH = 27, 3, 5
AGREEMENT = 2e-6
GROUP = "Scoring"


def rows(effort: Effort) -> Iterator[Row | str]:
    """Yield the lines about scoring."""
    from benchmarks.scoring_peers import compilers, processor
    from massgap.models.scoring.scorer import OnnxScorer

    rng = np.random.default_rng(5)
    large, rounds = effort.of(200_000, 20_000, 2_000), effort.rounds()
    sizes = effort.of((50, 500), (50, 500), (10, 20))
    table = _events(rng, large)
    for n_trees in sizes:
        boosters, content = _models(n_trees, effort.of(30_000, 30_000, 2_000))
        for n in (1_000, large):
            # A call of the peers takes seconds with the large model: its spread is small, few rounds do.
            few = min(rounds, 3) if n * n_trees > 20_000_000 else rounds
            yield from _against_peers(table[:n], boosters, content, n_trees, few)
        if n_trees == sizes[0]:
            yield _single_call(table[:1], content, n_trees, rounds)
            ours = OnnxScorer.from_bytes(content, "benchmark", engine="compiled trees")
            yield from compilers(table, _labels(table, n_trees), ours, n_trees, DEPTH, min(rounds, 5))
    yield from processor(effort)


def _against_peers(
    x: NDArray[np.float32], boosters: list[Any], content: bytes, n_trees: int, rounds: int
) -> Iterator[Row]:
    from massgap.models.scoring.scorer import OnnxScorer

    ours = OnnxScorer.from_bytes(content, "benchmark", engine="compiled trees")
    onnx = OnnxScorer.from_bytes(content, "benchmark", engine="onnxruntime")
    n = len(x)
    fold = np.random.default_rng(n).integers(0, N_FOLDS, n)
    zero = np.zeros(n, np.int64)

    def native() -> NDArray[np.float32]:
        return np.asarray(boosters[0].inplace_predict(x))

    def native_folds() -> NDArray[np.float32]:
        out = np.empty(n, np.float32)
        for i, booster in enumerate(boosters):
            mine = fold == i
            out[mine] = booster.inplace_predict(x[mine])
        return out

    worst = max(
        _agreement(ours.score(x, zero), native(), "XGBoost"),
        _agreement(ours.score(x, fold), native_folds(), "XGBoost, folds"),
        _agreement(ours.score_all_folds(x), onnx.score_all_folds(x), "onnxruntime"),
    )
    size = f"{n_trees} trees of depth {DEPTH}, {N_FEATURES} features, batches of {n:,} events"
    agree = f"scores agree to {worst:.1g}"
    measured = ratio(lambda: ours.score(x, zero), native, rounds=rounds)
    yield Row(
        GROUP,
        f"compiled trees against XGBoost inplace_predict, {n_trees} trees, {n:,} events",
        measured,
        goal=1.0,
        detail=f"{size}; stretch goal 5; {measured.ours / n * 1e9:.0f} and {measured.theirs / n * 1e9:.0f} ns per event; "
        f"one thread; {agree}",
    )
    measured = ratio(lambda: ours.score(x, fold), native_folds, rounds=rounds)
    yield Row(
        GROUP,
        f"the same, each event scored by the classifier of its fold (of {N_FOLDS})",
        measured,
        goal=1.0,
        detail=f"{size} in each fold; stretch goal 5; XGBoost predicts each fold's events; one thread; {agree}",
    )
    measured = ratio(lambda: ours.score_all_folds(x), lambda: onnx.score_all_folds(x), rounds=rounds)
    yield Row(
        GROUP,
        f"compiled trees against onnxruntime, all folds, {n_trees} trees, {n:,} events",
        measured,
        detail=f"{size} in each of {N_FOLDS} folds, all scored; one thread; {agree}",
    )


def _single_call(x: NDArray[np.float32], content: bytes, n_trees: int, rounds: int) -> Row:
    from massgap.models.scoring.scorer import OnnxScorer

    scorer = OnnxScorer.from_bytes(content, "benchmark", engine="compiled trees")
    columns = {name: x[:, j].astype(np.float64) for j, name in enumerate(scorer.features)}
    fold = np.zeros(1, np.int64)
    return Row(
        GROUP,
        "one call for one event, features given by name",
        cost(lambda: scorer.score(columns, fold), rounds=rounds, scale=1e3),
        unit="ms",
        goal=1.0,
        at_least=False,
        detail=f"{n_trees} trees, {N_FOLDS} folds: what a call costs besides its events",
    )


def _agreement(ours: NDArray[np.float32], theirs: NDArray[np.float32], whose: str) -> float:
    difference = float(np.abs(ours.astype(np.float64) - theirs).max())
    if not difference <= AGREEMENT:
        msg = f"The scores differ by {difference:.2g} from those of {whose}: more than {AGREEMENT:g}."
        raise AssertionError(msg)
    return difference


def _events(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Momenta, angles and bounded variables, a twentieth of two features missing."""
    x = np.empty((n, N_FEATURES), np.float32)
    x[:, :12] = rng.exponential(60, (n, 12)) + 10
    x[:, 12:20] = rng.uniform(-np.pi, np.pi, (n, 8))
    x[:, 20:] = np.tanh(rng.normal(0, 1, (n, 7)))
    x[:, [3, 15]] = np.where(rng.random((n, 2)) < 0.05, np.nan, x[:, [3, 15]])
    return x


def _labels(x: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """A class that depends on many features."""
    rng = np.random.default_rng(seed + 1)
    signal = np.nan_to_num(x) @ rng.normal(0, 1, N_FEATURES).astype(np.float32) / 60
    signal += np.sin(3 * x[:, 12]) + 3 * x[:, 20] * x[:, 21] + rng.normal(0, 1, len(x))
    return np.asarray(signal > np.median(signal), np.int64)


def _models(n_trees: int, events: int) -> tuple[list[Any], bytes]:
    """Train one booster per fold on events whose class depends on many features; export them together."""
    import xgboost as xgb

    from massgap.models.training.export import to_bytes, to_onnx
    from massgap.models.training.recipe import Recipe

    x = _events(np.random.default_rng(n_trees), events)
    label = _labels(x, n_trees)
    names = [f"x{j}" for j in range(N_FEATURES)]
    options = {"objective": "binary:logistic", "max_depth": DEPTH, "eta": 0.1, "nthread": 1, "seed": 1}
    boosters = []
    for i in range(N_FOLDS):
        mine = np.arange(len(x)) % N_FOLDS != i
        data = xgb.QuantileDMatrix(x[mine], label=label[mine], feature_names=names, nthread=1)
        booster = xgb.train(options, data, n_trees)
        booster.set_param({"nthread": 1})
        boosters.append(booster)
    recipe = Recipe(
        "benchmark", n_folds=N_FOLDS, features=names, signal=["signal"], backgrounds=["background"]
    )
    folds = types.SimpleNamespace(
        features=names,
        n_folds=N_FOLDS,
        classifiers=boosters,
        units={},
        training_hash="benchmark",
        recipe=recipe,
        flattening=None,
        inputs=names,
    )
    return boosters, to_bytes(to_onnx(folds))  # type: ignore[arg-type]
