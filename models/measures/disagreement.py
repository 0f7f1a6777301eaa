"""Decision ordering on the pairs of events that a function does not rank as a reference does: what it still lacks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.models.errors import ModelError
from massgap.models.measures.decision_ordering import DecisionOrdering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["Disagreement", "ordering_on_disagreement"]


class Disagreement(NamedTuple):
    """Pairs that are ranked differently, their share of all pairs, and the ordering of each candidate on them."""

    pairs: int
    share: float
    orderings: dict[str, DecisionOrdering]


@compiled
def _compare(ref_a: Any, ref_b: Any, now_a: Any, now_b: Any, a: Any, b: Any, alike: Any, ties: Any) -> int:
    """Pairs that the reference ranks and the function now does not rank so; candidates have shape (n, events)."""
    pairs = 0
    for i in range(ref_a.size):
        for j in range(ref_b.size):
            if ref_a[i] == ref_b[j]:
                continue
            above = ref_a[i] > ref_b[j]
            if (now_a[i] > now_b[j]) if above else (now_a[i] < now_b[j]):
                continue
            pairs += 1
            for k in range(a.shape[0]):
                if a[k, i] == b[k, j]:
                    ties[k] += 1
                elif (a[k, i] > b[k, j]) == above:
                    alike[k] += 1
    return pairs


def ordering_on_disagreement(
    reference: tuple[ArrayLike, ArrayLike],
    now: tuple[ArrayLike, ArrayLike],
    candidates: Mapping[str, tuple[ArrayLike, ArrayLike]],
) -> Disagreement:
    r"""How candidates rank the pairs (one event of A, one of B) on which a function and its reference disagree.

    The step of the guided search of Faucett, Thaler and Whiteson (arXiv:2010.11998): the candidate with the largest ordering on these
    pairs is what the function lacks most.  All pairs are visited: 20,000 events of each class take a few seconds.

    Parameters
    ----------
    reference
        Values of the reference for the events of A, shape (N_A,), and of B, shape (N_B,).  Pairs that it does not rank say nothing.
    now
        The same of the function; pairs that it does not rank count as disagreement.
    candidates
        Name -> the same.

    Returns
    -------
    Disagreement
        ``ado`` of a candidate is its share of equally ranked pairs, ties counting half; NaN if there are no such pairs.

    Raises
    ------
    ModelError
        If the arrays of a class differ in length, or a value is NaN.

    Examples
    --------
    >>> found = ordering_on_disagreement(([3.0, 2.0], [1.0]), ([3.0, 0.0], [1.0]), {"x": ([0.0, 5.0], [4.0])})
    >>> found.pairs, found.share, found.orderings["x"].ado
    (1, 0.5, 1.0)
    """
    functions = {"the reference": reference, "the function": now, **candidates}
    classes: list[list[np.ndarray]] = []
    for side in range(2):
        arrays = [np.ascontiguousarray(pair[side], dtype=np.float64) for pair in functions.values()]
        for name, values in zip(functions, arrays, strict=True):
            if values.shape != (arrays[0].size,) or np.isnan(values).any():
                msg = f"Class {'AB'[side]}: {name} must have {arrays[0].size} numbers, one per event, and none of them NaN."
                raise ModelError(msg)
        classes.append(arrays)
    a, b = classes
    n = len(candidates)
    stacked = [np.stack(arrays[2:]) if n else np.zeros((0, arrays[0].size)) for arrays in classes]
    alike, ties = np.zeros(n, np.int64), np.zeros(n, np.int64)
    pairs = int(_compare(a[0], b[0], a[1], b[1], stacked[0], stacked[1], alike, ties))
    orderings = {}
    for k, name in enumerate(candidates):
        ado = (alike[k] + 0.5 * ties[k]) / pairs if pairs else math.nan
        orderings[name] = DecisionOrdering(float(ado), float(max(ado, 1.0 - ado)))
    every = a[0].size * b[0].size
    return Disagreement(pairs, pairs / every if every else math.nan, orderings)
