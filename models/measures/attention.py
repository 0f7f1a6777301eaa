"""What the masks of TabNets look at, decision by decision, for signal and for background: numbers for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Masks = Callable[[Any, NDArray[np.float32]], tuple[NDArray[np.float64], NDArray[np.float64]]]

__all__ = ["CLASSES", "mean_attention"]

CLASSES = ("background", "signal")
_BLOCK = 16384
"""Events whose masks are in memory together."""


def mean_attention(masks: Masks, folds: Sequence[tuple[Sequence[Any], Any]]) -> list[dict[str, Any]]:
    """The mean mask of each decision over held-out events, and how much the decision has of the sum.

    Parameters
    ----------
    masks
        `massgap.models.networks.tabnet.masks`.
    folds
        For each fold its networks, and ``x``, ``label`` and ``weight`` of events that they have not seen.

    Returns
    -------
    list of dict
        Per decision ``share`` (of the decisions' numbers, the mean over events of both classes; adds up to one over the
        decisions) and, per class, the mean mask of each feature, which adds up to one over the features.
    """
    total: Any = 0.0
    decided: Any = 0.0
    weights = np.zeros(2)
    for networks, (x, label, weight) in folds:
        each = np.abs(weight)
        of_class = np.stack([each * (label < 0.5), each * (label >= 0.5)])
        weights += len(networks) * of_class.sum(axis=1)
        for network in networks:
            for start in range(0, len(x), _BLOCK):
                part = slice(start, start + _BLOCK)
                found, shares = masks(network, x[part])
                total = total + np.einsum("snf,cn->csf", found, of_class[:, part])
                decided = decided + np.einsum("sn,n->s", shares, each[part])
    if not folds or not weights.all():
        return []
    mean = total / weights[:, None, None]
    shares = decided / decided.sum() if decided.sum() > 0 else np.zeros(len(decided))
    return [
        {"share": float(shares[step]), **{name: mean[c, step].tolist() for c, name in enumerate(CLASSES)}}
        for step in range(len(shares))
    ]
