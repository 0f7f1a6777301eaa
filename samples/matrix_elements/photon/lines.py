r"""Lines of massless fermions with bosons attached to them, compiled: the pieces that tree amplitudes are put together from.

A fermion of one chirality is a ket (what comes in, or an antifermion that goes out) or a row (the other end of its line), both of two
complex numbers; a boson is a current with its index up.  Rules and signs are those of A. Denner, Fortschr. Phys. 41 (1993) 307:
vertices :math:`i e C`, propagators :math:`i \not p / p^2` and :math:`-i (g - q q / M^2) / (q^2 - M^2)`; factors of e are left out.
Each attached boson brings a factor :math:`i \cdot i = -1`.  Masses of bosons are complex, so that amplitudes do not depend on the gauge.
"""

from __future__ import annotations

from typing import Any

from massgap.arrays.compiled import compiled, compiled_inline
from massgap.samples.matrix_elements.spinors import dot, slash

__all__ = [
    "bra_with",
    "from_photon_and_w",
    "from_photon_and_w_pair",
    "from_w_pair",
    "ket_with",
    "mixed",
    "plus",
    "propagated",
    "row_current",
    "row_slash",
    "scaled",
]

Vector = tuple[Any, Any, Any, Any]
Spinor = tuple[Any, Any]


@compiled_inline
def plus(a: Vector, b: Vector) -> Vector:
    """a + b."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])


@compiled_inline
def scaled(x: Any, a: Vector) -> Vector:
    """x a."""
    return (x * a[0], x * a[1], x * a[2], x * a[3])


@compiled_inline
def mixed(x: Any, a: Vector, y: Any, b: Vector) -> Vector:
    """x a + y b."""
    return (x * a[0] + y * b[0], x * a[1] + y * b[1], x * a[2] + y * b[2], x * a[3] + y * b[3])


@compiled_inline
def row_slash(row: Spinor, v: Vector, bar: bool) -> Spinor:
    """Row times (v . sigma), or (v . sigma-bar)."""
    s = 1.0 if bar else -1.0
    return (
        row[0] * (v[0] + s * v[3]) + row[1] * s * (v[1] + 1j * v[2]),
        row[0] * s * (v[1] - 1j * v[2]) + row[1] * (v[0] - s * v[3]),
    )


@compiled_inline
def row_current(row: Spinor, ket: Spinor, right: bool) -> Vector:
    """Row gamma^mu ket of one chirality."""
    s = 1.0 if right else -1.0
    return (
        row[0] * ket[0] + row[1] * ket[1],
        s * (row[0] * ket[1] + row[1] * ket[0]),
        s * (-1j * row[0] * ket[1] + 1j * row[1] * ket[0]),
        s * (row[0] * ket[0] - row[1] * ket[1]),
    )


@compiled
def ket_with(ket: Spinor, v: Vector, p: Vector, right: bool) -> Spinor:
    """A ket with a boson attached; p flows along the line behind the vertex."""
    found = slash(p, slash(v, ket, not right), right)
    factor = -1.0 / dot(p, p)
    return (factor * found[0], factor * found[1])


@compiled
def bra_with(row: Spinor, v: Vector, p: Vector, right: bool) -> Spinor:
    """A row with a boson attached; p flows along the line before the vertex."""
    found = row_slash(row_slash(row, v, not right), p, right)
    factor = -1.0 / dot(p, p)
    return (factor * found[0], factor * found[1])


@compiled
def propagated(v: Vector, q: Vector, squared_mass: complex) -> Vector:
    """A current through the propagator of its boson; massless where the squared mass is 0."""
    factor = 1.0 / (dot(q, q) - squared_mass)
    along = 0.0j if squared_mass == 0.0 else dot(q, v) / squared_mass
    return mixed(factor, v, -factor * along, q)


@compiled
def from_w_pair(plus_w: Vector, p: Vector, minus_w: Vector, m: Vector) -> Vector:
    """What a neutral boson sees of a W+ and a W- of momenta p and m that go out."""
    q = plus(p, m)
    along = mixed(1.0, p, -1.0, m)
    first = mixed(dot(plus(q, m), plus_w), minus_w, dot(plus_w, minus_w), along)
    return mixed(1.0, first, -dot(plus(q, p), minus_w), plus_w)


@compiled
def from_photon_and_w(photon: Vector, k: Vector, w: Vector, p: Vector) -> Vector:
    """What a W+ sees of a photon and a W+ of momenta k and p that go out; of a W- it is minus that."""
    q = plus(p, k)
    first = mixed(-dot(plus(q, k), w), photon, dot(plus(q, p), photon), w)
    return mixed(1.0, first, dot(w, photon), mixed(1.0, k, -1.0, p))


@compiled
def from_photon_and_w_pair(photon: Vector, plus_w: Vector, minus_w: Vector) -> Vector:
    """What a neutral boson sees of a photon, a W+ and a W- that come out of one point."""
    first = mixed(2.0 * dot(plus_w, minus_w), photon, -dot(plus_w, photon), minus_w)
    return mixed(1.0, first, -dot(minus_w, photon), plus_w)
