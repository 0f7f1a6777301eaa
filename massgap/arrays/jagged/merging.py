"""Several collections as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.columns import Column, frozen
from massgap.arrays.kernels.selecting import interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from massgap.arrays.jagged.columns import Flat

__all__ = ["merged"]


def merged(collections: Mapping[int, Collection], name: str) -> Collection:
    """See :meth:`massgap.arrays.jagged.collection.Collection.merged`."""
    parts = list(collections.values())
    if len({len(part) for part in parts}) != 1:
        lengths = {part._name: len(part) for part in parts}
        msg = f"{name}: the collections must be of the same events, but their numbers differ: {lengths}."
        raise SelectionError(msg)
    # Events without a single record have no field names, and take none away.
    named = [part for part in parts if not part._is_nameless()]
    common = [x for x in (named[0].fields if named else ()) if all(x in part.fields for part in named)]
    starts = np.cumsum([0, *(part.size for part in parts)])
    offsets, index = interleave(frozen(np.stack([part.offsets for part in parts])), frozen(starts[:-1]))

    def field(x: str) -> Callable[[], Flat]:
        return lambda: np.concatenate([part.stored(x) for part in named])

    fields = {x: field(x) for x in common}
    fields["flavour"] = lambda: np.repeat(np.array(list(collections), np.int64), np.diff(starts))
    columns = {x: (Column(x, fields[x], lambda: int(starts[-1]), name), None) for x in fields}
    out = Collection._of(columns, offsets, index, name)
    out._nameless = not named
    return out.by_pt()
