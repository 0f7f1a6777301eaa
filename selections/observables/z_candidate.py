"""The Z candidate: the pair of opposite charge and same flavour whose mass is nearest to the Z's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.jagged.collection import Collection
from massgap.arrays.kernels.formulas import invariant_mass_kernel
from massgap.physical_constants import Z_MASS

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.kernels.selecting import Index

__all__ = ["LEPTON_FIELDS", "ZCandidate", "z_candidate"]

LEPTON_FIELDS = ("pt", "eta", "phi", "mass", "charge", "flavour")

# Masses that agree to this fraction are equal: which of two equal pairs comes out must not be up to rounding.
_EQUAL = 1e-12


class ZCandidate(NamedTuple):
    """Z candidate of each event: indices into its leptons (i < j, -1 without candidate), GeV."""

    i: Any
    j: Any
    mass: Any
    pt: Any


@compiled
def z_pair_kernel(leptons: Floats, start: int, stop: int, m_z: float) -> tuple[int, int, float]:
    """Positions in the columns of the pair, -1 without, and its mass; the first of equally near pairs."""
    best_i, best_j, best_mass, best_distance = -1, -1, math.nan, math.inf
    for i in range(start, stop):
        for j in range(i + 1, stop):
            if leptons[4, i] * leptons[4, j] >= 0.0 or leptons[5, i] != leptons[5, j]:
                continue
            mass = invariant_mass_kernel(
                leptons[0, i], leptons[1, i], leptons[2, i], leptons[3, i],
                leptons[0, j], leptons[1, j], leptons[2, j], leptons[3, j],
            )  # fmt: skip
            distance = abs(mass - m_z)
            if distance < best_distance - _EQUAL * m_z:
                best_i, best_j, best_mass, best_distance = i, j, mass, distance
    return best_i, best_j, best_mass


@compiled
def pair_pt_kernel(objects: Floats, i: int, j: int) -> float:
    """Transverse momentum of the sum of two objects whose rows begin with pt, eta, phi."""
    px = objects[0, i] * math.cos(objects[2, i]) + objects[0, j] * math.cos(objects[2, j])
    py = objects[0, i] * math.sin(objects[2, i]) + objects[0, j] * math.sin(objects[2, j])
    return math.hypot(px, py)


@compiled
def _loop(
    leptons: Floats,
    offsets: Index,
    m_z: float,
    first: Index,
    second: Index,
    mass: Floats,
    pt: Floats,
) -> None:
    for event in range(mass.size):
        start = offsets[event]
        i, j, mass[event] = z_pair_kernel(leptons, start, offsets[event + 1], m_z)
        first[event], second[event], pt[event] = -1, -1, math.nan
        if i >= 0:
            first[event], second[event], pt[event] = i - start, j - start, pair_pt_kernel(leptons, i, j)


def z_candidate(leptons: Any, m_z: float = Z_MASS) -> ZCandidate:
    """The pair of leptons of opposite charge and same flavour with the mass nearest to that of the Z.

    Mass-unspecific paper, "Reconstruction".

    Parameters
    ----------
    leptons
        Leptons of each event with the fields pt, eta, phi, mass (GeV, radians), charge, and flavour (any
        number that is the same for equal flavours, such as 11 and 13): a collection, or anything
        else that :meth:`massgap.arrays.Collection.of` takes.
    m_z
        Mass of the Z, GeV.

    Returns
    -------
    ZCandidate
        Per event the indices i < j, the mass and the transverse momentum of the pair (NumPy arrays).  Of
        pairs equally near (to 1e-12 of the Z mass) it is the first in the order (0, 1), (0, 2), ...,
        (1, 2), ...  Without such a pair the indices are -1, mass and pt NaN.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per lepton.

    Examples
    --------
    >>> def muon(pt, phi, charge):
    ...     return {"pt": pt, "eta": 0.0, "phi": phi, "mass": 0.0, "charge": charge, "flavour": 13}
    >>> z = z_candidate([[muon(45.0, 0.0, 1), muon(30.0, 1.0, -1), muon(45.0, 3.0, -1)], [muon(45.0, 0.0, 1)]])
    >>> z.i.tolist(), z.j.tolist(), z.mass.round(3).tolist()
    ([0, -1], [2, -1], [89.775, nan])
    """
    leptons = Collection.of(leptons, "leptons")
    n_events = len(leptons)
    first, second = np.empty(n_events, np.int64), np.empty(n_events, np.int64)
    mass, pt = np.empty(n_events), np.empty(n_events)
    _loop(leptons.columns(*LEPTON_FIELDS), leptons.offsets, float(m_z), first, second, mass, pt)
    return ZCandidate(first, second, mass, pt)
