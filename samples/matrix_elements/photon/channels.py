r"""Phase space of two or four leptons and a photon, in channels: the photon comes from the production, or off one of two leptons.

Each channel samples the peaks of its diagrams, and integrates the share of the squared amplitude that its propagators have among those of all
(F. Maltoni and T. Stelzer, JHEP 02 (2003) 027): the sum is the whole, whatever the shares are.

Momenta are in the frame of the partons' centre of mass; rows of ``p`` are p1, p2, a, b, c, d, k as in
:mod:`massgap.samples.matrix_elements.photon.amplitudes`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.physical_constants import W_MASS, W_WIDTH, Z_MASS, Z_WIDTH

__all__ = ["CHARGED", "NEUTRAL", "N_CHANNELS", "PAIR", "PhotonCuts", "channel_share", "phase_space_point"]

CHARGED, NEUTRAL, PAIR = 0, 1, 2
"""Final states."""
N_CHANNELS = 3
_W, _W_LINE, _Z, _Z_LINE = W_MASS, W_MASS * W_WIDTH, Z_MASS, Z_MASS * Z_WIDTH
_LEAST_PAIR = 25.0
"""Squared mass from which on a pair with a neutrino is sampled, GeV^2."""


class PhotonCuts(NamedTuple):
    """What events are generated within: pT of muons and photon (GeV), pseudorapidity, distance of photon and muons, dimuon mass (GeV).

    Resolution moves momenta afterwards, but no directions.
    """

    muon_pt: float = 8.0
    photon_pt: float = 4.0
    eta: float = 2.5
    distance: float = 0.4
    m_low: float = 13.0
    m_high: float = 70.0


@compiled
def _line(u: float, low: float, high: float, mass: float, line: float) -> Any:
    """Squared mass along a resonance, and ds / du."""
    first, last = math.atan((low - mass * mass) / line), math.atan((high - mass * mass) / line)
    s = mass * mass + line * math.tan(first + u * (last - first))
    s = min(max(s, low), high)
    return s, (last - first) * ((s - mass * mass) ** 2 + line * line) / line


@compiled
def _log(u: float, low: float, high: float) -> Any:
    """Squared mass even in its logarithm, and ds / du."""
    s = low * (high / low) ** u
    return s, s * math.log(high / low)


@compiled
def _line_or_log(u: float, low: float, high: float) -> Any:
    """Half along the Z, half even in the logarithm."""
    if u < 0.5:
        s, first = _line(2.0 * u, low, high, _Z, _Z_LINE)
        second = s * math.log(high / low)
    else:
        s, second = _log(2.0 * u - 1.0, low, high)
        span = math.atan((high - _Z * _Z) / _Z_LINE) - math.atan((low - _Z * _Z) / _Z_LINE)
        first = span * ((s - _Z * _Z) ** 2 + _Z_LINE * _Z_LINE) / _Z_LINE
    return s, 1.0 / (0.5 / first + 0.5 / second)


@compiled
def _decay(parent: Any, s: float, s1: float, s2: float, u: float, v: float) -> Any:
    r"""Two bodies, the angle of the first to the parent's flight even in u; their phase space is :math:`|p| / (4 \pi \sqrt{s})`."""
    mass = math.sqrt(s)
    product = (s - s1 - s2) ** 2 - 4.0 * s1 * s2
    if not product > 0.0:
        return parent, parent, 0.0
    momentum = 0.5 * math.sqrt(product) / mass
    energy = 0.5 * (s + s1 - s2) / mass
    c, phi = 2.0 * u - 1.0, 2.0 * math.pi * v
    across = momentum * math.sqrt((1.0 - c) * (1.0 + c))
    size = math.sqrt(parent[1] ** 2 + parent[2] ** 2 + parent[3] ** 2)
    nx, ny, nz = (
        (parent[1] / size, parent[2] / size, parent[3] / size) if size > 1e-9 * mass else (0.0, 0.0, 1.0)
    )
    e = (parent[0] * energy + size * momentum * c) / mass
    along = (parent[0] * momentum * c + size * energy) / mass
    # two directions across: e1 = (n x z) / |n x z|, e2 = n x e1
    flat = math.hypot(nx, ny)
    ax, ay = (ny / flat, -nx / flat) if flat > 1e-9 else (1.0, 0.0)
    bx, by, bz = -nz * ay, nz * ax, nx * ay - ny * ax
    x, y = across * math.cos(phi), across * math.sin(phi)
    first = (e, along * nx + x * ax + y * bx, along * ny + x * ay + y * by, along * nz + y * bz)
    second = (parent[0] - first[0], parent[1] - first[1], parent[2] - first[2], parent[3] - first[3])
    return first, second, momentum / (4.0 * math.pi * mass)


@compiled
def _put(p: Any, i: int, momentum: Any) -> None:
    p[i, 0], p[i, 1], p[i, 2], p[i, 3] = momentum


@compiled
def _photon_first(u: Any, final: int, sqrt_s: float, cuts: PhotonCuts) -> Any:
    """Squared mass of all but the photon, the photon, squared mass of all, and the weight of all this."""
    low = cuts.m_low**2
    high = (sqrt_s - 2.0 * cuts.photon_pt) ** 2
    if final == PAIR:
        rest, weight = _line_or_log(u[0], low, high)
    else:
        rest, weight = _log(u[0], 4.0 * low, high)
    most = 0.5 * sqrt_s
    pt = cuts.photon_pt * (most / cuts.photon_pt) ** u[4]
    weight *= pt * pt * math.log(most / cuts.photon_pt) / (2.0 * (2.0 * math.pi) ** 2)
    # eta of the photon in this frame, within what its energy allows
    widest = math.acosh(most / pt)
    eta = widest * (2.0 * u[5] - 1.0)
    weight *= 2.0 * widest
    energy = pt * math.cosh(eta)
    root = energy + math.sqrt(energy * energy + rest)
    weight /= 1.0 - energy / root
    return rest, (energy, pt, 0.0, pt * math.sinh(eta)), root * root, weight


@compiled
def _masses(u: Any, final: int, rest: float, cuts: PhotonCuts) -> Any:
    """Squared masses of both pairs within what is left, and their weight with the factor 1 / (2 pi)^2."""
    root = math.sqrt(rest)
    if final == CHARGED:
        if root <= 2.0 * math.sqrt(_LEAST_PAIR):
            return 0.0, 0.0, 0.0
        s1, w1 = _line(u[2], _LEAST_PAIR, (root - math.sqrt(_LEAST_PAIR)) ** 2, _W, _W_LINE)
        s2, w2 = _line(u[3], _LEAST_PAIR, (root - math.sqrt(s1)) ** 2, _W, _W_LINE)
    else:
        if root <= cuts.m_low + 1.0:
            return 0.0, 0.0, 0.0
        s1, w1 = _log(u[2], cuts.m_low**2, min(cuts.m_high, root - 1.0) ** 2)
        s2, w2 = _line(u[3], 1e-6 * rest, (root - math.sqrt(s1)) ** 2, _Z, _Z_LINE)
    return s1, s2, w1 * w2 / (2.0 * math.pi) ** 2


@compiled
def _from_production(u: Any, final: int, sqrt_s: float, cuts: PhotonCuts, p: Any) -> Any:
    rest, photon, s, weight = _photon_first(u, final, sqrt_s, cuts)
    root = math.sqrt(s)
    system = (root - photon[0], -photon[1], -photon[2], -photon[3])
    _put(p, 6, photon)
    if final == PAIR:
        a, b, w = _decay(system, rest, 0.0, 0.0, u[8], u[9])
        _put(p, 2, a)
        _put(p, 3, b)
        return s, weight * w
    s1, s2, w = _masses(u, final, rest, cuts)
    if not w > 0.0:
        return s, 0.0
    first, second, w1 = _decay(system, rest, s1, s2, u[6], u[7])
    a, b, w2 = _decay(first, s1, 0.0, 0.0, u[8], u[9])
    c, d, w3 = _decay(second, s2, 0.0, 0.0, u[10], u[11])
    _put(p, 2, a)
    _put(p, 3, b)
    _put(p, 4, c)
    _put(p, 5, d)
    return s, weight * w * w1 * w2 * w3


@compiled
def _radiating(u: Any, final: int, sqrt_s: float, cuts: PhotonCuts) -> Any:
    """Squared masses of all, of the pair that radiates with its photon, of the other; and the weight."""
    low = cuts.m_low**2
    if final == PAIR:
        s, weight = _line_or_log(u[0], low, sqrt_s**2)
        return s, s, 0.0, weight
    s, weight = _log(u[0], 4.0 * low, sqrt_s**2)
    root = math.sqrt(s)
    if final == CHARGED:
        s1, w1 = _line(u[2], _LEAST_PAIR, (root - math.sqrt(_LEAST_PAIR)) ** 2, _W, _W_LINE)
        s2, w2 = _line(u[3], _LEAST_PAIR, (root - math.sqrt(s1)) ** 2, _W, _W_LINE)
    else:
        s1, w1 = _line_or_log(u[2], low, (root - 1.0) ** 2)
        s2, w2 = _line(u[3], 1e-6 * s, (root - math.sqrt(s1)) ** 2, _Z, _Z_LINE)
    return s, s1, s2, weight * w1 * w2 / (2.0 * math.pi) ** 2


@compiled
def _from_lepton(u: Any, final: int, channel: int, sqrt_s: float, cuts: PhotonCuts, p: Any) -> Any:
    s, s1, s2, weight = _radiating(u, final, sqrt_s, cuts)
    root = math.sqrt(s)
    system = (root, 0.0, 0.0, 0.0)
    # which lepton, its partner, and the other pair
    lepton, partner, third, fourth = 3, 2, 4, 5
    if channel == 2:
        lepton, partner, third, fourth = (4, 5, 2, 3) if final == CHARGED else (2, 3, 4, 5)
    w1 = 1.0
    first, second = system, system
    if final != PAIR:
        first, second, w1 = _decay(system, s, s1, s2, u[6], u[7])
        if not w1 > 0.0:
            return s, 0.0
        c, d, w = _decay(second, s2, 0.0, 0.0, u[10], u[11])
        w1 *= w
        _put(p, third, c)
        _put(p, fourth, d)
    least = 0.95 * cuts.distance**2 * cuts.photon_pt * cuts.muon_pt
    if s1 <= least:
        return s, 0.0
    squared, w2 = _log(u[4], least, s1)
    with_photon, alone, w3 = _decay(first, s1, squared, 0.0, u[8], u[9])
    if not w3 > 0.0:
        return s, 0.0
    # the photon is soft at one end
    photon, lit, w4 = _decay(with_photon, squared, 0.0, 0.0, u[5], u[12])
    _put(p, lepton, lit)
    _put(p, partner, alone)
    _put(p, 6, photon)
    return s, weight * w1 * w2 * w3 * w4 / (2.0 * math.pi)


@compiled
def phase_space_point(u: Any, final: int, channel: int, sqrt_s: float, cuts: PhotonCuts, p: Any) -> Any:
    """A point from 13 numbers between 0 and 1: squared mass of all, and the volume of phase space times d s per volume of the numbers.

    Parameters
    ----------
    u
        Numbers, shape (13,) or more.
    final, channel
        Final state, and channel: 0 photon from the production, 1 and 2 off leptons.
    sqrt_s
        Of the protons, GeV.
    cuts
        On the events.
    p
        Rows a to k of this are filled, shape (7, 4).

    Returns
    -------
    s, weight : float
        GeV^2; 0 where there is no such event.
    """
    if channel == 0:
        return _from_production(u, final, sqrt_s, cuts, p)
    return _from_lepton(u, final, channel, sqrt_s, cuts, p)


@compiled
def _product(p: Any, i: int, j: int) -> float:
    return p[i, 0] * p[j, 0] - p[i, 1] * p[j, 1] - p[i, 2] * p[j, 2] - p[i, 3] * p[j, 3]


@compiled
def _propagator(s: float, final: int) -> float:
    """Squared propagators of the pair that has a charged lepton."""
    if final == CHARGED:
        return 1.0 / ((s - _W * _W) ** 2 + _W_LINE**2)
    return 1.0 / (s * s) + 1.0 / ((s - _Z * _Z) ** 2 + _Z_LINE**2)


@compiled
def channel_share(p: Any, final: int, channel: int) -> float:
    """Share of a channel at a point."""
    s1, s1g = 2.0 * _product(p, 2, 3), 2.0 * (_product(p, 2, 3) + _product(p, 2, 6) + _product(p, 3, 6))
    first = _propagator(s1, final)
    lit = _propagator(s1g, final)
    second, lit_second = 1.0, 1.0
    if final == CHARGED:
        s2 = 2.0 * _product(p, 4, 5)
        second = _propagator(s2, final)
        lit_second = _propagator(s2 + 2.0 * (_product(p, 4, 6) + _product(p, 5, 6)), final)
    g0 = first * second / (p[6, 1] ** 2 + p[6, 2] ** 2)
    g1 = lit * second / _product(p, 3, 6)
    g2 = first * lit_second / _product(p, 4, 6) if final == CHARGED else lit * second / _product(p, 2, 6)
    total = g0 + g1 + g2
    return (g0 if channel == 0 else g1 if channel == 1 else g2) / total
