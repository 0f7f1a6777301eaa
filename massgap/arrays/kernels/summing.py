"""The compiled passes that count and sum the objects of each event; arrays as in ``selecting``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.kernels.selecting import At

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from massgap.arrays.kernels.selecting import Bools, Floats, Index

__all__ = ["count", "counts_of", "extreme", "running_total", "total"]

UNROLLED = 4
"""Objects of an event that are added without a loop."""


@compiled
def running_total(counts: npt.NDArray[Any]) -> tuple[Index, bool]:
    """Sums of the counts before each event and of all, shape (events + 1,), and whether no count is negative."""
    out = np.empty(counts.size + 1, np.int64)
    n, negative = np.int64(0), False
    out[0] = 0
    for i in range(counts.size):
        negative |= counts[i] < 0
        n += np.int64(counts[i])
        out[i + 1] = n
    return out, not negative


@compiled
def count(offsets: Index, mask: Bools) -> Index:
    """Number of objects of each event where ``mask`` is true; one flat loop like that of :func:`select`."""
    before = np.empty(mask.size + 1, np.int32)
    n = 0
    for k in range(mask.size):
        before[k] = n
        n += mask[k]
    before[mask.size] = n
    out = np.empty(offsets.size - 1, np.int64)
    for j in range(out.size):
        out[j] = before[At(offsets[j + 1])] - before[At(offsets[j])]
    return out


@compiled
def counts_of(offsets: Index, events: Index) -> Index:
    """Number of objects of some events."""
    out = np.empty(events.size, np.int64)
    for j in range(events.size):
        event = At(events[j])
        out[j] = offsets[event + At(1)] - offsets[event]
    return out


@compiled
def total(offsets: Index, values: Floats, mask: Bools) -> Floats:
    """Sum of the values of each event, in order; of those where ``mask`` is true unless it is empty.

    The first objects are added without asking whether there are so many (see :func:`select`): others count as 0.0,
    which changes no bit of a sum that begins with 0.0.
    """
    everything = mask.size == 0
    last = values.size - 1
    out = np.zeros(offsets.size - 1, np.float64)
    if last < 0:
        return out
    for i in range(out.size):
        first, stop = offsets[i], offsets[i + 1]
        sum_ = 0.0
        for j in range(UNROLLED):
            k = min(first + j, last)
            value = values[k]  # read first, so that what follows is a choice and not a jump
            sum_ += value if (first + j < stop) & (everything or mask[k]) else 0.0
        for k in range(first + UNROLLED, stop):
            sum_ += values[k] if everything or mask[k] else 0.0
        out[i] = sum_
    return out


@compiled
def extreme(offsets: Index, values: Floats, sign: float, default: float) -> Floats:
    """Largest (``sign`` 1) or smallest (-1) value of each event; NaN where one is NaN."""
    out = np.empty(offsets.size - 1, np.float64)
    for i in range(out.size):
        best = default
        for k in range(offsets[i], offsets[i + 1]):
            if k == offsets[i] or np.isnan(values[k]) or sign * values[k] > sign * best:
                best = values[k]
        out[i] = best
    return out
