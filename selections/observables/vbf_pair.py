"""The two jets of vector boson fusion, and the two jets with the largest mass whatever they look like.

They are different things: events are selected by :func:`vbf_pair`; the features of the classifier are those
of :func:`largest_mass_pair` (vbf-electroweakino paper, section V).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.jagged.collection import Collection
from massgap.arrays.kernels.formulas import delta_r_kernel, invariant_mass_squared_kernel
from massgap.selections.observables.z_candidate import pair_pt_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.kernels.selecting import Index

__all__ = ["JET_FIELDS", "JetPair", "JetPairCuts", "largest_mass_pair", "vbf_pair"]

JET_FIELDS = ("pt", "eta", "phi", "mass")

# Squared masses that agree to this fraction are equal: the first of equal pairs is taken, whatever rounding does.
_EQUAL = 2e-12


class JetPair(NamedTuple):
    """Pair of jets per event: indices into its jets (pT_i >= pT_j; -1 without), GeV; number of candidates."""

    i: Any
    j: Any
    m_jj: Any
    abs_deta_jj: Any
    pt_jj: Any
    n_candidates: Any


class JetPairCuts(NamedTuple):
    """What makes two jets a candidate; all limits are strict.

    Parameters
    ----------
    pt
        Each jet's transverse momentum is above, GeV.
    abs_eta
        Each jet's |eta| is below.
    delta_r
        Their distance in eta and phi is above.
    abs_deta
        Their distance in eta is above.
    mass
        Their invariant mass is above, GeV.
    opposite
        Whether they must lie in opposite hemispheres, eta_i eta_j < 0.
    """

    pt: float = 30.0
    abs_eta: float = 5.0
    delta_r: float = 0.3
    abs_deta: float = 2.5
    mass: float = 200.0
    opposite: bool = True


VBF = JetPairCuts()
"""Table I of the vbf-electroweakino paper."""


@compiled
def jet_pair_kernel(
    jets: Floats, start: int, stop: int, cuts: JetPairCuts
) -> tuple[int, int, float, float, float, int]:
    """Columns of the harder and the softer jet of the heaviest candidate, its mass, |deta|, pT; candidates."""
    best_i, best_j, best_m2, n_candidates = -1, -1, -1.0, 0
    m2_min = cuts.mass * cuts.mass if cuts.mass >= 0.0 else -1.0
    for i in range(start, stop):
        if not (jets[0, i] > cuts.pt and abs(jets[1, i]) < cuts.abs_eta):
            continue
        for j in range(i + 1, stop):
            if not (jets[0, j] > cuts.pt and abs(jets[1, j]) < cuts.abs_eta):
                continue
            if cuts.opposite and not _opposite(jets[1, i], jets[1, j]):
                continue
            if not abs(jets[1, i] - jets[1, j]) > cuts.abs_deta:
                continue
            # Where the distance in eta alone is large enough, that in eta and phi is, too.
            if cuts.delta_r > cuts.abs_deta and not (
                delta_r_kernel(jets[1, i], jets[2, i], jets[1, j], jets[2, j]) > cuts.delta_r
            ):
                continue
            m2 = invariant_mass_squared_kernel(
                jets[0, i], jets[1, i], jets[2, i], jets[3, i], jets[0, j], jets[1, j], jets[2, j], jets[3, j]
            )
            if not m2 > m2_min:
                continue
            n_candidates += 1
            if best_i < 0 or m2 > best_m2 * (1.0 + _EQUAL):
                best_i, best_j, best_m2 = i, j, m2
    if best_i < 0:
        return -1, -1, math.nan, math.nan, math.nan, n_candidates
    if jets[0, best_j] > jets[0, best_i]:
        best_i, best_j = best_j, best_i
    deta = abs(jets[1, best_i] - jets[1, best_j])
    return best_i, best_j, math.sqrt(best_m2), deta, pair_pt_kernel(jets, best_i, best_j), n_candidates


@compiled
def _opposite(eta_i: float, eta_j: float) -> bool:
    # The product of two small numbers would underflow to zero.
    return (eta_i < 0.0 < eta_j) or (eta_j < 0.0 < eta_i)


@compiled
def _loop(jets: Floats, offsets: Index, cuts: JetPairCuts, indices: Index, values: Floats) -> None:
    for event in range(offsets.size - 1):
        start = offsets[event]
        i, j, mass, deta, pt, n_candidates = jet_pair_kernel(jets, start, offsets[event + 1], cuts)
        indices[0, event] = i - start if i >= 0 else -1
        indices[1, event] = j - start if j >= 0 else -1
        indices[2, event] = n_candidates
        values[0, event], values[1, event], values[2, event] = mass, deta, pt


def _pairs(jets: Any, cuts: JetPairCuts) -> JetPair:
    jets = Collection.of(jets, "jets")
    indices, values = np.empty((3, len(jets)), np.int64), np.empty((3, len(jets)))
    _loop(jets.columns(*JET_FIELDS), jets.offsets, cuts_of(cuts), indices, values)
    mass, deta, pt = values
    return JetPair(indices[0], indices[1], mass, deta, pt, indices[2])


def cuts_of(cuts: JetPairCuts) -> JetPairCuts:
    """The same cuts with exact types, so that the compiled code exists once."""
    pt, abs_eta, delta_r, abs_deta, mass, opposite = cuts
    return JetPairCuts(
        float(pt), float(abs_eta), float(delta_r), float(abs_deta), float(mass), bool(opposite)
    )


def any_pair(pt_min: float, abs_eta_max: float) -> JetPairCuts:
    """Cuts that every pair of jets with large enough pT and small enough |eta| passes."""
    return JetPairCuts(float(pt_min), float(abs_eta_max), -1.0, -1.0, -1.0, opposite=False)


def vbf_pair(jets: Any, cuts: JetPairCuts = VBF) -> JetPair:
    """The jets of vector boson fusion: of all pairs that pass the cuts, the one with the largest mass.

    vbf-electroweakino paper, Table I: eta1 eta2 < 0, |deta| > 2.5, m_jj > 200 GeV, dR > 0.3 of jets with
    pT > 30 GeV and |eta| < 5; all limits are strict.

    Parameters
    ----------
    jets
        Jets of each event with the fields pt, eta, phi, mass (GeV, radians), in any order: a
        collection, or anything else that :meth:`massgap.arrays.Collection.of` takes.
    cuts
        What makes two jets a candidate.

    Returns
    -------
    JetPair
        Per event the indices of the harder and the softer jet (of jets with equal pT, the first is i), the
        pair's mass, |deta| and pT, and the number of candidates (NumPy arrays).  Of pairs with equal masses
        (to 1e-12) it is the first in the order of the jets.  Without a candidate the indices are -1, the
        number 0, the rest NaN.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per jet.

    Examples
    --------
    >>> def jet(pt, eta, phi): return {"pt": pt, "eta": eta, "phi": phi, "mass": 10.0}
    >>> pair = vbf_pair([[jet(70.0, -3.0, 3.0), jet(80.0, 3.0, 0.0)], []])
    >>> pair.i.tolist(), pair.j.tolist(), pair.m_jj.round(2).tolist(), pair.n_candidates.tolist()
    ([1, -1], [0, -1], [1506.89, nan], [1, 0])
    """
    return _pairs(jets, cuts)


def largest_mass_pair(jets: Any, pt_min: float = 20.0, abs_eta_max: float = 5.0) -> JetPair:
    """The two jets with the largest invariant mass, without the cuts of vector boson fusion.

    vbf-electroweakino paper, section V: "the largest invariant mass of pairs of jets", a feature.

    Parameters
    ----------
    jets
        As for :func:`vbf_pair`.
    pt_min, abs_eta_max
        Jets count above this transverse momentum (GeV) and below this |eta|.

    Returns
    -------
    JetPair
        As for :func:`vbf_pair`; n_candidates is the number of pairs.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per jet.

    Examples
    --------
    >>> def jet(pt, eta, phi): return {"pt": pt, "eta": eta, "phi": phi, "mass": 10.0}
    >>> pair = largest_mass_pair([[jet(70.0, 1.0, 3.0), jet(80.0, 2.0, 0.0), jet(25.0, 0.0, 1.0)]])
    >>> pair.i.tolist(), pair.j.tolist(), pair.m_jj.round(2).tolist()
    ([1], [0], [169.95])
    """
    return _pairs(jets, any_pair(pt_min, abs_eta_max))
