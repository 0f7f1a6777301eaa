"""Training that is balanced in a column: in each bin signal and background weigh the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import TableError
from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["OUTSIDE", "balanced", "bins_of", "checked_balance"]

OUTSIDE = -1
"""The bin of an event that is not trained on."""
_DEFAULTS: dict[str, Any] = {"least": 50, "thin": "error"}
_NUMBERS = ("low", "high", "width")
_MOST = 10_000


def checked_balance(given: Mapping[str, Any]) -> dict[str, Any]:
    """The balance of a recipe, complete.

    Raises
    ------
    ModelError
        If a key is missing or unknown, or a value cannot be.

    Examples
    --------
    >>> checked_balance({"column": "m", "low": 0, "high": 10, "width": 5})["least"]
    50
    """
    known = ("column", *_NUMBERS, *_DEFAULTS)
    wrong = [name for name in known[:4] if name not in given] + [name for name in given if name not in known]
    if wrong:
        msg = f"balance has {', '.join(given)}: it needs column, low, high and width, and may have least and thin."
        raise ModelError(msg)
    found = {**_DEFAULTS, **given}
    numbers = [found[name] for name in _NUMBERS]
    good = all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)
    if not good or not found["low"] < found["high"] or not found["width"] > 0:
        msg = f"balance {':'.join(map(str, numbers))}: LOW:HIGH:WIDTH are numbers with LOW < HIGH and WIDTH > 0 (--balance)."
        raise ModelError(msg)
    n_bins = (found["high"] - found["low"]) / found["width"]
    if abs(n_bins - round(n_bins)) > 1e-6 or not 1 <= round(n_bins) <= _MOST:
        msg = (
            f"balance {':'.join(map(str, numbers))}: from LOW to HIGH are {n_bins:g} bins; it must be a whole number of them, "
            f"at most {_MOST} (--balance)."
        )
        raise ModelError(msg)
    whole = isinstance(found["least"], int) and not isinstance(found["least"], bool) and found["least"] >= 1
    if not isinstance(found["column"], str) or not whole or found["thin"] not in ("error", "drop"):
        msg = f"balance {found}: column is a name, least an integer of at least 1, thin error or drop."
        raise ModelError(msg)
    return {name: float(found[name]) if name in _NUMBERS else found[name] for name in known}


def bins_of(
    table: pd.DataFrame,
    is_signal: NDArray[np.bool_],
    balance: Mapping[str, Any],
    counted: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], list[str]]:
    """The bin of each event, `OUTSIDE` for those that are not trained on, and notes on how many these are.

    Parameters
    ----------
    table
        The events.
    is_signal
        Of each of them.
    balance
        As `checked_balance` gives it.
    counted
        Which of them have a weight in the training; by default all.

    Raises
    ------
    TableError
        If there is no such column, or bins have too few events of a class; they are named.
    """
    column, low, width = balance["column"], balance["low"], balance["width"]
    if column not in table.columns:
        msg = f"The feature table has no column {column!r} to balance in (--balance); it has {', '.join(map(str, table.columns))}."
        raise TableError(msg)
    values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
    n_bins = round((balance["high"] - low) / width)
    with np.errstate(invalid="ignore"):
        inside = (values >= low) & (values < balance["high"])
    found = np.where(
        inside, np.clip(np.floor((np.where(inside, values, low) - low) / width), 0, n_bins - 1), OUTSIDE
    )
    bins = found.astype(np.int64)
    notes = []
    if not inside.all():
        notes.append(
            f"{int((~inside).sum()):,} of {len(values):,} events have no {column} from {low:g} to {balance['high']:g} and are "
            "not trained on"
        )
    there = inside if counted is None else inside & counted
    counts = [np.bincount(bins[there & of], minlength=n_bins) for of in (is_signal, ~is_signal)]
    thin = np.flatnonzero(np.minimum(*counts) < balance["least"])
    if len(thin):
        named = ", ".join(
            f"{low + b * width:g} to {low + (b + 1) * width:g} ({counts[0][b]} signal, {counts[1][b]} background)"
            for b in thin
        )
        if balance["thin"] == "error" or len(thin) == n_bins:
            msg = (
                f"{len(thin)} of {n_bins} bins of {column} have less than {balance['least']} events of a class: {named}. Take "
                "wider bins or another range (--balance), or leave these bins out with --thin-bins drop."
            )
            raise TableError(msg)
        notes.append(
            f"bins of {column} with less than {balance['least']} events of a class are not trained on: {named}"
        )
        bins[np.isin(bins, thin)] = OUTSIDE
    return bins, notes


def balanced(
    weight: NDArray[np.float64], label: NDArray[np.float32], bins: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Scale weights so that in each bin either class has the same sum, which is the same in all bins.

    A bin in which a class has no weight counts for neither.

    Examples
    --------
    >>> balanced(np.array([1.0, 3.0, 2.0, 9.0]), np.array([1.0, 0.0, 0.0, 1.0]), np.array([0, 0, 0, 1])).round(3).tolist()
    [1.0, 0.6, 0.4, 0.0]
    """
    n_bins = int(bins.max(initial=0)) + 1
    inside = bins != OUTSIDE
    sums = np.zeros((2, n_bins))
    is_signal = (label > 0.5).astype(np.intp)
    np.add.at(sums, (is_signal[inside], bins[inside]), weight[inside])
    whole = (sums > 0).all(axis=0)
    scale = np.where(whole, 1 / np.where(sums > 0, sums, 1), 0.0)
    return np.where(inside, weight * scale[is_signal, np.where(inside, bins, 0)], 0.0)
