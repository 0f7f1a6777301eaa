r"""M_T2 with masses: Newton steps in M_T2^2 and the direction together.

The equations are those of :mod:`massgap.selections.observables.mt2.search`, written without branches.  The first steps
are in single precision, one in double precision follows, and it is the certificate: G and its derivative
along the unit circle vanish together at one point only, so that steps which have become small have found
it.  The few events of which it is not small are gathered for more steps, and those that do not settle go to
the search.

Here are the steps, and one event; :mod:`massgap.selections.observables.mt2.massive_blocks` has many events.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from massgap.arrays.compiled import compiled, compiled_inline
from massgap.selections.observables.mt2.massless import ratio

__all__ = ["Legs", "massive_value"]

Real: TypeAlias = Any
"""A number in single or double precision; the constants of a function are arguments, to have the same one."""
Legs: TypeAlias = tuple[Real, Real, Real, Real, Real, Real, Real, Real, Real, Real, Real]
"""Mass, px, py and trial mass of leg 1 and of leg 2, px and py of p_miss, and (M_low1^2 - M_low2^2) / 2."""
Numbers: TypeAlias = tuple[Real, Real, Real]
"""0, 1 and 1/2 in the precision of the legs."""

_F0, ONE, _F05, TENTH = (np.float32(v) for v in (0.0, 1.0, 0.5, 0.1))
SINGLE, DOUBLE = (_F0, ONE, _F05), (0.0, 1.0, 0.5)
_SMALL = np.float32(1e-8)

# The last step may change M_T2^2 - M_low^2 by this fraction, and the direction by this fraction of the angle
# in which the support functions change: what remains is the square of it.
_SMALL_STEP = 1e-5
_SMALL_TURN = 3e-4
_SMALL_BOTH = 1e-11
MAX_STEPS = 12
# Steps in single precision, by kind.
SINGLE_STEPS = (4, 1, 2)
# Legs with m^2 below this fraction of p^2 start from the massless solution, with and without trial masses.
_LIGHT, _LIGHT_FREE = 1e-2, 1.0
# A leg with a mass below this fraction of the largest input counts as massless.
_TINY = 1e-30


@compiled_inline
def newton_step_kernel(
    nx: Real,
    ny: Real,
    delta: Real,
    legs: Legs,
    numbers: Numbers,
    merged: bool,
) -> tuple[Real, Real, Real, Real, Real]:
    """Change of Delta, angle to turn the direction by, whether G has a minimum there, the angle in units of the
    finest structure, and what the curvature of G takes off the change of Delta."""
    m1, x1, y1, c1, m2, x2, y2, c2, px, py, low = legs
    zero, one, half = numbers
    a1, a2 = nx * x1 + ny * y1, nx * x2 + ny * y2
    b1, b2 = nx * y1 - ny * x1, nx * y2 - ny * x2
    mc1, mc2 = m1 * c1, m2 * c2
    d1 = half * delta
    d2 = d1 + low
    mm1, mm2 = m1 * m1, m2 * m2
    s1, s2 = np.sqrt(mm1 + a1 * a1), np.sqrt(mm2 + a2 * a2)
    r1, r2 = np.sqrt(d1 * (d1 + mc1 + mc1)), np.sqrt(d2 * (d2 + mc2 + mc2))
    e1, e2 = d1 + mc1, d2 + mc2
    t1, t2 = c1 * abs(a1), c2 * abs(a2)
    sr1, sr2, ad1, ad2 = s1 * r1, s2 * r2, abs(a1) * e1, abs(a2) * e2
    sd1, sd2, ar1, ar2 = s1 * e1, s2 * e2, abs(a1) * r1, abs(a2) * r2
    # h and e as ratios: for n.p < 0 the form without cancellation
    away1, away2 = a1 < zero, a2 < zero
    hu1, hl1 = ((r1 - t1) * (r1 + t1) if away1 else ad1 + sr1), (sr1 + ad1 if away1 else mm1)
    eu1, el1 = (e1 * e1 + t1 * t1 if away1 else sd1 + ar1), (sd1 + ar1 if away1 else mm1)
    hu2, hl2 = ((r2 - t2) * (r2 + t2) if away2 else ad2 + sr2), (sr2 + ad2 if away2 else mm2)
    eu2, el2 = (e2 * e2 + t2 * t2 if away2 else sd2 + ar2), (sd2 + ar2 if away2 else mm2)
    # Divisions take most of the time: in double precision, where this does not underflow, one for both legs.
    k1, k2 = hl1 * el1, hl2 * el2
    both = one / ((k1 * k2) if merged else one)
    i1, i2 = (k2 * both if merged else one / k1), (k1 * both if merged else one / k2)
    h1, h2, u1, u2 = hu1 * el1 * i1, hu2 * el2 * i2, eu1 * hl1 * i1, eu2 * hl2 * i2
    both = one / (sr1 * sr2)
    j1, j2 = sr2 * both, sr1 * both
    is1, is2, ir1, ir2 = r1 * j1, r2 * j2, s1 * j1, s2 * j2
    gap = h1 + h2 - (nx * px + ny * py)
    g1, g2 = b1 * is1, b2 * is2
    slope = g1 * u1 + g2 * u2 - (nx * py - ny * px)
    curvature = r1 * is1 * (one + g1 * g1) + r2 * is2 * (one + g2 * g2)
    rise = half * (u1 * ir1 + u2 * ir2)
    mixed = half * (h1 * g1 * ir1 + h2 * g2 * ir2)
    bend = curvature - gap
    det = bend * rise - mixed * slope
    # Without a minimum in sight: the two directions of the plane one by one
    good = det > zero
    inverse = one / (det if good else curvature * rise)
    turn = ((mixed * gap if good else zero) - slope * rise) * inverse
    step = slope * slope - bend * gap if good else -gap * curvature
    fine = max(one, abs(g1), abs(g2))
    bent = half * bend * turn * turn * bend * inverse
    return step * inverse, turn, det, abs(turn) * fine, bent


@compiled_inline
def moved_kernel(
    nx: Real, ny: Real, delta: Real, step: Real, turn: Real, one: Real, tenth: Real
) -> tuple[Real, Real, Real]:
    new = delta + step
    new = max(tenth * delta, new)
    turn = min(one, turn)
    turn = max(-one, turn)
    x, y = nx - turn * ny, ny + turn * nx
    norm = one / np.sqrt(x * x + y * y)
    return x * norm, y * norm, new


@compiled_inline
def _half_excess(m: Real, x: Real, y: Real, c: Real, qx: Real, qy: Real, low: Real, zero: Real) -> Real:
    """(m_T^2 - M_low^2) / 2 of one leg for the splitting q."""
    dot, cross = x * qx + y * qy, x * qy - y * qx
    pp, qq, mm, cc = x * x + y * y, qx * qx + qy * qy, m * m, c * c
    ee = np.sqrt((mm + pp) * (cc + qq))
    above = mm * cc + mm * qq + cc * pp + cross * cross
    return (above / (ee + dot) if dot > zero else ee - dot) - m * c - low


@compiled_inline
def start_kernel(
    legs: Legs,
    numbers: Numbers,
) -> tuple[Real, Real, Real]:
    """Direction and Delta to start from."""
    m1, x1, y1, c1, m2, x2, y2, c2, px, py, low = legs
    zero, one, half = numbers
    p1, p2 = np.sqrt(x1 * x1 + y1 * y1), np.sqrt(x2 * x2 + y2 * y2)
    share = c1 / m1
    qx, qy = px - share * x1, py - share * y1
    limit = _half_excess(m2, x2, y2, c2, qx, qy, low, zero)
    energy, e = np.sqrt(m2 * m2 + p2 * p2), np.sqrt(c2 * c2 + qx * qx + qy * qy)
    # massive: the gradient of m_T of leg 2 at that splitting; else between the visible momenta, opposite to them
    w1, w2 = one / p1, (zero if m2 > zero else one / p2)
    nx = energy * qx - e * x2 if m1 > zero else -(x1 * w1 + x2 * w2)
    ny = energy * qy - e * y2 if m1 > zero else -(y1 * w1 + y2 * w2)
    norm = one / np.sqrt(nx * nx + ny * ny)
    nx, ny = nx * norm, ny * norm
    estimate = _estimate(nx, ny, legs, numbers)
    hx, hy = half * px, half * py
    upper1 = _half_excess(m1, x1, y1, c1, hx, hy, zero, zero)
    upper2 = _half_excess(m2, x2, y2, c2, hx, hy, low, zero)
    upper = max(upper2, upper1)
    upper = upper if (upper < limit) | (m1 == zero) else limit
    return nx, ny, (estimate if estimate > zero else half * upper)


@compiled_inline
def _estimate(
    nx: Real,
    ny: Real,
    legs: Legs,
    numbers: Numbers,
) -> Real:
    """Lower bound of Delta in one direction, near it for light legs."""
    m1, x1, y1, c1, m2, x2, y2, c2, px, py, low = legs
    zero, one, half = numbers
    a1, a2 = nx * x1 + ny * y1, nx * x2 + ny * y2
    mm1, mm2 = m1 * m1, m2 * m2
    s1, s2 = np.sqrt(mm1 + a1 * a1), np.sqrt(mm2 + a2 * a2)
    far1, far2 = s1 + abs(a1), s2 + abs(a2)
    rate = (one if a1 < zero else far1) / (far1 if a1 < zero else mm1) + (one if a2 < zero else far2) / (
        far2 if a2 < zero else mm2
    )
    inverse = s1 * c1 * c1 + s2 * c2 * c2
    push = nx * px + ny * py
    root = np.sqrt(push * push + (rate + rate) * inverse)
    d = (half * (push + root) if push > zero else inverse) / (rate if push > zero else root - push)
    above1, above2 = m1 * c1, m2 * c2 + low
    d = d - (max(above2, above1))
    return d + d


@compiled_inline
def normalised_kernel(
    m1: float,
    x1: float,
    y1: float,
    m2: float,
    x2: float,
    y2: float,
    px: float,
    py: float,
    c1: float,
    c2: float,
) -> tuple[Legs, float]:
    """The legs in units of the largest input, the one with the larger M_low first; the unit."""
    scale = max(m1, m2, c1, c2)
    scale = max(scale, abs(x1), abs(y1))
    scale = max(scale, abs(x2), abs(y2))
    scale = max(scale, abs(px), abs(py))
    unit = 1.0 / scale
    swap = (m1 + c1 < m2 + c2) | ((m1 + c1 == m2 + c2) & (m1 < m2))
    u1, v1, k1 = (m2 if swap else m1) * unit, (x2 if swap else x1) * unit, (c2 if swap else c1) * unit
    u2, v2, k2 = (m1 if swap else m2) * unit, (x1 if swap else x2) * unit, (c1 if swap else c2) * unit
    w1, w2 = (y2 if swap else y1) * unit, (y1 if swap else y2) * unit
    low1, low2 = u1 + k1, u2 + k2
    legs = (u1, v1, w1, k1, u2, v2, w2, k2, px * unit, py * unit, 0.5 * (low1 - low2) * (low1 + low2))
    return legs, scale


@compiled_inline
def limit_kernel(legs: Legs) -> float:
    """Delta / 2 of leg 2 for the splitting that leaves leg 1 at its minimum; NaN for a massless leg 1."""
    m1, x1, y1, c1, m2, x2, y2, c2, px, py, low = legs
    share = c1 / m1
    limit = _half_excess(m2, x2, y2, c2, px - share * x1, py - share * y1, low, 0.0)
    return limit if m1 > _TINY else math.nan


@compiled_inline
def kind_kernel(legs: Legs) -> float:
    """How an event starts: 1 from the massless solution, 2 likewise but without trial masses, 0 otherwise."""
    m1, x1, y1, c1, m2, x2, y2, c2, _px, _py, _low = legs
    aa, bb = x1 * x1 + y1 * y1, x2 * x2 + y2 * y2
    below = _LIGHT_FREE if c1 == 0.0 else _LIGHT
    light = (c1 == c2) & (m1 * m1 < below * aa) & (m2 * m2 < below * bb)
    return (2.0 if c1 == 0.0 else 1.0) if light else 0.0


@compiled_inline
def light_start_kernel(legs: Legs, numbers: Numbers, w: Real, free: bool) -> tuple[Real, Real, Real]:
    """Direction and Delta from the ratio w of the massless case; free: without trial masses."""
    m1, x1, y1, _, m2, x2, y2, _, px, py, _ = legs
    zero, one, _ = numbers
    aa, bb = x1 * x1 + y1 * y1, x2 * x2 + y2 * y2
    cross = x1 * y2 - y1 * x2
    share1, share2 = px * y2 - py * x2, x1 * py - y1 * px
    share1, share2 = (-share1 if cross < zero else share1), (-share2 if cross < zero else share2)
    swap = share1 < share2
    less, more = (share1 if swap else share2), (share2 if swap else share1)
    # n.p1 : n.p2 as w A : B, where A belongs to the larger share.  Without trial masses and with p_miss between the
    # visible momenta only their masses matter: n is nearly perpendicular to the leg with the smaller share, at m t.
    between = free & (less > zero)
    u = less / more
    u = u + u - one
    root = np.sqrt(aa * bb)
    m = m1 if swap else m2
    t = m * u / np.sqrt(one - u * u + _SMALL)
    across = abs(cross) / np.sqrt(aa if swap else bb)
    larger = across if between else -(w * (bb if swap else aa))
    other = t if between else -root
    n1, n2 = (other if swap else larger), (larger if swap else other)
    nx, ny = n1 * y2 - n2 * y1, n2 * x1 - n1 * x2
    norm = one / np.sqrt(nx * nx + ny * ny)
    norm = -norm if cross < zero else norm
    nx, ny = nx * norm, ny * norm
    delta = _estimate(nx, ny, legs, numbers)
    return nx, ny, delta


@compiled_inline
def rounded_kernel(legs: Legs) -> Legs:
    """The legs in single precision."""
    m1, x1, y1, c1, m2, x2, y2, c2, px, py, low = legs
    f = np.float32
    return f(m1), f(x1), f(y1), f(c1), f(m2), f(x2), f(y2), f(c2), f(px), f(py), f(low)


@compiled_inline
def unit_kernel(nx: float, ny: float) -> tuple[float, float]:
    """A unit vector in single precision made one in double precision."""
    norm = 1.5 - 0.5 * (nx * nx + ny * ny)
    return nx * norm, ny * norm


@compiled_inline
def accepted_kernel(delta: float, step: float, det: float, fine: float) -> bool:
    """Whether a Newton step in double precision was the last one."""
    return (
        (det > 0.0)
        & (abs(step) < _SMALL_STEP * delta)
        & (fine < _SMALL_TURN)
        & (abs(step) * fine < _SMALL_BOTH * delta)
        & (delta > 1e-20)
        & (delta < 1e10)
    )


@compiled_inline
def value_kernel(excess: float, low: float, scale: float, bound: float) -> float:
    """M_T2 from Delta in units of the scale."""
    value = scale * math.sqrt(low * low + excess)
    return bound if (value < bound) | (excess == 0.0) else value


@compiled
def _continued(nx: float, ny: float, delta: float, legs: Legs) -> float:
    """Delta by steps in double precision, NaN where they do not settle."""
    for _ in range(MAX_STEPS):
        step, turn, det, fine, bent = newton_step_kernel(nx, ny, delta, legs, DOUBLE, True)
        if accepted_kernel(delta, step, det, fine):
            found: float = delta + (step - bent)
            return found
        nx, ny, delta = moved_kernel(nx, ny, delta, step, turn, 1.0, 0.1)
    return math.nan


@compiled
def massive_value(
    m1: float, x1: float, y1: float, m2: float, x2: float, y2: float, px: float, py: float, chi1: float, chi2: float
) -> float:  # fmt: skip
    """M_T2 of one event, NaN where the search must decide: operation by operation what massive_block does."""
    bound = max(m1 + chi1, m2 + chi2)
    legs, scale = normalised_kernel(m1, x1, y1, m2, x2, y2, px, py, chi1, chi2)
    smallest = legs[0] + legs[3]
    if limit_kernel(legs) <= 0.0:
        return value_kernel(0.0, smallest, scale, bound)
    kind = kind_kernel(legs)
    single = rounded_kernel(legs)
    if kind > 0.0:
        w = np.float32(ratio(x1, y1, x2, y2, px, py, chi1))
        s_nx, s_ny, s_delta = light_start_kernel(single, SINGLE, w, kind == 2.0)
    else:
        s_nx, s_ny, s_delta = start_kernel(single, SINGLE)
    for _ in range(SINGLE_STEPS[int(kind)]):
        step, turn, _det, _fine, _bent = newton_step_kernel(s_nx, s_ny, s_delta, single, SINGLE, False)
        s_nx, s_ny, s_delta = moved_kernel(s_nx, s_ny, s_delta, step, turn, ONE, TENTH)
    nx, ny = unit_kernel(np.float64(s_nx), np.float64(s_ny))
    excess = _continued(nx, ny, np.float64(s_delta), legs)
    return value_kernel(excess, smallest, scale, bound)
