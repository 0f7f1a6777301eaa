r"""The decay chain X -> mu Y, Y -> mu Z, Z -> photon chi: spectrum, weights of the spin model, endpoints.

The four particles are played by neutralinos and a smuon: X (1000035), Y (2000013), Z (1000023), chi (1000022). X and
chi are higgsinos, so that pairs X chi come from a Z boson alone, whatever the squarks are.

Two spin models:

* fDM: X, Z and chi are fermions, Y is a scalar. Pythia decays every new particle isotropically in its rest frame, so
  that m(mu mu)^2 and m(far muon, photon)^2 are flat up to their endpoints. For this chain that is exact: the scalar
  in between cuts the correlation of the muons, and a Majorana Z emits its photon with both helicities alike, whatever
  its polarisation. Not simulated: the polarisation of X from production.
* sDM: X, Z and chi are scalars, Y is a fermion. A fermion whose two couplings have opposite chirality gives the muons
  opposite helicities and the decay a factor :math:`1 - \cos\theta` in Y's rest frame, where the angle is that between
  the muons: a factor m(mu mu)^2. :func:`spin_weights` is that factor. The photon is emitted isotropically: a scalar
  cannot decay to a scalar and a photon, so this part stands for whatever makes Z decay.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from massgap.physical_constants import PYTHIA_MUON_MASS
from massgap.samples.errors import GenerationError
from massgap.samples.physics.spectra import check_masses, slha_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.samples.record import Record

X, Y, Z, CHI = 1000035, 2000013, 1000023, 1000022
_HALF = math.sqrt(0.5)
# N1 and N4 are the two higgsino combinations, N2 bino, N3 wino
_MIXING = (
    (0.0, 0.0, _HALF, -_HALF),
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, _HALF, _HALF),
)
# narrow, so that no invariant mass passes its endpoint
_WIDTH = 1.0e-4


def cascade_slha(masses: Sequence[float]) -> str:
    """SLHA of the chain X -> mu Y, Y -> mu Z, Z -> photon chi, each with branching ratio 1, X to both charges alike.

    Parameters
    ----------
    masses : four floats
        Masses of X, Y, Z, chi in GeV.

    Raises
    ------
    GenerationError
        If the masses do not fall along the chain by more than the muon mass.
    """
    m_x, m_y, m_z, m_chi = check_chain(masses)
    decays = [
        f"DECAY {X} {_WIDTH:.1e}",
        f"  0.5 2 {Y} -13",
        f"  0.5 2 -{Y} 13",
        f"DECAY {Y} {_WIDTH:.1e}",
        f"  1.0 2 {Z} 13",
        f"DECAY {Z} {_WIDTH:.1e}",
        f"  1.0 2 {CHI} 22",
        f"DECAY {CHI} 0.0",
    ]
    # the unused wino keeps the order of the neutralinos
    return slha_text({X: m_x, Y: m_y, Z: m_z, CHI: m_chi, 1000025: m_x}, decays, _MIXING)


def cascade_settings() -> tuple[str, ...]:
    """Pythia settings of X chi production; ``xsec.higgsino_pair_xsec_fb(m_X, m_chi, 14.0)`` is its cross section."""
    return ("SUSY:qqbar2chi0chi0 = on", f"SUSY:idVecA = {X}", f"SUSY:idVecB = {CHI}")


def endpoints(masses: Sequence[float]) -> dict[str, float]:
    """Largest invariant masses (GeV) of the visible particles, massless muons.

    Keys: ``mumu``, ``near_photon`` (muon of X with the photon), ``far_photon`` (muon of Y with the photon),
    ``mu_photon`` (any muon), ``mumu_photon``. Source: Allanach et al., JHEP 09 (2000) 004 (squark chain, renamed).

    Raises
    ------
    GenerationError
        If the masses do not fall along the chain.
    """
    x, y, z, c = (mass**2 for mass in check_chain(masses))
    near = (x - y) * (z - c) / z
    far = (y - z) * (z - c) / z
    steps = {"x": x / y, "y": y / z, "z": math.inf if c == 0 else z / c}
    if steps["x"] > steps["y"] * steps["z"]:
        total = (x - y) * (y - c) / y
    elif steps["y"] > steps["z"] * steps["x"]:
        total = (x * z - y * c) * (y - z) / (y * z)
    elif steps["z"] > steps["x"] * steps["y"]:
        total = (x - z) * (z - c) / z
    else:
        total = (math.sqrt(x) - math.sqrt(c)) ** 2
    squares = {
        "mumu": (x - y) * (y - z) / y,
        "near_photon": near,
        "far_photon": far,
        "mu_photon": max(near, far),
        "mumu_photon": total,
    }
    return {name: math.sqrt(value) for name, value in squares.items()}


def spin_weights(record: Record) -> np.ndarray:
    r"""Weights (n_events,) that turn isotropic decays into those of the scalar model sDM.

    :math:`w = m_{\mu\mu}^2 / (\frac12 m_{\mu\mu}^{2,\max})`, between 0 and 2. Isotropic decays populate
    :math:`m_{\mu\mu}^2` evenly between 0 and its maximum, so the mean of w is 1 and the cross section stays. The muons
    are those of the decays, before they radiate; masses are the event's own.

    Raises
    ------
    GenerationError
        If an event does not hold exactly one such chain.
    """
    parent = np.where(record.mother >= 0, np.abs(record.pdg[record.mother]), 0)
    muon = np.abs(record.pdg) == 13
    total = np.zeros((record.n_events, 4))
    mass2 = {}
    for kind in (X, Y):
        rows = np.flatnonzero(muon & (parent == kind))
        if not np.array_equal(np.sort(record.event[rows]), np.arange(record.n_events)):
            msg = f"not every event holds one decay {kind} -> mu: decay weights are for the chain X -> mu mu photon chi"
            raise GenerationError(msg)
        for k, name in enumerate(("energy", "px", "py", "pz")):
            total[record.event[rows], k] += getattr(record, name)[rows]
        mass2[kind] = np.zeros(record.n_events)
        mass2[kind][record.event[rows]] = record.mass[record.mother[rows]] ** 2
    rows = np.flatnonzero((np.abs(record.pdg) == Z) & (parent == Y))
    mass2[Z] = np.zeros(record.n_events)
    mass2[Z][record.event[rows]] = record.mass[rows] ** 2
    largest = (mass2[X] - mass2[Y]) * (mass2[Y] - mass2[Z]) / mass2[Y]
    squared = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1)
    # rounding, and the muons' own masses
    return np.clip(2.0 * squared / largest, 0.0, 2.0)


def check_chain(masses: Sequence[float]) -> tuple[float, float, float, float]:
    """The masses of X, Y, Z and chi (GeV), if each can decay into the next.

    Raises
    ------
    GenerationError
        If they are not four, or do not fall along the chain by more than the muon mass.
    """
    if len(masses) != 4:
        msg = f"four masses are needed, of X, Y, Z and chi, not {len(masses)}"
        raise GenerationError(msg)
    m_x, m_y, m_z, m_chi = (float(mass) for mass in masses)
    check_masses(m_X=m_x, m_Y=m_y, m_Z=m_z, m_chi=m_chi)
    if not (m_x > m_y + PYTHIA_MUON_MASS and m_y > m_z + PYTHIA_MUON_MASS and m_z > m_chi):
        msg = f"X, Y, Z, chi = {m_x:g}, {m_y:g}, {m_z:g}, {m_chi:g} GeV do not decay into each other: give falling masses"
        raise GenerationError(msg)
    return m_x, m_y, m_z, m_chi
