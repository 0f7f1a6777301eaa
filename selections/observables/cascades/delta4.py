r"""The Gram determinant :math:`\Delta_4` of a cascade X -> p1 Y, Y -> p2 Z, Z -> p3 chi, and its companions.

Source: the cascade-decays paper (Phys. Rev. D 108 (2023) 035002), eq. (2.6) and the text below it.

Method.  With the scalar products of the visible momenta as :math:`m_i m_j + d_{ij}`, the determinant is a
quadratic form in :math:`z_{i4}` whose coefficients are sums of products of few d: nothing cancels but what
cancels in the physics, near :math:`\Delta_4 = 0`.  Plain float64 gives the value with a bound on its own
rounding error.  Where that bound is not far below the value, everything is done again with twice the digits,
from the momenta on.  The result has a relative error below 2e-11 for the numbers given, whatever they are; what
remains is what these numbers themselves are worth: :func:`delta4_noise`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.arrays.double_double import (
    TwoFloats,
    add,
    multiply,
    negative,
    scaled,
    square,
    subtract,
    two_product,
    two_sum,
)
from massgap.arrays.elementwise import elementwise
from massgap.selections.observables.cascades.scalar_products import (
    UNIT_ROUNDOFF,
    exact_length_kernel,
    exact_product_excess_kernel,
    length_kernel,
    product_excess_kernel,
)

__all__ = ["CascadeProducts", "Deltas", "delta4", "deltas"]

ACCEPTED = 2e-11  # relative error bound up to which plain float64 is taken


class Deltas(NamedTuple):
    """Coefficients of the characteristic polynomial, in GeV^2, GeV^4, GeV^6 and GeV^8."""

    delta1: Any
    delta2: Any
    delta3: Any
    delta4: Any


class CascadeProducts(NamedTuple):
    """Scalar products of the four momenta, chi being the fourth, in GeV^2."""

    z12: Any
    z13: Any
    z23: Any
    z14: Any
    z24: Any
    z34: Any


@compiled
def excesses_kernel(
    p1: tuple[float, float, float, float],
    p2: tuple[float, float, float, float],
    p3: tuple[float, float, float, float],
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """d12, d13, d23 each with a bound on its relative error."""
    pt1, eta1, phi1, m1 = p1
    pt2, eta2, phi2, m2 = p2
    pt3, eta3, phi3, m3 = p3
    m1, m2, m3 = max(m1, 0.0), max(m2, 0.0), max(m3, 0.0)
    l1, l2, l3 = 0.0, 0.0, 0.0
    if m1 != 0.0 or m2 != 0.0 or m3 != 0.0:
        l1, l2, l3 = (
            length_kernel(pt1, eta1),
            length_kernel(pt2, eta2),
            length_kernel(pt3, eta3),
        )
    return (
        product_excess_kernel(pt1, eta1, phi1, m1, l1, pt2, eta2, phi2, m2, l2),
        product_excess_kernel(pt1, eta1, phi1, m1, l1, pt3, eta3, phi3, m3, l3),
        product_excess_kernel(pt2, eta2, phi2, m2, l2, pt3, eta3, phi3, m3, l3),
    )


@compiled
def exact_excesses_kernel(
    p1: tuple[float, float, float, float],
    p2: tuple[float, float, float, float],
    p3: tuple[float, float, float, float],
) -> tuple[TwoFloats, TwoFloats, TwoFloats]:
    """d12, d13, d23 with twice the digits."""
    pt1, eta1, phi1, m1 = p1
    pt2, eta2, phi2, m2 = p2
    pt3, eta3, phi3, m3 = p3
    m1, m2, m3 = max(m1, 0.0), max(m2, 0.0), max(m3, 0.0)
    l1, l2, l3 = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
    if m1 != 0.0 or m2 != 0.0 or m3 != 0.0:
        l1, l2, l3 = (
            exact_length_kernel(pt1, eta1),
            exact_length_kernel(pt2, eta2),
            exact_length_kernel(pt3, eta3),
        )
    return (
        exact_product_excess_kernel(pt1, eta1, phi1, m1, l1, pt2, eta2, phi2, m2, l2),
        exact_product_excess_kernel(pt1, eta1, phi1, m1, l1, pt3, eta3, phi3, m3, l3),
        exact_product_excess_kernel(pt2, eta2, phi2, m2, l2, pt3, eta3, phi3, m3, l3),
    )


@compiled
def delta4_bound_kernel(
    m: tuple[float, float, float],
    d12: tuple[float, float],
    d13: tuple[float, float],
    d23: tuple[float, float],
    spectrum: tuple[float, float, float, float],
) -> tuple[float, float]:
    """Delta_4 in plain float64, and a bound on its rounding error; each d with its relative error."""
    m1, m2, m3 = m
    m_x, m_y, m_z, m_chi = spectrum
    a, b, c = d12[0], d13[0], d23[0]
    z12, z13, z23 = m1 * m2 + a, m1 * m3 + b, m2 * m3 + c
    # On-shell conditions: the momenta of Z = p3 + chi, Y = p2 + Z, X = p1 + Y.
    gap1, gap2, gap3 = (m_x - m_y) * (m_x + m_y), (m_y - m_z) * (m_y + m_z), (m_z - m_chi) * (m_z + m_chi)
    z1 = 0.5 * (gap1 - m1 * m1) - z12 - z13
    z2 = 0.5 * (gap2 - m2 * m2) - z23
    z3 = 0.5 * (gap3 - m3 * m3)
    z44 = m_chi * m_chi
    # The adjugate of the visible 3 x 3 matrix and its determinant.
    u, v, w = m1 * c, m2 * b, m3 * a
    adj11, adj22, adj33 = -c * (c + 2.0 * m2 * m3), -b * (b + 2.0 * m1 * m3), -a * (a + 2.0 * m1 * m2)
    adj12 = b * c + m3 * (u + v - w)
    adj13 = a * c + m2 * (u + w - v)
    adj23 = a * b + m1 * (v + w - u)
    det = 2.0 * a * b * c + 4.0 * u * v - (u + v - w) ** 2
    value = (
        adj11 * z1 * z1
        + adj22 * z2 * z2
        + adj33 * z3 * z3
        + 2.0 * (adj12 * z1 * z2 + adj13 * z1 * z3 + adj23 * z2 * z3)
        - z44 * det
    )
    # The same with all terms positive.
    y1 = 0.5 * (abs(gap1) + m1 * m1) + z12 + z13
    y2 = 0.5 * (abs(gap2) + m2 * m2) + z23
    y3 = 0.5 * (abs(gap3) + m3 * m3)
    sum_uvw = u + v + w
    terms = (
        -adj11 * y1 * y1
        - adj22 * y2 * y2
        - adj33 * y3 * y3
        + 2.0 * ((b * c + m3 * sum_uvw) * y1 * y2 + (a * c + m2 * sum_uvw) * y1 * y3)
        + 2.0 * (a * b + m1 * sum_uvw) * y2 * y3
        + z44 * (2.0 * a * b * c + 4.0 * u * v + sum_uvw * sum_uvw)
    )
    # Each term has at most four factors d, counting those inside the z.
    return value, terms * (4.0 * max(d12[1], d13[1], d23[1]) + 24.0 * UNIT_ROUNDOFF)


@compiled
def _exact_z(
    m: tuple[float, float, float],
    d12: TwoFloats,
    d13: TwoFloats,
    d23: TwoFloats,
    spectrum: tuple[float, float, float, float],
) -> tuple[TwoFloats, TwoFloats, TwoFloats, TwoFloats, TwoFloats, TwoFloats]:
    """z12, z13, z23, z14, z24, z34 with twice the digits."""
    m1, m2, m3 = m
    m_x, m_y, m_z, m_chi = spectrum
    z12, z13, z23 = (
        add(two_product(m1, m2), d12),
        add(two_product(m1, m3), d13),
        add(two_product(m2, m3), d23),
    )
    gap1 = multiply(two_sum(m_x, -m_y), two_sum(m_x, m_y))
    gap2 = multiply(two_sum(m_y, -m_z), two_sum(m_y, m_z))
    gap3 = multiply(two_sum(m_z, -m_chi), two_sum(m_z, m_chi))
    z1 = subtract(subtract(scaled(subtract(gap1, two_product(m1, m1)), 0.5), z12), z13)
    z2 = subtract(scaled(subtract(gap2, two_product(m2, m2)), 0.5), z23)
    z3 = scaled(subtract(gap3, two_product(m3, m3)), 0.5)
    return z12, z13, z23, z1, z2, z3


@compiled
def _exact_visible(
    m: tuple[float, float, float], d12: TwoFloats, d13: TwoFloats, d23: TwoFloats
) -> tuple[TwoFloats, TwoFloats, TwoFloats, TwoFloats, TwoFloats, TwoFloats, TwoFloats]:
    """The adjugate 11, 22, 33, 12, 13, 23 of the visible matrix, and its determinant."""
    m1, m2, m3 = m
    adj11 = negative(multiply(d23, add(d23, scaled(two_product(m2, m3), 2.0))))
    adj22 = negative(multiply(d13, add(d13, scaled(two_product(m1, m3), 2.0))))
    adj33 = negative(multiply(d12, add(d12, scaled(two_product(m1, m2), 2.0))))
    u, v, w = multiply((m1, 0.0), d23), multiply((m2, 0.0), d13), multiply((m3, 0.0), d12)
    uv_w = subtract(add(u, v), w)
    adj12 = add(multiply(d13, d23), multiply((m3, 0.0), uv_w))
    adj13 = add(multiply(d12, d23), multiply((m2, 0.0), subtract(add(u, w), v)))
    adj23 = add(multiply(d12, d13), multiply((m1, 0.0), subtract(add(v, w), u)))
    det = scaled(multiply(multiply(d12, d13), d23), 2.0)
    det = add(det, subtract(scaled(multiply(u, v), 4.0), square(uv_w)))
    return adj11, adj22, adj33, adj12, adj13, adj23, det


@compiled
def exact_delta4_kernel(
    m: tuple[float, float, float],
    d12: TwoFloats,
    d13: TwoFloats,
    d23: TwoFloats,
    spectrum: tuple[float, float, float, float],
) -> float:
    """Delta_4 with twice the digits, then rounded."""
    _, _, _, z1, z2, z3 = _exact_z(m, d12, d13, d23, spectrum)
    adj11, adj22, adj33, adj12, adj13, adj23, det = _exact_visible(m, d12, d13, d23)
    mixed = add(multiply(adj12, multiply(z1, z2)), multiply(adj13, multiply(z1, z3)))
    mixed = add(mixed, multiply(adj23, multiply(z2, z3)))
    value = add(multiply(adj11, square(z1)), multiply(adj22, square(z2)))
    value = add(add(value, multiply(adj33, square(z3))), scaled(mixed, 2.0))
    return subtract(value, multiply(two_product(spectrum[3], spectrum[3]), det))[0]


@compiled
def delta4_kernel(
    p1: tuple[float, float, float, float],
    p2: tuple[float, float, float, float],
    p3: tuple[float, float, float, float],
    spectrum: tuple[float, float, float, float],
) -> float:
    """Delta_4 from (pt, eta, phi, mass) of the visible particles and (M_X, M_Y, M_Z, M_chi)."""
    m = (max(p1[3], 0.0), max(p2[3], 0.0), max(p3[3], 0.0))
    d12, d13, d23 = excesses_kernel(p1, p2, p3)
    value, bound = delta4_bound_kernel(m, d12, d13, d23, spectrum)
    if not bound <= ACCEPTED * abs(value):
        e12, e13, e23 = exact_excesses_kernel(p1, p2, p3)
        value = exact_delta4_kernel(m, e12, e13, e23, spectrum)
    return value


@compiled
def deltas_kernel(
    p1: tuple[float, float, float, float],
    p2: tuple[float, float, float, float],
    p3: tuple[float, float, float, float],
    spectrum: tuple[float, float, float, float],
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """Delta_1 to Delta_4 and z12, z13, z23, z14, z24, z34, all with twice the digits, then rounded."""
    m = (max(p1[3], 0.0), max(p2[3], 0.0), max(p3[3], 0.0))
    d12, d13, d23 = exact_excesses_kernel(p1, p2, p3)
    z12, z13, z23, z1, z2, z3 = _exact_z(m, d12, d13, d23, spectrum)
    adj11, adj22, adj33, _, _, _, det = _exact_visible(m, d12, d13, d23)
    m_chi = (spectrum[3], 0.0)
    z44 = two_product(spectrum[3], spectrum[3])
    delta1, delta2, delta3 = z44, negative(add(add(adj11, adj22), adj33)), det
    # Minors with chi and one, or two, of the visible particles.
    for mass, z in ((m[0], z1), (m[1], z2), (m[2], z3)):
        delta1 = add(delta1, two_product(mass, mass))
        product = multiply((mass, 0.0), m_chi)
        delta2 = add(delta2, multiply(subtract(z, product), add(z, product)))
    for mass_i, mass_j, d, z_i, z_j, adj in (
        (m[0], m[1], d12, z1, z2, adj33),
        (m[0], m[2], d13, z1, z3, adj22),
        (m[1], m[2], d23, z2, z3, adj11),
    ):
        difference = subtract(multiply((mass_i, 0.0), z_j), multiply((mass_j, 0.0), z_i))
        minor = subtract(scaled(multiply(d, multiply(z_i, z_j)), 2.0), square(difference))
        delta3 = add(delta3, add(minor, multiply(z44, adj)))
    delta4 = exact_delta4_kernel(m, d12, d13, d23, spectrum)
    return delta1[0], delta2[0], delta3[0], delta4, z12[0], z13[0], z23[0], z1[0], z2[0], z3[0]


def delta4(
    pt1: Any, eta1: Any, phi1: Any, m1: Any,
    pt2: Any, eta2: Any, phi2: Any, m2: Any,
    pt3: Any, eta3: Any, phi3: Any, m3: Any,
    m_x: Any, m_y: Any, m_z: Any, m_chi: Any,
) -> Any:  # fmt: skip
    r"""Minus the determinant of the scalar products of the four decay products (cascade-decays paper, eq. 2.6).

    .. math:: \Delta_4 = -\det (p_i \cdot p_j), \quad i, j = 1, 2, 3, \chi

    The products with chi come from the on-shell conditions of the spectrum.  Positive inside the phase space
    of the decay, zero on its boundary, where signal events gather.

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt3, eta3, phi3, m3
        The visible particles in the order of the chain X -> p1 Y, Y -> p2 Z, Z -> p3 chi; GeV and radians.
        Negative masses (rounding in stored files) count as zero; an object with zero transverse momentum is
        at rest.
    m_x, m_y, m_z, m_chi
        The assumed spectrum, GeV; need not be that of the event, nor allow the decay.  All sixteen broadcast.

    Returns
    -------
    float or array
        GeV^8, right to 2e-11 for the numbers given (see :func:`delta4_noise` for what these are worth);
        always defined for finite input with |eta| < 50 and scales of 1e-10 to 1e15 GeV, NaN for input that is not finite.

    Examples
    --------
    >>> print(f"{delta4(30, 0, 0, 0, 20, 0.5, 1, 0, 10, -0.5, 2, 0, 390, 360, 330, 300):.9e}")
    2.146231514e+13
    """
    inputs = (pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt3, eta3, phi3, m3, m_x, m_y, m_z, m_chi)
    return elementwise(delta4_kernel, *inputs, groups=(4, 4, 4, 4))


def deltas(
    pt1: Any, eta1: Any, phi1: Any, m1: Any,
    pt2: Any, eta2: Any, phi2: Any, m2: Any,
    pt3: Any, eta3: Any, phi3: Any, m3: Any,
    m_x: Any, m_y: Any, m_z: Any, m_chi: Any,
) -> tuple[Deltas, CascadeProducts]:  # fmt: skip
    r"""All four coefficients of the characteristic polynomial, and the scalar products behind them.

    .. math:: \det[\lambda - Z] = \lambda^4 - \lambda^3 \Delta_1 - \lambda^2 \Delta_2 - \lambda \Delta_3 - \Delta_4

    Cascade-decays paper, eq. (2.6).  All with twice the digits throughout: for Delta_4 alone, over many events,
    :func:`delta4` gives the same to 2e-11 many times faster.

    Parameters
    ----------
    pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt3, eta3, phi3, m3, m_x, m_y, m_z, m_chi
        As for :func:`delta4`.

    Returns
    -------
    Deltas
        Delta_1 to Delta_4.  In the physical region of the decay all are positive.
    CascadeProducts
        z12, z13, z23, and z14, z24, z34 from the on-shell conditions, GeV^2.

    Examples
    --------
    >>> coefficients, products = deltas(30, 0, 0, 0, 20, 0.5, 1, 0, 10, -0.5, 2, 0, 390, 360, 330, 300)
    >>> print(coefficients.delta1, products.z34)
    90000.0 9450.0
    """
    inputs = (pt1, eta1, phi1, m1, pt2, eta2, phi2, m2, pt3, eta3, phi3, m3, m_x, m_y, m_z, m_chi)
    results = elementwise(deltas_kernel, *inputs, outputs=10, groups=(4, 4, 4, 4))
    return Deltas(*results[:4]), CascadeProducts(*results[4:])
