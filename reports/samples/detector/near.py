"""Which objects of an event lie near each other in pseudorapidity and azimuth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from massgap.reports.samples.inputs import Chunk


def close_pairs(
    chunk: Chunk,
    left: tuple[str, np.ndarray],
    right: tuple[str, np.ndarray],
    radius: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find all pairs of two collections that are nearer than a radius.

    Parameters
    ----------
    left, right
        Name of the collection and the rows of it to use, rising.
    radius
        Largest distance in eta and phi.

    Returns
    -------
    left rows, right rows, distance
        One entry per pair, rows of the collections.
    """
    (one, rows), (other, others) = left, right
    count = np.bincount(chunk.event(other)[others], minlength=chunk.n)
    first = np.cumsum(count) - count
    event = chunk.event(one)[rows]
    times = count[event]
    i = np.repeat(rows, times)
    begin = np.repeat(np.cumsum(times) - times, times)
    j = others[np.repeat(first[event], times) + np.arange(len(i)) - begin]
    turn = chunk.flat(f"{one}_phi")[i] - chunk.flat(f"{other}_phi")[j]
    turn = np.abs(np.remainder(turn + np.pi, 2 * np.pi) - np.pi)
    distance = np.hypot(chunk.flat(f"{one}_eta")[i] - chunk.flat(f"{other}_eta")[j], turn)
    near = distance < radius
    return i[near], j[near], distance[near]


def without_neighbour(
    chunk: Chunk, collection: str, neighbours: dict[str, np.ndarray], radius: float
) -> np.ndarray:
    """Tell which objects of a collection have none of the given rows of others within a radius."""
    everything = np.arange(len(chunk.flat(f"{collection}_eta")))
    alone = np.ones(len(everything), dtype=bool)
    for name, rows in neighbours.items():
        alone[close_pairs(chunk, (collection, everything), (name, rows), radius)[0]] = False
    return alone
