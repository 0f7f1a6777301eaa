"""The dilepton channel: exactly one opposite-sign pair of leptons."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
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
    two: npt.NDArray[np.bool_] = found.counts == 2
    first = found.offsets[:-1][two]
    charge = found.stored("charge")
    two[two] = charge[first] + charge[first + 1] == 0
    return two
