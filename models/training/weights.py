"""How much each event counts in a training: negative weights, counting, processes that count more, bins that are balanced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.conditioning.balance import OUTSIDE, bins_of
from massgap.models.folds import uniform_of_key
from massgap.models.training.recipe import NEGATIVE_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FEW", "Trained", "trained_weights"]

FEW = 30
"""Effective events below which it is said that little is learned of them."""
_SALT = 0x647261776E
""""drawn" in ASCII: independent of folds and labels."""


class Trained(NamedTuple):
    """Weights that are trained with, shape (N,), the bins in which the training is balanced, and sentences for a user."""

    weight: NDArray[np.float64]
    bins: NDArray[np.int64] | None
    notes: list[str]


def trained_weights(
    chosen: pd.DataFrame,
    process: NDArray[np.object_],
    is_signal: NDArray[np.bool_],
    key: NDArray[np.uint64],
    *,
    weighting: str,
    negative_weights: str,
    process_weights: Mapping[str, float] | None,
    balance: Mapping[str, Any] | None,
) -> Trained:
    """The weights that events are trained with, before either class is given its sum.

    Parameters
    ----------
    chosen
        The rows that are trained on, with ``weight`` (fb).
    process, is_signal, key
        Of each of them.
    weighting, negative_weights, process_weights, balance
        As in `massgap.models.training.recipe.Recipe`.

    Raises
    ------
    TableError
        If a weight is NaN, infinite or (unless allowed) negative, a process has no positive sum, or bins are thin.
    """
    weight = chosen["weight"].to_numpy(dtype=np.float64)
    _check_weights(weight, process)
    trained = _counted(weight, process, is_signal, key, weighting, negative_weights)
    if weighting == "components":
        for name in set(process):
            trained[process == name] /= trained[process == name].sum()
    for name, factor in (process_weights or {}).items():
        trained[process == name] *= factor
    if balance is None:
        return Trained(trained, None, _few_effective(trained, is_signal))
    bins, notes = bins_of(chosen, is_signal, balance, counted=trained > 0)
    trained[bins == OUTSIDE] = 0.0
    return Trained(trained, bins, notes)


def _few_effective(train_weight: NDArray[np.float64], is_signal: NDArray[np.bool_]) -> list[str]:
    """A sentence for each class of which a few events with large weights decide."""
    notes = []
    for name, rows in (("signal", is_signal), ("background", ~is_signal)):
        w = train_weight[rows]
        square = float((w**2).sum())
        effective = float(w.sum()) ** 2 / square if square > 0 else 0.0
        if effective < FEW:
            notes.append(
                f"the {len(w):,} {name} events are worth {effective:.1f} events of equal weight, so that little is learned of them: "
                "count each of them once (--weighting counts), or generate more events"
            )
    return notes


def _check_weights(weight: NDArray[np.float64], process: NDArray[np.object_]) -> None:
    bad = ~np.isfinite(weight)
    if bad.any():
        first = process[np.flatnonzero(bad)[0]]
        msg = (
            f"Column 'weight' is NaN or infinite in {int(bad.sum())} of {len(weight)} rows (first: process {first}): mend the weights "
            "of its files and run again, or train without it, by naming the others (--signal, --backgrounds)."
        )
        raise TableError(msg)
    for name in sorted(set(process)):
        total = weight[process == name].sum()
        if total <= 0:
            msg = (
                f"The weights of process {name!r} sum to {total:g} fb: the sum must be positive. Train without it, by naming "
                'the others (--signal, --backgrounds), or give its datasets the same "process" in the fileset as what they '
                "take away from, and run again."
            )
            raise TableError(msg)


def _counted(
    weight: NDArray[np.float64],
    process: NDArray[np.object_],
    is_signal: NDArray[np.bool_],
    key: NDArray[np.uint64],
    weighting: str,
    policy: str,
) -> NDArray[np.float64]:
    """How much each event counts in the training."""
    if weighting == "counts":
        return np.ones(len(weight))
    counted = _absolute(weight, process, policy)
    if weighting == "drawn":
        share = counted / counted[~is_signal].max()
        counted = (uniform_of_key(key, _SALT) < share).astype(float)
    return counted if weighting in ("weights", "components") else np.where(is_signal, 1.0, counted)


def _absolute(weight: NDArray[np.float64], process: NDArray[np.object_], policy: str) -> NDArray[np.float64]:
    """Return weights that no classifier is confused by: none is negative, and each process keeps its total."""
    if policy not in NEGATIVE_WEIGHTS:
        msg = f"negative_weights is {policy!r}: choose one of {', '.join(NEGATIVE_WEIGHTS)} (--negative-weights)."
        raise TableError(msg)
    train_weight = weight.copy()
    for name in sorted(set(process)):
        rows = process == name
        w = weight[rows]
        if (w < 0).any():
            if policy == "error":
                msg = (
                    f"Process {name!r} has {int((w < 0).sum())} negative weights of {len(w)}, which a classifier cannot be "
                    "trained with. Train on absolute weights (negative_weights='absolute', --negative-weights absolute) or "
                    "without these events (drop); either way performance is measured with the weights as they are."
                )
                raise TableError(msg)
            trained = np.abs(w) if policy == "absolute" else np.maximum(w, 0.0)
            train_weight[rows] = trained * (w.sum() / trained.sum())
    return train_weight
