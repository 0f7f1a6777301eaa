r"""Decays of a wino to a bino through an off-shell W or Z: matrix element, branching ratios, weights of events.

Pythia decays to three bodies by phase space, or to a Z or W of reduced mass whose decay is isotropic. The matrix
element is missing, and with it the shape of m(ll) and the leptons' energies; :func:`offshell_weights` supplies it.

With the wino's momentum p (mass m2), the bino's p' (m1), massless fermions k, k' and q = k + k':

.. math:: |M|^2 \propto \frac{2 (p k)(p' k') + 2 (p k')(p' k) - 2 \eta\, m_2 m_1 (k k')}{(q^2 - m_V^2)^2 + m_V^2 \Gamma_V^2}

where :math:`\eta = 1` if the winos' current is a vector and -1 if it is axial. The mean over the fermions' directions
gives, for a small mass gap,

.. math:: d\Gamma / dm_{ll} \propto m_{ll} |\vec q| (\Delta m^2 + 2 m_{ll}^2) \text{ (axial)}, \qquad
          m_{ll} |\vec q| (\Delta m^2 - m_{ll}^2) \text{ (vector)}, \qquad
          |\vec q| \approx \sqrt{\Delta m^2 - m_{ll}^2}

times the propagator, so the axial one leans to the endpoint. Neutralinos are Majorana particles: their coupling to the Z
is axial if the signs of their mass parameters are the same (``sign = 1``, the default) and a vector if they differ
(``sign = -1``). The chargino's coupling is the opposite of that: its mixing with the bino gives left- and right-handed
parts of the same size, and turning the sign of a mass turns the sign of one of them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from massgap.physical_constants import (
    PION_MASS,
    PYTHIA_W_LINE_WIDTH,
    PYTHIA_W_MASS,
    PYTHIA_Z_LINE_WIDTH,
    PYTHIA_Z_MASS,
    RHO_MASS,
    RHO_WIDTH,
)
from massgap.samples.errors import GenerationError
from massgap.samples.record import nearest_ancestor

if TYPE_CHECKING:
    from massgap.samples.record import Record

LSP, N2, C1 = 1000022, 1000023, 1000024
#: Mass and width (GeV) of the bosons, as in Pythia.
BOSONS = {23: (PYTHIA_Z_MASS, PYTHIA_Z_LINE_WIDTH), 24: (PYTHIA_W_MASS, PYTHIA_W_LINE_WIDTH)}
#: From this mass gap (GeV) on, the decay is one to a boson of reduced mass; below, one to three bodies.
TWO_BODY_FROM = 30.0
#: Lowest mass (GeV) of the boson there.
BOSON_MASS_MIN = 1.0
_FERMIONS = (1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16)
_NODES = 200


def kallen(a: np.ndarray | float, b: np.ndarray | float, c: np.ndarray | float) -> np.ndarray:
    """Square root of the triangle function of three squared masses, 0 where it is negative."""
    return np.sqrt(np.maximum((np.asarray(a) - b - c) ** 2 - 4.0 * np.asarray(b) * c, 0.0))


def current(parent: int, sign: int) -> float:
    """Eta of the matrix element of N2 -> N1 Z* or C1 -> N1 W*: 1 for a vector current, -1 for an axial one.

    Raises
    ------
    GenerationError
        If the sign is not 1 or -1.
    """
    if sign not in (1, -1):
        msg = f"sign is that of the product of the two neutralino masses, 1 or -1, not {sign!r}"
        raise GenerationError(msg)
    return float(-sign if parent == N2 else sign)


def propagator(q2: np.ndarray, boson: int) -> np.ndarray:
    """Square of the propagator (GeV^-4) of a Z (23) or W (24)."""
    mass, width = BOSONS[boson]
    return 1.0 / ((q2 - mass**2) ** 2 + (mass * width) ** 2)


def form_factor(q2: np.ndarray) -> np.ndarray:
    """Square of the pion form factor: a rho whose width follows its phase space."""
    k = np.sqrt(np.maximum(q2 / 4.0 - PION_MASS**2, 0.0))
    k_rho = math.sqrt(RHO_MASS**2 / 4.0 - PION_MASS**2)
    width = RHO_WIDTH * (k / k_rho) ** 3 * RHO_MASS / np.sqrt(np.maximum(q2, 1e-12))
    return RHO_MASS**4 / ((q2 - RHO_MASS**2) ** 2 + (RHO_MASS * width) ** 2)


def element(
    pk: np.ndarray,
    pl: np.ndarray,
    p1k: np.ndarray,
    p1l: np.ndarray,
    kl: np.ndarray,
    masses: tuple[float, float, float, float],
    eta: float,
    *,
    pions: bool = False,
) -> np.ndarray:
    """Matrix element squared without the propagator, from the products of momenta (GeV^2).

    ``pk`` is that of the wino and the first fermion, ``p1l`` of the bino and the second, and so on; ``masses`` those
    of wino, bino, first and second fermion. With ``pions``, the two are pions from a vector current.
    """
    m2, m1, mk, ml = masses
    if not pions:
        return np.asarray(2.0 * (pk * p1l + pl * p1k) - 2.0 * eta * m2 * m1 * kl)
    pp1 = p1k + p1l + m1**2  # p = p' + k + k'
    j2 = mk**2 + ml**2 - 2.0 * kl
    found = 2.0 * (pk - pl) * (p1k - p1l) - j2 * (pp1 - eta * m2 * m1)
    return np.asarray(found * form_factor(mk**2 + ml**2 + 2.0 * kl))


@lru_cache(maxsize=4096)
def rate(
    masses: tuple[float, float, float, float],
    eta: float,
    boson: int,
    *,
    pions: bool = False,
    sampled: str = "",
) -> float:
    """Integral of the matrix element over the three-body phase space, GeV^4 up to constants.

    Parameters
    ----------
    masses : tuple
        Wino, bino and the two fermions (GeV).
    eta : float
        See :func:`current`.
    boson : {23, 24}
        Z or W.
    pions : bool
        The two are pions.
    sampled : {"", "space", "boson"}
        Return the mean of the event weight instead, over what Pythia samples: the three-body phase space, or a boson
        of reduced mass.
    """
    m2, m1, mk, ml = masses
    low = BOSON_MASS_MIN**2 if sampled == "boson" else (mk + ml) ** 2
    high = (m2 - m1) ** 2
    if high <= low:
        return 0.0
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    if sampled == "boson":
        # even in the phase of the resonance, where the weight is
        mass, width = BOSONS[boson]
        phase = np.arctan((np.array([low, high]) - mass**2) / (mass * width))
        angle = phase[0] + 0.5 * (nodes + 1.0) * (phase[1] - phase[0])
        q2 = mass**2 + mass * width * np.tan(angle)
        step = 0.5 * weights * (phase[1] - phase[0]) * mass * width / np.cos(angle) ** 2
    else:
        # square roots at both ends
        q2 = low + (high - low) * np.sin(0.25 * math.pi * (nodes + 1.0)) ** 2
        step = weights * 0.25 * math.pi * (high - low) * np.sin(0.5 * math.pi * (nodes + 1.0))
    mean = _mean_over_angles(q2, masses, eta, pions=pions)
    outer = kallen(m2**2, m1**2, q2)
    if sampled == "boson":
        density = outer * propagator(q2, boson) / _boson_factor(q2, m2 - m1, boson)
        weight = mean * _boson_factor(q2, m2 - m1, boson)
    else:
        density = outer * kallen(q2, mk**2, ml**2) / q2
        weight = mean * propagator(q2, boson)
    total = float(step @ (density * weight))
    return total / float(step @ density) if sampled else total


def pion_rate(m2: float, m1: float, m_pion: float, eta: float, boson: int) -> float:
    """The same for one pion, per square of its decay constant (0.0922 GeV): GeV^4 up to the same constants."""
    if m2 <= m1 + m_pion:
        return 0.0
    q2 = m_pion**2
    pq, p1q, pp1 = (m2**2 + q2 - m1**2) / 2, (m2**2 - m1**2 - q2) / 2, (m2**2 + m1**2 - q2) / 2
    found = 2 * pq * p1q - q2 * (pp1 - eta * m2 * m1)
    outer = float(kallen(m2**2, m1**2, q2))
    # one particle instead of two: phase space without d(q^2) / 16 pi^2
    return 16 * math.pi**2 * outer * found * float(propagator(np.array([q2]), boson)[0])


def _boson_factor(q2: np.ndarray, gap: float, boson: int) -> np.ndarray:
    """Propagator over Pythia's density of a boson's q^2 (beside phase space), found by comparison with its decays.

    A boson that can be on its mass shell follows a line whose width grows with its mass, another one a plain line.
    """
    return np.asarray(1.0 / q2 if gap > BOSONS[boson][0] else np.ones_like(q2))


def _mean_over_angles(
    q2: np.ndarray, masses: tuple[float, float, float, float], eta: float, *, pions: bool
) -> np.ndarray:
    """Mean of the matrix element over the direction of the fermions in their rest frame."""
    m2, m1, mk, ml = masses
    cos, weights = np.polynomial.legendre.leggauss(4)  # exact: a polynomial of second degree
    q = np.sqrt(q2)[:, None]
    energy, energy1 = (m2**2 + q**2 - m1**2) / (2 * q), (m2**2 - m1**2 - q**2) / (2 * q)
    along = kallen(m2**2, m1**2, q**2) / (2 * q)
    ek, el = (q**2 + mk**2 - ml**2) / (2 * q), (q**2 + ml**2 - mk**2) / (2 * q)
    kk = kallen(q**2, mk**2, ml**2) / (2 * q) * cos
    found = element(
        energy * ek - along * kk,
        energy * el + along * kk,
        energy1 * ek - along * kk,
        energy1 * el + along * kk,
        (q**2 - mk**2 - ml**2) / 2 + 0.0 * kk,
        masses,
        eta,
        pions=pions,
    )
    return np.asarray(0.5 * found @ weights)


def offshell_weights(record: Record, sign: int = 1) -> np.ndarray:
    """Weights (n_events,) that give N2 -> N1 Z* and C1 -> N1 W* their matrix elements.

    The mean over Pythia's decays is 1 in every channel, so that cross section and branching ratios stay. Decays to pions
    and through sleptons have weight 1, as have events without such a decay. The mean over *selected* events is not 1:
    an efficiency is the sum of weights of the events that pass over the number of events tried.

    Parameters
    ----------
    record : Record
        Complete events, as generated from ``electroweakino_slha`` of the model WZ.
    sign : {1, -1}
        Of the product of the two neutralino masses.

    Raises
    ------
    GenerationError
        If a decay has other than two fermions beside the bino, or the sign is not 1 or -1.
    """
    weights = np.ones(record.n_events)
    kind = np.abs(record.pdg)
    parent_kind = np.where(record.mother >= 0, kind[record.mother], 0)
    for parent, boson in ((N2, 23), (C1, 24)):
        eta = current(parent, sign)
        rows = np.flatnonzero(np.isin(kind, _FERMIONS) & np.isin(parent_kind, (parent, boson)))
        owner = record.mother[rows].copy()
        via = kind[owner] == boson
        owner[via] = nearest_ancestor(record, rows[via], kind == parent)
        rows, owner, via = rows[owner >= 0], owner[owner >= 0], via[owner >= 0]
        order = np.argsort(owner, kind="stable")
        rows, owner, via = rows[order], owner[order], via[order]
        decays, first, counts = np.unique(owner, return_index=True, return_counts=True)
        lsp = np.full(len(record.pdg), -1)
        born = np.flatnonzero((kind == LSP) & (parent_kind == parent))
        lsp[record.mother[born]] = born
        # decays through sleptons have one fermion and no bino
        direct = lsp[decays] >= 0
        if np.any(counts[direct] != 2):
            msg = f"decays of {parent} that are not those of the model WZ: offshell weights do not apply"
            raise GenerationError(msg)
        one, two = rows[first[direct]], rows[first[direct] + 1]
        found = _weights_of_pairs(
            record, decays[direct], lsp[decays[direct]], one, two, via[first[direct]], eta, boson
        )
        np.multiply.at(weights, record.event[one], found)
    return weights


def _weights_of_pairs(
    record: Record,
    parent: np.ndarray,
    lsp: np.ndarray,
    one: np.ndarray,
    two: np.ndarray,
    via: np.ndarray,
    eta: float,
    boson: int,
) -> np.ndarray:
    def momentum(rows: np.ndarray) -> np.ndarray:
        return np.stack([getattr(record, name)[rows] for name in ("energy", "px", "py", "pz")], axis=1)

    def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(a[:, 0] * b[:, 0] - (a[:, 1:] * b[:, 1:]).sum(axis=1))

    p1, k, kl = momentum(lsp), momentum(one), momentum(two)
    p = p1 + k + kl
    products = (dot(p, k), dot(p, kl), dot(p1, k), dot(p1, kl), dot(k, kl))
    kinds = np.stack([np.abs(record.pdg[one]), np.abs(record.pdg[two]), via], axis=1)
    found = np.ones(len(one))
    for a, b, through in np.unique(kinds, axis=0).tolist():
        own = (kinds == (a, b, through)).all(axis=1)
        sample = np.flatnonzero(own)[0]
        heavy = (float(record.mass[parent[sample]]), float(record.mass[lsp[sample]]))
        light = (float(record.mass[one[sample]]), float(record.mass[two[sample]]))
        # a tenth of an MeV: lines of new particles are narrow but have a width
        masses = (round(heavy[0], 4), round(heavy[1], 4), round(light[0], 6), round(light[1], 6))
        pk, pl, p1k, p1l, both = (product[own] for product in products)
        value = element(pk, pl, p1k, p1l, both, masses, eta)
        q2 = 2.0 * both + light[0] ** 2 + light[1] ** 2
        if through:
            # thresholds are Pythia's business here: the fermions count as massless in the mean
            mean = rate((*masses[:2], 0.0, 0.0), eta, boson, sampled="boson")
            factor = _boson_factor(q2, masses[0] - masses[1], boson)
            found[own] = value * factor / mean
        else:
            mean = rate(masses, eta, boson, sampled="space")
            found[own] = value * propagator(q2, boson) / mean
    return np.maximum(found, 0.0)
