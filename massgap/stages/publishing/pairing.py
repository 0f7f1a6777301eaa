"""What changes between two selections of the same events: differences whose errors know that the events are the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from massgap.fits.parts import FilledPart
    from massgap.fits.workspaces.templates import Template

    Floats = NDArray[np.float64]

__all__ = ["paired_difference", "ratio_of", "resampled", "spread", "weighted_means"]


def paired_difference(one: pd.DataFrame, two: pd.DataFrame, produced_fb: float) -> dict[str, Any]:
    """What changes between two selections of the same events.

    Parameters
    ----------
    one, two : DataFrame
        ``fold_key``, ``weight`` (fb) and further columns of the events that are selected.
    produced_fb : float
        Cross section of all that was produced.

    Returns
    -------
    dict
        ``efficiency_change`` of the second from the first, and ``efficiency_change_error``: only events that one of them selects
        alone contribute, each with its weight squared.  ``shifts``: column -> ``mean`` (weighted) of its differences over events that both
        select, and its ``error``; None where there are fewer than two.  ``mean_changes``: column -> ``change`` of its weighted mean
        over all that are selected, and its ``error``, to first order in the weights; None where one of them selects none, the error also where one selects one.
    """
    both = one.merge(two, on="fold_key", how="outer", suffixes=("_1", "_2"))
    w1, w2 = (both[f"weight_{i}"].fillna(0.0).to_numpy(float) for i in (1, 2))
    change, error = float((w2 - w1).sum()), float(np.sqrt(((w2 - w1) ** 2).sum()))
    shifts: dict[str, dict[str, float | None]] = {}
    changes: dict[str, dict[str, float | None]] = {}
    for name in _columns(one, two):
        a, b = (both[f"{name}_{i}"].to_numpy(float) for i in (1, 2))
        shifts[name] = _shift(w1, b - a, (w1 != 0.0) & (w2 != 0.0))
        changes[name] = _mean_change(w1, a, w2, b)
    return {
        "efficiency_change": change / produced_fb,
        "efficiency_change_error": error / produced_fb,
        "shifts": shifts,
        "mean_changes": changes,
    }


def weighted_means(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Column -> ``mean`` (weighted) over the events that have a value, and its statistical ``error``; None without events, or with one."""
    weights = table["weight"].to_numpy(float)
    found: dict[str, dict[str, float | None]] = {}
    for name in _columns(table, table):
        mean, pulls = _pulls(weights, table[name].to_numpy(float))
        found[name] = {
            "mean": mean,
            "error": None
            if mean is None or _alone(weights, table[name])
            else float(np.sqrt((pulls**2).sum())),
        }
    return found


def _columns(one: pd.DataFrame, two: pd.DataFrame) -> pd.Index[str]:
    return one.columns.intersection(two.columns).difference(["fold_key", "weight"], sort=False)


def _shift(weights: Floats, steps: Floats, both: NDArray[np.bool_]) -> dict[str, float | None]:
    there = both & np.isfinite(steps)
    w, step = weights[there], steps[there]
    total = float(w.sum())
    if w.size < 2 or total == 0.0:
        return {"mean": None, "error": None}
    mean = float((w * step).sum()) / total
    return {"mean": mean, "error": float(np.sqrt((w**2 * (step - mean) ** 2).sum())) / abs(total)}


def _pulls(weights: Floats, values: Floats) -> tuple[float | None, Floats]:
    """The weighted mean, and what each event adds to its error: w (x - mean) over the sum of weights."""
    there = (weights != 0.0) & np.isfinite(values)
    total = float(weights[there].sum())
    pulls = np.zeros(weights.size)
    if total == 0.0:
        return None, pulls
    mean = float((weights[there] * values[there]).sum()) / total
    pulls[there] = weights[there] * (values[there] - mean) / total
    return mean, pulls


def _mean_change(w1: Floats, a: Floats, w2: Floats, b: Floats) -> dict[str, float | None]:
    (first, one), (second, two) = _pulls(w1, a), _pulls(w2, b)
    if first is None or second is None:
        return {"change": None, "error": None}
    few = _alone(w1, a) or _alone(w2, b)
    # An event that both have moves both means: its two pulls are one number.
    return {"change": second - first, "error": None if few else float(np.sqrt(((two - one) ** 2).sum()))}


def _alone(weights: Floats, values: Any) -> bool:
    """Whether a mean is that of one event, whose error nobody knows."""
    return int(np.count_nonzero((weights != 0.0) & np.isfinite(np.asarray(values, dtype=float)))) < 2


def resampled(part: FilledPart, template: Template, table: pd.DataFrame, factors: Floats) -> Template:
    """A template of reweighted events; variations keep their ratio to the nominal yields, bin by bin."""
    values = table[part.part.histogram].to_numpy(float)
    edges = part.templates.edges
    there = np.isfinite(values)
    at = np.clip(np.searchsorted(edges, values[there], side="right") - 1, 0, len(edges) - 2)
    weights = (table["weight"].to_numpy(float) * factors)[there]
    filled, squares = (
        np.asarray(np.bincount(at, each, len(edges) - 1), dtype=np.float64) for each in (weights, weights**2)
    )
    nominal = template.values  # noqa: PD011 (no data frame)
    ratio = np.where(nominal, filled / np.where(nominal, nominal, 1.0), 0.0)
    return replace(
        template,
        values=filled,
        variances=squares,
        variations={k: (up * ratio, down * ratio) for k, (up, down) in template.variations.items()},
        one_sided={k: (side, v * ratio) for k, (side, v) in template.one_sided.items()},
    )


def ratio_of(
    limit: float | None,
    first: float | None,
    own: Sequence[float | None],
    of_first: Sequence[float | None],
) -> tuple[float | None, float | None]:
    """Ratio of two limits, and its error: the spread of the ratios of their replicas."""
    if limit is None or first is None:
        return None, None
    pairs = [(a, b) for a, b in zip(own, of_first, strict=True) if a is not None and b is not None]
    return limit / first, spread([a / b for a, b in pairs])


def spread(values: Sequence[float | None]) -> float | None:
    """Standard deviation of those that there are; None of fewer than two."""
    there = [value for value in values if value is not None]
    return float(np.std(there, ddof=1)) if len(there) > 1 else None
