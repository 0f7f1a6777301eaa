"""Figures of merit of a classifier on a set of events, by name: what chooses an epoch of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.models.measures.roc import auc, logloss, roc_curve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Metric = Callable[["Scored"], float]

__all__ = ["METRICS", "Scored", "merit"]

THRESHOLD = 0.5
"""Above it an event is called signal, where a metric needs that."""


class Scored(NamedTuple):
    """Scores, labels (1 for signal) and weights of events, shapes (N,), and the beta of ``f_beta``."""

    score: NDArray[np.float64]
    label: NDArray[np.float32]
    weight: NDArray[np.float64]
    beta: float = 1.0

    def counts(self) -> tuple[float, float, float]:
        """Weights of the signal called signal, of the background called signal, and of all signal."""
        called, is_signal = self.score > THRESHOLD, self.label > 0.5
        return (
            float(self.weight[called & is_signal].sum()),
            float(self.weight[called & ~is_signal].sum()),
            float(self.weight[is_signal].sum()),
        )


def _precision(s: Scored) -> float:
    right, wrong, _ = s.counts()
    return right / (right + wrong) if right + wrong > 0 else 0.0


def _recall(s: Scored) -> float:
    right, _, signal = s.counts()
    return right / signal


def _f_beta(s: Scored) -> float:
    precision, recall, b = _precision(s), _recall(s), s.beta**2
    return (1 + b) * precision * recall / (b * precision + recall) if precision > 0 and recall > 0 else 0.0


def _accuracy(s: Scored) -> float:
    return float(s.weight[(s.score > THRESHOLD) == (s.label > 0.5)].sum() / s.weight.sum())


def _auprc(s: Scored) -> float:
    """Average precision: the precision above each threshold, weighted with the step of the recall."""
    roc = roc_curve(s.score, s.label, s.weight)
    is_signal = s.label > 0.5
    right, wrong = roc.tpr * s.weight[is_signal].sum(), roc.fpr * s.weight[~is_signal].sum()
    precision = right[1:] / np.maximum(right[1:] + wrong[1:], np.finfo(float).tiny)
    return float(np.sum(np.diff(roc.tpr) * precision))


METRICS: dict[str, Metric] = {
    "logloss": lambda s: -logloss(s.score, s.label, s.weight),
    "auc": lambda s: auc(roc_curve(s.score, s.label, s.weight)),
    "auprc": _auprc,
    "precision": _precision,
    "recall": _recall,
    "f_beta": _f_beta,
    "accuracy": _accuracy,
}
"""Name -> metric, of which more is better: the log loss counts negative."""


def merit(names: str, scored: Scored) -> float:
    """The mean of the metrics that are named, joined by ``+``.

    Examples
    --------
    >>> events = Scored(np.array([0.9, 0.1]), np.array([1.0, 0.0], np.float32), np.array([1.0, 1.0]))
    >>> merit("auc+accuracy", events)
    1.0
    """
    return float(np.mean([METRICS[name](scored) for name in names.split("+")]))
