"""Binned tables and resolutions of a card: the formulas behind its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "binned",
    "by_eta",
    "energy_resolution",
    "eta_bin",
    "lognormal",
    "momentum_resolution",
]


def eta_bin(edges: list[float], eta: np.ndarray) -> np.ndarray:
    """Bin of absolute eta; the number of bins outside. Edges begin with 0."""
    distance = np.abs(eta)
    found = np.zeros(len(eta), dtype=np.intp)
    for edge in edges[1:]:
        found += distance >= edge
    return found


def by_eta(values: list[float], edges: list[float], eta: np.ndarray) -> np.ndarray:
    """Value of a list binned in absolute eta; 0 outside."""
    return np.append(np.asarray(values, dtype=float), 0.0)[eta_bin(edges, eta)]


def binned(table: dict[str, Any], pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Value of a card's binned table at pt (GeV) and eta; 0 outside."""
    values = np.asarray(table["values"], dtype=float)
    padded = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    padded[1:, :-1] = values
    i = np.zeros(len(pt), dtype=np.intp)
    for edge in table["pt"]:
        i += pt >= edge
    found = padded[i, eta_bin(table["eta"], eta)]
    if "falloff_pt" in table:
        found = np.where(pt > table["falloff_pt"], found * np.exp(np.minimum(0.5 - 5e-4 * pt, 0.0)), found)
    return found


def momentum_resolution(
    table: dict[str, Any], pt: np.ndarray, eta: np.ndarray, energy: np.ndarray
) -> np.ndarray:
    """Relative transverse-momentum resolution of tracks; beyond the last edge that of the last bin."""
    last = len(table["eta"]) - 2
    where = np.minimum(eta_bin(table["eta"], eta), last)
    squared = np.square(table["constant"])[where] + (np.asarray(table["slope"])[where] * pt) ** 2
    if "root" in table:
        squared += np.square(table["root"])[where] * energy
    return np.sqrt(squared)


def energy_resolution(table: dict[str, Any], energy: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Absolute energy resolution of a calorimeter, in GeV; 0 beyond its last edge."""
    where = eta_bin(table["eta"], eta)

    def at(values: Any) -> np.ndarray:
        return np.append(np.asarray(values, dtype=float), 0.0)[where]

    variance = (
        at(np.square(table["constant"])) * energy**2
        + at(np.square(table["stochastic"])) * energy
        + at(np.square(table["noise"]))
    )
    a, b, c = (at(column) for column in np.asarray(table["scale"], dtype=float).T)
    return (a + b * (np.abs(eta) - c) ** 2) * np.sqrt(variance)


def lognormal(sigma: np.ndarray, gauss: np.ndarray) -> np.ndarray:
    """Positive factors of mean 1 and standard deviation sigma, from Gaussian numbers.

    A Gaussian factor cut at 0 would raise the mean of soft particles, whose resolution exceeds their energy.
    """
    squared = np.log1p(sigma**2)
    return np.exp(np.sqrt(squared) * gauss - 0.5 * squared)
