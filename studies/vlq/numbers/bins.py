"""How many events each bin of the reconstructed mass has: to train on, to stop a training, to test."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.models.folds import held_out_fold
from massgap.models.recipes.vlq import MASS, MUBDT
from massgap.studies.markdown import FurtherTable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["ASKED_UP_TO", "BinCounts", "bin_counts", "counts_table", "smallest"]

ASKED_UP_TO = 4100.0
"""GeV: bins below must have enough events to be compared; above they have what there is."""


class BinCounts(NamedTuple):
    """Events of a bin from ``low`` to ``high`` (GeV), as (signal, background).

    ``training`` and ``validation``: raw, of the fold that has fewest; ``every``: raw, all of which are tested on, each by the
    classifier that has not seen it; ``effective``: of the background's weights.
    """

    low: float
    high: float
    training: tuple[int, int]
    validation: tuple[int, int]
    every: tuple[int, int]
    effective: float


def bin_counts(table: pd.DataFrame, background: NDArray[np.bool_]) -> list[BinCounts]:
    """Count the selected events of a run in the bins of the trainings.

    Parameters
    ----------
    table
        Feature table.
    background
        Which of its events are background, shape (N,).
    """
    balance, n_folds = MUBDT.balance or {}, MUBDT.n_folds
    edges = np.arange(balance["low"], balance["high"] + 1.0, balance["width"])
    n = len(edges) - 1
    place = np.digitize(table[MASS].to_numpy(float), edges) - 1
    inside = (place >= 0) & (place < n)
    fold = held_out_fold(table["fold_key"].to_numpy(np.uint64), n_folds)
    raw = np.zeros((2, n_folds, n), np.int64)
    np.add.at(raw, (background.astype(int)[inside], fold[inside], place[inside]), 1)
    # Fold i is tested by a classifier that the fold after it has stopped; all others it is fitted to.
    fitted = raw.sum(axis=1, keepdims=True) - raw - np.roll(raw, -1, axis=1)
    chosen = inside & background
    weight = table["weight"].to_numpy(float)
    sums, squares = (np.bincount(place[chosen], weight[chosen] ** k, n) for k in (1, 2))
    effective = np.divide(sums**2, squares, out=np.zeros(n), where=squares > 0)
    least, stopped, every = fitted.min(axis=1), raw.min(axis=1), raw.sum(axis=1)
    return [
        BinCounts(edges[k], edges[k + 1], _pair(least[:, k]), _pair(stopped[:, k]), _pair(every[:, k]), float(effective[k]))
        for k in range(n)
    ]  # fmt: skip


def _pair(of: NDArray[np.int64]) -> tuple[int, int]:
    return int(of[0]), int(of[1])


def smallest(counts: list[BinCounts]) -> dict[str, int]:
    """The smallest numbers among the bins that must have enough.

    Returns
    -------
    dict
        ``training, signal``, ``training, background`` and ``validation``.
    """
    asked = [one for one in counts if one.high <= ASKED_UP_TO]
    return {
        "training, signal": min(one.training[0] for one in asked),
        "training, background": min(one.training[1] for one in asked),
        "validation": min(min(one.validation) for one in asked),
    }


def counts_table(counts: list[BinCounts]) -> FurtherTable:
    """The counts as they are shown."""
    rows = tuple(
        (
            f"{one.low / 1000:g} to {one.high / 1000:g}",
            *(f"{one.training[k]:,} + {one.validation[k]:,}" for k in (0, 1)),
            *(f"{one.every[k]:,}" for k in (0, 1)),
            f"{one.effective:,.0f}",
        )
        for one in counts
    )
    return FurtherTable(
        "Events in bins of the reconstructed mass",
        (
            "m_T^rec [TeV]",
            "signal, training + validation",
            "background, training + validation",
            "signal, tested",
            "background, tested",
            "effective background",
        ),
        rows,
        "Training and validation: of the fold with fewest. Every event is tested, by the classifier that has not seen it. "
        "Effective: (sum of weights)^2 / sum of their squares.",
    )
