"""Sums from which efficiencies and resolutions per bin follow, whatever the number of events."""

from __future__ import annotations

import numpy as np


def _sum(x: np.ndarray, edges: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.histogram(x, edges, weights=weight)[0].astype(float)


class Passed:
    """Objects that pass, and the sum of the chances that they had to."""

    def __init__(self, edges: np.ndarray) -> None:
        self.edges = edges
        self.n, self.passed, self.chance, self.variance = np.zeros((4, len(edges) - 1))

    def fill(self, x: np.ndarray, passed: np.ndarray, chance: np.ndarray) -> None:
        """Add objects: where they are binned, whether they pass, and how probable that was."""
        self.n += _sum(x, self.edges, np.ones(len(x)))
        self.passed += _sum(x, self.edges, passed.astype(float))
        self.chance += _sum(x, self.edges, chance)
        self.variance += _sum(x, self.edges, chance * (1 - chance))

    def measured(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the fraction that passes and the error that it should have; NaN below `least` objects."""
        n = np.where(self.n >= least, self.n, np.nan)
        return self.passed / n, np.sqrt(self.variance) / n

    def expected(self) -> np.ndarray:
        """Return the mean chance."""
        return self.chance / np.where(self.n > 0, self.n, np.nan)


class Spread:
    """Deviations of measured from true values, and in units of what the card gives."""

    def __init__(self, edges: np.ndarray) -> None:
        self.edges = edges
        self.n = np.zeros(len(edges) - 1)
        self.sums = np.zeros((4, len(edges) - 1))
        self.units = np.zeros((4, len(edges) - 1))
        self.variance = np.zeros(len(edges) - 1)

    def fill(self, x: np.ndarray, deviation: np.ndarray, sigma: np.ndarray) -> None:
        """Add objects: where they are binned, relative deviation, and its expected standard deviation."""
        self.n += _sum(x, self.edges, np.ones(len(x)))
        self.variance += _sum(x, self.edges, sigma**2)
        for power in range(4):
            self.sums[power] += _sum(x, self.edges, deviation ** (power + 1))
            # a card without smearing has no unit: the deviation itself must vanish
            unit = np.divide(deviation, sigma, out=deviation * 1e3, where=sigma > 0)
            self.units[power] += _sum(x, self.edges, unit ** (power + 1))

    def mean(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Return mean deviation and error per bin."""
        n = np.where(self.n >= least, self.n, np.nan)
        found = self.sums[0] / n
        return found, np.sqrt(np.maximum(self.sums[1] / n - found**2, 0) / n)

    def rms(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Return spread and error per bin, from second and fourth moments."""
        n = np.where(self.n >= least, self.n, np.nan)
        _, width, error = _moments(n, self.sums)
        return width, error

    def expected(self) -> np.ndarray:
        """Return the root of the mean expected variance per bin."""
        return np.sqrt(self.variance / np.where(self.n > 0, self.n, np.nan))

    def overall(self) -> tuple[int, float, float, float, float]:
        """Return objects, mean, its error, spread, its error, all in units of the expected spread."""
        n = float(self.n.sum())
        if n < 2:
            return int(n), np.nan, np.nan, np.nan, np.nan
        mean, width, error = _moments(np.array([n]), self.units.sum(axis=1, keepdims=True))
        return int(n), float(mean[0]), float(width[0] / np.sqrt(n)), float(width[0]), float(error[0])


def _moments(n: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard deviation and its error from sums of powers."""
    m1, m2, m3, m4 = sums / n
    variance = np.maximum(m2 - m1**2, 1e-30)
    fourth = m4 - 4 * m3 * m1 + 6 * m2 * m1**2 - 3 * m1**4
    width = np.sqrt(variance)
    return m1, width, np.sqrt(np.maximum(fourth - variance**2, 0) / n) / (2 * width)
