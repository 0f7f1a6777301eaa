r"""Certified M_T2: a lower and an upper bound with proofs that need no search, and the gradient.

The search finds a direction n and a splitting; whether they are the best is not relied upon.

Upper bound: M_T2 is a minimum over splittings, so that every splitting q1 + q2 = p_miss gives max m_T(p_i, q_i) >= M_T2.

Lower bound: for every vector n and every number u1, with u2 = n.p_miss - u1, a splitting has n.q1 >= u1 or n.q2 >= u2,
as the two sums agree.  In the half plane n.q >= u one leg has, with a = n.p, N = n.n and the momentum across n minimised,

.. math:: m_T^2 \ge m^2 + \chi^2 + 2 \min_{v \ge u} g(v), \quad
          g(v) = \frac{\sqrt{m^2 N + a^2} \sqrt{\chi^2 N + v^2} - a v}{N},

where g is convex with its minimum m chi at v = a chi / m.  So the smaller of the two legs' values is below M_T2.  Where a v > 0
the difference is written as (m^2 chi^2 N + m^2 v^2 + a^2 chi^2) / (sqrt sqrt + a v), a ratio of positive terms.

Both are evaluated with intervals (:mod:`massgap.selections.observables.mt2.intervals`), so that rounding is inside.

Gradient: at the splitting where both legs have M_T2, with forces :math:`c_i = |\partial m_{T,i}^2 / \partial q_i|` that hold each
other's balance, the envelope theorem gives dM_T2^2 = (c_2 dm_{T,1}^2 + c_1 dm_{T,2}^2) / (c_1 + c_2) at fixed q_1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.selections.observables.mt2.intervals import (
    Interval,
    add,
    divide,
    down,
    exact,
    multiply,
    root,
    square,
    subtract,
    up,
)
from massgap.selections.observables.mt2.kernels import touching_kernel
from massgap.selections.observables.mt2.mt2 import refuse_negative_masses
from massgap.selections.observables.mt2.search import support

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["MT2Bounds", "MT2Gradient", "mt2_bounds", "mt2_gradient"]


class MT2Bounds(NamedTuple):
    """Between these M_T2 lies, GeV; of the shape of the inputs."""

    lower: Floats
    upper: Floats


class MT2Gradient(NamedTuple):
    """Derivatives of M_T2 by each input, without unit; of the shape of the inputs."""

    m_vis_1: Floats
    px_vis_1: Floats
    py_vis_1: Floats
    m_vis_2: Floats
    px_vis_2: Floats
    py_vis_2: Floats
    px_miss: Floats
    py_miss: Floats
    m_invis_1: Floats
    m_invis_2: Floats


@compiled
def _least_energy(m: float, x: float, y: float, chi: float, nx: float, ny: float, u: float) -> float:
    """A lower bound of E e - p.q in the half plane n.q >= u."""
    least = max(down(m * chi), 0.0)
    if chi == 0.0 and u < 0.0:
        return least
    n2 = add(square(exact(nx)), square(exact(ny)))
    a = add(multiply(exact(nx), exact(x)), multiply(exact(ny), exact(y)))
    # Where the half plane holds the place of the minimum, the minimum it is.
    if chi > 0.0 and down(u * m) < up(a[1] * chi):
        return least
    mm, cc, aa, uu = square(exact(m)), square(exact(chi)), square(a), square(exact(u))
    both = multiply(root(add(multiply(mm, n2), aa)), root(add(multiply(cc, n2), uu)))
    au = multiply(a, exact(u))
    if au[0] > 0.0:
        terms = add(add(multiply(multiply(mm, cc), n2), multiply(mm, uu)), multiply(aa, cc))
        energy = divide(terms, add(both, au))[0]
    else:
        energy = divide((max(subtract(both, au)[0], 0.0), math.inf), n2)[0]
    return max(energy, least)


@compiled
def _greatest(m: float, x: float, y: float, chi: float, qx: Interval, qy: Interval) -> float:
    """An upper bound of m_T^2 of a leg with the invisible momentum q."""
    mm, cc, xx, yy = square(exact(m)), square(exact(chi)), square(exact(x)), square(exact(y))
    pp, qq = add(xx, yy), add(square(qx), square(qy))
    dot = add(multiply(exact(x), qx), multiply(exact(y), qy))
    energies = multiply(root(add(mm, pp)), root(add(cc, qq)))
    if dot[0] > 0.0:
        cross = square(subtract(multiply(exact(x), qy), multiply(exact(y), qx)))
        terms = add(add(multiply(mm, cc), multiply(mm, qq)), add(multiply(cc, pp), cross))
        energy = divide(terms, add(energies, dot))
    else:
        energy = subtract(energies, dot)
    return add(add(mm, cc), multiply(exact(2.0), energy))[1]


@compiled
def _splitting(legs: tuple[float, ...], qx: float, qy: float) -> float:
    """An upper bound of M_T2^2 from one splitting."""
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = legs
    if not math.isfinite(qx + qy):
        return math.inf
    other = subtract(exact(px), exact(qx)), subtract(exact(py), exact(qy))
    first = _greatest(m1, x1, y1, chi1, exact(qx), exact(qy))
    second = _greatest(m2, x2, y2, chi2, other[0], other[1])
    return max(first, second)


@compiled
def _touching(
    m: float, x: float, y: float, chi: float, value: float, nx: float, ny: float
) -> tuple[float, float, float, float, float]:
    """Where a leg's set m_T <= value reaches farthest along the unit vector n: q along n, its components, e / E, and the force.

    The force is half of the gradient of m_T^2 there, along n.
    """
    # (value^2 - (m + chi)^2) / 2, without the difference of squares.
    delta = max(0.5 * (value - (m + chi)) * (value + (m + chi)), 0.0)
    a, b = nx * x + ny * y, nx * y - ny * x
    along, e, s, r = support(a, m, chi, delta)
    # Here e is that of the momentum along n alone; across it q has the same ratio to p.
    ratio = e / s if s > 0.0 else 0.0
    across = b * ratio
    return along, along * nx - across * ny, along * ny + across * nx, ratio, (r / e if e > 0.0 else 0.0)


@compiled
def _scaled(legs: tuple[float, ...]) -> tuple[tuple[float, ...], float]:
    """An event in units of a power of two near its largest number: exact."""
    largest = 0.0
    for value in legs:
        largest = max(largest, abs(value))
    if largest == 0.0:
        return legs, 1.0
    _, power = math.frexp(largest)
    # Two steps: a power itself may be out of range.
    half = power // 2
    one, two = math.ldexp(1.0, -half), math.ldexp(1.0, half - power)
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = legs
    scaled = (
        m1 * one * two, x1 * one * two, y1 * one * two, m2 * one * two, x2 * one * two, y2 * one * two,
        px * one * two, py * one * two, chi1 * one * two, chi2 * one * two,
    )  # fmt: skip
    return scaled, math.ldexp(1.0, power)


@compiled
def _shares(legs: tuple[float, ...]) -> tuple[float, float]:
    """Missing momentum along the visible ones, as the first leg's part: what massless legs take for nothing."""
    _, x1, y1, _, x2, y2, px, py, _, _ = legs
    cross = x1 * y2 - y1 * x2
    if cross == 0.0:
        return math.nan, math.nan
    share = (px * y2 - py * x2) / cross
    return share * x1, share * y1


@compiled
def _far(legs: tuple[float, ...], best: float) -> float:
    """Splittings along either visible momentum, near and far, where no set touches another at a finite place."""
    _, x1, y1, _, x2, y2, px, py, _, _ = legs
    length = 1e-3
    best = min(best, _splitting(legs, 0.0, 0.0), _splitting(legs, px, py))
    while length < 1e13:
        best = min(best, _splitting(legs, length * x1, length * y1))
        best = min(best, _splitting(legs, px - length * x2, py - length * y2))
        length *= 10.0
    return best


@compiled
def _bounds(
    m1: float,
    x1: float,
    y1: float,
    m2: float,
    x2: float,
    y2: float,
    px: float,
    py: float,
    chi1: float,
    chi2: float,
) -> tuple[float, float]:
    """Bounds of one event."""
    legs, unit = _scaled((m1, x1, y1, m2, x2, y2, px, py, chi1, chi2))
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = legs
    value, nx, ny = touching_kernel(m1, x1, y1, m2, x2, y2, px, py, chi1, chi2)
    if math.isnan(value):
        return math.nan, math.nan
    least = max(down(m1 + chi1), down(m2 + chi2), 0.0)
    # A leg at rest in its own minimum, and massless legs along their visible momenta.
    upper = _splitting(legs, chi1 / m1 * x1, chi1 / m1 * y1) if m1 > 0.0 else math.inf
    if m2 > 0.0:
        upper = min(upper, _splitting(legs, px - chi2 / m2 * x2, py - chi2 / m2 * y2))
    sx, sy = _shares(legs)
    upper = min(upper, _splitting(legs, sx, sy))
    lower = 0.0
    if nx != 0.0 or ny != 0.0:
        along1, qx1, qy1, _, _ = _touching(m1, x1, y1, chi1, value, nx, ny)
        _, qx2, qy2, _, _ = _touching(m2, x2, y2, chi2, value, nx, ny)
        upper = min(upper, _splitting(legs, qx1, qy1), _splitting(legs, px - qx2, py - qy2))
        upper = min(upper, _splitting(legs, 0.5 * (qx1 + px - qx2), 0.5 * (qy1 + py - qy2)))
        push = add(multiply(exact(nx), exact(px)), multiply(exact(ny), exact(py)))
        if math.isfinite(along1):
            along2 = subtract(push, exact(along1))[0]
            first = _square_from(m1, chi1, _least_energy(m1, x1, y1, chi1, nx, ny, along1))
            second = _square_from(m2, chi2, _least_energy(m2, x2, y2, chi2, nx, ny, along2))
            lower = root(exact(min(first, second)))[0]
    if not upper < (value * (1.0 + 1e-9)) ** 2:
        upper = _far(legs, upper)
    return max(lower, least) * unit, max(root((0.0, upper))[1], up(least)) * unit


@compiled
def _square_from(m: float, chi: float, energy: float) -> float:
    """A lower bound of m_T^2."""
    squares = add(square(exact(m)), square(exact(chi)))[0]
    return max(down(squares + down(2.0 * energy)), 0.0)


@compiled
def _parts(
    m: float, x: float, y: float, chi: float, ratio: float, qx: float, qy: float
) -> tuple[float, float, float, float]:
    """Half of the derivatives of m_T^2 of a leg by mass, px, py and trial mass; ratio is e / E."""
    return m * (1.0 + ratio), x * ratio - qx, y * ratio - qy, chi + (chi / ratio if ratio > 0.0 else 0.0)


@compiled
def _gradient(
    m1: float,
    x1: float,
    y1: float,
    m2: float,
    x2: float,
    y2: float,
    px: float,
    py: float,
    chi1: float,
    chi2: float,
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """Derivatives of one event."""
    legs, _ = _scaled((m1, x1, y1, m2, x2, y2, px, py, chi1, chi2))
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = legs
    value, nx, ny = touching_kernel(m1, x1, y1, m2, x2, y2, px, py, chi1, chi2)
    if math.isnan(value):
        lost = math.nan
        return lost, lost, lost, lost, lost, lost, lost, lost, lost, lost
    if nx == 0.0 and ny == 0.0:
        low1, low2 = m1 + chi1, m2 + chi2
        share = 1.0 if low1 > low2 else 0.0 if low1 < low2 else 0.5
        return share, 0.0, 0.0, 1.0 - share, 0.0, 0.0, 0.0, 0.0, share, 1.0 - share
    _, qx1, qy1, ratio1, c1 = _touching(m1, x1, y1, chi1, value, nx, ny)
    _, qx2, qy2, ratio2, c2 = _touching(m2, x2, y2, chi2, value, nx, ny)
    w1, w2 = c2 / (c1 + c2) / value, c1 / (c1 + c2) / value
    a, b, c, d = _parts(m1, x1, y1, chi1, ratio1, qx1, qy1)
    f, g, h, i = _parts(m2, x2, y2, chi2, ratio2, qx2, qy2)
    # More missing momentum goes to the second leg at fixed q1: along n, with the force that both legs have there.
    push = w2 * c2
    return w1 * a, w1 * b, w1 * c, w2 * f, w2 * g, w2 * h, push * nx, push * ny, w1 * d, w2 * i


def mt2_bounds(
    m_vis_1: Any,
    px_vis_1: Any,
    py_vis_1: Any,
    m_vis_2: Any,
    px_vis_2: Any,
    py_vis_2: Any,
    px_miss: Any,
    py_miss: Any,
    m_invis_1: Any,
    m_invis_2: Any,
) -> MT2Bounds:
    """Numbers between which M_T2 lies, proven for each event, rounding included.

    Takes the arguments of :func:`massgap.selections.observables.mt2.mt2.mt2`; how it is proven stands in the docstring of this
    module.  For ordinary events the two differ by some 1e-15 of M_T2, more where the result is small beside the momenta, as the
    input itself is rounded there.  Where the minimum is approached at infinity only, the upper bound is that of a splitting far out.

    Parameters
    ----------
    m_vis_1, px_vis_1, py_vis_1, m_vis_2, px_vis_2, py_vis_2, px_miss, py_miss, m_invis_1, m_invis_2
        GeV; all broadcast.

    Returns
    -------
    MT2Bounds
        ``lower`` and ``upper``, GeV; NaN if any input is NaN or infinite.

    Raises
    ------
    massgap.arrays.errors.SelectionError
        If an input is not numeric, a mass is negative, or the shapes do not broadcast.

    Examples
    --------
    >>> lower, upper = mt2_bounds(100, 410, 20, 150, -210, -300, -200, 280, 100, 100)
    >>> bool(lower <= upper), round(float(lower), 9), round(float(upper), 9)
    (True, 412.627668458, 412.627668458)
    """
    refuse_negative_masses(m_vis_1, m_vis_2, m_invis_1, m_invis_2)
    return MT2Bounds(
        *elementwise(
            _bounds, m_vis_1, px_vis_1, py_vis_1, m_vis_2, px_vis_2, py_vis_2, px_miss, py_miss, m_invis_1, m_invis_2,
            outputs=2,
        )
    )  # fmt: skip


def mt2_gradient(
    m_vis_1: Any,
    px_vis_1: Any,
    py_vis_1: Any,
    m_vis_2: Any,
    px_vis_2: Any,
    py_vis_2: Any,
    px_miss: Any,
    py_miss: Any,
    m_invis_1: Any,
    m_invis_2: Any,
) -> MT2Gradient:
    """Derivatives of M_T2 by each of its inputs, exact up to rounding: no differences are taken.

    Takes the arguments of :func:`massgap.selections.observables.mt2.mt2.mt2`.  Where M_T2 is its least value
    max(m_vis + m_invis), the derivatives of that are given; if both legs have the same, half of each, which is right for inputs
    that change together.  M_T2 has a kink where it leaves its least value: there either side may be given.

    Parameters
    ----------
    m_vis_1, px_vis_1, py_vis_1, m_vis_2, px_vis_2, py_vis_2, px_miss, py_miss, m_invis_1, m_invis_2
        GeV; all broadcast.

    Returns
    -------
    MT2Gradient
        One array per input, without unit; NaN if any input is NaN or infinite.

    Raises
    ------
    massgap.arrays.errors.SelectionError
        If an input is not numeric, a mass is negative, or the shapes do not broadcast.

    Examples
    --------
    With all inputs M_T2 scales, so that inputs times derivatives add up to it:

    >>> import numpy as np
    >>> event = (100, 410, 20, 150, -210, -300, -200, 280, 100, 100)
    >>> round(float(np.dot(event, mt2_gradient(*event))), 6)
    412.627668
    """
    refuse_negative_masses(m_vis_1, m_vis_2, m_invis_1, m_invis_2)
    return MT2Gradient(
        *elementwise(
            _gradient, m_vis_1, px_vis_1, py_vis_1, m_vis_2, px_vis_2, py_vis_2, px_miss, py_miss, m_invis_1, m_invis_2,
            outputs=10,
        )
    )  # fmt: skip
