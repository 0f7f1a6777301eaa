"""Distances between objects of the same event: pairs, nearest neighbours, sums in cones."""

from __future__ import annotations

import numpy as np


def pairs(left: np.ndarray, right: np.ndarray, n_events: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs (row of left, row of right) within one event; both event columns sorted."""
    counts = np.bincount(right, minlength=n_events)
    starts = np.concatenate(([0], np.cumsum(counts)))[:-1]
    repeat = counts[left]
    i = np.repeat(np.arange(len(left)), repeat)
    within = np.arange(len(i)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    return i, starts[left[i]] + within


def delta_phi(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of azimuths, in [-pi, pi)."""
    return np.remainder(a - b + np.pi, 2 * np.pi) - np.pi


def nearest(
    event: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    other_event: np.ndarray,
    other_eta: np.ndarray,
    other_phi: np.ndarray,
    n_events: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Row of the nearest other object of the same event and its distance (-1 and infinity without one)."""
    row, distance = np.full(len(event), -1), np.full(len(event), np.inf)
    i, j = pairs(event, other_event, n_events)
    if len(i):
        dr = np.hypot(eta[i] - other_eta[j], delta_phi(phi[i], other_phi[j]))
        order = np.lexsort((j, dr, i))
        first = order[np.unique(i[order], return_index=True)[1]]
        row[i[first]], distance[i[first]] = j[first], dr[first]
    return row, distance


def cone_sums(
    event: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    index: np.ndarray,
    others: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    n_events: int,
    radii: tuple[float, ...],
) -> list[np.ndarray]:
    """Sum of a quantity of all other objects within each radius of each object.

    Parameters
    ----------
    event, eta, phi, index : arrays
        The objects in the centres, sorted by event; ``index`` names them.
    others : event, eta, phi, index, value
        What is summed; an entry with the index of the centre is left out.
    n_events : int
        Number of events.
    radii : tuple of float
        In eta and phi.

    Returns
    -------
    list of arrays
        One sum per radius, in the order of the objects.
    """
    other_event, other_eta, other_phi, other_index, value = others
    i, j = pairs(event, other_event, n_events)
    # most pairs are far apart in eta alone: the exact distance is for the few that are left
    near = np.flatnonzero(np.abs(eta[i] - other_eta[j]) < max(radii))
    i, j = i[near], j[near]
    squared = (eta[i] - other_eta[j]) ** 2 + delta_phi(phi[i], other_phi[j]) ** 2
    squared[index[i] == other_index[j]] = np.inf
    return [
        np.bincount(i[inside], weights=value[j[inside]], minlength=len(event))
        for inside in (squared < radius**2 for radius in radii)
    ]
