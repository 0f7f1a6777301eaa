"""Which events a fold's classifier is fitted to, which stop its training, and which evaluate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.conditioning.balance import balanced
from massgap.models.folds import held_out_fold, set_aside_for_stopping, uniform_of_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.models.training.recipe import Recipe
    from massgap.models.training.table import TrainingTable

__all__ = ["MIN_EVENTS", "Parts", "fit_weights", "require_both_classes", "split", "unit_sums"]

# "fraction" in ASCII: other random numbers than those of the folds.
_FRACTION_SALT = 0x6672616374696F6E
MIN_EVENTS = 5
"""Fewest raw events of each class in each part (fit, stopping, evaluation) of a fold."""


class Parts(NamedTuple):
    """The events of one fold, as masks of shape (N,); the held-out ones are never in `fit`."""

    fold: int
    fit: NDArray[np.bool_]
    stop: NDArray[np.bool_]
    held_out: NDArray[np.bool_]


def split(data: TrainingTable, recipe: Recipe) -> list[Parts]:
    """Return the parts of each fold as the recipe's protocol wants them.

    With 10 folds and the protocol ``"next_fold"`` they are 8:1:1: of ten parts eight are fitted to, the one after the
    held-out one stops the training.

    The stable key of an event decides, so that training and scoring agree wherever they run.
    """
    fold = held_out_fold(data.fold_key, recipe.n_folds)
    aside = set_aside_for_stopping(data.fold_key)
    nested = recipe.protocol == "nested"
    used = uniform_of_key(data.fold_key, _FRACTION_SALT) < recipe.fraction
    folds = []
    for i in range(recipe.n_folds):
        held_out = fold == i
        if recipe.protocol == "next_fold":
            stop = fold == (i + 1) % recipe.n_folds
            folds.append(Parts(i, ~held_out & ~stop & used, stop, held_out))
            continue
        fit = used & (~held_out & ~aside if nested else ~held_out)
        folds.append(Parts(i, fit, ~held_out & aside if nested else held_out, held_out))
    return folds


def require_both_classes(data: TrainingTable, parts: Parts) -> None:
    """Raise a TableError unless every part has enough events and a positive weight of either class."""
    for mask, role in (
        (parts.fit, "fitting"),
        (parts.stop, "early stopping"),
        (parts.held_out, "evaluation"),
    ):
        for name, of_class in (("signal", data.label > 0.5), ("background", data.label < 0.5)):
            part = mask & of_class
            names = "+".join(dict.fromkeys(data.process[of_class]))
            if part.sum() < MIN_EVENTS:
                msg = (
                    f"Fold {parts.fold} has {int(part.sum())} {name} events ({names}) for {role}, "
                    f"at least {MIN_EVENTS} are needed: generate more events or use fewer folds (n_folds=..., --folds)."
                )
                raise TableError(msg)
            if not data.weight[part].sum() > 0 or not data.train_weight[part].sum() > 0:
                msg = (
                    f"The {name} weights ({names}) for {role} in fold {parts.fold} sum to "
                    f"{data.weight[part].sum():g} fb, which must be positive: more events are needed."
                )
                raise TableError(msg)


def unit_sums(weight: NDArray[np.float64], label: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scale the weights of either class to a sum of one.

    >>> unit_sums(np.array([1.0, 3.0, 5.0]), np.array([1.0, 1.0, 0.0])).tolist()
    [0.25, 0.75, 1.0]
    """
    is_signal = label > 0.5
    return np.where(is_signal, weight / weight[is_signal].sum(), weight / weight[~is_signal].sum())


def fit_weights(data: TrainingTable, mask: NDArray[np.bool_], recipe: Recipe) -> NDArray[np.float64]:
    """The weights that some of the events are trained with: either class has the sum that the recipe gives it, else one."""
    label = data.label[mask]
    weight = data.train_weight[mask]
    if data.bins is not None:
        weight = balanced(weight, label, data.bins[mask])
    weight = unit_sums(weight, label)
    factors = recipe.class_weights
    return np.where(label > 0.5, factors.get("signal", 1.0), factors.get("background", 1.0)) * weight
