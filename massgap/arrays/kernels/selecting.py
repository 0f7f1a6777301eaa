"""The compiled passes that select objects: one loop over a chunk each.

The objects of event ``i`` are the entries ``offsets[i]`` to ``offsets[i + 1]`` (exclusive) of every flat array.
``index`` says where each object is in the arrays of the file; an empty one stands for all of them as they are.
All arrays that come in are contiguous and read-only, so that each pass is compiled once.

Places are made numbers without a sign (:data:`At`) where they are used: of one that has a sign numba asks each time
whether it counts from the end, which takes as long as all the rest.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled

__all__ = [
    "At",
    "Bools",
    "Floats",
    "Index",
    "compose",
    "cross",
    "gather",
    "interleave",
    "leading",
    "lowest",
    "pick",
    "rising",
    "select",
    "take",
    "taken",
    "true_places",
    "twos",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Index: TypeAlias = npt.NDArray[np.int64]

At = np.uint64
"""A place that is not negative; sums of it and whole numbers with a sign would be floating-point numbers."""


@compiled
def gather(values: npt.NDArray[Any], index: Index) -> Floats:
    """Values at the places of ``index`` in double precision, NaN for the place -1."""
    out = np.empty(index.size, np.float64)
    for k in range(index.size):
        out[k] = values[index[k]] if index[k] >= 0 else np.nan
    return out


@compiled
def compose(first: Index, then: Index) -> Index:
    """``first[then]``, where -1 stays -1."""
    out = np.empty(then.size, np.int64)
    for k in range(then.size):
        out[k] = first[At(then[k])] if then[k] >= 0 else -1
    return out


@compiled
def taken(values: npt.NDArray[Any], index: Index) -> npt.NDArray[Any]:
    """Values at the places of ``index``, none of which is negative; half the time of NumPy, which looks at each place twice."""
    out = np.empty(index.size, values.dtype)
    for k in range(index.size):
        out[k] = values[At(index[k])]
    return out


@compiled
def rising(offsets: Index) -> bool:
    """Whether no offset is smaller than the one before."""
    falls = 0
    for i in range(1, offsets.size):
        falls += offsets[i] < offsets[i - 1]
    return falls == 0


@compiled
def true_places(mask: Bools) -> Index:
    """Index of each true value."""
    n = 0
    for i in range(mask.size):
        n += mask[i]
    out = np.empty(n + 1, np.int64)
    n = 0
    for i in range(mask.size):
        out[n] = i
        n += mask[i]
    return out[:n]


@compiled
def select(offsets: Index, index: Index, mask: Bools) -> tuple[Index, Index]:
    """Offsets and places of the objects where ``mask`` is true.

    A loop over the few objects of each event costs a wrong guess of the processor, three times as much as all the
    rest. All objects are therefore taken as one flat loop, which remembers how many were kept before each.
    """
    n = 0
    for k in range(mask.size):
        n += mask[k]
    kept = np.empty(n + 1, np.int64)  # one more: what is not kept is written, too, and then written over
    before = np.empty(mask.size + 1, np.int32)
    at = At(0)
    if index.size == 0:
        for k in range(mask.size):
            before[k] = at
            kept[at] = k
            at += At(mask[k])
    else:
        for k in range(mask.size):
            before[k] = at
            kept[at] = index[k]
            at += At(mask[k])
    before[mask.size] = n
    new = np.empty(offsets.size, np.int64)
    for j in range(offsets.size):
        new[j] = before[At(offsets[j])]
    return new, kept[:n]


@compiled
def take(offsets: Index, index: Index, events: Index) -> tuple[Index, Index]:
    """Offsets and places of the objects of some events.

    Most events have few objects: four are written for each without a look at how many there are, and those that do
    not belong to it are written over by the next event, see :func:`select`.
    """
    new = np.empty(events.size + 1, np.int64)
    new[0] = 0
    n = 0
    for j in range(events.size):
        event = At(events[j])
        n += offsets[event + At(1)] - offsets[event]
        new[j + 1] = n
    kept = np.empty(n + 4, np.int64)
    if index.size == 0:
        for j in range(events.size):
            first, at = offsets[At(events[j])], At(new[j])
            for k in range(4):
                kept[at + At(k)] = first + k
            for k in range(4, new[j + 1] - new[j]):
                kept[at + At(k)] = first + k
    else:
        last = At(index.size - 1)
        for j in range(events.size):
            start, at = At(offsets[At(events[j])]), At(new[j])
            for k in range(4):
                kept[at + At(k)] = index[min(start + At(k), last)]
            for k in range(4, new[j + 1] - new[j]):
                kept[at + At(k)] = index[start + At(k)]
    return new, kept[:n]


@compiled
def leading(offsets: Index, index: Index, most: int) -> tuple[Index, Index]:
    """Offsets and places of the first objects of each event."""
    whole = index.size == 0
    new = np.empty(offsets.size, np.int64)
    new[0] = 0
    for i in range(offsets.size - 1):
        new[i + 1] = new[i] + min(offsets[i + 1] - offsets[i], most)
    kept = np.empty(new[-1], np.int64)
    for i in range(offsets.size - 1):
        for k in range(new[i + 1] - new[i]):
            kept[new[i] + k] = offsets[i] + k if whole else index[offsets[i] + k]
    return new, kept


@compiled
def pick(offsets: Index, index: Index, k: int) -> Index:
    """Place of the k-th object of each event, from the end for negative k; -1 where there is none."""
    whole = index.size == 0
    out = np.empty(offsets.size - 1, np.int64)
    for i in range(out.size):
        at = offsets[i] + k if k >= 0 else offsets[i + 1] + k
        if offsets[i] <= at < offsets[i + 1]:
            out[i] = at if whole else index[at]
        else:
            out[i] = -1
    return out


@compiled
def lowest(offsets: Index, index: Index, values: Floats) -> Index:
    """Place of the object with the smallest value of each event, the first of equal ones; -1 without any number."""
    whole = index.size == 0
    out = np.empty(offsets.size - 1, np.int64)
    for i in range(out.size):
        at = -1
        for k in range(offsets[i], offsets[i + 1]):
            if not np.isnan(values[k]) and (at < 0 or values[k] < values[at]):
                at = k
        out[i] = at if whole or at < 0 else index[at]
    return out


@compiled
def interleave(offsets: Index, starts: Index) -> tuple[Index, Index]:
    """Offsets and places of the objects of several collections in one, whose arrays are set one after the other.

    ``offsets`` has a row per collection; ``starts`` says where each begins.
    """
    new = np.empty(offsets.shape[1], np.int64)
    out = np.empty(offsets[:, -1].sum(), np.int64)
    new[0] = 0
    n = 0
    for i in range(new.size - 1):
        for c in range(offsets.shape[0]):
            for k in range(offsets[c, i], offsets[c, i + 1]):
                out[n] = starts[c] + k
                n += 1
        new[i + 1] = n
    return new, out


@compiled
def twos(offsets: Index, index: Index) -> tuple[Index, Index, Index]:
    """Offsets of the pairs within each event, and the places of their two objects: 01, 02, 12 ..."""
    whole = index.size == 0
    new = np.empty(offsets.size, np.int64)
    new[0] = 0
    for i in range(offsets.size - 1):
        n = offsets[i + 1] - offsets[i]
        new[i + 1] = new[i] + n * (n - 1) // 2
    one, two = np.empty(new[-1], np.int64), np.empty(new[-1], np.int64)
    n = 0
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            for m in range(k + 1, offsets[i + 1]):
                one[n] = k if whole else index[k]
                two[n] = m if whole else index[m]
                n += 1
    return new, one, two


@compiled
def cross(offsets: Index, index: Index, other: Index, other_index: Index) -> tuple[Index, Index, Index]:
    """The same for all pairs of one object and one of the others."""
    whole, other_whole = index.size == 0, other_index.size == 0
    new = np.empty(offsets.size, np.int64)
    new[0] = 0
    for i in range(offsets.size - 1):
        new[i + 1] = new[i] + (offsets[i + 1] - offsets[i]) * (other[i + 1] - other[i])
    one, two = np.empty(new[-1], np.int64), np.empty(new[-1], np.int64)
    n = 0
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            for m in range(other[i], other[i + 1]):
                one[n] = k if whole else index[k]
                two[n] = m if other_whole else other_index[m]
                n += 1
    return new, one, two
