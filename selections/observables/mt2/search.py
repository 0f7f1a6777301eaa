r"""M_T2 by touching ellipses: the general method, and a search that cannot fail.

How it is computed.  The splittings q1 with m_T <= M form a convex set (the inside of an ellipse, or of
a parabola for a massless visible system), and so do those for the other leg.  M is reached when the two
sets touch, which convex sets do where their support functions add up: for every unit vector n

    G(n, M) = h1(n, M) + h2(n, M) - n.pmiss >= 0,    h_i(n, M) = max {n.q : m_T(p_i, q) <= M}.

Hence M_T2 is the largest M at which G(n, M) = 0, over all directions n: every direction gives a rigorous
lower bound, and an error in n enters M squared.  With a = n.p, s = sqrt(m^2 + a^2),
D = (M^2 - m^2 - chi^2) / 2 and R = sqrt(D^2 - m^2 chi^2) the support function is

    h = (a D + s R) / m^2 = (R^2 - chi^2 a^2) / (s R - a D)

whose second form has no cancellation for a < 0 and holds for m = 0.  The maximum is the only point where
G and its derivative along the unit circle both vanish, and Newton steps in M^2 and n together find it,
mostly in five.  Where they do not settle a slower search takes over that cannot fail: G is concave and
rising in M^2, so that Newton steps in M^2 alone never overshoot from below, and the directions with G < 0
form one arc that shrinks around the best one, so that the search over n is bracketed throughout.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from massgap.arrays.compiled import compiled

__all__ = ["Leg", "excess", "excess_and_direction", "support"]

Leg: TypeAlias = tuple[float, float, float, float, float]
"""Mass, px, py and trial mass of one leg, and (M_low^2 - (mass + trial mass)^2) / 2."""

# The search ends when the expected gain in M^2 is below this fraction of it.
_TOLERANCE = 1e-14
# ... and of M^2 - M_low^2 below this one, with a step below this fraction of the angle in which the support functions
# change: the expected gain is that of a parabola, which says nothing about directions far away where M^2 is still
# next to M_low^2.
_LOCAL = 1e-4
# Newton steps have settled when the last one changes M^2 - M_low^2 by less than this fraction.
_SETTLED = 1e-12
_MAX_STEPS = 200
# Angle (radians) that directions keep from those in which a massless leg is free.
_EDGE = 1e-14
# Directions nearer than this (radians) are the same.
_ROUNDING = 4e-16
_PARALLEL = 1e-15  # sine of the angle below which two unit vectors are the same up to their rounding


@compiled
def support(ax: float, m: float, chi: float, delta: float) -> tuple[float, float, float, float]:
    """h, e, s, R of one leg: delta = D - m chi, e = sqrt(chi^2 + h^2); h is inf if n.q is not bounded."""
    s = math.sqrt(m * m + ax * ax)
    dd = delta + m * chi
    r = math.sqrt(delta * (delta + 2.0 * m * chi))
    if ax < 0.0:
        t = -chi * ax
        h = (r - t) * (r + t) / (s * r - ax * dd)
        e = (dd * dd + t * t) / (s * dd - ax * r)
    elif m > 0.0:
        h = (ax * dd + s * r) / (m * m)
        e = (s * dd + ax * r) / (m * m)
    else:
        h = math.inf
        e = math.inf
    return h, e, s, r


@compiled
def _gap(
    nx: float, ny: float, delta: float, leg1: Leg, leg2: Leg, px: float, py: float
) -> tuple[float, float, float, float, float]:
    """G, dG/dphi, d2G/dphi2 at G = 0, dG/dDelta, d2G/dphi dDelta; Delta = M^2 - M_low^2."""
    m1, x1, y1, chi1, low1 = leg1
    m2, x2, y2, chi2, low2 = leg2
    a1, a2 = nx * x1 + ny * y1, nx * x2 + ny * y2
    h1, e1, s1, r1 = support(a1, m1, chi1, 0.5 * delta + low1)
    h2, e2, s2, r2 = support(a2, m2, chi2, 0.5 * delta + low2)
    gap = h1 + h2 - (nx * px + ny * py)
    if not gap < math.inf:
        return math.inf, 0.0, 1.0, 1.0, 0.0
    b1, b2 = nx * y1 - ny * x1, nx * y2 - ny * x2
    slope = b1 * e1 / s1 + b2 * e2 / s2 - (nx * py - ny * px)
    curvature = r1 / s1 * (1.0 + (b1 / s1) ** 2) + r2 / s2 * (1.0 + (b2 / s2) ** 2)
    rise = 0.5 * (e1 / r1 + e2 / r2)
    mixed = 0.5 * (h1 * b1 / (s1 * r1) + h2 * b2 / (s2 * r2))
    return gap, slope, curvature, rise, mixed


@compiled
def _half_excess(m: float, qx: float, qy: float, x: float, y: float, chi: float, low: float) -> float:
    """(m_T^2 - M_low^2) / 2 of one leg, with E e - p.q as a sum of positive terms where p.q > 0."""
    dot = x * qx + y * qy
    ee = math.sqrt(m * m + x * x + y * y) * math.sqrt(chi * chi + qx * qx + qy * qy)
    if dot > 0.0:
        cross = x * qy - y * qx
        energy = (
            (m * chi) ** 2 + m * m * (qx * qx + qy * qy) + chi * chi * (x * x + y * y) + cross * cross
        ) / (ee + dot)
    else:
        energy = ee - dot
    return energy - m * chi - low


@compiled
def _between(ux: float, uy: float, vx: float, vy: float) -> tuple[float, float]:
    """The unit vector halfway from u to v, counter-clockwise, for angles up to pi."""
    if ux * vx + uy * vy > 0.0:
        x, y = ux + vx, uy + vy
    else:
        x, y = vy - uy, ux - vx
    norm = math.hypot(x, y)
    return x / norm, y / norm


@compiled
def _direction_at_low(leg1: Leg, leg2: Leg, px: float, py: float) -> tuple[float, float]:
    """What :func:`_first_direction` gives for a massive leg 1."""
    m1, x1, y1, chi1, _ = leg1
    m2, x2, y2, chi2, low2 = leg2
    p2 = math.hypot(x2, y2)
    # At M_low leg 1 leaves one point, q1 = chi1 p1 / m1; n is the gradient of m_T of leg 2 there.
    qx, qy = px - chi1 * x1 / m1, py - chi1 * y1 / m1
    if _half_excess(m2, qx, qy, x2, y2, chi2, low2) <= 0.0:
        return 0.0, 0.0
    if p2 == 0.0:
        nx, ny = qx, qy
    else:
        ux, uy = x2 / p2, y2 / p2
        along, across = ux * qx + uy * qy, ux * qy - uy * qx
        e = math.sqrt(chi2 * chi2 + qx * qx + qy * qy)
        energy = math.hypot(m2, p2)
        if along > 0.0:
            par = ((m2 * along) ** 2 - p2 * p2 * (chi2 * chi2 + across * across)) / (energy * along + p2 * e)
        else:
            par = energy * along - p2 * e
        perp = energy * across
        nx, ny = ux * par - uy * perp, uy * par + ux * perp
    norm = math.hypot(nx, ny)
    if norm == 0.0:
        return 0.0, 0.0
    return nx / norm, ny / norm


@compiled
def _first_direction(leg1: Leg, leg2: Leg, px: float, py: float) -> tuple[float, float]:
    """A direction n with G < 0 just above M_low, if there is one; leg1 sets M_low. (0, 0): there is none."""
    m1, x1, y1, chi1, _ = leg1
    m2, x2, y2, _, _ = leg2
    p1, p2 = math.hypot(x1, y1), math.hypot(x2, y2)
    if m1 > 0.0:
        return _direction_at_low(leg1, leg2, px, py)
    if m2 > 0.0:
        # Leg 1 is massless: its set comes from infinity, against any n with n.p1 < 0.
        return -x1 / p1, -y1 / p1
    # Both are massless: n.p1 < 0 and n.p2 < 0.
    ux, uy, vx, vy = x1 / p1, y1 / p1, x2 / p2, y2 / p2
    cross = ux * vy - uy * vx
    if abs(cross) < _PARALLEL and ux * vx + uy * vy > 0.0:
        cross = 0.0  # what is left is rounding, and would be divided by below
    if cross == 0.0 and ux * vx + uy * vy < 0.0:
        return 0.0, 0.0
    if cross >= 0.0:
        nx, ny = _between(-ux, -uy, -vx, -vy)
    else:
        nx, ny = _between(-vx, -vy, -ux, -uy)
    if chi1 > 0.0 or nx * px + ny * py > 0.0:
        return nx, ny
    # Trial masses 0: there must be n.pmiss > 0 as well, or pmiss lies between the visible momenta (where
    # "between" includes its edges up to the rounding of pmiss itself).
    length = math.hypot(px, py)
    margin = -_ROUNDING * length
    if cross == 0.0:
        if abs(px * uy - py * ux) <= -margin and px * ux + py * uy >= 0.0:
            return 0.0, 0.0
        nx, ny = px / length - ux, py / length - uy
    else:
        side = math.copysign(1.0, cross)
        if side * (px * vy - py * vx) >= margin and side * (ux * py - uy * px) >= margin:
            return 0.0, 0.0
        share1, share2 = (px * vy - py * vx) / cross, (ux * py - uy * px) / cross
        # n.u = -w1, n.v = -w2 with n.pmiss = -(w1 share1 + w2 share2) > 0.
        w1 = 2.0 * abs(share2) + abs(share1) if share1 < 0.0 else abs(share2)
        w2 = abs(share1) if share1 < 0.0 else 2.0 * abs(share1) + abs(share2)
        if share1 < 0.0 and share2 < 0.0:
            w1, w2 = 1.0, 1.0
        nx, ny = (w2 * uy - w1 * vy) / cross, (w1 * vx - w2 * ux) / cross
    norm = math.hypot(nx, ny)
    if norm == 0.0:
        return 0.0, 0.0
    return nx / norm, ny / norm


@compiled
def _root(
    nx: float, ny: float, delta: float, floor: float, leg1: Leg, leg2: Leg, px: float, py: float
) -> float:
    """The Delta at which G = 0 in one direction, from below: Newton steps on a concave function."""
    for _ in range(_MAX_STEPS):
        gap, _slope, _curvature, rise, _mixed = _gap(nx, ny, delta, leg1, leg2, px, py)
        step = -gap / rise
        if not step > 0.0:
            break
        delta += step
        if step <= min(0.5 * _TOLERANCE * (floor + delta), _LOCAL * delta):
            break
    return delta


@compiled
def _guess(nx: float, ny: float, leg1: Leg, leg2: Leg, px: float, py: float) -> tuple[float, float]:
    """A better direction to start Newton steps from, if both trial masses are zero."""
    m1, x1, y1, chi1, _ = leg1
    m2, x2, y2, chi2, _ = leg2
    cross = x1 * y2 - y1 * x2
    if chi1 > 0.0 or chi2 > 0.0 or cross == 0.0:
        return nx, ny
    share1, share2 = (px * y2 - py * x2) / cross, (x1 * py - y1 * px) / cross
    if share1 > 0.0 and share2 > 0.0:
        # pmiss between the visible momenta: only their masses matter, and the larger share decides.
        if m1 * m1 * share1 > m2 * m2 * share2:
            norm = math.copysign(math.sqrt(x2 * x2 + y2 * y2), cross)
            return y2 / norm, -x2 / norm
        norm = math.copysign(math.sqrt(x1 * x1 + y1 * y1), -cross)
        return y1 / norm, -x1 / norm
    p1, p2 = math.sqrt(x1 * x1 + y1 * y1), math.sqrt(x2 * x2 + y2 * y2)
    bx, by = -(x1 / p1 + x2 / p2), -(y1 / p1 + y2 / p2)
    norm = math.sqrt(bx * bx + by * by)
    if bx * px + by * py > 0.0:
        return bx / norm, by / norm
    return nx, ny


@compiled
def _estimate(nx: float, ny: float, leg1: Leg, leg2: Leg, px: float, py: float) -> float:
    """A lower bound of the root in one direction, near it for light legs: h <= D / (s - a) - s chi^2 / (2 D)."""
    m1, x1, y1, chi1, low1 = leg1
    m2, x2, y2, chi2, low2 = leg2
    a1, a2 = nx * x1 + ny * y1, nx * x2 + ny * y2
    s1, s2 = math.sqrt(m1 * m1 + a1 * a1), math.sqrt(m2 * m2 + a2 * a2)
    rate = 1.0 / (s1 - a1) + 1.0 / (s2 - a2)
    inverse = 2.0 * (s1 * chi1 * chi1 + s2 * chi2 * chi2)
    push = nx * px + ny * py
    root = math.sqrt(push * push + rate * inverse)
    d = 0.5 * (push + root) / rate if push > 0.0 else 0.5 * inverse / (root - push)
    return 2.0 * (d - max(m1 * chi1 + low1, m2 * chi2 + low2))


@compiled
def _newton(
    nx: float, ny: float, delta: float, floor: float, leg1: Leg, leg2: Leg, px: float, py: float
) -> tuple[float, float, float]:
    """Newton steps in Delta and direction together on G = dG/dphi = 0; Delta is 0 if they do not settle.

    There is only one such point, and it is the maximum: the gradient of a support function vanishes only
    where the sets touch.  So whatever the steps settle on is right.
    """
    for _ in range(12):
        gap, slope, curvature, rise, mixed = _gap(nx, ny, delta, leg1, leg2, px, py)
        bend = curvature - gap
        det = bend * rise - mixed * slope
        if not det > 0.0 or not gap < math.inf:
            return 0.0, nx, ny
        turn = (mixed * gap - slope * rise) / det
        step = (slope * slope - bend * gap) / det
        allowed = min(_SETTLED * delta + _TOLERANCE * floor, _LOCAL * delta)
        local = abs(turn) * _finest(nx, ny, leg1, leg2) <= _LOCAL
        if abs(step) <= allowed and slope * slope <= 2.0 * curvature * rise * allowed and local:
            return delta + step, nx, ny
        delta = max(delta + step, 0.1 * delta)
        turn = min(max(turn, -1.0), 1.0)
        nx, ny = nx - turn * ny, ny + turn * nx
        norm = math.sqrt(nx * nx + ny * ny)
        nx, ny = nx / norm, ny / norm
    return 0.0, nx, ny


@compiled
def excess(leg1: Leg, leg2: Leg, px: float, py: float, floor: float) -> float:
    """M_T2^2 - M_low^2 for legs (m, px, py, chi, (M_low^2 - (m + chi)^2) / 2), the first with 0 as last."""
    return excess_and_direction(leg1, leg2, px, py, floor)[0]


@compiled
def excess_and_direction(
    leg1: Leg, leg2: Leg, px: float, py: float, floor: float
) -> tuple[float, float, float]:
    """The same, and the direction in which the ellipses touch; (0, 0) where M_T2 is M_low."""
    nx, ny = _first_direction(leg1, leg2, px, py)
    if nx == 0.0 and ny == 0.0:
        return 0.0, 0.0, 0.0
    gx, gy = _guess(nx, ny, leg1, leg2, px, py)
    delta = _estimate(gx, gy, leg1, leg2, px, py)
    if delta > 0.0:
        quick = _newton(gx, gy, delta, floor, leg1, leg2, px, py)
        if quick[0] > 0.0:
            return quick
    else:
        # From an explicit splitting, an upper bound.
        delta = 2.0 * max(
            _half_excess(leg1[0], 0.5 * px, 0.5 * py, leg1[1], leg1[2], leg1[3], leg1[4]),
            _half_excess(leg2[0], 0.5 * px, 0.5 * py, leg2[1], leg2[2], leg2[3], leg2[4]),
        )
        if not delta > 0.0:
            return 0.0, 0.0, 0.0
    return _search(nx, ny, delta, floor, leg1, leg2, px, py)


@compiled
def _arc(nx: float, ny: float, slope: float, leg1: Leg, leg2: Leg) -> tuple[float, float, float, float]:
    """The arc that holds the best direction, from l to r: half a turn, without what a massless leg leaves free."""
    if slope < 0.0:
        lx, ly, rx, ry = nx, ny, -nx, -ny
    else:
        lx, ly, rx, ry = -nx, -ny, nx, ny
    for leg in (leg1, leg2):
        if leg[0] == 0.0:
            p = math.hypot(leg[1], leg[2])
            ux, uy = leg[1] / p, leg[2] / p
            # Directions with n.u < 0 reach from (-uy, ux) counter-clockwise to (uy, -ux); at the very edges n.u is
            # nothing but rounding.
            ex, ey, fx, fy = uy - _EDGE * ux, -ux - _EDGE * uy, -uy - _EDGE * ux, ux - _EDGE * uy
            if slope < 0.0 and _inside(lx, ly, rx, ry, ex, ey):
                rx, ry = ex, ey
            elif slope >= 0.0 and _inside(lx, ly, rx, ry, fx, fy):
                lx, ly = fx, fy
    return lx, ly, rx, ry


@compiled
def _search(
    nx: float, ny: float, delta: float, floor: float, leg1: Leg, leg2: Leg, px: float, py: float
) -> tuple[float, float, float]:
    """The largest root over all directions, by a search that is bracketed throughout and cannot fail."""
    # Down to a value with G < 0, from which Newton steps climb.
    while _gap(nx, ny, delta, leg1, leg2, px, py)[0] >= 0.0:
        delta *= 0.0625
        if delta < 1e-40:
            return 0.0, 0.0, 0.0
    delta = _root(nx, ny, delta, floor, leg1, leg2, px, py)

    _, slope, curvature, rise, mixed = _gap(nx, ny, delta, leg1, leg2, px, py)
    lx, ly, rx, ry = _arc(nx, ny, slope, leg1, leg2)
    stalled = 0
    for _ in range(_MAX_STEPS):
        gain = slope * slope / (2.0 * curvature * rise)
        effective = curvature - mixed * slope / rise
        turn = -slope / (effective if effective > 0.0 else curvature)
        local = abs(slope) / curvature * _finest(nx, ny, leg1, leg2) <= _LOCAL
        if gain <= _TOLERANCE * (floor + delta) and gain <= _LOCAL * delta and local:
            break
        improved = False
        while True:
            tx, ty = nx - turn * ny, ny + turn * nx
            norm = math.hypot(tx, ty)
            tx, ty = tx / norm, ty / norm
            if stalled > 8 or not _inside(lx, ly, rx, ry, tx, ty):
                tx, ty = _between(lx, ly, rx, ry)
                if not _inside(lx, ly, rx, ry, tx, ty):
                    break
                stalled = 0
            trial = _gap(tx, ty, delta, leg1, leg2, px, py)
            if trial[0] < 0.0:
                improved = True
                break
            # Not better: the best direction lies between this one and the best so far.
            if slope < 0.0:
                rx, ry = tx, ty
            else:
                lx, ly = tx, ty
            turn *= 0.5
        if not improved:
            break
        stalled += 1
        delta = _root(tx, ty, delta, floor, leg1, leg2, px, py)
        nx, ny = tx, ty
        _, slope, curvature, rise, mixed = _gap(nx, ny, delta, leg1, leg2, px, py)
        if slope < 0.0:
            lx, ly = nx, ny
        else:
            rx, ry = nx, ny
    return delta, nx, ny


@compiled
def _finest(nx: float, ny: float, leg1: Leg, leg2: Leg) -> float:
    """1 / angle in which the support functions change."""
    m1, x1, y1, _, _ = leg1
    m2, x2, y2, _, _ = leg2
    a1, a2, b1, b2 = nx * x1 + ny * y1, nx * x2 + ny * y2, nx * y1 - ny * x1, nx * y2 - ny * x2
    return max(1.0, abs(b1) / math.sqrt(m1 * m1 + a1 * a1), abs(b2) / math.sqrt(m2 * m2 + a2 * a2))


@compiled
def _inside(lx: float, ly: float, rx: float, ry: float, x: float, y: float) -> bool:
    """Whether a direction lies strictly between l and r, counter-clockwise, for an arc up to pi."""
    return lx * y - ly * x > 0.0 and x * ry - y * rx > 0.0
