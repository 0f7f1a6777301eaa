"""The compiled passes for the order of objects by pT; arrays as in ``selecting``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    from massgap.arrays.kernels.selecting import Floats, Index

__all__ = ["above", "any_order", "in_order", "order"]


@compiled
def above(a: float, b: float) -> bool:
    """Whether ``a`` comes before ``b`` by falling value; NaN comes last."""
    return (a == a) & (not a <= b)  # noqa: PLR0124 (NaN is unlike itself)


@compiled
def in_order(offsets: Index, pt: Floats) -> bool:
    """Whether the objects of all events are in the order of falling pT.

    Rises between neighbours are counted over all objects, and again where one event ends and the next begins: there
    are no others if both numbers are the same. No loop over the objects of an event, see :func:`select`.
    """
    rises = 0
    for k in range(1, pt.size):
        rises += above(pt[k], pt[k - 1])
    last = pt.size - 1
    for i in range(1, offsets.size - 1):
        k = min(offsets[i], last)
        if last > 0:
            begins = (offsets[i + 1] > offsets[i]) & (k > 0)
            rises -= begins & above(pt[k], pt[max(k - 1, 0)])
    return rises == 0


@compiled
def order(offsets: Index, pt: Floats) -> Index:
    """The objects of each event by falling pT, equal ones as they are: insertion, for a few objects per event."""
    out = np.empty(pt.size, np.int64)
    for i in range(offsets.size - 1):
        start, n = offsets[i], offsets[i + 1] - offsets[i]
        if n == 2:
            # The most frequent case, without a guess of which is the first.
            turned = np.int64(above(pt[start + 1], pt[start]))
            out[start], out[start + 1] = start + turned, start + 1 - turned
            continue
        for k in range(start, start + n):
            j = k
            while j > start and above(pt[k], pt[out[j - 1]]):
                out[j] = out[j - 1]
                j -= 1
            out[j] = k
    return out


def any_order(events: Index, pt: Floats) -> Index:
    """The same for any number of objects per event (not compiled)."""
    return np.lexsort((-pt, events)).astype(np.int64, copy=False)
