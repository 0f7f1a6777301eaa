"""Statistical errors of samples in which one hard process is there several times (``massgap generate --repeat`` and ``--responses``).

Copies of one hard process are not independent: what they bring to a bin is one number, whose square counts, as if they were one
event of the sum of their weights. Which copies are in which bin is known from the rows of the selected events (by their fold
key), and the variance of the histograms of observables and scores is exact. Other histograms get the ratio of exact to naive
variance of all events of their region, which is larger than that of single bins, between which copies scatter. Without rows,
and in steps of the cutflow whose events are in no row, every squared weight counts as often as there are copies: an upper bound,
by the inequality of Cauchy and Schwarz, that is reached where all copies share a bin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from massgap.arrays.same_event import sums_of_squares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.processors.base.histograms import Layout

__all__ = ["CopyErrors", "copies_of"]

Floats = npt.NDArray[np.float64]
_SAME = 1e-6
"""Relative difference up to which the rows are taken for the events of a histogram."""


def copies_of(metadata: Mapping[str, Any]) -> int:
    """How often each hard process is in a data set."""
    return max(int(metadata.get("n_copies") or 1), 1)


class CopyErrors:
    """What sums of squared weights of a data set with copies must be multiplied with.

    Parameters
    ----------
    layout
        The histograms.
    copies
        How often each hard process is there.
    table
        Column -> values of the selected events: ``weight``, ``fold_key``, ``region_*``, observables, scores; None where
        no rows were kept.
    """

    def __init__(self, layout: Layout, copies: int, table: Mapping[str, Any] | None) -> None:
        self._layout, self._copies = layout, copies
        usable = table is not None and {"weight", "fold_key"} <= set(table)
        self._table = (
            {name: np.asarray(table[name]) for name in table} if table is not None and usable else {}
        )
        if self._table:
            self._weights = self._table["weight"].astype(np.float64)
            _, self._keys = np.unique(self._table["fold_key"], return_inverse=True)

    def factors(self, squares: Floats) -> Floats:
        """Exact over naive variance of every bin of all histograms.

        Parameters
        ----------
        squares
            Sums of squared weights as they were filled, shape (bins of all histograms,).
        """
        out = np.full(len(squares), float(self._copies))
        if not self._table:
            return out
        ratios = {
            region: self._of_region(region)
            for region in {r for rs in self._layout.regions.values() for r in rs}
        }
        for name, spec in self._layout.specs.items():
            values = self._table.get(name)
            for region in self._layout.regions[name]:
                first = self._layout.first_bin(name, region)
                part = slice(first, first + spec.bins * max(spec.folds, 1))
                out[part] = ratios[region]
                if values is None or len(spec.axes) > 1:
                    continue
                exact = self._exact(spec, values, self._rows(region), squares[part])
                if exact is not None:
                    out[part] = exact
        return out

    def _exact(self, spec: Any, values: Any, rows: npt.NDArray[np.int64], squares: Floats) -> Floats | None:
        """Factors of the bins of one region; None if the rows are not what was filled."""
        key, weights = self._keys[rows], self._weights[rows]
        places = spec.places(values[rows]).astype(np.int64)
        if not spec.folds:
            naive, exact = sums_of_squares(places, key, weights, spec.bins)
        else:
            # All copies are in one fold, so that folds only tell bins apart.
            fold = (self._table["fold_key"][rows].astype(np.uint64) % np.uint64(spec.folds)).astype(np.int64)
            places = np.where(places < 0, -1, places + fold * spec.bins)
            naive, exact = sums_of_squares(places, key, weights, spec.bins * spec.folds)
        if np.any(np.abs(naive - squares) > _SAME * squares.max(initial=0.0)):
            return None
        return np.where(naive > 0.0, exact / np.where(naive > 0.0, naive, 1.0), 1.0)

    def _rows(self, region: str) -> npt.NDArray[np.int64]:
        inside = self._table.get(f"region_{region}")
        return np.flatnonzero(inside) if inside is not None else np.arange(len(self._weights))

    def _of_region(self, region: str) -> float:
        rows = self._rows(region)
        naive, exact = sums_of_squares(
            np.zeros(len(rows), np.int64), self._keys[rows], self._weights[rows], 1
        )
        return float(exact[0] / naive[0]) if naive[0] > 0.0 else float(self._copies)

    def of_step(self, channel: str, raw: int, squares: float) -> float:
        """Exact over naive variance of a step of the cutflow, if its events are those of the rows or of a region.

        Parameters
        ----------
        channel
            Its channel.
        raw, squares
            Its number of events and sum of squared weights, by which its events are recognised.
        """
        if self._table and raw:
            own = np.asarray(self._table["channel"] == channel) if "channel" in self._table else None
            masks = [v.astype(bool) for name, v in self._table.items() if name.startswith("region_")]
            every = np.ones(len(self._weights), dtype=bool)
            for mask in (every, *masks):
                rows = np.flatnonzero(mask & own if own is not None else mask)
                if len(rows) != raw:
                    continue
                naive, exact = sums_of_squares(
                    np.zeros(len(rows), np.int64), self._keys[rows], self._weights[rows], 1
                )
                if abs(naive[0] - squares) <= _SAME * squares:
                    return float(exact[0] / naive[0])
        return float(self._copies)
