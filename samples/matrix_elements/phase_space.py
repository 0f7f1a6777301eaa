"""Phase space of two jets and a pair of equal masses, from ten numbers between 0 and 1.

All cuts on the jets and the limits of the partons' momenta are in the mapping, so that every point counts.  The azimuth of the whole
event is free and left out: it is drawn for accepted events.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.samples.errors import GenerationError

__all__ = ["N_NUMBERS", "JetCuts", "check_cuts", "jet_pair_point"]

N_NUMBERS = 10
#: fb per GeV^-2.
_FB = 0.3893793721e12


class JetCuts(NamedTuple):
    """Cuts on the two jets at the level of partons.

    Parameters
    ----------
    pt
        Smallest transverse momentum of each, GeV.
    eta
        Largest abs(eta) of each.
    deta
        Smallest distance in eta.
    mass
        Smallest mass of the two, GeV.
    opposite
        Whether they must lie in opposite hemispheres.

    Examples
    --------
    >>> JetCuts(mass=300.0).deta
    2.5
    """

    pt: float = 20.0
    eta: float = 5.0
    deta: float = 2.5
    mass: float = 200.0
    opposite: bool = False


def check_cuts(cuts: JetCuts, m: float, sqrt_s: float) -> JetCuts:
    """The same cuts as plain numbers, if they leave anything.

    Raises
    ------
    GenerationError
        If a cut is impossible, or a pair of mass ``m`` (GeV) with two jets is out of reach.
    """
    pt, eta, deta, mass = (float(value) for value in cuts[:4])
    if not (
        pt >= 5.0 and math.isfinite(pt) and 0.0 < eta <= 10.0 and 0.0 <= deta < 2.0 * eta and mass >= 0.0
    ):
        msg = (
            f"cuts on jets of pt > {pt:g} GeV, |eta| < {eta:g}, |deta| > {deta:g}, m_jj > {mass:g} GeV: pt must be 5 GeV at least "
            "(massless exchange has no total rate), eta up to 10, and deta below twice eta"
        )
        raise GenerationError(msg)
    if 2.0 * m + max(2.0 * pt, mass) >= 0.95 * sqrt_s:
        msg = f"a pair of {2 * m:g} GeV with two jets of this kind is out of reach at {sqrt_s / 1e3:g} TeV (--energy)"
        raise GenerationError(msg)
    return JetCuts(pt, eta, deta, mass, bool(cuts.opposite))


@compiled
def _scaled(low: float, high: float, u: float) -> tuple[float, float]:
    """A number between two limits, flat in its logarithm, and its density's inverse."""
    span = math.log(high / low)
    value = low * math.exp(span * u)
    return value, value * span


@compiled
def _jets(u: Any, sqrt_s: float, cuts: JetCuts) -> tuple[float, float, float, float, float, float]:
    """Jacobian (0 where the cuts leave nothing), pT and eta of both jets, and the azimuth between them."""
    deta = cuts.deta + (2.0 * cuts.eta - cuts.deta) * u[0]
    half = cuts.eta - 0.5 * deta
    if cuts.opposite:
        half = min(half, 0.5 * deta)
    mean = half * (2.0 * u[1] - 1.0)
    sign = 1.0 if u[9] < 0.5 else -1.0
    eta3, eta4 = mean + 0.5 * sign * deta, mean - 0.5 * sign * deta
    phi = 2.0 * math.pi * u[2]
    jacobian = 2.0 * (2.0 * cuts.eta - cuts.deta) * 2.0 * half * 2.0 * math.pi

    high = 0.5 * sqrt_s / math.cosh(min(abs(eta3), abs(eta4)))
    if high <= cuts.pt:
        return 0.0, cuts.pt, eta3, cuts.pt, eta4, phi
    pt3, density = _scaled(cuts.pt, high, u[3])
    jacobian *= density
    angle = 2.0 * (math.cosh(deta) - math.cos(phi))
    low = max(cuts.pt, cuts.mass * cuts.mass / (pt3 * angle))
    if low >= high:
        return 0.0, pt3, eta3, cuts.pt, eta4, phi
    pt4, density = _scaled(low, high, u[4])
    jacobian *= density
    return jacobian, pt3, eta3, pt4, eta4, phi


@compiled
def _decayed(pair: Any, mass: float, beta: float, u_cosine: float, u_azimuth: float, p: Any) -> None:
    """Momenta of the two particles of a pair: direction in its rest frame, then the boost; rows 4 and 5 of p."""
    cosine, azimuth = 2.0 * u_cosine - 1.0, 2.0 * math.pi * u_azimuth
    k, sine = 0.5 * mass * beta, math.sqrt(max(1.0 - cosine * cosine, 0.0))
    rest = (0.5 * mass, k * sine * math.cos(azimuth), k * sine * math.sin(azimuth), k * cosine)
    along = rest[1] * pair[1] + rest[2] * pair[2] + rest[3] * pair[3]
    p[4, 0] = (pair[0] * rest[0] + along) / mass
    push = (rest[0] + p[4, 0]) / (pair[0] + mass)
    for i in range(1, 4):
        p[4, i] = rest[i] + push * pair[i]
    for i in range(4):
        p[5, i] = pair[i] - p[4, i]


@compiled
def jet_pair_point(
    u: Any, m: float, sqrt_s: float, cuts: JetCuts, p: Any
) -> tuple[float, float, float, float]:
    """Momenta of an event, its weight, the partons' momentum fractions and a scale.

    Parameters
    ----------
    u
        Ten numbers: 0 distance in eta, 1 mean eta, 2 azimuth between the jets, 3 and 4 transverse momenta, 5 mass and 6 rapidity of
        the pair, 7 and 8 direction of k1 in its rest frame, 9 which hemisphere the jet of parton 1 is in.
    m, sqrt_s, cuts
        Mass of the pair's particles, energy (GeV), cuts on the jets.
    p
        Where the momenta p1, p2, p3, p4, k1, k2 go, shape (6, 4).

    Returns
    -------
    weight
        Jacobian, flux and average over four helicities, fb GeV^4 (times squared amplitude and parton densities); 0 where there is
        no event.
    x1, x2
        Momentum fractions.
    scale
        Half the sum of transverse masses, GeV.
    """
    s = sqrt_s * sqrt_s
    jacobian, pt3, eta3, pt4, eta4, phi = _jets(u, sqrt_s, cuts)
    if jacobian <= 0.0:
        return 0.0, 0.0, 0.0, 0.0

    mass, density = _scaled(2.0 * m, sqrt_s, u[5])
    jacobian *= density
    x3, x4, y4 = pt3, pt4 * math.cos(phi), pt4 * math.sin(phi)
    kx, ky = -(x3 + x4), -y4
    mt = math.sqrt(mass * mass + kx * kx + ky * ky)
    plus = sqrt_s - pt3 * math.exp(eta3) - pt4 * math.exp(eta4)
    minus = sqrt_s - pt3 * math.exp(-eta3) - pt4 * math.exp(-eta4)
    if plus <= 0.0 or minus <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    y_high, y_low = math.log(plus / mt), -math.log(minus / mt)
    if y_high <= y_low:
        return 0.0, 0.0, 0.0, 0.0
    y = y_low + (y_high - y_low) * u[6]
    jacobian *= y_high - y_low

    pair = (mt * math.cosh(y), kx, ky, mt * math.sinh(y))
    beta = math.sqrt(max(1.0 - 4.0 * m * m / (mass * mass), 0.0))
    _decayed(pair, mass, beta, u[7], u[8], p)

    e3, z3 = pt3 * math.cosh(eta3), pt3 * math.sinh(eta3)
    e4, z4 = pt4 * math.cosh(eta4), pt4 * math.sinh(eta4)
    total, z = e3 + e4 + pair[0], z3 + z4 + pair[3]
    x1, x2 = (total + z) / sqrt_s, (total - z) / sqrt_s
    p[:4, :] = 0.0
    p[0, 0] = p[0, 3] = 0.5 * sqrt_s * x1
    p[1, 0] = 0.5 * sqrt_s * x2
    p[1, 3] = -p[1, 0]
    p[2, 0], p[2, 1], p[2, 3] = e3, x3, z3
    p[3, 0], p[3, 1], p[3, 2], p[3, 3] = e4, x4, y4, z4

    # d3p / 2E = pT dpT deta dphi / 2 of both jets, of the pair with its transverse momentum given, dM2, two-body phase space of
    # the pair over all directions; the azimuth of jet 3 is free, and dx1 dx2 delta(E) delta(z) = 2 / s
    two_pi = 2.0 * math.pi
    jets = 0.25 * pt3 * pt4 * two_pi / two_pi**6
    measure = jets * 0.5 / two_pi**3 * 2.0 * mass / two_pi * beta / (8.0 * math.pi) * two_pi**4 * 2.0 / s
    flux = 1.0 / (2.0 * x1 * x2 * s)
    ht = pt3 + pt4
    for i in range(4, 6):
        ht += math.sqrt(m * m + p[i, 1] * p[i, 1] + p[i, 2] * p[i, 2])
    return jacobian * measure * flux * 0.25 * _FB, x1, x2, 0.5 * ht
