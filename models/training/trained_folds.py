"""One classifier per fold, trained as a recipe says and evaluated on the events that it has not seen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.conditioning.balance import OUTSIDE
from massgap.models.conditioning.labels import hypothesis_names
from massgap.models.conditioning.quantile_table import flattening_of
from massgap.models.conditioning.truncation import truncated_weights
from massgap.models.measures.flatness import flatness, not_flat
from massgap.models.measures.roc import auc, roc_curve
from massgap.models.training.evaluation import FoldResult, Unseen, evaluated
from massgap.models.training.recipe import ALL_ROWS, LATER, Protocol, Recipe
from massgap.models.training.split import require_both_classes, split, unit_sums
from massgap.models.training.steps import Steps
from massgap.models.training.table import TrainingTable, region_of, training_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from massgap.models.conditioning.flattening import Flattening

    Progress = Callable[[str, float, int], None]

COMPARED: tuple[Protocol, ...] = ("nested", "held_out")
"""Protocols that are compared with each other."""

__all__ = ["FoldResult", "TrainedFolds", "train", "training_hash"]


@dataclass(frozen=True)
class TrainedFolds:
    """The classifiers of all folds and everything that is known about their training.

    ``recipe`` leaves nothing open: features, region, signal and backgrounds are those that were used.
    """

    classifiers: list[Any] = field(repr=False)
    recipe: Recipe
    units: dict[str, str]
    folds: list[FoldResult]
    importance: dict[str, dict[str, float]]
    importance_left_out: dict[str, str]
    protocol_comparison: dict[str, Any]
    processes: dict[str, dict[str, float]]
    training_hash: str
    notes: list[str]
    ranges: dict[str, list[float]] = field(default_factory=dict)
    flattening: list[Flattening] = field(default_factory=list, repr=False)
    flatness: dict[str, Any] = field(default_factory=dict, repr=False)
    attention: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def inputs(self) -> list[str]:
        """Names of the columns that `predict` and the model file take: the features, and the column in which it is flat."""
        flat = self.recipe.flatten
        return [*self.features, *([flat] if flat is not None and flat not in self.features else [])]

    @property
    def features(self) -> list[str]:
        """Names of the inputs, in order."""
        return list(self.recipe.features or ())

    @property
    def n_folds(self) -> int:
        """Number of folds, and of classifiers."""
        return self.recipe.n_folds

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores as the library that trained gives them, shape (N, n_folds); NaN is missing."""
        return self.flat(self.probability(features), features).astype(np.float32)

    def probability(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities, before they are made flat, shape (N, n_folds)."""
        own = features if len(self.inputs) == len(self.features) else features[:, : len(self.features)]
        columns = [self.recipe.trainer.predict(classifier, own) for classifier in self.classifiers]
        return np.stack(columns, axis=1)

    def flat(self, probability: NDArray[Any], features: NDArray[np.float32]) -> NDArray[Any]:
        """Return probabilities, shape (N, n_folds), made flat, or as they are if they are not to be."""
        if not self.flattening:
            return probability
        column = features[:, self.inputs.index(str(self.recipe.flatten))]
        flat = [table(p, column) for table, p in zip(self.flattening, probability.T, strict=True)]
        return np.stack(flat, axis=1)

    def cross_fitted(self, features: NDArray[np.float32], fold: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return for each event the probability of the classifier that has not seen it, shape (N,)."""
        return self.predict(features)[np.arange(len(features)), fold]


def train(
    table: pd.DataFrame,
    recipe: Recipe,
    *,
    units: Mapping[str, str] | None = None,
    importances: bool = True,
    compare_protocols: bool = True,
    progress: Progress | None = None,
    keep_in: Path | None = None,
) -> TrainedFolds:
    """Train one classifier per fold on a feature table.

    The result depends on the set of rows and the recipe, not on the order of the rows or on the
    number of threads: rows are sorted by their stable key first, and training has one thread.

    Parameters
    ----------
    table
        A feature table, see `massgap.models.training.table.training_table`.
    recipe
        With signal and backgrounds; without features every column that is not bookkeeping is one, without a
        region all rows are used.
    units
        Unit of each feature, for the model's metadata.
    importances
        Also train against each single background, and against each of the recipe's subsets.
    compare_protocols
        Also train with the other protocol and record the difference.
    progress
        Called as ``progress(what, done, total)`` after each training, and with fractions done within that of a network.
    keep_in
        Folder for the networks that are finished, so that an interrupted training goes on; by default none is kept.

    Returns
    -------
    TrainedFolds

    Raises
    ------
    ModelError
        If the table cannot be used with the recipe; the message names the column or process. If the library that
        trains is not installed (TrainerMissingError).
    """
    recipe.trainer.library()  # refuses before the work
    region = region_of(recipe, table)
    signal, backgrounds = recipe.signal or (), recipe.backgrounds or ()
    data = training_table(
        table,
        signal,
        backgrounds,
        recipe.features,
        region=region,
        negative_weights=recipe.negative_weights,
        weighting=recipe.weighting,
        process_weights=recipe.process_weights,
        balance=recipe.balance,
        flatten=recipe.flatten,
    )
    recipe = recipe.changed(features=data.features, region=region or ALL_ROWS)
    ranges = _ranges(data, recipe)  # refuses before the work
    several = recipe.trainer.WITH_SUBSETS
    subsets, left_out = _subsets(recipe) if importances and several else ({}, {})
    compare_protocols = compare_protocols and several and recipe.protocol in COMPARED
    tick = _Ticker(progress, recipe.n_folds * (1 + compare_protocols + len(subsets)))

    main = _train_folds(data, recipe, tick, f"all backgrounds ({recipe.protocol})", keep_in)
    comparison: dict[str, Any] = {}
    if compare_protocols:
        other = replace(recipe, protocol=next(p for p in COMPARED if p != recipe.protocol), flatten=None)
        second = _train_folds(data, other, tick, f"all backgrounds ({other.protocol})")
        comparison = _compare({recipe.protocol: main, other.protocol: second})
    tables, flat = _flattened(data, recipe, main)
    importance = {"all": _mean_importance(main, recipe, data)} if importances or several else {}
    for name, members in subsets.items():
        try:
            folds = _train_folds(data.of_classes(members), recipe, tick, f"{name} only")
        except TableError as error:
            left_out[name] = str(error)
            tick.skip(recipe.n_folds, f"{name} only: left out, too few events")
            continue
        importance[name] = _mean_importance(folds, recipe, data)

    return TrainedFolds(
        classifiers=[f.classifier for f in main],
        recipe=recipe,
        units={name: (units or {}).get(name, "") for name in data.features},
        folds=[f.result for f in main],
        importance=importance,
        importance_left_out=left_out,
        protocol_comparison=comparison,
        processes=data.counts(),
        training_hash=training_hash(data, recipe),
        notes=[*data.notes, *_useless(data), *not_flat(str(recipe.flatten), flat.get("background", {}))],
        ranges=ranges,
        flattening=tables,
        flatness=flat,
        attention=_attention(main, recipe, data),
    )


def _flattened(
    data: TrainingTable, recipe: Recipe, folds: Sequence[_Fold]
) -> tuple[list[Flattening], dict[str, Any]]:
    """The table of each fold, and how flat its score is for the background that it has not seen."""
    if data.flat is None or recipe.flatten is None:
        return [], {}
    background, tables, made_of, cut = data.label < 0.5, [], [], []
    bins = _bins_along(data, recipe)
    weight = data.weight if bins is None else _spread_weights(data, bins)
    score, scored_by = np.zeros(len(data.label)), np.zeros(len(data.label), np.int64)
    for fold, parts in zip(folds, split(data, recipe), strict=True):
        raw = recipe.trainer.predict(fold.classifier, data.x).astype(np.float64)
        rows = parts.stop & background
        light = weight[rows] if bins is None else truncated_weights(weight[rows], bins[rows])
        made = flattening_of(raw[rows], data.flat[rows], light, name=recipe.flatten, fold=parts.fold)
        tables.append(made)
        cut.append(1.0 - float(np.abs(light).sum() / np.abs(weight[rows]).sum()))
        made_of.append(rows[background])
        scored_by[parts.held_out] = parts.fold
        score[parts.held_out] = made(raw[parts.held_out], data.flat[parts.held_out])
    roc = roc_curve(score, data.label, unit_sums(data.weight, data.label))
    return tables, {
        "column": recipe.flatten,
        "auc_eval": auc(roc),
        # Of events that would rule a bin of the training, so much weight was left out of the tables.
        "folds": [{**table.as_dict(), "truncated": share} for table, share in zip(tables, cut, strict=True)],
        "background": flatness(
            score[background],
            data.flat[background],
            weight[background],
            fold=scored_by[background],
            made_of=np.stack(made_of),
        ),
    }


def _bins_along(data: TrainingTable, recipe: Recipe) -> NDArray[np.int64] | None:
    """The training's bins, where it is balanced in the column in which the score is to be flat."""
    return data.bins if (recipe.balance or {}).get("column") == recipe.flatten else None


def _spread_weights(data: TrainingTable, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weights of the table and of its test: as much background in each of the training's bins.

    A quantile given the column does not depend on how the column is distributed. With physical weights of a falling spectrum
    nearly all bins of the table would lie at its low end.
    """
    inside = bins != OUTSIDE
    sums = np.bincount(bins[inside], data.weight[inside] * (data.label[inside] < 0.5))
    scale = 1 / np.where(sums > 0, sums, np.inf)
    return np.where(inside, data.weight * scale[np.where(inside, bins, 0)], 0.0)


def _ranges(data: TrainingTable, recipe: Recipe) -> dict[str, list[float]]:
    """Smallest and largest value of each label among the events that are trained on."""
    labels = [
        *hypothesis_names(data.features, recipe.label),
        *([recipe.label] if recipe.label in data.features else []),
    ]
    used = data.train_weight > 0
    found = {}
    for name in labels:
        values = data.x[used, data.features.index(name)]
        if np.isnan(values).any():
            msg = (
                f"The label {name!r} is NaN in {int(np.isnan(values).sum())} of {len(values)} rows: a label must be a number in "
                "every event that is trained on. Name a region where it is (--region), another column (--label), or none."
            )
            raise TableError(msg)
        found[name] = [float(values.min()), float(values.max())]
    return found


def _useless(data: TrainingTable) -> list[str]:
    """A sentence for each feature that tells nothing; networks refuse it, trees leave it aside."""
    notes = []
    for j, name in enumerate(data.features):
        there = data.x[np.isfinite(data.x[:, j]), j]
        if not len(there) or there.min() == there.max():
            what = f"has the value {there[0]:g} in all events" if len(there) else "is missing in all events"
            notes.append(f"feature {name!r} {what}: no classifier learns anything from it")
    return notes


def training_hash(data: TrainingTable, recipe: Recipe) -> str:
    """Return the SHA-256 of everything that determines the classifiers, data included."""
    settings = {
        "kind": recipe.kind,
        "features": list(data.features),
        "n_folds": recipe.n_folds,
        "protocol": recipe.protocol,
        "early_stopping": recipe.early_stopping,
        "seed": recipe.seed,
        "hyperparameters": dict(recipe.hyperparameters),
        **{name: value for name, value in recipe.as_dict().items() if name in LATER},
        **recipe.trainer.library(),
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(data.digest())
    return digest.hexdigest()


def _subsets(recipe: Recipe) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return the backgrounds to train against alone, and why a subset of the recipe cannot be."""
    backgrounds = recipe.backgrounds or ()
    subsets: dict[str, tuple[str, ...]] = {name: (name,) for name in backgrounds}
    left_out = {}
    for name, members in recipe.subsets.items():
        absent = [member for member in members if member not in backgrounds]
        if absent:
            left_out[name] = f"{', '.join(absent)} is not among the backgrounds"
        elif set(members) != set(backgrounds):
            subsets[name] = members
    return subsets, left_out


class _Fold(NamedTuple):
    classifier: Any
    result: FoldResult
    held_out: NDArray[np.bool_]


class _Ticker:
    """Counts finished trainings for the progress callback."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def part(self, what: str, share: float) -> None:
        if self.progress is not None and share < 1:
            self.progress(what, self.done + share, self.total)

    def skip(self, n: int, what: str) -> None:
        self.done += n - self.done % n
        if self.progress is not None:
            self.progress(what, self.done, self.total)

    def __call__(self, what: str) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(what, self.done, self.total)


def _train_folds(
    data: TrainingTable, recipe: Recipe, tick: _Ticker, what: str, keep_in: Path | None = None
) -> list[_Fold]:
    def tell(fold: int, seed: int, epoch: int, most: int) -> None:
        share = (seed - recipe.seed + epoch / most) / recipe.seeds
        of_seed = f", seed {seed}" if recipe.seeds > 1 else ""
        tick.part(
            f"{what}, fold {fold + 1} of {recipe.n_folds}{of_seed}, epoch {epoch} of at most {most}", share
        )

    steps = Steps(keep_in, tell)
    parted = split(data, recipe)
    for parts in parted:
        require_both_classes(data, parts)
    folds = []
    for parts in parted:
        fitted = recipe.trainer.fit(data, parts, recipe, steps)
        result = evaluated(data, parts, recipe, fitted)
        folds.append(_Fold(fitted.classifier, result, parts.held_out))
        tick(f"{what}, fold {parts.fold + 1} of {recipe.n_folds}")
    return folds


def _mean_importance(folds: Sequence[_Fold], recipe: Recipe, data: TrainingTable) -> dict[str, float]:
    """Return each feature's share of the importance, averaged over the folds; the shares sum to one."""
    features = recipe.features or ()
    shares = np.zeros(len(features))
    for fold in folds:
        values = recipe.trainer.importance(fold.classifier, features, Unseen(data, fold.held_out))
        if values.sum() > 0:
            shares += values / values.sum()
    if shares.sum() > 0:
        shares /= shares.sum()
    return dict(zip(features, shares.tolist(), strict=True))


def _attention(folds: Sequence[_Fold], recipe: Recipe, data: TrainingTable) -> list[dict[str, Any]]:
    """What classifiers with masks look at, empty of others."""
    found = getattr(recipe.trainer, "attention", None)
    return found([(fold.classifier, Unseen(data, fold.held_out)) for fold in folds]) if found else []


def _compare(folds: Mapping[str, list[_Fold]]) -> dict[str, Any]:
    quantities = ("auc_train", "auc_eval", "logloss_eval", "best_iteration", "n_trees")
    comparison: dict[str, Any] = {}
    for protocol in COMPARED:
        results = [f.result for f in folds[protocol]]
        values = {q: [getattr(r, q) for r in results] for q in quantities}
        comparison[protocol] = {**values, "mean_auc_eval": float(np.mean(values["auc_eval"]))}
    comparison["auc_eval_held_out_minus_nested"] = (
        comparison["held_out"]["mean_auc_eval"] - comparison["nested"]["mean_auc_eval"]
    )
    return comparison
