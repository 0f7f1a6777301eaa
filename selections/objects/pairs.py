"""The dilepton channel: exactly one opposite-sign pair of leptons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection

__all__ = ["opposite_sign_pair"]


def opposite_sign_pair(leptons: Collection) -> npt.NDArray[np.bool_]:
    """Events with exactly two of the given leptons, of opposite charge.

    Parameters
    ----------
    leptons
        With charge (in units of e), already selected.

    Returns
    -------
    numpy.ndarray
        Boolean, one per event.

    Examples
    --------
    >>> from massgap.arrays import Collection
    >>> plus, minus = dict(charge=1), dict(charge=-1)
    >>> opposite_sign_pair(Collection.of([[plus, minus], [plus, plus], []])).tolist()
    [True, False, False]
    """
    found = leptons.in_any_order()
    return _opposite_pairs(found.offsets, found.stored("charge"))


@compiled
def _opposite_pairs(offsets: Any, charge: Any) -> npt.NDArray[np.bool_]:
    last = charge.size - 1
    out = np.empty(offsets.size - 1, np.bool_)
    for i in range(out.size):
        first = min(offsets[i], last)
        # Added also where there are not two, so that nothing has to be guessed.
        neutral = last > 0 and charge[first] + charge[min(first + 1, last)] == 0
        out[i] = (offsets[i + 1] - offsets[i] == 2) & neutral
    return out
