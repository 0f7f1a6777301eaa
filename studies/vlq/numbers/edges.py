"""Whether the score is continuous where the bins of the training meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Jumps", "jumps_at"]

_TWO_SIGMA = 0.0455
_LEAST = 15.0
"""Effective events on either side of an edge that something is said about."""


class Jumps(NamedTuple):
    """Steps of the mean score at edges.

    ``edges`` GeV, ``step`` and ``error``, shape (n,), NaN where there are too few events; ``p_value`` that the largest of so
    many steps is as large as it is by chance; ``chi2`` and ``ndf`` of all.
    """

    edges: NDArray[np.float64]
    step: NDArray[np.float64]
    error: NDArray[np.float64]
    p_value: float
    chi2: float
    ndf: int

    @property
    def largest(self) -> float:
        """The largest step, in standard errors; NaN without any."""
        pull = np.abs(self.step / self.error)
        return float(np.nanmax(pull)) if np.isfinite(pull).any() else float("nan")

    @property
    def none(self) -> bool:
        """Whether no step is there: the largest of them is not as rare as one of 2 standard errors is alone."""
        return not self.p_value < _TWO_SIGMA


def jumps_at(
    edges: NDArray[np.float64],
    mass: NDArray[np.float64],
    score: NDArray[np.float64],
    weight: NDArray[np.float64],
    reach: float,
) -> Jumps:
    """Fit a straight line with a step to the score on either side of each edge.

    Parameters
    ----------
    edges
        GeV, shape (n,).
    mass, score, weight
        Of events, shape (N,); masses in GeV.
    reach
        How far to either side events take part, GeV.  Weights fall within it, which a line in the mass takes out.
    """
    from scipy.stats import norm

    step, error = np.full((2, len(edges)), np.nan)
    for k, edge in enumerate(edges):
        near = np.abs(mass - edge) < reach
        x, w, y = (mass[near] - edge) / reach, weight[near], score[near]
        above = x >= 0
        if min(_effective(w[above]), _effective(w[~above])) < _LEAST:
            continue
        matrix = np.stack([np.ones_like(x), x, above], axis=1)
        inverse = np.linalg.pinv(matrix.T @ (matrix * w[:, None]))
        found = inverse @ (matrix.T @ (w * y))
        # Of weighted events the errors are those of the sandwich, not of the inverse alone; each distance is one from a line
        # without this event (HC3: MacKinnon and White, J. Econometrics 29 (1985) 305), or few heavy events would look precise.
        leverage = w * np.einsum("ij,jk,ik->i", matrix, inverse, matrix)
        rest = w * (y - matrix @ found) / np.maximum(1 - leverage, 1e-6)
        covariance = inverse @ (matrix.T @ (matrix * (rest**2)[:, None])) @ inverse
        step[k], error[k] = found[2], np.sqrt(covariance[2, 2])
    pull = (step / error)[np.isfinite(step) & (error > 0)]
    n = len(pull)
    single = 2 * norm.sf(np.abs(pull).max()) if n else np.nan
    p_value = float(-np.expm1(n * np.log1p(-single))) if n and single < 1 else float("nan")
    return Jumps(edges, step, error, p_value, float((pull**2).sum()), n)


def _effective(w: NDArray[np.float64]) -> float:
    return float(w.sum() ** 2 / (w**2).sum()) if len(w) and w.sum() > 0 else 0.0
