"""Weights that no single event rules: truncated importance sampling.

Slices that add up leave a few events of a large weight where the others are light: those of a slice far below, put there by the
tails of a reconstruction.  Such an event is known to all of its own size, and a quantile that it rules is known to nothing.  Cut at
the mean weight times the square root of the number of events, an estimate is off by less than its error, and comes to the truth
as the sample grows (E. L. Ionides, Truncated importance sampling, J. Comp. Graph. Stat. 17 (2008) 295).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["truncated_weights"]


def truncated_weights(weight: NDArray[Any], group: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Weights, none larger than the mean of its group times the square root of the number of its events.

    Parameters
    ----------
    weight
        Shape (N,); the sign is kept.
    group
        Number of the group of each event, shape (N,), from 0; events below 0 belong to none and stay as they are.

    Returns
    -------
    ndarray
        Shape (N,).

    Examples
    --------
    >>> truncated_weights(np.array([1.0, 1.0, 1.0, 9.0]), np.zeros(4, int))
    array([1., 1., 1., 6.])
    """
    w = np.asarray(weight, np.float64)
    inside = group >= 0
    which = np.where(inside, group, 0)
    n = np.bincount(which, inside)
    size = np.bincount(which, np.abs(w) * inside)
    most = np.where(inside, (size / np.sqrt(np.maximum(n, 1)))[which], np.inf)
    return np.asarray(np.sign(w) * np.minimum(np.abs(w), most))
