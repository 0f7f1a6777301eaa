"""Whether a probability is one: the share of signal among events of equal score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["calibration"]


def calibration(
    score: ArrayLike,
    label: ArrayLike,
    weight: ArrayLike,
    *,
    group: ArrayLike | None = None,
    n_bins: int = 10,
) -> dict[str, list[float]]:
    """The share of signal in bins of the score, which is the score itself where that is a probability.

    Parameters
    ----------
    score
        Probabilities, shape (N,).
    label
        True for signal, shape (N,).
    weight
        Shape (N,); negative ones subtract.
    group
        Integers, shape (N,), equal for copies of one event, which err together; by default all are independent.
    n_bins
        Bins of equal width from 0 to 1; those without a positive sum of weights are left out.

    Returns
    -------
    dict
        ``score``: weighted mean per bin; ``signal``: share of signal; ``uncertainty``: of the share, statistical, from the
        squares of the weights of either class.

    Examples
    --------
    >>> calibration([0.1, 0.1, 0.1, 0.1], [0, 0, 0, 1], [1.0, 1.0, 1.0, 1.0])["signal"]
    [0.25]
    """
    s, w = np.asarray(score, np.float64), np.asarray(weight, np.float64)
    is_signal = np.asarray(label).astype(bool)
    place = np.clip((s * n_bins).astype(np.intp), 0, n_bins - 1)
    total = np.bincount(place, w, n_bins)
    of_signal = np.bincount(place[is_signal], w[is_signal], n_bins)
    centre = np.bincount(place, w * s, n_bins)
    good = total > 0
    share = np.divide(of_signal, total, out=np.zeros(n_bins), where=good)
    # what each event, or all copies of one in a bin, moves its share by
    moved = w * (is_signal - share[place])
    if group is not None:
        event = np.unique(np.asarray(group), return_inverse=True)[1]
        both, of = np.unique(event * n_bins + place, return_inverse=True)
        moved, place = np.bincount(of, moved, len(both)), both % n_bins
    variance = np.bincount(place, moved**2, n_bins)[good] / total[good] ** 2
    return {
        "score": (centre[good] / total[good]).tolist(),
        "signal": share[good].tolist(),
        "uncertainty": np.sqrt(variance).tolist(),
    }
