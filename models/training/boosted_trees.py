"""Boosted trees, the kind ``"trees"`` of recipes: how one classifier is fitted by XGBoost on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.extras import require
from massgap.models.errors import ModelError, TrainerMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xgboost as xgb
    from numpy.typing import NDArray

    from massgap.models.training.recipe import Recipe
    from massgap.models.training.split import Parts
    from massgap.models.training.table import TrainingTable

__all__ = [
    "HYPERPARAMETERS",
    "Fitted",
    "checked_hyperparameters",
    "fit",
    "importance",
    "library",
    "operators",
    "predict",
]

HYPERPARAMETERS: dict[str, Any] = {
    "n_trees": 300,
    "max_depth": 4,
    "eta": 0.1,
    "lambda": 1.0,
    "gamma": 0.0,
    # The library's default of 1 forbids every split once the weight sums are normalised to one.
    "min_child_weight": 0.0,
    "base_score": 0.5,
    "max_bin": 256,
}
"""What a recipe may change, and the values of what it does not."""

PREPROCESSING = "infinite values become NaN; NaN is missing and follows each split's default branch"
"""What the exported graph does with features before the trees."""
TITLE, ITERATIONS, SHARES = "Boosted decision trees", "trees", "share of total gain"
"""What it is called, what its iterations are, and what its importances are."""
PRECISIONS = (False,)
"""Whether the exported graph may compute in float64: trees compare in float32."""
SEEDED, WITH_SUBSETS = False, True
"""Whether a seed changes the classifier; whether it is also trained against single backgrounds and by another protocol."""

_LOWEST = {"n_trees": 1, "max_depth": 1, "max_bin": 2}


class Fitted(NamedTuple):
    """One classifier, the iteration at which the stopping events liked it best, and losses per iteration."""

    classifier: xgb.Booster
    best_iteration: int
    n_iterations: int
    loss_curve: dict[str, list[float]]


def checked_hyperparameters(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return all hyperparameters, with these changes.

    Raises
    ------
    ModelError
        If one is unknown or has a value that it cannot have.

    Examples
    --------
    >>> checked_hyperparameters({"max_depth": 2})["max_depth"]
    2
    """
    unknown = sorted(set(changes) - set(HYPERPARAMETERS))
    if unknown:
        msg = f"Unknown hyperparameter {unknown[0]!r}: known are {', '.join(HYPERPARAMETERS)}."
        raise ModelError(msg)
    parameters = {**HYPERPARAMETERS, **changes}
    for name, value in parameters.items():
        lowest = _LOWEST.get(name, 0)
        whole = isinstance(HYPERPARAMETERS[name], int)
        wanted = "an integer" if whole else "a number"
        is_number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not is_number or not np.isfinite(value) or value < lowest:
            msg = f"Hyperparameter {name} is {value!r}: it must be {wanted} of at least {lowest}."
            raise ModelError(msg)
        parameters[name] = int(value) if whole else float(value)
    if not 0 < parameters["base_score"] < 1 or not 0 < parameters["eta"] <= 1:
        msg = (
            f"base_score {parameters['base_score']} must lie in (0, 1) and eta {parameters['eta']} in (0, 1]."
        )
        raise ModelError(msg)
    return parameters


def library() -> dict[str, str]:
    """Name and version of what decides the trees beside the recipe and the data.

    Raises
    ------
    TrainerMissingError
        If it is not installed.
    """
    return {"xgboost": _xgboost().__version__}


def _xgboost() -> Any:
    """XGBoost, whichever of its distributions is installed (``xgboost``, or ``xgboost-cpu`` without CUDA)."""
    return require("xgboost", "training", error=TrainerMissingError)


def fit(data: TrainingTable, parts: Parts, recipe: Recipe, steps: Any = None) -> Fitted:  # noqa: ARG001
    """Fit the classifier of one fold.

    Parameters
    ----------
    data
        All events.
    parts
        Which of them are fitted to, and which stop the training.
    recipe
        A recipe of the kind ``"trees"``.
    steps
        Not needed: a fold takes seconds.

    Raises
    ------
    ModelError
        If XGBoost is not installed, or refuses.
    """
    xgb = _xgboost()
    parameters = recipe.hyperparameters
    d_fit = _matrix(data, parts.fit, recipe)
    d_stop = _matrix(data, parts.stop, recipe, d_fit)
    options = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "nthread": 1,
        "seed": recipe.seed,
        "verbosity": 0,
        **{k: v for k, v in parameters.items() if k != "n_trees"},
    }
    curves: dict[str, dict[str, list[float]]] = {}
    try:
        booster = xgb.train(
            options,
            d_fit,
            num_boost_round=parameters["n_trees"],
            evals=[(d_fit, "train"), (d_stop, "valid")],
            evals_result=curves,
            early_stopping_rounds=recipe.early_stopping,
            verbose_eval=False,
        )
    except xgb.core.XGBoostError as error:
        why = str(error).strip().splitlines()[-1]
        msg = f"XGBoost refused the training of fold {parts.fold}: {why}"
        raise ModelError(msg) from error
    best = int(booster.best_iteration)
    if recipe.protocol == "nested":
        booster = booster[: best + 1]
    losses = {name: [float(v) for v in curve["logloss"]] for name, curve in curves.items()}
    return Fitted(booster, best, int(booster.num_boosted_rounds()), losses)


def _matrix(
    data: TrainingTable, mask: NDArray[np.bool_], recipe: Recipe, reference: xgb.DMatrix | None = None
) -> xgb.QuantileDMatrix:
    from massgap.models.training.split import fit_weights

    return _xgboost().QuantileDMatrix(
        data.x[mask],
        label=data.label[mask],
        weight=fit_weights(data, mask, recipe),
        missing=np.nan,
        feature_names=list(data.features),
        nthread=1,
        max_bin=recipe.hyperparameters["max_bin"],
        ref=reference,
    )


def predict(booster: xgb.Booster, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of one booster for a float32 matrix, shape (N,); NaN is missing."""
    if len(features) == 0:
        return np.empty(0, dtype=np.float32)
    return np.asarray(booster.inplace_predict(features, missing=np.nan), dtype=np.float32)


def importance(
    booster: xgb.Booster,
    features: Sequence[str],
    held_out: Any = None,  # noqa: ARG001
) -> NDArray[np.float64]:
    """Return the total gain of each feature (the sum of the loss reductions of all splits on it), shape (n_features,).

    It comes from the trees themselves, `held_out` is not looked at.
    """
    gain = booster.get_score(importance_type="total_gain")
    return np.array([float(np.mean(gain.get(name, 0.0))) for name in features])


def operators(
    boosters: Sequence[xgb.Booster],
    features: str,
    score: str,
    *,
    double: bool = False,  # noqa: ARG001
) -> tuple[list[Any], list[Any]]:
    """Operators and constants of an ONNX graph, see `massgap.models.training.tree_graph.tree_operators`."""
    from massgap.models.training.tree_graph import tree_operators

    return tree_operators(boosters, features, score)
