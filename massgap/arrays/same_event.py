"""Sums of squares where several rows are one event: copies of one hard process that decayed or was showered several times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["sums_of_squares"]

Floats = npt.NDArray[np.float64]


def sums_of_squares(
    places: npt.NDArray[np.integer], keys: npt.NDArray[np.integer], weights: Floats, bins: int
) -> tuple[Floats, Floats]:
    """Sums of squares in each bin: of the weights, and of the sums of weights of equal keys.

    The second is the variance of the contents where equal keys are copies of one event: what they bring to a bin is one number.

    Parameters
    ----------
    places
        Bin of each row; negative ones are left out.
    keys
        Which event each row is of.
    weights
        Their weights.
    bins
        Number of bins.

    Examples
    --------
    >>> naive, exact = sums_of_squares(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), np.ones(4), 2)
    >>> naive.tolist(), exact.tolist()
    ([2.0, 2.0], [4.0, 2.0])
    """
    inside = places >= 0
    place, key, weight = places[inside].astype(np.int64), keys[inside], weights[inside]
    order = np.lexsort((key, place))
    place, key, weight = place[order], key[order], weight[order]
    naive: Floats = np.bincount(place, weight**2, bins).astype(np.float64)
    if not len(place):
        return naive, naive
    first = np.flatnonzero(np.concatenate(([True], (place[1:] != place[:-1]) | (key[1:] != key[:-1]))))
    exact: Floats = np.bincount(place[first], np.add.reduceat(weight, first) ** 2, bins).astype(np.float64)
    return naive, exact
