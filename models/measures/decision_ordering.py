"""Average decision ordering: how often two functions rank a signal and a background event alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["DecisionOrdering", "decision_ordering"]


class DecisionOrdering(NamedTuple):
    """The fraction of pairs, and the same for the better of the function and its negative."""

    ado: float
    symmetric: float


@compiled
def _excess(
    f_order: NDArray[np.int64], f: NDArray[np.int64], g: NDArray[np.int64], is_a: NDArray[np.bool_]
) -> int:
    """Pairs in the same order minus pairs in opposite order; f and g as dense ranks, g from 1 on.

    Events are visited in rising f.  A binary indexed tree per class knows how many earlier ones have g up to
    a rank, so that each event is compared with all of the other class in log(n) steps.
    """
    n_ranks = 0
    for i in range(g.size):
        n_ranks = max(n_ranks, g[i])
    tree = np.zeros((2, n_ranks + 1), dtype=np.int64)
    seen = np.zeros(2, dtype=np.int64)
    excess = 0
    start = 0
    while start < f_order.size:
        stop = start
        while stop < f_order.size and f[f_order[stop]] == f[f_order[start]]:
            stop += 1
        for k in range(start, stop):
            i = f_order[k]
            other = 1 if is_a[i] else 0
            below, rank = 0, g[i] - 1
            while rank > 0:
                below += tree[other, rank]
                rank &= rank - 1
            up_to, rank = 0, g[i]
            while rank > 0:
                up_to += tree[other, rank]
                rank &= rank - 1
            excess += below - (seen[other] - up_to)
        # Ties in f are no neighbours of each other: they enter the trees together, afterwards.
        for k in range(start, stop):
            i = f_order[k]
            own = 0 if is_a[i] else 1
            seen[own] += 1
            rank = g[i]
            while rank <= n_ranks:
                tree[own, rank] += 1
                rank += rank & -rank
        start = stop
    return excess


def decision_ordering(f_a: ArrayLike, g_a: ArrayLike, f_b: ArrayLike, g_b: ArrayLike) -> DecisionOrdering:
    r"""Fraction of the pairs (one event of A, one of B) that f and g rank in the same order.

    .. math::
        \mathrm{ADO}[f, g] = \frac{1}{N_A N_B} \sum_{x \in A} \sum_{x' \in B}
        \Theta\big((f(x) - f(x'))\,(g(x) - g(x'))\big), \quad \Theta(0) = \frac12

    Average decision ordering as Faucett, Thaler and Whiteson normalise it (arXiv:2010.11998).
    Pairs are counted as integers, exactly, in n log n steps.

    Parameters
    ----------
    f_a, g_a
        Both functions for the events of class A, shape (N_A,).
    f_b, g_b
        The same for class B, shape (N_B,).

    Returns
    -------
    DecisionOrdering
        ``ado`` in [0, 1] and ``symmetric`` = max(ado, 1 - ado).  Both are NaN if a class is empty or a value is
        NaN.  Only the order counts: two infinite values of one sign are a tie, and products too small for
        float64 are none.

    Raises
    ------
    ModelError
        If the arrays of a class are not flat or differ in length.

    Examples
    --------
    >>> decision_ordering([1.0, 3.0], [0.1, 0.9], [0.0, 2.0], [0.2, 0.1])
    DecisionOrdering(ado=0.625, symmetric=0.625)
    """
    a = [np.asarray(values) for values in (f_a, g_a)]
    b = [np.asarray(values) for values in (f_b, g_b)]
    for name, (f, g) in (("A", a), ("B", b)):
        if f.ndim != 1 or f.shape != g.shape:
            msg = f"Class {name} has values of shapes {f.shape} and {g.shape}: give flat arrays of one length, one value per event."
            raise ModelError(msg)
    pairs = a[0].size * b[0].size
    f, g = (np.concatenate(both).astype(np.float64) for both in zip(a, b, strict=True))
    if pairs == 0 or np.isnan(f).any() or np.isnan(g).any():
        return DecisionOrdering(math.nan, math.nan)
    f_order = np.argsort(f, kind="stable")
    is_a = np.arange(f.size) < a[0].size
    excess = int(_excess(f_order, _dense_ranks(f, f_order), _dense_ranks(g, np.argsort(g)), is_a))
    # (alike + ties / 2) / pairs with alike + opposite + ties = pairs; Python's integers divide exactly.
    return DecisionOrdering((pairs + excess) / (2 * pairs), (pairs + abs(excess)) / (2 * pairs))


def _dense_ranks(values: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 for the smallest value, equal for equal values, without gaps."""
    ranks = np.empty(values.size, dtype=np.int64)
    ordered = values[order]
    ranks[order] = np.cumsum(np.append(True, ordered[1:] != ordered[:-1]))
    return ranks
