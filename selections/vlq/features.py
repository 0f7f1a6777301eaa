"""Reconstruction of T -> t Z -> lepton neutrino b, lepton lepton, in one compiled pass over jagged objects.

Mass-unspecific paper, "Preselection cuts", "Reconstruction", "Discriminating variables".  The decay products
of the boosted top quark are one fat jet J with the third lepton l3 inside, and the neutrino.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.arrays.flat import as_flat, one_per_event, same_events
from massgap.arrays.momentum_formulas import delta_r_kernel
from massgap.contracts.description import Feature
from massgap.physical_constants import TOP_MASS, W_MASS_2018, Z_MASS
from massgap.selections.observables.angles import abs_delta_phi_kernel
from massgap.selections.observables.neutrino import neutrino_pz_kernel
from massgap.selections.observables.vector_mass import momentum_kernel, vector_mass_squared_kernel
from massgap.selections.observables.z_candidate import LEPTON_FIELDS, z_pair_kernel
from massgap.selections.vlq.objects import (
    fat_jet_kernel,
    lepton_cuts_kernel,
    selected_leptons,
    slim_jets_kernel,
    third_lepton_kernel,
)

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.flat import Offsets

__all__ = [
    "CUTFLOW",
    "FEATURES",
    "FEATURE_NAMES",
    "QUANTITIES",
    "Masses",
    "VlqEvents",
    "vlq_features",
]

# fmt: off
FEATURES: tuple[Feature, ...] = (
    Feature("m_t_prime", r"$m_{T}^{rec}$", "GeV", 0, 8000, 80, "Reconstructed mass of the T quark"),
    Feature("pt_z_l1", r"$p_{T}^{l_1}$", "GeV", 0, 3000, 60, "Transverse momentum of the leading lepton of the Z"),
    Feature("pt_z_l2", r"$p_{T}^{l_2}$", "GeV", 0, 1500, 60, "Transverse momentum of the second lepton of the Z"),
    Feature("m_top", r"$m_{t}^{rec}$", "GeV", 0, 500, 50, "Reconstructed mass of the top quark"),
    Feature("dphi_z_l3", r"$|\Delta\phi(Z, l_3)|$", "rad", 0, math.pi, 32, "Azimuth between the Z and the third lepton"),
    Feature("n_forward", r"$N_{fwd}$", "", 0, 8, 8, "Number of slim jets with 2.5 <= |eta| < 5"),
)
# fmt: on
"""The discriminating variables of the mass-unspecific paper."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

QUANTITIES = (
    *FEATURE_NAMES,
    "m_z",
    "pt_z",
    "discriminant",
    "complex_roots",
    "nu_pz",
    "nu_pz1",
    "nu_pz2",
    "dr_z_j",
    "n_slim",
)
"""All numbers of the reconstruction, the features first."""

INDICES = ("z_i", "z_j", "l3", "fat_jet")

CUTFLOW = ("leptons", "pt_z", "fat_jet_away", "fat_jet", "slim_jet", "dr_z_j")
"""The preselection: cuts 1 and 2, cut 3 in two steps (away from the Z leptons; with the third lepton inside),
cuts 4 and 5.  These are the six columns of the paper's table of efficiencies."""


class Masses(NamedTuple):
    """Masses that the reconstruction aims at, GeV."""

    z: float = Z_MASS
    w: float = W_MASS_2018
    top: float = TOP_MASS


class VlqEvents(NamedTuple):
    """Reconstruction of each event, as dicts of arrays.

    ``quantities`` by :data:`QUANTITIES`, NaN where ingredients are missing; ``indices`` of the Z leptons
    (z_i < z_j), of l3 among the given leptons and of J among the fat jets, -1 for missing ones; ``cutflow`` by
    :data:`CUTFLOW`, true where the event passes the cut and all before.
    """

    quantities: dict[str, Floats]
    indices: dict[str, Offsets]
    cutflow: dict[str, npt.NDArray[np.bool_]]


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
def _loop(
    leptons: Floats,
    lepton_offsets: Offsets,
    fat_jets: Floats,
    fat_offsets: Offsets,
    slim_jets: Floats,
    slim_offsets: Offsets,
    met: Floats,
    phi_met: Floats,
    masses: Masses,
    rescale: bool,
    values: Floats,
    indices: Offsets,
    cutflow: npt.NDArray[np.bool_],
) -> None:
    for event in range(met.size):
        start, stop = lepton_offsets[event], lepton_offsets[event + 1]
        fat_start, fat_stop = fat_offsets[event], fat_offsets[event + 1]
        values[:, event] = math.nan

        # Z: two leptons of opposite charge and same flavour.
        i, j, m_z = z_pair_kernel(leptons, start, stop, masses.z)
        l3 = third_lepton_kernel(leptons, start, stop, i, j)
        fat, n_away = fat_jet_kernel(fat_jets, fat_start, fat_stop, leptons, i, j, l3)
        n_slim, n_forward = slim_jets_kernel(
            slim_jets, slim_offsets[event], slim_offsets[event + 1], leptons, start, stop
        )
        z, pt_z, eta_z, phi_z, dr_z_j = (0.0, 0.0, 0.0), math.nan, math.nan, math.nan, math.nan
        if i >= 0:
            p1 = momentum_kernel(leptons[0, i], leptons[1, i], leptons[2, i])
            p2 = momentum_kernel(leptons[0, j], leptons[1, j], leptons[2, j])
            z = (p1[0] + p2[0], p1[1] + p2[1], p1[2] + p2[2])
            pt_z = math.hypot(z[0], z[1])
            if pt_z > 0.0:
                eta_z, phi_z = math.asinh(z[2] / pt_z), math.atan2(z[1], z[0])
            values[1, event] = max(leptons[0, i], leptons[0, j])
            values[2, event] = min(leptons[0, i], leptons[0, j])
            values[6, event], values[7, event] = m_z, pt_z
        if l3 >= 0:
            values[4, event] = abs_delta_phi_kernel(phi_z, leptons[2, l3])

        # Top: the fat jet with the third lepton inside, and the neutrino; T: top and Z.
        if fat >= 0:
            mex, mey = 0.0, 0.0
            if met[event] != 0.0:
                mex, mey = met[event] * math.cos(phi_met[event]), met[event] * math.sin(phi_met[event])
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
            dr_z_j = delta_r_kernel(eta_z, phi_z, fat_jets[1, fat], fat_jets[2, fat])
            values[0, event] = math.sqrt(vector_mass_squared_kernel(top, m_top, z, m_z))
            values[3, event] = m_top
            values[8, event], values[9, event] = discriminant, is_complex
            values[10, event], values[11, event], values[12, event] = nu_pz, nu_pz1, nu_pz2
            values[13, event] = dr_z_j
        values[5, event], values[14, event] = n_forward, n_slim

        for k, position in enumerate((i, j, l3)):
            indices[k, event] = int(leptons[6, position]) if position >= 0 else -1
        indices[3, event] = fat - fat_start if fat >= 0 else -1

        passed = lepton_cuts_kernel(leptons, start, stop)
        cuts = (True, pt_z > 60.0, n_away > 0, fat >= 0, n_slim > 0, dr_z_j >= 1.0)
        for k in range(cutflow.shape[0]):
            passed = passed and cuts[k]
            cutflow[k, event] = passed


def vlq_features(
    leptons: Any,
    fat_jets: Any,
    slim_jets: Any,
    met: Any,
    *,
    select_leptons: bool = True,
    rescale_met: bool = False,
    masses: Masses = Masses(),  # noqa: B008 (an immutable tuple)
) -> VlqEvents:
    """Reconstruct T -> t Z, and evaluate the preselection cut by cut, each quantity once per event.

    The Z is the pair of opposite charge and same flavour nearest to the Z mass; l3 the leading remaining
    lepton; J the leading fat jet with pT > 80 GeV, |eta| < 2.5, l3 within 0.8 and the Z leptons not within
    0.8.  Of the two neutrinos the one with m(J + nu) nearest to the top mass is taken (in "(p_j + p_nu)^2" of
    the paper the jet is J), for complex roots the real part.  Slim jets have pT > 25 GeV, |eta| < 5 and no
    lepton within 0.4; forward ones |eta| >= 2.5.

    Parameters
    ----------
    leptons
        Electrons and muons of each event together, in any order, with the fields pt, eta, phi, mass (GeV,
        radians), charge, and flavour (any number that is the same for equal flavours, such as 11 and 13).
    fat_jets, slim_jets
        Jets with R = 0.8 and with R = 0.4, with the fields pt, eta, phi, mass; slim ones without those with a
        b tag, if "light" shall mean that.  All three are awkward arrays of records, or anything else that
        :func:`massgap.arrays.flat.as_flat` takes.
    met
        Missing transverse momentum: anything with flat arrays ``pt`` (GeV) and ``phi`` (radians).
    select_leptons
        Only leptons with pT >= 25 GeV and |eta| < 2.5 take part (cut 1 of the paper), also in the cleaning of
        slim jets.  If false, all do, for leptons that have been selected before.
    rescale_met
        For complex neutrino roots, rescale MET until they are one real root, instead of the real part.
    masses
        Masses of the Z, the W and the top quark, GeV.

    Returns
    -------
    VlqEvents
        Features and other quantities, indices, and the cuts.  Undefined are: everything of the Z without a
        candidate; of l3 without one, also the angle to a Z without transverse momentum; of the top and the T
        without l3 or J.  The numbers of slim and forward jets always exist.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per object, or the numbers of events differ.

    Examples
    --------
    >>> from massgap.arrays import PerEvent
    >>> def muon(pt, eta, phi, charge):
    ...     return {"pt": pt, "eta": eta, "phi": phi, "mass": 0.1057, "charge": charge, "flavour": 13}
    >>> def jet(pt, eta, phi, mass): return {"pt": pt, "eta": eta, "phi": phi, "mass": mass}
    >>> events = vlq_features(
    ...     [[muon(500.0, 0.2, 0.0, 1), muon(300.0, 0.2, 0.236, -1), muon(150.0, -0.1, 3.1, 1)]],
    ...     [[jet(500.0, 0.0, 3.1, 120.0)]], [[jet(80.0, 3.5, 1.0, 8.0)]], PerEvent({"pt": [250.0], "phi": [3.0]}))
    >>> [round(float(events.quantities[name][0]), 1) for name in ("m_z", "m_top", "m_t_prime")]
    [91.2, 185.5, 1568.1]
    >>> all(bool(passed[0]) for passed in events.cutflow.values())
    True
    """
    kinematics = ("pt", "eta", "phi", "mass")
    all_leptons = as_flat("leptons", leptons, LEPTON_FIELDS)
    flat_leptons = selected_leptons(all_leptons, everything=not select_leptons)
    flat_fat = as_flat("fat jets", fat_jets, kinematics)
    flat_slim = as_flat("slim jets", slim_jets, kinematics)
    met_pt, met_phi = one_per_event("met.pt", met.pt), one_per_event("met.phi", met.phi)
    n_events = same_events(
        leptons=len(all_leptons.offsets) - 1,
        fat_jets=len(flat_fat.offsets) - 1,
        slim_jets=len(flat_slim.offsets) - 1,
        met_pt=len(met_pt),
        met_phi=len(met_phi),
    )
    values = np.empty((len(QUANTITIES), n_events))
    indices = np.empty((len(INDICES), n_events), np.int64)
    cutflow = np.empty((len(CUTFLOW), n_events), bool)
    aims = Masses(float(masses.z), float(masses.w), float(masses.top))
    _loop(
        *flat_leptons,
        *flat_fat,
        *flat_slim,
        met_pt,
        met_phi,
        aims,
        bool(rescale_met),
        values,
        indices,
        cutflow,
    )
    return VlqEvents(
        dict(zip(QUANTITIES, values, strict=True)),
        dict(zip(INDICES, indices, strict=True)),
        dict(zip(CUTFLOW, cutflow, strict=True)),
    )
