"""Weighted performance of a classifier: ROC curve, area under it, logarithmic loss.

Plain numpy, vectorised. Scores are dimensionless, weights may have any common unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_TINY = 1e-16  # the clip that XGBoost's own logloss uses


class RocCurve(NamedTuple):
    """Background and signal efficiencies above falling thresholds, from (0, 0) to (1, 1)."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]


def roc_curve(score: ArrayLike, label: ArrayLike, weight: ArrayLike) -> RocCurve:
    r"""Return the weighted ROC curve; events of equal score move together.

    Parameters
    ----------
    score
        Shape (N,), higher is more signal-like.
    label
        Shape (N,), True for signal.
    weight
        Shape (N,); the sum per class must be positive.

    Raises
    ------
    ModelError
        If a class has no positive total weight, or a score is NaN.

    Examples
    --------
    >>> roc_curve([0.9, 0.1], [1, 0], [1.0, 1.0]).tpr
    array([0., 1., 1.])
    """
    s = np.asarray(score, dtype=np.float64)
    is_signal = np.asarray(label).astype(bool)
    w = np.asarray(weight, dtype=np.float64)
    if np.isnan(s).any():
        msg = f"{int(np.isnan(s).sum())} of {len(s)} scores are NaN: there is no ROC curve."
        raise ModelError(msg)
    totals = {"signal": w[is_signal].sum(), "background": w[~is_signal].sum()}
    for name, total in totals.items():
        if not total > 0:
            msg = f"The total {name} weight is {total:g}: a ROC curve needs a positive one."
            raise ModelError(msg)
    order = np.argsort(-s, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(s[order])), len(s) - 1)
    w_signal = np.where(is_signal, w, 0.0)[order]
    w_background = np.where(is_signal, 0.0, w)[order]
    tpr = np.append(0.0, np.cumsum(w_signal)[last_of_tie])
    fpr = np.append(0.0, np.cumsum(w_background)[last_of_tie])
    return RocCurve(fpr / fpr[-1], tpr / tpr[-1])


def auc(roc: RocCurve) -> float:
    """Return the area under the curve: P(signal scores higher) + P(equal) / 2, weighted."""
    return float(np.trapezoid(roc.tpr, roc.fpr))


def thin(roc: RocCurve, max_points: int = 200) -> RocCurve:
    """Return at most `max_points` points of the curve, spread along its length, both ends kept."""
    if len(roc.fpr) <= max_points:
        return roc
    along = (roc.fpr + roc.tpr) / 2
    picked = np.searchsorted(along, np.linspace(0.0, 1.0, max_points))
    picked = np.unique(np.clip(picked, 0, len(along) - 1))
    picked[-1] = len(along) - 1
    return RocCurve(roc.fpr[picked], roc.tpr[picked])


def bootstrap_band(
    score: ArrayLike,
    label: ArrayLike,
    weight: ArrayLike,
    *,
    group: ArrayLike | None = None,
    seed: int = 0,
    n_replicas: int = 50,
) -> dict[str, list[float]]:
    """What the finite number of events leaves open of a ROC curve: 68 % of bootstrap replicas.

    Parameters
    ----------
    score, label, weight
        As of `roc_curve`.
    group
        Integers, shape (N,), equal for events that are kept or lost together, as copies of one; by default all are independent.
    seed
        Of the replicas, in each of which events count a number of times drawn from a Poisson distribution of mean one.
    n_replicas
        How many.

    Returns
    -------
    dict
        ``tpr`` on a grid of signal efficiencies, ``low`` and ``high`` of the background efficiency there, and of the area
        ``auc_low`` and ``auc_high`` (one number each). Empty if a replica has a class without positive weight.
    """
    s, w = np.asarray(score, np.float64), np.asarray(weight, np.float64)
    is_signal = np.asarray(label).astype(bool)
    # Few steps of the score are enough for a band, and need no sorting of each replica.
    edges = np.unique(np.quantile(s, np.linspace(0, 1, 1001)))
    place = np.searchsorted(edges, s, side="right")
    random = np.random.default_rng(seed)
    grid, found, areas = np.linspace(0, 1, 101), [], []
    # Without groups the events in their order, each a group of its own.
    of = np.arange(len(w)) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    n_groups = int(of.max(initial=-1)) + 1
    for _ in range(n_replicas):
        drawn = w * random.poisson(1.0, n_groups)[of]
        rates = []
        for rows in (is_signal, ~is_signal):
            above = np.bincount(place[rows], drawn[rows], len(edges) + 1)[::-1].cumsum()
            if not above[-1] > 0:
                return {}
            rates.append(np.append(0.0, above / above[-1]))
        tpr, fpr = rates
        areas.append(auc(RocCurve(fpr, tpr)))
        found.append(np.interp(grid, np.maximum.accumulate(tpr), fpr))
    low, high = np.quantile(found, [0.16, 0.84], axis=0)
    auc_low, auc_high = np.quantile(areas, [0.16, 0.84])
    return {
        "tpr": grid.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "auc_low": [float(auc_low)],
        "auc_high": [float(auc_high)],
    }


def logloss(score: ArrayLike, label: ArrayLike, weight: ArrayLike) -> float:
    """Return the weighted mean of -ln(probability given to the true class)."""
    p = np.asarray(score, dtype=np.float64)
    is_signal = np.asarray(label).astype(bool)
    right = np.clip(np.where(is_signal, p, 1.0 - p), _TINY, 1.0)
    return float(np.average(-np.log(right), weights=np.asarray(weight, dtype=np.float64)))
