"""q q' -> q q' chi chi by the exchange of electroweak bosons: the seven Lorentz structures of its graphs.

All flavours, charges and bosons share them; what differs is their coefficients (:mod:`massgap.samples.matrix_elements.couplings`).
With q1 = p1 - p3 and q2 = p2 - p4 given by the quarks, and K = k1 + k2 of the pair:

0, 1   both bosons couple to the line of the winos, the one of quark 1 next to chi(k1), or next to chi(k2)
2      the two bosons fuse to a third one, which makes the pair
3, 4   quark line 1 exchanges a boson with line 2 and emits the one that makes the pair, last or first
5, 6   the same with the lines exchanged

Graphs in which the lines annihilate, and those with two equal quarks exchanged, are left out: jets far apart in rapidity suppress
both.  Quarks are massless, winos have a vector coupling (pure winos) and one mass.  Vectors of bosons are in the unitary gauge:
conserved currents of massless quarks leave only the metric.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.samples.matrix_elements.spinors import (
    Spinor,
    Vector,
    contracted,
    current,
    dot,
    massive,
    massless,
    shifted,
    slash,
)

__all__ = ["N_STRUCTURES", "gram", "lorentz_structures", "wino_spinors"]

N_STRUCTURES = 7


@compiled
def wino_spinors(k1: Vector, k2: Vector, m: float, u: Any, v: Any) -> None:
    """Fill u[spin] of the wino and v[spin] of the antiwino with four components, left ones first; shapes (2, 4)."""
    for spin in range(2):
        left, right = massive(k1, m, spin, False), massive(k1, m, spin, True)
        u[spin, 0], u[spin, 1], u[spin, 2], u[spin, 3] = left[0], left[1], right[0], right[1]
        left, right = massive(k2, m, spin, False), massive(k2, m, spin, True)
        v[spin, 0], v[spin, 1], v[spin, 2], v[spin, 3] = left[0], left[1], -right[0], -right[1]


@compiled
def _emissions(
    flow: tuple[Vector, Vector], spinors: tuple[Spinor, Spinor], q: Vector, other: Vector, bar: bool
) -> tuple[Vector, Vector]:
    """Currents of a quark line that takes the current of the other line and emits a boson, last and first."""
    incoming, outgoing = flow
    before, after = shifted(incoming, q, 1.0), shifted(outgoing, q, -1.0)
    w_in, w_out = spinors
    moved = slash(before, slash(other, w_in, bar), not bar)
    norm = 1.0 / dot(before, before)
    last = current(w_out, (norm * moved[0], norm * moved[1]), bar)
    # w_out-dagger (J-slash) S as a row: the dagger of S (conjugate J)-slash w_out, for both matrices are hermitian in real vectors
    conjugate = (other[0].conjugate(), other[1].conjugate(), other[2].conjugate(), other[3].conjugate())
    moved = slash(after, slash(conjugate, w_out, bar), not bar)
    norm = 1.0 / dot(after, after)
    first = current((norm * moved[0], norm * moved[1]), w_in, bar)
    return last, first


@compiled
def _through(j: Vector, psi: Any, k: int) -> tuple[Spinor, Spinor]:
    """j-slash psi[k] of four components: (left, right)."""
    return slash(j, (psi[k, 2], psi[k, 3]), False), slash(j, (psi[k, 0], psi[k, 1]), True)


@compiled
def _propagated(r: Vector, m: float, left: Spinor, right: Spinor) -> tuple[Spinor, Spinor]:
    """(r-slash + m) psi / (r^2 - m^2)."""
    norm = 1.0 / (dot(r, r) - m * m)
    a, b = slash(r, right, False), slash(r, left, True)
    return (
        (norm * (a[0] + m * left[0]), norm * (a[1] + m * left[1])),
        (norm * (b[0] + m * right[0]), norm * (b[1] + m * right[1])),
    )


@compiled
def _barred(u: Any, s: int, left: Spinor, right: Spinor) -> complex:
    """u-bar psi = u_R-dagger psi_L + u_L-dagger psi_R."""
    return contracted((u[s, 2], u[s, 3]), left) + contracted((u[s, 0], u[s, 1]), right)


@compiled
def lorentz_structures(
    p: tuple[Vector, Vector, Vector, Vector, Vector, Vector],
    m: float,
    anti: tuple[bool, bool],
    chirality: tuple[int, int],
    winos: tuple[Any, Any],
    longitudinal: bool,
    out: Any,
) -> None:
    """Fill out[spin of chi(k1), spin of chi(k2), structure], complex, shape (2, 2, 7), for one chirality of each quark line.

    Parameters
    ----------
    p
        Momenta p1, p2 (incoming), p3, p4 (of the quarks that they become), k1, k2 (of the winos), GeV.
    m
        Mass of the winos, GeV.
    anti
        Whether line 1, line 2 is an antiquark.
    chirality
        0 for left, 1 for right, along the flow of each line.
    winos
        Arrays of :func:`wino_spinors`.
    longitudinal
        Put q2 in place of the current of line 2: then gauge invariance makes amplitudes vanish, where coefficients are those of an
        unbroken symmetry (structures 5 and 6 have no such current and are 0).
    out
        Where it goes.
    """
    p1, p2, p3, p4, k1, k2 = p
    u, v = winos
    q1, q2, pair = shifted(p1, p3, -1.0), shifted(p2, p4, -1.0), shifted(k1, k2, 1.0)
    bar1, bar2 = chirality[0] == 0, chirality[1] == 0
    # along the flow of fermions an antiquark runs backwards: minus its momenta, and the spinors of the physical ones
    zero = (0.0, 0.0, 0.0, 0.0)
    flow1 = (shifted(zero, p3, -1.0), shifted(zero, p1, -1.0)) if anti[0] else (p1, p3)
    flow2 = (shifted(zero, p4, -1.0), shifted(zero, p2, -1.0)) if anti[1] else (p2, p4)
    one, three = massless(p1, not bar1), massless(p3, not bar1)
    two, four = massless(p2, not bar2), massless(p4, not bar2)
    w1 = (three, one) if anti[0] else (one, three)
    w2 = (four, two) if anti[1] else (two, four)
    j1, j2 = current(w1[1], w1[0], bar1), current(w2[1], w2[0], bar2)
    if longitudinal:
        j2 = (q2[0] + 0.0j, q2[1] + 0.0j, q2[2] + 0.0j, q2[3] + 0.0j)

    last1, first1 = _emissions(flow1, w1, q2, j2, bar1)
    last2, first2 = _emissions(flow2, w2, q1, j1, bar2)
    after1, after2 = shifted(k1, q1, -1.0), shifted(k1, q2, -1.0)
    difference = shifted(q1, q2, -1.0)
    j12, e1 = dot(j1, j2), dot(shifted(q2, pair, 1.0), j1)
    e2 = -dot(shifted(pair, q1, 1.0), j2)
    for r in range(2):
        left, right = _through(j2, v, r)
        left, right = _propagated(after1, m, left, right)
        near1 = slash(j1, right, False), slash(j1, left, True)
        left, right = _through(j1, v, r)
        left, right = _propagated(after2, m, left, right)
        near2 = slash(j2, right, False), slash(j2, left, True)
        v_left, v_right = (v[r, 0], v[r, 1]), (v[r, 2], v[r, 3])
        for s in range(2):
            a = current((u[s, 0], u[s, 1]), v_left, True)
            b = current((u[s, 2], u[s, 3]), v_right, False)
            made = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
            out[s, r, 0] = _barred(u, s, near1[0], near1[1])
            out[s, r, 1] = _barred(u, s, near2[0], near2[1])
            out[s, r, 2] = j12 * dot(difference, made) + dot(j2, made) * e1 + dot(made, j1) * e2
            out[s, r, 3] = dot(last1, made)
            out[s, r, 4] = dot(first1, made)
            out[s, r, 5] = 0.0 if longitudinal else dot(last2, made)
            out[s, r, 6] = 0.0 if longitudinal else dot(first2, made)


@compiled
def gram(structures: Any, out: Any) -> None:
    """Sum over the spins of both winos of products of structures: out[i, j], real part, shape (7, 7).

    Coefficients c are real, so the squared amplitude is c . out . c.
    """
    for i in range(N_STRUCTURES):
        for j in range(i + 1):
            total = 0.0
            for s in range(2):
                for r in range(2):
                    a, b = structures[s, r, i], structures[s, r, j]
                    total += a.real * b.real + a.imag * b.imag
            out[i, j] = total
            out[j, i] = total


def momenta(values: Any) -> tuple[tuple[float, ...], ...]:
    """Rows of an array of shape (6, 4) as the tuples that the compiled functions take.

    Examples
    --------
    >>> momenta(np.eye(4)[:2])
    ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0))
    """
    return tuple(tuple(map(float, row)) for row in np.asarray(values))
