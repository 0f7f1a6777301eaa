"""Checks of samples: a number, what it should be, and a verdict in plain words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from massgap.reports.html.html import Markup

OK, LOOK, FEW = "ok", "look", "not enough events"
#: Deviations beyond this many standard deviations are flagged; one check in 370 is so by chance.
LIMIT = 3.0


@dataclass(frozen=True)
class Check:
    """One line of the summary.

    Attributes
    ----------
    group
        Chapter: bookkeeping, slices, physics, detector or comparison.
    name, words
        What was checked, and what it means for a newcomer.
    value, error, expected, pull
        Pull is (value - expected) / error, with the stated tolerance in the error; None where a number
        has no statistical error.
    """

    group: str
    name: str
    value: float | None
    error: float | None
    expected: float | None
    pull: float | None
    status: str
    words: str
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the check as plain data; numbers that are not finite become null."""
        return {
            key: None if isinstance(entry, float) and not math.isfinite(entry) else entry
            for key, entry in asdict(self).items()
        }


@dataclass
class Drawn:
    """A figure with its texts."""

    figure: Figure
    alt: str
    caption: str


@dataclass
class Part:
    """What one measurement gives: checks, figures, tables, and what is not available, with reasons."""

    checks: list[Check] = field(default_factory=list)
    figures: list[Drawn] = field(default_factory=list)
    tables: list[Markup] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def judged(
    group: str,
    name: str,
    value: float,
    error: float,
    expected: float,
    words: str,
    *,
    unit: str = "",
    tolerance: float = 0.0,
    enough: bool = True,
) -> Check:
    """Compare a measured value with what it should be.

    Parameters
    ----------
    tolerance
        How well the expectation is known, in units of the value; added to the error in quadrature.
    enough
        Whether there are enough events for a verdict.
    """
    total = math.hypot(error, tolerance)
    if not enough or not all(map(math.isfinite, (value, total, expected))):
        return Check(group, name, value, error, expected, None, FEW, words, unit)
    pull = (value - expected) / total if total > 0 else (0.0 if value == expected else math.inf)
    status = OK if abs(pull) <= LIMIT else LOOK
    return Check(group, name, value, error, expected, pull, status, words, unit)


def decided(
    group: str, name: str, value: float, expected: float, good: bool, words: str, *, unit: str = ""
) -> Check:
    """Return a check of a number that has no statistical error."""
    return Check(group, name, value, None, expected, None, OK if good else LOOK, words, unit)


def chi2_pull(chi2: float, ndf: int) -> float:
    """Return the deviation of a normal distribution that is as improbable as this chi2 (one-sided).

    >>> round(chi2_pull(9.0, 1), 2), chi2_pull(0.0, 0)
    (2.78, 0.0)
    """
    from scipy import stats

    if ndf <= 0:
        return 0.0
    return float(stats.norm.isf(max(float(stats.chi2.sf(chi2, ndf)), 1e-300)))


def chi2_check(group: str, name: str, chi2: float, ndf: int, words: str) -> Check:
    """Judge a chi2 per degree of freedom; one that is too good is no fault."""
    if ndf < 1:
        return Check(group, name, None, None, 1.0, None, FEW, words)
    pull = chi2_pull(chi2, ndf)
    status = OK if pull <= LIMIT else LOOK
    return Check(group, name, chi2 / ndf, math.sqrt(2 / ndf), 1.0, pull, status, words)


def poisson_fit(
    log_mean: Callable[[np.ndarray], np.ndarray], start: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Fit expected counts to counts by maximum likelihood (Fisher scoring with halved steps).

    Parameters
    ----------
    log_mean
        Logarithm of the expected counts (one per bin) for given parameters.
    start
        Parameters to begin with.
    counts
        Counts; fractions are allowed (weighted events divided by their effective weight).

    Returns
    -------
    parameters, covariance
        None if the fit does not settle.
    """

    def likelihood(theta: np.ndarray) -> float:
        mean = log_mean(theta)
        with np.errstate(over="ignore", invalid="ignore"):
            found = float(np.sum(counts * mean - np.exp(mean)))
        return found if math.isfinite(found) else -math.inf

    theta = np.asarray(start, dtype=float)
    best = likelihood(theta)
    if not math.isfinite(best):
        return None
    for _ in range(100):
        mean = log_mean(theta)
        steps = 1e-5 * np.maximum(np.abs(theta), 1.0)
        slopes = np.stack(
            [(log_mean(theta + step) - log_mean(theta - step)) / (2 * step.max()) for step in np.diag(steps)],
            axis=1,
        )
        expected = np.exp(mean)
        information = slopes.T @ (expected[:, None] * slopes)
        try:
            covariance = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            return None
        move = covariance @ (slopes.T @ (counts - expected))
        for halvings in range(30):
            candidate = theta + move * 0.5**halvings
            found = likelihood(candidate)
            if found >= best - 1e-9:
                break
        else:
            return None
        gain, theta, best = found - best, candidate, found
        if gain < 1e-7 and halvings == 0:
            return (theta, covariance) if (np.diag(covariance) > 0).all() else None
    return None
