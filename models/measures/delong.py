"""Areas under ROC curves of classifiers on the same events, with their covariance.

E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44 (1988) 837, for weighted events, and for events of which
several are copies of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["Areas", "delong"]


class Areas(NamedTuple):
    """Areas of k classifiers, shape (k,), and their covariance, shape (k, k)."""

    area: Floats
    covariance: Floats

    def difference(self, first: int = 0, second: int = 1) -> tuple[float, float]:
        """Area of one classifier less that of another, and the standard error of this."""
        c = self.covariance
        variance = c[first, first] + c[second, second] - 2.0 * c[first, second]
        return float(self.area[first] - self.area[second]), float(np.sqrt(max(0.0, variance)))


def delong(
    scores: Sequence[ArrayLike], label: ArrayLike, weight: ArrayLike, group: ArrayLike | None = None
) -> Areas:
    r"""Areas under the ROC curves, and what the finite number of events leaves open of them.

    The area is :math:`A = \sum_{ij} w_i w_j \psi_{ij} / (W_s W_b)` over pairs of signal i and background j, with
    :math:`\psi` 1, 1/2 or 0 where i scores higher, equal, or lower.  An event of signal moves it by
    :math:`w_i (V_i - A) / W_s`, where :math:`V_i` is the share of background below it, one of background likewise; the
    covariance is the sum of the products of these moves, those of one group added before.

    Parameters
    ----------
    scores
        Of each classifier, shape (N,), higher is more signal-like.
    label
        Shape (N,), True for signal.
    weight
        Shape (N,); the sum per class must be positive.
    group
        Shape (N,), equal for events that are not independent, as copies of one; by default all are.

    Returns
    -------
    Areas
        For equal weights DeLong's covariance times (n - 1) / n of each class.

    Raises
    ------
    ModelError
        If a class has no positive total weight, or a score is NaN.

    Examples
    --------
    >>> delong([[0.9, 0.4, 0.6, 0.1]], [1, 1, 0, 0], [1, 1, 1, 1]).area
    array([0.75])
    """
    is_signal = np.asarray(label).astype(bool)
    w = np.asarray(weight, dtype=np.float64)
    for name, of in (("signal", is_signal), ("background", ~is_signal)):
        if not w[of].sum() > 0:
            msg = f"The total {name} weight is {w[of].sum():g}: an area needs a positive one."
            raise ModelError(msg)
    moves, areas = [], []
    for score in scores:
        s = np.asarray(score, dtype=np.float64)
        if np.isnan(s).any():
            msg = f"{int(np.isnan(s).sum())} of {len(s)} scores are NaN: there is no ROC curve."
            raise ModelError(msg)
        below = np.empty(len(s))
        below[is_signal] = _share_below(s[is_signal], s[~is_signal], w[~is_signal])
        below[~is_signal] = 1.0 - _share_below(s[~is_signal], s[is_signal], w[is_signal])
        area = float(np.average(below[is_signal], weights=w[is_signal]))
        total = np.where(is_signal, w[is_signal].sum(), w[~is_signal].sum())
        areas.append(area)
        moves.append(w * (below - area) / total)
    moved = np.stack(moves)
    if group is not None:
        # A group is of one class: what copies of a signal share is no concern of the background.
        place = np.unique(np.stack([np.asarray(group), is_signal]), axis=1, return_inverse=True)[1].reshape(
            -1
        )
        moved = np.stack([np.bincount(place, row) for row in moved])
    return Areas(np.array(areas), moved @ moved.T)


def _share_below(values: Floats, others: Floats, weight: Floats) -> Floats:
    """Share of the others' weight that lies below each value, what is equal by half."""
    order = np.argsort(others, kind="stable")
    sums = np.append(0.0, np.cumsum(weight[order]))
    low, high = (np.searchsorted(others[order], values, side=side) for side in ("left", "right"))
    return np.asarray(0.5 * (sums[low] + sums[high]) / sums[-1])
