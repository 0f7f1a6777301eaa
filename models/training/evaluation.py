"""How the classifier of a fold does on the events that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.measures.calibration import calibration
from massgap.models.measures.roc import auc, bootstrap_band, logloss, roc_curve, thin
from massgap.models.training.split import fit_weights, unit_sums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from massgap.models.training.recipe import Recipe
    from massgap.models.training.split import Parts
    from massgap.models.training.table import TrainingTable

__all__ = ["FoldResult", "Unseen", "evaluated"]


@dataclass(frozen=True)
class FoldResult:
    """How the classifier of one held-out fold did. Losses and curves are weighted per class.

    ``n_train_signal`` and ``n_train_background`` count what it was fitted to or stopped by, events of no weight in the training left
    out. The calibration is of the weights of the training: for other mixtures of events the score is no probability.
    """

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
    seeds: list[dict[str, float]] = field(default_factory=list)
    calibration: dict[str, list[float]] = field(default_factory=dict)
    roc_band: dict[str, list[float]] = field(default_factory=dict)


class Unseen:
    """Features, labels and weights of the events of a fold, each class with the sum one; made when they are looked at."""

    def __init__(self, data: TrainingTable, rows: NDArray[np.bool_]) -> None:
        self.data, self.rows = data, rows

    def __iter__(self) -> Iterator[NDArray[Any]]:
        label = self.data.label[self.rows]
        return iter((self.data.x[self.rows], label, unit_sums(self.data.weight[self.rows], label)))


def evaluated(data: TrainingTable, parts: Parts, recipe: Recipe, fitted: Any) -> FoldResult:
    """Evaluate what was fitted in one fold.

    Parameters
    ----------
    data, parts
        All events, and which are fitted to, stop the training and are held out.
    recipe
        What was trained.
    fitted
        As the kind's ``fit`` gives it.
    """
    trained_on, held_out = parts.fit | (parts.stop & ~parts.held_out), parts.held_out
    p_train = recipe.trainer.predict(fitted.classifier, data.x[trained_on])
    p_eval = recipe.trainer.predict(fitted.classifier, data.x[held_out])
    y_train, y_eval = data.label[trained_on], data.label[held_out]
    w_train = unit_sums(data.weight[trained_on], y_train)
    w_eval = unit_sums(data.weight[held_out], y_eval)
    roc = roc_curve(p_eval, y_eval, w_eval)
    drawn = thin(roc)
    group = None if data.group is None else data.group[held_out]
    counted = data.train_weight > 0
    trained_signal, trained_background = (
        int((trained_on & counted & of).sum()) for of in (data.label > 0.5, data.label < 0.5)
    )
    stop = np.zeros_like(parts.stop) if recipe.protocol == "held_out" else parts.stop
    return FoldResult(
        fold=parts.fold,
        n_train_signal=trained_signal,
        n_train_background=trained_background,
        n_stop_signal=int(data.label[stop].sum()),
        n_stop_background=int((data.label[stop] == 0).sum()),
        n_eval_signal=int(y_eval.sum()),
        n_eval_background=int((y_eval == 0).sum()),
        best_iteration=fitted.best_iteration,
        n_trees=fitted.n_iterations,
        auc_train=auc(roc_curve(p_train, y_train, w_train)),
        auc_eval=auc(roc),
        logloss_eval=logloss(p_eval, y_eval, w_eval),
        loss_curve=fitted.loss_curve,
        roc={"fpr": drawn.fpr.tolist(), "tpr": drawn.tpr.tolist()},
        seeds=getattr(fitted, "seeds", []),
        calibration=calibration(p_eval, y_eval, fit_weights(data, held_out, recipe), group=group),
        roc_band=bootstrap_band(p_eval, y_eval, w_eval, group=group, seed=parts.fold),
    )
