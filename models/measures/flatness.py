"""How flat a score is in a column, for background that did not make the table that flattens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.conditioning.flattening import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["flatness", "not_flat"]

_CHANCE = 1e-3
"""Probability below which a chi-square is none by chance."""


def flatness(
    flat: NDArray[Any],
    column: NDArray[Any],
    weight: NDArray[np.float64],
    *,
    fold: NDArray[np.int64],
    made_of: NDArray[np.bool_],
    n_bins: int = 8,
) -> dict[str, Any]:
    """The share of background above thresholds in bins of the column.

    Parameters
    ----------
    flat, column, weight
        Of background events, shape (N,).
    fold
        By which table each event was scored, shape (N,).
    made_of
        Of which events each table was made, shape (n_folds, N).
    n_bins
        Bins of equal weight.

    Returns
    -------
    dict
        For each threshold of `LEVELS`, as text: ``shares`` and ``uncertainties`` (of the events and of those that made the
        tables, as often as they are in one) per bin, and ``chi2`` of the shares against 1 - threshold with ``bins`` degrees
        of freedom.
    """
    order = np.argsort(column, kind="stable")
    order = order[np.isfinite(column[order])]
    s, w, which, made = flat[order], weight[order], fold[order], made_of[:, order]
    bins = _edges(w, n_bins)
    variances = [_variance(w[a:b], which[a:b], made[:, a:b]) for a, b in bins]
    found: dict[str, Any] = {}
    for level in LEVELS:
        shares = np.array([w[a:b][s[a:b] > level].sum() / w[a:b].sum() for a, b in bins])
        errors = np.sqrt(level * (1 - level) * np.array(variances))
        found[f"{level:g}"] = {
            "shares": shares.tolist(),
            "uncertainties": errors.tolist(),
            "chi2": float((((shares - (1 - level)) / errors) ** 2).sum()),
            "bins": len(shares),
        }
    return found


def not_flat(name: str, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence where the shares are none of a flat score.

    Parameters
    ----------
    name
        Of the column.
    found
        As `flatness` gives it.

    Examples
    --------
    >>> not_flat("m", {"0.9": {"chi2": 7.5, "bins": 8}, "0.99": {"chi2": 9.0, "bins": 8}})
    []
    """
    from scipy.stats import chi2

    level = min(found, key=lambda one: chi2.sf(found[one]["chi2"], found[one]["bins"]), default=None)
    if level is None or chi2.sf(found[level]["chi2"], found[level]["bins"]) >= _CHANCE / len(found):
        return []
    told = found[level]
    sentence = (
        f"the score is not flat in {name}: the share of the background above {level} differs between its bins (chi2 {told['chi2']:.1f} "
        f"for {told['bins']}). Generate more events, or balance the training in the same column (--balance)"
    )
    return [sentence]


def _variance(w: NDArray[np.float64], fold: NDArray[np.int64], made_of: NDArray[np.bool_]) -> float:
    """Variance of the share of a bin, in units of q (1 - q): an event may be in several tables, which then err alike."""
    influence = np.zeros(len(w))
    for number, mine in enumerate(made_of):
        of_table = w[mine].sum()
        if of_table > 0:
            influence += np.where(mine, w[fold == number].sum() / w.sum() * w / of_table, 0.0)
    return float((w**2).sum() / w.sum() ** 2 + (influence**2).sum())


def _edges(weight: NDArray[np.float64], n_bins: int) -> list[tuple[int, int]]:
    """First and last event of bins of equal weight, of events in the order of the column."""
    along = np.maximum.accumulate(np.cumsum(weight))
    cuts = [0, *np.searchsorted(along, along[-1] * np.arange(1, n_bins) / n_bins).tolist(), len(weight)]
    return [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]  # noqa: RUF007
