"""Importance sampling with a grid that adapts to the integrand: G. P. Lepage, J. Comput. Phys. 27 (1978) 192 (VEGAS)."""

from __future__ import annotations

from typing import Any

import numpy as np

from massgap.arrays.compiled import compiled

__all__ = ["AdaptiveGrid", "cap_of_weights", "through_grid"]


@compiled
def through_grid(edges: Any, even: Any, u: Any) -> float:
    """Map numbers that are even between 0 and 1 through the grid; give the Jacobian."""
    bins = edges.shape[1] - 1
    jacobian = 1.0
    for d in range(edges.shape[0]):
        k = min(int(even[d] * bins), bins - 1)
        width = edges[d, k + 1] - edges[d, k]
        u[d] = edges[d, k] + (even[d] * bins - k) * width
        jacobian *= bins * width
    return jacobian


def cap_of_weights(weights: np.ndarray, above: float = 1e-3) -> float:
    """The weight above which lies a share of the sum: events are accepted against it, and those above it keep a weight above 1.

    Parameters
    ----------
    weights
        Of points, shape (n,); none is negative.
    above
        The share.

    Examples
    --------
    >>> cap_of_weights(np.array([1.0, 1.0, 1.0, 7.0]), above=0.0)
    7.0
    >>> cap_of_weights(np.array([1.0, 1.0, 1.0, 7.0]), above=0.4)
    1.0
    """
    falling = np.sort(weights)[::-1]
    # what lies above the k-th largest: sum of (w - w_k)
    beyond = np.cumsum(falling) - np.arange(1, len(falling) + 1) * falling
    return float(falling[min(int(np.searchsorted(beyond, above * falling.sum())), len(falling) - 1)])


class AdaptiveGrid:
    """A grid of bins along each axis, all equally likely.

    Parameters
    ----------
    dimensions, bins
        Number of axes, and of bins along each.

    Examples
    --------
    >>> grid = AdaptiveGrid(1, 4)
    >>> grid.adapt(np.array([[0.1], [0.4], [0.6], [0.9]]), np.array([1.0, 0.0, 0.0, 0.0]))
    >>> bool(grid.edges[0, 2] < 0.5)
    True
    """

    def __init__(self, dimensions: int, bins: int = 64) -> None:
        self.edges = np.tile(np.linspace(0.0, 1.0, bins + 1), (dimensions, 1))

    def adapt(self, even: np.ndarray, weights: np.ndarray, damping: float = 0.75) -> None:
        """Narrow the bins where weights are large.

        Parameters
        ----------
        even
            Numbers before the map, shape (n, dimensions).
        weights
            Integrand times Jacobian, shape (n,).
        damping
            0 leaves the grid as it is; 1.5 is Lepage's value.
        """
        bins = self.edges.shape[1] - 1
        for d, edges in enumerate(self.edges):
            place = np.minimum((even[:, d] * bins).astype(np.int64), bins - 1)
            spread = np.bincount(place, weights=weights**2, minlength=bins)
            count = np.maximum(np.bincount(place, minlength=bins), 1)
            mean = spread / count
            if not mean.sum() > 0.0:
                continue
            padded = np.concatenate([mean[:1], mean, mean[-1:]])
            smooth = (padded[:-2] + 6.0 * mean + padded[2:]) / 8.0
            share = np.maximum(smooth / smooth.sum(), 1e-30)
            with np.errstate(invalid="ignore", divide="ignore"):
                size = np.where(share < 1.0, ((1.0 - share) / -np.log(share)), 1.0) ** damping
            total = np.concatenate([[0.0], np.cumsum(size)])
            wanted = np.linspace(0.0, total[-1], bins + 1)
            self.edges[d] = np.interp(wanted, total, edges)
            self.edges[d, 0], self.edges[d, -1] = 0.0, 1.0
