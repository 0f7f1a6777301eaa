"""Intervals by Neyman's construction: for each true value the range of an estimate, turned around for an observed one.

Source: J. Neyman, Phil. Trans. Roy. Soc. A 236 (1937) 333.  Where the ensembles vary nuisance parameters, the intervals cover on
average over these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Belt", "binomial_error", "confidence_belt"]


@dataclass(frozen=True)
class Belt:
    """A confidence belt.

    Attributes
    ----------
    true
        True values, rising, shape (n,).
    low, middle, high
        Quantiles of the estimate at each of them, shape (n,): straight lines stand between.
    level
        Probability between low and high.
    sizes
        Pseudo-experiments of each true value, shape (n,): how well its range is known.
    """

    true: NDArray[np.float64]
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float
    sizes: NDArray[np.float64]

    def intervals(self, estimate: ArrayLike) -> NDArray[np.float64]:
        """Lowest and highest true value whose range holds each estimate, shape (m, 2).

        Ends of the range of true values bound what lies beyond them; NaN where no true value is accepted.
        """
        x = np.atleast_1d(np.asarray(estimate, np.float64))
        fine = np.linspace(self.true[0], self.true[-1], 40 * (len(self.true) - 1) + 1)
        low, high = (np.interp(fine, self.true, edge) for edge in (self.low, self.high))
        inside = (low <= x[:, None]) & (x[:, None] <= high)
        found = np.stack(
            [fine[inside.argmax(axis=1)], fine[len(fine) - 1 - inside[:, ::-1].argmax(axis=1)]], axis=1
        )
        found[~inside.any(axis=1)] = np.nan
        return found

    def coverage(self, true: float, estimates: ArrayLike) -> tuple[float, float]:
        """Share of estimates whose interval holds the true value, and its error.

        An interval is the one of :meth:`intervals`: where edges that fluctuate fall for a while, it may hold a true value whose own range does
        not hold the estimate.

        The error is binomial, of the estimates and of those that the belt was made from: ranges between two true values are known as
        well as both of them together.
        """
        x = np.asarray(estimates, np.float64)
        if not self.true[0] <= true <= self.true[-1]:
            msg = f"{true:g} is outside of the true values {self.true[0]:g} to {self.true[-1]:g} that the belt was made for"
            raise FitError(msg)
        low, high = (np.interp(true, self.true, edge) for edge in (self.low, self.high))
        first, last = self.intervals(x).T
        share = float((((low <= x) & (x <= high)) | ((first <= true) & (true <= last))).mean())
        of_belt = self.level * (1.0 - self.level) * float((self.parts(true) ** 2 / self.sizes).sum())
        return share, math.hypot(binomial_error(share, len(x)), math.sqrt(of_belt))

    def parts(self, true: float) -> NDArray[np.float64]:
        """How much of its range at a value each of the true values gives, shape (n,)."""
        return np.array([np.interp(true, self.true, one) for one in np.eye(len(self.true))])


def binomial_error(share: float, n: float) -> float:
    """Standard error of a share of ``n``.

    Of none or all it would be zero: half a count is added to both.

    Examples
    --------
    >>> round(binomial_error(0.5, 100), 6), round(binomial_error(1.0, 100), 6)
    (0.05, 0.007019)
    """
    smooth = (share * n + 0.5) / (n + 1.0)
    return math.sqrt(smooth * (1.0 - smooth) / n)


def confidence_belt(true: Sequence[float], estimates: Sequence[Any], level: float = 0.6827) -> Belt:
    """The belt of central ranges.

    Parameters
    ----------
    true
        True values, rising.
    estimates
        Of each true value the estimates of its pseudo-experiments, shape (number of them,).
    level
        Probability between the edges.

    Returns
    -------
    Belt

    Raises
    ------
    FitError
        If there are fewer than two true values, they do not rise, one has no finite estimate, or the level cannot be.

    Examples
    --------
    >>> belt = confidence_belt([0.0, 1.0], [np.linspace(-1, 1, 101), np.linspace(0, 2, 101)], level=0.5)
    >>> belt.intervals(0.5).round(3).tolist()
    [[0.0, 1.0]]
    """
    values = np.asarray(true, np.float64)
    if (
        values.ndim != 1
        or len(values) < 2
        or len(values) != len(estimates)
        or not (np.diff(values) > 0).all()
    ):
        msg = f"a belt needs two true values at least, rising, and estimates of each: there are {values.tolist()} and {len(estimates)} sets"
        raise FitError(msg)
    if not 0.0 < level < 1.0:
        msg = f"a level of {level:g} cannot be: give one between 0 and 1, such as 0.68"
        raise FitError(msg)
    tail = 0.5 * (1.0 - level)
    edges, sizes = np.empty((3, len(values))), np.empty(len(values))
    for k, sample in enumerate(estimates):
        finite = np.asarray(sample, np.float64)
        finite = finite[np.isfinite(finite)]
        if not finite.size:
            msg = f"no pseudo-experiment of the true value {values[k]:g} has an estimate"
            raise FitError(msg)
        edges[:, k] = np.quantile(finite, (tail, 0.5, 1.0 - tail))
        sizes[k] = finite.size
    return Belt(values, edges[0], edges[1], edges[2], level, sizes)
