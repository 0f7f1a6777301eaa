"""Training of the boosted trees, fold by fold, as in the slepton paper (section IV.C).

Each of the rotated folds trains on the events of the other folds and is evaluated on its own,
which it has not seen. Up to 50 trees of depth 5, learning rate 0.5, lambda 0.01, gamma 0; signal
and background weight sums are each normalised to one within every set.

Two protocols of early stopping:

``nested`` (default)
    A fifth of the training events, chosen by other bits of the stable key, is set aside; its
    logloss stops the training, and the trees up to the best iteration are used. The held-out fold
    is not looked at.
``paper``
    The held-out fold itself stops the training and all trees built are used, as in the paper. The
    evaluation is then slightly optimistic; ``protocol_comparison`` shows by how much.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.errors import ModelError
from massgap.models.folds import check_n_folds, held_out_fold, set_aside_for_stopping
from massgap.models.measures.roc import auc, logloss, roc_curve, thin
from massgap.models.training.table import TrainingTable, training_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    import xgboost as xgb
    from numpy.typing import NDArray

    Progress = Callable[[str, int, int], None]

Protocol = Literal["nested", "paper"]
PROTOCOLS: tuple[Protocol, ...] = ("nested", "paper")

HYPERPARAMETERS: dict[str, Any] = {
    "n_trees": 50,
    "max_depth": 5,
    "eta": 0.5,
    "lambda": 0.01,
    "gamma": 0.0,
    # The library's default of 1 forbids every split once the weight sums are normalised to one.
    "min_child_weight": 0.0,
    "base_score": 0.5,
    "early_stopping": 5,
    "max_bin": 256,
}
"""The paper's hyperparameters; `train` accepts changes of these and no others."""

MIN_EVENTS = 5
"""Fewest raw events of each class in each part (fit, stopping, evaluation) of a fold."""


@dataclass(frozen=True)
class FoldResult:
    """How the classifier of one held-out fold did. Losses and curves are weighted per class."""

    fold: int
    n_train_signal: int
    n_train_background: int
    n_stop_signal: int
    n_stop_background: int
    n_eval_signal: int
    n_eval_background: int
    best_iteration: int
    n_trees: int
    auc_train: float
    auc_eval: float
    logloss_eval: float
    loss_curve: dict[str, list[float]]
    roc: dict[str, list[float]]


@dataclass(frozen=True)
class TrainedFolds:
    """The classifiers of all folds and everything that is known about their training."""

    boosters: list[xgb.Booster] = field(repr=False)
    features: list[str]
    units: dict[str, str]
    signal: list[str]
    backgrounds: list[str]
    n_folds: int
    hyperparameters: dict[str, Any]
    protocol: Protocol
    seed: int
    folds: list[FoldResult]
    importance: dict[str, dict[str, float]]
    importance_left_out: dict[str, str]
    protocol_comparison: dict[str, Any]
    processes: dict[str, dict[str, float]]
    training_hash: str
    notes: list[str]

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the native XGBoost probabilities, shape (N, n_folds); NaN is missing."""
        columns = [predict(booster, features) for booster in self.boosters]
        return np.stack(columns, axis=1).astype(np.float32)

    def cross_fitted(self, features: NDArray[np.float32], fold: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return for each event the probability of the classifier that has not seen it, shape (N,)."""
        return self.predict(features)[np.arange(len(features)), fold]


def train(
    table: pd.DataFrame,
    signal: Sequence[str],
    backgrounds: Sequence[str],
    features: Sequence[str] | None = None,
    *,
    units: Mapping[str, str] | None = None,
    n_folds: int = 3,
    protocol: Protocol = "nested",
    seed: int = 1,
    hyperparameters: Mapping[str, Any] | None = None,
    precuts: bool = True,
    negative_weights: Literal["error", "absolute"] = "error",
    importances: bool = True,
    compare_protocols: bool = True,
    progress: Progress | None = None,
) -> TrainedFolds:
    """Train one classifier per fold on a feature table.

    The result depends on the set of rows and the options, not on the order of the rows or on the
    number of threads: rows are sorted by their stable key first, and XGBoost runs on one thread.

    Parameters
    ----------
    table
        One row per event: the features (float, NaN = missing), ``weight`` (fb), ``process``,
        ``fold_key`` (uint64) and, with `precuts`, ``precuts`` (bool).
    signal, backgrounds
        Process names; rows of other processes are not used.
    features
        Names in the order of the model's input; by default every column that is not bookkeeping.
    units
        Unit of each feature, for the model's metadata.
    n_folds
        Number of rotated folds, at least 2.
    protocol
        ``"nested"`` or ``"paper"``, see the module's description.
    seed
        Passed to XGBoost; without subsampling the result does not depend on it.
    hyperparameters
        Changes of `HYPERPARAMETERS`.
    precuts
        Use only rows that pass the pre-cuts, as the paper does for training and analysis alike.
    negative_weights
        ``"error"``: refuse them. ``"absolute"``: train on absolute weights, scaled so that every
        process keeps its signed total; performance is always measured with the signed weights.
    importances
        Also train against each single background, and against tt + WW, for the total gain.
    compare_protocols
        Also train with the other protocol and record the difference.
    progress
        Called as ``progress(what, done, total)`` after each training.

    Returns
    -------
    TrainedFolds

    Raises
    ------
    ModelError
        If the table or an option cannot be used; the message names the column, process or option.
    """
    parameters = _checked_hyperparameters(hyperparameters)
    if protocol not in PROTOCOLS:
        msg = f"Unknown protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}."
        raise ModelError(msg)
    check_n_folds(n_folds, at_least=2)
    data = training_table(
        table, signal, backgrounds, features, precuts=precuts, negative_weights=negative_weights
    )
    other: Protocol = "paper" if protocol == "nested" else "nested"
    subsets = _background_subsets(list(backgrounds)) if importances else {}
    n_trainings = n_folds * (1 + compare_protocols + len(subsets))
    tick = _Ticker(progress, n_trainings)
    setting = _Setting(parameters, n_folds, seed)

    main = _train_folds(data, setting, protocol, tick, f"all backgrounds ({protocol})")
    comparison: dict[str, Any] = {}
    if compare_protocols:
        second = _train_folds(data, setting, other, tick, f"all backgrounds ({other})")
        comparison = _compare({protocol: main, other: second})
    importance = {"all": _mean_importance([f.booster for f in main], data.features)}
    left_out: dict[str, str] = {}
    for name, members in subsets.items():
        part = data.of_classes(members)
        try:
            folds = _train_folds(part, setting, protocol, tick, f"{name} only")
        except TableError as error:
            left_out[name] = str(error)
            tick.skip(n_folds, f"{name} only: left out, too few events")
            continue
        importance[name] = _mean_importance([f.booster for f in folds], data.features)

    return TrainedFolds(
        boosters=[f.booster for f in main],
        features=list(data.features),
        units={name: (units or {}).get(name, "") for name in data.features},
        signal=list(signal),
        backgrounds=list(backgrounds),
        n_folds=n_folds,
        hyperparameters=parameters,
        protocol=protocol,
        seed=seed,
        folds=[f.result for f in main],
        importance=importance,
        importance_left_out=left_out,
        protocol_comparison=comparison,
        processes=data.counts(),
        training_hash=training_hash(data, n_folds, protocol, seed, parameters),
        notes=list(data.notes),
    )


def predict(booster: xgb.Booster, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of one booster for a float32 matrix, shape (N,); NaN is missing."""
    if len(features) == 0:
        return np.empty(0, dtype=np.float32)
    return np.asarray(booster.inplace_predict(features, missing=np.nan), dtype=np.float32)


def training_hash(
    data: TrainingTable, n_folds: int, protocol: Protocol, seed: int, parameters: Mapping[str, Any]
) -> str:
    """Return the SHA-256 of everything that determines the trained trees, data included."""
    import xgboost as xgb

    settings = {
        "features": list(data.features),
        "n_folds": n_folds,
        "protocol": protocol,
        "seed": seed,
        "hyperparameters": dict(parameters),
        "xgboost": xgb.__version__,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(data.digest())
    return digest.hexdigest()


class _Setting(NamedTuple):
    parameters: dict[str, Any]
    n_folds: int
    seed: int


class _Fold(NamedTuple):
    booster: xgb.Booster
    result: FoldResult


class _Ticker:
    """Counts finished trainings for the progress callback."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def skip(self, n: int, what: str) -> None:
        self.done += n - self.done % n
        if self.progress is not None:
            self.progress(what, self.done, self.total)

    def __call__(self, what: str) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(what, self.done, self.total)


def _train_folds(
    data: TrainingTable, setting: _Setting, protocol: Protocol, tick: _Ticker, what: str
) -> list[_Fold]:
    fold = held_out_fold(data.fold_key, setting.n_folds)
    aside = set_aside_for_stopping(data.fold_key)
    folds = []
    for i in range(setting.n_folds):
        held_out = fold == i
        fit = ~held_out & ~aside if protocol == "nested" else ~held_out
        stop = ~held_out & aside if protocol == "nested" else held_out
        for mask, role in ((fit, "fitting"), (stop, "early stopping"), (held_out, "evaluation")):
            _require_both_classes(data, mask, i, role)
        folds.append(_train_one(data, setting, protocol, i, fit, stop, held_out))
        tick(f"{what}, fold {i + 1} of {setting.n_folds}")
    return folds


def _train_one(
    data: TrainingTable,
    setting: _Setting,
    protocol: Protocol,
    index: int,
    fit: NDArray[np.bool_],
    stop: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
) -> _Fold:
    import xgboost as xgb

    parameters = setting.parameters
    names = list(data.features)

    def matrix(mask: NDArray[np.bool_], reference: xgb.DMatrix | None = None) -> xgb.QuantileDMatrix:
        return xgb.QuantileDMatrix(
            data.x[mask],
            label=data.label[mask],
            weight=_unit_sums(data.train_weight[mask], data.label[mask]),
            missing=np.nan,
            feature_names=names,
            nthread=1,
            max_bin=parameters["max_bin"],
            ref=reference,
        )

    d_fit = matrix(fit)
    d_stop = matrix(stop, d_fit)
    options = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "nthread": 1,
        "seed": setting.seed,
        "verbosity": 0,
        **{k: v for k, v in parameters.items() if k not in {"n_trees", "early_stopping"}},
    }
    curves: dict[str, dict[str, list[float]]] = {}
    try:
        booster = xgb.train(
            options,
            d_fit,
            num_boost_round=parameters["n_trees"],
            evals=[(d_fit, "train"), (d_stop, "valid")],
            evals_result=curves,
            early_stopping_rounds=parameters["early_stopping"],
            verbose_eval=False,
        )
    except xgb.core.XGBoostError as error:
        msg = f"XGBoost refused the training of fold {index}: {str(error).strip().splitlines()[-1]}"
        raise ModelError(msg) from error
    best = int(booster.best_iteration)
    if protocol == "nested":
        booster = booster[: best + 1]

    trained_on = ~held_out
    p_train, p_eval = predict(booster, data.x[trained_on]), predict(booster, data.x[held_out])
    y_train, y_eval = data.label[trained_on], data.label[held_out]
    w_train = _unit_sums(data.weight[trained_on], y_train)
    w_eval = _unit_sums(data.weight[held_out], y_eval)
    roc = roc_curve(p_eval, y_eval, w_eval)
    drawn = thin(roc)
    n_stop = stop if protocol == "nested" else np.zeros_like(stop)
    result = FoldResult(
        fold=index,
        n_train_signal=int(y_train.sum()),
        n_train_background=int((y_train == 0).sum()),
        n_stop_signal=int(data.label[n_stop].sum()),
        n_stop_background=int((data.label[n_stop] == 0).sum()),
        n_eval_signal=int(y_eval.sum()),
        n_eval_background=int((y_eval == 0).sum()),
        best_iteration=best,
        n_trees=int(booster.num_boosted_rounds()),
        auc_train=auc(roc_curve(p_train, y_train, w_train)),
        auc_eval=auc(roc),
        logloss_eval=logloss(p_eval, y_eval, w_eval),
        loss_curve={name: [float(v) for v in curve["logloss"]] for name, curve in curves.items()},
        roc={"fpr": drawn.fpr.tolist(), "tpr": drawn.tpr.tolist()},
    )
    return _Fold(booster, result)


def _unit_sums(weight: NDArray[np.float64], label: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scale the weights of either class to a sum of one."""
    is_signal = label > 0.5
    return np.where(is_signal, weight / weight[is_signal].sum(), weight / weight[~is_signal].sum())


def _require_both_classes(data: TrainingTable, mask: NDArray[np.bool_], fold: int, role: str) -> None:
    for name, of_class in (("signal", data.label > 0.5), ("background", data.label < 0.5)):
        part = mask & of_class
        names = "+".join(dict.fromkeys(data.process[of_class]))
        if part.sum() < MIN_EVENTS:
            msg = (
                f"Fold {fold} has {int(part.sum())} {name} events ({names}) for {role}, "
                f"at least {MIN_EVENTS} are needed: generate more events or use fewer folds."
            )
            raise TableError(msg)
        if not data.weight[part].sum() > 0 or not data.train_weight[part].sum() > 0:
            msg = (
                f"The {name} weights ({names}) for {role} in fold {fold} sum to "
                f"{data.weight[part].sum():g} fb, which must be positive: more events are needed."
            )
            raise TableError(msg)


def _background_subsets(backgrounds: list[str]) -> dict[str, list[str]]:
    subsets = {name: [name] for name in backgrounds}
    if {"tt", "WW"} <= set(backgrounds) and len(backgrounds) > 2:
        subsets["tt+WW"] = ["tt", "WW"]
    return subsets


def _mean_importance(boosters: list[xgb.Booster], features: Sequence[str]) -> dict[str, float]:
    """Return each feature's share of the total gain, averaged over the folds; the shares sum to one."""
    shares = np.zeros(len(features))
    for booster in boosters:
        gain = booster.get_score(importance_type="total_gain")
        values = np.array([float(np.mean(gain.get(name, 0.0))) for name in features])
        if values.sum() > 0:
            shares += values / values.sum()
    if shares.sum() > 0:
        shares /= shares.sum()
    return dict(zip(features, shares.tolist(), strict=True))


def _compare(folds: Mapping[str, list[_Fold]]) -> dict[str, Any]:
    quantities = ("auc_train", "auc_eval", "logloss_eval", "best_iteration", "n_trees")
    comparison: dict[str, Any] = {}
    for protocol in PROTOCOLS:
        results = [f.result for f in folds[protocol]]
        values = {q: [getattr(r, q) for r in results] for q in quantities}
        comparison[protocol] = {**values, "mean_auc_eval": float(np.mean(values["auc_eval"]))}
    comparison["auc_eval_paper_minus_nested"] = (
        comparison["paper"]["mean_auc_eval"] - comparison["nested"]["mean_auc_eval"]
    )
    return comparison


def _checked_hyperparameters(changes: Mapping[str, Any] | None) -> dict[str, Any]:
    unknown = sorted(set(changes or {}) - set(HYPERPARAMETERS))
    if unknown:
        msg = f"Unknown hyperparameter {unknown[0]!r}: known are {', '.join(HYPERPARAMETERS)}."
        raise ModelError(msg)
    parameters = {**HYPERPARAMETERS, **(changes or {})}
    for name, value in parameters.items():
        lowest = 1 if name in {"n_trees", "max_depth", "early_stopping"} else 2 if name == "max_bin" else 0
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
