"""The dilepton channel: exactly one opposite-sign pair of leptons."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

__all__ = ["opposite_sign_pair"]


def opposite_sign_pair(leptons: ak.Array) -> npt.NDArray[np.bool_]:
    """Events with exactly two of the given leptons, of opposite charge.

    Parameters
    ----------
    leptons
        Jagged records with charge (in units of e), already selected.

    Returns
    -------
    numpy.ndarray
        Boolean, one per event.

    Examples
    --------
    >>> opposite_sign_pair(ak.Array([[dict(charge=1), dict(charge=-1)], [dict(charge=1), dict(charge=1)], []])).tolist()
    [True, False, False]
    """
    two = ak.num(leptons, axis=1) == 2
    return np.asarray(two & (ak.sum(leptons.charge, axis=1) == 0))
