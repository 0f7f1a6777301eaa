"""Which leptons and which fat jet are those of T -> t Z, and the momenta that follow, in one compiled pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.kernels.formulas import delta_r_kernel
from massgap.physical_constants import TOP_MASS, W_MASS_2018, Z_MASS
from massgap.selections.observables.angles import abs_delta_phi_kernel
from massgap.selections.observables.invariant_mass import momentum_kernel, vector_mass_squared_kernel
from massgap.selections.observables.neutrino import neutrino_pz_kernel
from massgap.selections.observables.z_candidate import LEPTON_FIELDS, z_pair_kernel
from massgap.selections.vlq.objects import fat_jet_kernel, third_lepton_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.jagged.collection import Collection
    from massgap.arrays.jagged.per_event import PerEvent
    from massgap.arrays.kernels.selecting import Index

__all__ = ["Masses", "Reconstruction", "reconstruct"]

VALUES = (
    "m_t_prime", "m_top", "discriminant", "complex_roots", "nu_pz", "nu_pz1", "nu_pz2", "dr_z_j",
    "pt_z", "pt_z_l1", "pt_z_l2", "m_z", "dphi_z_l3",
)  # fmt: skip
INDICES = ("z_i", "z_j", "l3", "fat_jet")


class Masses(NamedTuple):
    """Masses that the reconstruction aims at, GeV."""

    z: float = Z_MASS
    w: float = W_MASS_2018
    top: float = TOP_MASS


class Reconstruction(NamedTuple):
    """What :func:`reconstruct` finds in each event.

    ``values`` are NaN where ingredients are missing; ``indices`` are those of the Z leptons, of l3 and of the fat jet
    within their event, -1 for missing ones; ``n_fat_jets_away`` is the number of fat jets without the Z leptons inside.
    """

    values: dict[str, Floats]
    indices: dict[str, Index]
    n_fat_jets_away: Index


@compiled
def top_kernel(
    jet: tuple[float, float, float],
    m_jet: float,
    lepton: tuple[float, float, float],
    m_lepton: float,
    mex: float,
    mey: float,
    m_w: float,
    m_top: float,
    rescale: bool,
) -> tuple[float, float, float, float, float, float, tuple[float, float, float]]:
    """m(J + nu), the neutrino's pz, both roots, discriminant, complex, and p(J + nu) for the better root."""
    pz1, pz2, _, discriminant, is_complex, scale, scaled = neutrino_pz_kernel(
        *lepton, m_lepton, mex, mey, m_w
    )
    if rescale and is_complex == 1.0:
        pz1, mex, mey = scaled, scale * mex, scale * mey
    nu_pz = pz1
    mass = math.sqrt(vector_mass_squared_kernel(jet, m_jet, (mex, mey, pz1), 0.0))
    if is_complex == 0.0:
        other = math.sqrt(vector_mass_squared_kernel(jet, m_jet, (mex, mey, pz2), 0.0))
        if abs(other - m_top) < abs(mass - m_top):
            nu_pz, mass = pz2, other
    total = (jet[0] + mex, jet[1] + mey, jet[2] + nu_pz)
    return mass, nu_pz, pz1, pz2, discriminant, is_complex, total


@compiled
def z_kernel(
    leptons: Floats, i: int, j: int
) -> tuple[tuple[float, float, float], float, float, float, float, float]:
    """(px, py, pz), pT, eta and phi of two columns, and the larger and the smaller of their pT; NaN without them."""
    pt, eta, phi = math.nan, math.nan, math.nan
    if i < 0:
        return (0.0, 0.0, 0.0), pt, eta, phi, math.nan, math.nan
    p1 = momentum_kernel(leptons[0, i], leptons[1, i], leptons[2, i])
    p2 = momentum_kernel(leptons[0, j], leptons[1, j], leptons[2, j])
    z = (p1[0] + p2[0], p1[1] + p2[1], p1[2] + p2[2])
    pt = math.hypot(z[0], z[1])
    if pt > 0.0:
        eta, phi = math.asinh(z[2] / pt), math.atan2(z[1], z[0])
    return z, pt, eta, phi, max(leptons[0, i], leptons[0, j]), min(leptons[0, i], leptons[0, j])


@compiled
def t_prime_kernel(
    z: tuple[float, float, float],
    m_z: float,
    fat_jets: Floats,
    fat: int,
    leptons: Floats,
    l3: int,
    met: float,
    phi_met: float,
    masses: Masses,
    rescale: bool,
) -> tuple[float, float, float, float, float, float, float]:
    """m(T), m(top), discriminant, complex, the neutrino's pz and both roots; NaN without a fat jet."""
    if fat < 0:
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    mex, mey = 0.0, 0.0
    if met != 0.0:
        mex, mey = met * math.cos(phi_met), met * math.sin(phi_met)
    m_top, nu_pz, nu_pz1, nu_pz2, discriminant, is_complex, top = top_kernel(
        momentum_kernel(fat_jets[0, fat], fat_jets[1, fat], fat_jets[2, fat]),
        max(fat_jets[3, fat], 0.0),
        momentum_kernel(leptons[0, l3], leptons[1, l3], leptons[2, l3]),
        max(leptons[3, l3], 0.0),
        mex,
        mey,
        masses.w,
        masses.top,
        rescale,
    )
    m_t_prime = math.sqrt(vector_mass_squared_kernel(top, m_top, z, m_z))
    return m_t_prime, m_top, discriminant, is_complex, nu_pz, nu_pz1, nu_pz2


@compiled
def _loop(
    leptons: Floats,
    lepton_offsets: Index,
    fat_jets: Floats,
    fat_offsets: Index,
    met: Floats,
    masses: Masses,
    rescale: bool,
    min_pt_beside: float,
    values: Floats,
    indices: Index,
    n_away: Index,
) -> None:
    for event in range(n_away.size):
        start, stop = lepton_offsets[event], lepton_offsets[event + 1]
        fat_start = fat_offsets[event]
        # Z: two leptons of opposite charge and same flavour.
        i, j, m_z = z_pair_kernel(leptons, start, stop, masses.z)
        l3 = third_lepton_kernel(leptons, start, stop, i, j)
        fat, n_away[event] = fat_jet_kernel(
            fat_jets, fat_start, fat_offsets[event + 1], leptons, i, j, l3, min_pt_beside
        )
        z, pt_z, eta_z, phi_z, pt_l1, pt_l2 = z_kernel(leptons, i, j)
        # Top: the fat jet with the third lepton inside, and the neutrino; T: top and Z.
        t_prime = t_prime_kernel(
            z, m_z, fat_jets, fat, leptons, l3, met[0, event], met[1, event], masses, rescale
        )
        dr_z_j, dphi = math.nan, math.nan
        if fat >= 0:
            dr_z_j = delta_r_kernel(eta_z, phi_z, fat_jets[1, fat], fat_jets[2, fat])
        if l3 >= 0:
            dphi = abs_delta_phi_kernel(phi_z, leptons[2, l3])
        row = (*t_prime, dr_z_j, pt_z, pt_l1, pt_l2, m_z, dphi)
        for k in range(values.shape[0]):
            values[k, event] = row[k]
        for k, lepton in enumerate((i, j, l3)):
            indices[k, event] = int(leptons[6, lepton]) if lepton >= 0 else -1
        indices[3, event] = fat - fat_start if fat >= 0 else -1


def reconstruct(
    leptons: Collection,
    fat_jets: Collection,
    met: PerEvent,
    masses: Masses,
    rescale_met: bool,
    min_pt_beside_lepton: float,
) -> Reconstruction:
    """Find the decay products of T -> t Z; see :func:`massgap.selections.vlq.features.vlq_features`.

    Parameters
    ----------
    leptons
        With pt, eta, phi, mass, charge, flavour and position (the index that is given back).
    fat_jets
        With pt, eta, phi, mass.
    met
        With pt and phi.
    masses
        GeV.
    rescale_met
        For complex neutrino roots, rescale MET until they are one real root.
    min_pt_beside_lepton
        What the fat jet must hold beside l3, GeV.

    Returns
    -------
    Reconstruction

    Raises
    ------
    SelectionError
        If a field is missing.
    """
    values = np.empty((len(VALUES), len(met)))
    indices = np.empty((len(INDICES), len(met)), np.int64)
    n_away = np.empty(len(met), np.int64)
    _loop(
        leptons.columns(*LEPTON_FIELDS, "position"),
        leptons.offsets,
        fat_jets.columns("pt", "eta", "phi", "mass"),
        fat_jets.offsets,
        met.columns("pt", "phi"),
        Masses(float(masses.z), float(masses.w), float(masses.top)),
        bool(rescale_met),
        float(min_pt_beside_lepton),
        values,
        indices,
        n_away,
    )
    return Reconstruction(
        dict(zip(VALUES, values, strict=True)), dict(zip(INDICES, indices, strict=True)), n_away
    )
