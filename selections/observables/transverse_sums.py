"""Scalar sums of transverse momenta: H_T, S_T and the effective mass."""

from __future__ import annotations

from typing import Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.errors import SelectionError

__all__ = ["effective_mass", "ht", "scalar_sum", "st"]


@compiled
def effective_mass_kernel(met: float, ht: float) -> float:
    """MET + HT."""
    return met + ht


def scalar_sum(pt: Any) -> Any:
    """Sum of the transverse momenta of each event.

    Parameters
    ----------
    pt
        Transverse momenta in GeV: the last axis (jagged or not) runs over the objects of an event.

    Returns
    -------
    float or array
        GeV, one dimension less than the input; 0 for an event without objects.

    Raises
    ------
    SelectionError
        If the input has no axis of objects, or is not numeric.

    Examples
    --------
    >>> print(scalar_sum([30.0, 20.0]))
    50.0
    """
    import awkward as ak

    total = None
    if not isinstance(pt, str) and (isinstance(pt, ak.Array | list | tuple) or np.ndim(pt) != 0):
        values = ak.Array(pt)
        if "string" not in str(values.type):
            values = ak.values_astype(values, np.float64)
            total = ak.sum(values, axis=-1)
    if total is None:
        msg = (
            f"A sum over objects needs a list of numbers per event, but got {type(pt).__name__} ({pt!r:.60})."
        )
        raise SelectionError(msg)
    if values.ndim == 1:
        return np.float64(total)
    return total if isinstance(pt, ak.Array) else ak.to_numpy(total)


def ht(jet_pt: Any, lepton_pt: Any = None) -> Any:
    """H_T, the scalar sum of hadronic transverse momenta (Table II of the slepton paper).

    Parameters
    ----------
    jet_pt
        Transverse momenta (GeV) of the selected jets: the last axis runs over the jets of an event.
    lepton_pt
        The same for leptons, if they shall be summed too, as the tool of the slepton paper's authors
        does. The text of the paper, and the default here, leave them out.

    Returns
    -------
    float or array
        GeV; 0 for an event without jets.

    Examples
    --------
    >>> print(ht([120.0, 25.0]))
    145.0
    >>> print(ht([120.0, 25.0], lepton_pt=[40.0, 30.0]))
    215.0
    """
    jets = scalar_sum(jet_pt)
    return jets if lepton_pt is None else jets + scalar_sum(lepton_pt)


def st(lepton_pt: Any) -> Any:
    """S_T, the scalar sum of the leptons' transverse momenta (Table II of the smuon paper).

    Parameters
    ----------
    lepton_pt
        Transverse momenta (GeV): the last axis runs over the leptons of an event.

    Returns
    -------
    float or array
        GeV; 0 for an event without leptons.

    Examples
    --------
    >>> print(st([40.0, 30.0]))
    70.0
    """
    return scalar_sum(lepton_pt)


def effective_mass(met: Any, ht: Any) -> Any:
    """M_eff = MET + H_T (Table II of the slepton paper).

    Parameters
    ----------
    met, ht
        Missing transverse momentum and H_T in GeV; they broadcast.

    Returns
    -------
    float or array
        GeV.

    Examples
    --------
    >>> print(effective_mass(130.0, 150.0))
    280.0
    """
    return elementwise(effective_mass_kernel, met, ht)
