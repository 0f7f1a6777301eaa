r"""A pair of neutral particles from an up quark and its antiquark, by exchange of a heavy coloured particle in the t channel.

Two kinds of pairs, as in fig. 2 of the cascade-decays paper (Phys. Rev. D 108 (2023) 035002), all couplings 1:

* fermions through a scalar: :math:`\overline{\sum} |M|^2 = \frac{1}{3} (t - m_1^2)(t - m_2^2) / (t - M^2)^2`;
* scalars through a fermion: :math:`\overline{\sum} |M|^2 = \frac{1}{6} [t u - m_1^2 m_2^2 + M^2 s] / (t - M^2)^2`,

averaged over spins and colours, for couplings to both chiralities of the quark.  With ``chiral`` couplings, to right-handed
quarks alone, the first is a quarter of it and the second loses the term in :math:`M^2 s` and half of the rest: heavy
mediators then leave :math:`M^{-4}` of a cross section that otherwise falls like :math:`M^{-2}`.

Of the pair, one has an antiparticle: X anti-chi and anti-X chi are both there, so the quark goes with either of them.  Diagrams of
self-conjugate particles interfere; that is not included, as the paper draws one diagram.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.samples.matrix_elements.densities import DensityTable, interpolated_densities
from massgap.samples.physics.cross_sections import FB

__all__ = ["Exchange", "exchange_point", "squared_exchange"]


class Exchange(NamedTuple):
    """What is made, and through what.

    Attributes
    ----------
    m1, m2
        Masses of the pair, GeV.
    mediator
        Mass of what is exchanged, GeV.
    scalar
        Whether the pair are scalars and the mediator a fermion, or the other way around.
    chiral
        Whether only right-handed quarks couple.
    """

    m1: float
    m2: float
    mediator: float
    scalar: bool
    chiral: bool


@compiled
def squared_exchange(process: Exchange, s: float, t: float) -> float:
    """Squared amplitude, averaged over spins and colours of the quarks; t between a quark and the first particle."""
    squared1, squared2, heavy = process.m1 * process.m1, process.m2 * process.m2, process.mediator**2
    if process.scalar:
        u = squared1 + squared2 - s - t
        top = t * u - squared1 * squared2
        top = top / 12.0 if process.chiral else (top + heavy * s) / 6.0
    else:
        top = (t - squared1) * (t - squared2) / (12.0 if process.chiral else 3.0)
    return max(top, 0.0) / (t - heavy) ** 2


@compiled
def exchange_point(
    u: Any, process: Exchange, sqrt_s: float, table: DensityTable, work: Any, pdf1: Any, pdf2: Any
) -> tuple[float, float, float, float]:
    r"""A point of phase space from three numbers between 0 and 1.

    Parameters
    ----------
    u
        Numbers, shape (3,).
    process, sqrt_s
        What is made; energy of the protons, GeV.
    table
        Parton densities of one family.
    work, pdf1, pdf2
        Arrays of shapes (2, 4), (4,) and (4,) that are used on the way.

    Returns
    -------
    weight, s_hat, y, c : float
        Cross section (fb) per unit of u of both charge states, from quark and antiquark of either proton; squared mass (GeV^2)
        and rapidity of the pair; cosine of the angle between the first particle and the quark that it exchanges with.
    """
    threshold = process.m1 + process.m2
    span = -2.0 * math.log(threshold / sqrt_s)
    # crowded at the threshold
    log_tau = span * (u[0] * u[0] - 1.0)
    s = sqrt_s * sqrt_s * math.exp(log_tau)
    y = -log_tau * (u[1] - 0.5)
    c = 2.0 * u[2] - 1.0
    x1, x2 = math.exp(0.5 * log_tau + y), math.exp(0.5 * log_tau - y)
    product = (s - threshold * threshold) * (s - (process.m1 - process.m2) ** 2)
    if not (product > 0.0 and x1 < 1.0 and x2 < 1.0):
        return 0.0, s, y, c
    root = math.sqrt(product)
    interpolated_densities(table, x1, s, work, pdf1)
    interpolated_densities(table, x2, s, work, pdf2)
    luminosity = x1 * x2 * (pdf1[0] * pdf2[2] + pdf1[2] * pdf2[0])
    t = 0.5 * (process.m1**2 + process.m2**2 - s + root * c)
    # d sigma / d t = |M|^2 / (16 pi s^2); dt = root dc / 2; dc = 2 du; two charge states
    partonic = 2.0 * root * squared_exchange(process, s, t) / (16.0 * math.pi * s * s)
    jacobian = 2.0 * span * u[0] * -log_tau
    return FB * luminosity * partonic * jacobian, s, y, c
