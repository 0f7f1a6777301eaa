"""Scores of exported models against those of what trained them, on rows that are hard to score, in batches of any size."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Measurement, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

GROUP = "Agreement"
GOAL = 1e-6
FEATURES = ("momentum", "mass", "angle", "ratio", "count", "met", "sum", "flag")
KINDS: dict[str, dict[str, Any]] = {
    "trees": {"n_trees": 100},
    "mlp": {"hidden": [64, 64], "epochs": 8},
    "tabnet": {"epochs": 8, "batch_size": 1024, "virtual_batch_size": 256},
    "tabm": {"hidden": [64, 64], "k": 32, "epochs": 3},
}
"""What ``massgap train --classifier`` calls bdt, mlp, tabnet and tabm, with hyperparameters for a training of seconds."""
SMALLER: dict[str, dict[str, Any]] = {
    "trees": {"n_trees": 10},
    "mlp": {"hidden": [8], "epochs": 2},
    "tabnet": {"epochs": 1, "n_d": 4, "n_a": 4, "n_steps": 2, "batch_size": 512, "virtual_batch_size": 128},
    "tabm": {"hidden": [8], "k": 4, "epochs": 1},
}


def rows(effort: Effort) -> Iterator[Row | str]:
    """Yield a line for each kind of classifier."""
    n_train, n = effort.of((20_000, 1_000_000), (20_000, 100_000), (3_000, 5_000))
    sizes = {200_000: n, 4_096: n // 10, 7: n // 200, 1: n // 500}
    table = events(n_train)
    x = hard_rows(n, table)
    chosen = os.environ.get("MASSGAP_BENCH_KINDS", "").split(",")
    for kind, settings in (SMALLER if effort is Effort.SMOKE else KINDS).items():
        if chosen != [""] and kind not in chosen:
            continue
        if kind != "trees" and importlib.util.find_spec("jax") is None:
            yield f"{kind} needs jax (there is no module for them)"
            continue
        yield _row(kind, settings, table, x, sizes)


def _row(
    kind: str, settings: dict[str, Any], table: pd.DataFrame, x: NDArray[np.float32], sizes: dict[int, int]
) -> Row:
    from massgap.models.scoring.scorer import OnnxScorer
    from massgap.models.training.export import verified_bytes
    from massgap.models.training.recipe import Recipe
    from massgap.models.training.trained_folds import train

    recipe = Recipe("agreement", kind=kind, signal=["signal"], backgrounds=["background"], features=FEATURES,
                    n_folds=2, hyperparameters=settings)  # fmt: skip
    folds = train(table, recipe, importances=False, compare_protocols=False)
    content, _ = verified_bytes(folds, table[list(FEATURES)].to_numpy(np.float32))
    native = folds.predict(np.where(np.isinf(x), np.float32(np.nan), x)).astype(np.float64)
    worst = {}
    for engine in ("onnxruntime", *(["compiled trees"] if kind == "trees" else [])):
        scorer = OnnxScorer.from_bytes(content, kind, engine=engine)
        for size, part in sizes.items():
            found = [scorer.score_all_folds(x[start : start + size]) for start in range(0, part, size)]
            worst[engine, size] = float(np.abs(np.concatenate(found)[:part] - native[:part]).max())
        # As in a processor: each event by the classifier of its fold alone.
        fold = np.arange(len(x)) % scorer.n_folds
        alone = scorer.score(x, fold)
        worst[engine, 0] = float(np.abs(alone - native[np.arange(len(x)), fold]).max())
    largest = max(worst.values())
    return Row(
        GROUP,
        f"largest difference of the score from what trained, {kind}",
        Measurement(largest, min(worst.values()), largest, len(worst), float("nan")),
        unit="",
        goal=GOAL,
        at_least=False,
        detail=f"{len(x):,} rows, 8 features, 2 folds, missing, infinite and extreme values; in batches of "
        + ", ".join(f"{size:,} ({part:,} rows)" for size, part in sizes.items())
        + "; all folds, and each row by the classifier of its fold",
    )


def events(n: int) -> pd.DataFrame:
    """A table to train on: steep, angular, discrete and missing columns."""
    import pandas as pd

    from massgap.models.folds import fold_key

    random = np.random.default_rng(11)
    frames = []
    for number, process in enumerate(("signal", "background")):
        of_signal = number == 0
        frame = pd.DataFrame(
            {
                "momentum": random.exponential(80 if of_signal else 60, n) + 20,
                "mass": 50 * (1 - random.random(n)) ** (-1 / (3 if of_signal else 4)),
                "angle": random.uniform(-np.pi, np.pi, n),
                "ratio": random.beta(2 + of_signal, 3, n),
                "count": random.poisson(2 + of_signal, n).astype(float),
                "met": random.gamma(2 + of_signal, 30, n),
                "sum": random.normal(1e6, 1e5, n),
                "flag": (random.random(n) < 0.3 + 0.2 * of_signal).astype(float),
            }
        ).astype(np.float32)
        frame.loc[random.random(n) < 0.1, "ratio"] = np.nan
        frame.loc[random.random(n) < 0.02, "met"] = np.nan
        frames.append(
            frame.assign(
                weight=1.0, process=process, dataset=process, fold_key=fold_key(3, number, np.arange(n))
            )
        )
    return pd.concat(frames, ignore_index=True)


def hard_rows(n: int, table: pd.DataFrame) -> NDArray[np.float32]:
    """Values of the columns in new combinations, also beyond their ranges, a tenth missing, a hundredth extreme."""
    random = np.random.default_rng(12)
    x = np.empty((n, len(FEATURES)), np.float32)
    extreme = np.array([np.inf, -np.inf, 3e38, -3e38, 1e-45, -0.0, 0.0, 1e10, -1e10], np.float32)
    for j, name in enumerate(FEATURES):
        there = table[name].dropna().to_numpy(np.float32)
        x[:, j] = random.choice(there, n)
        wide = random.random(n) < 0.3
        x[wide, j] = random.normal(there.mean(), 8 * there.std(), int(wide.sum()))
        x[random.random(n) < 0.1, j] = np.nan
        odd = random.random(n) < 0.01
        x[odd, j] = random.choice(extreme, int(odd.sum()))
    return x
