"""Two-component spinors and currents, compiled: four-vectors are tuples (E, x, y, z), spinors tuples of two complex numbers.

Conventions: metric (+ - - -), chiral representation with psi = (left, right); sigma = (1, s), sigma-bar = (1, -s) with the Pauli
matrices s.  A current has its index up.
"""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled

__all__ = ["contracted", "current", "dot", "massive", "massless", "shifted", "slash"]

Vector = tuple[Any, Any, Any, Any]
Spinor = tuple[Any, Any]


@compiled
def dot(a: Vector, b: Vector) -> Any:
    """Product of two four-vectors, which may be complex; nothing is conjugated."""
    return a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]


@compiled
def shifted(a: Vector, b: Vector, sign: float) -> Vector:
    """a + sign b."""
    return (a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2], a[3] + sign * b[3])


@compiled
def massless(p: Vector, right: bool) -> Spinor:
    """Spinor of a massless fermion of momentum p and one chirality, norm sqrt(2 E)."""
    energy = math.sqrt(p[1] * p[1] + p[2] * p[2] + p[3] * p[3])
    if energy + p[3] > 1e-12 * energy:
        norm = math.sqrt(energy + p[3])
        up, down = complex(norm, 0.0), complex(p[1] / norm, p[2] / norm)
    else:
        up, down = complex(0.0, 0.0), complex(math.sqrt(2.0 * energy), 0.0)
    if right:
        return (up, down)
    return (-down.conjugate(), up.conjugate())


@compiled
def slash(v: Vector, psi: Spinor, bar: bool) -> Spinor:
    """(v . sigma) psi, or (v . sigma-bar) psi; v may be complex."""
    s = 1.0 if bar else -1.0
    up = (v[0] + s * v[3]) * psi[0] + s * (v[1] - 1j * v[2]) * psi[1]
    down = s * (v[1] + 1j * v[2]) * psi[0] + (v[0] - s * v[3]) * psi[1]
    return (up, down)


@compiled
def massive(p: Vector, m: float, spin: int, bar: bool) -> Spinor:
    """sqrt(p . sigma), or sqrt(p . sigma-bar), on a spinor up (0) or down (1) along z."""
    xi = (1.0 + 0.0j, 0.0 + 0.0j) if spin == 0 else (0.0 + 0.0j, 1.0 + 0.0j)
    moved = slash(p, xi, bar)
    norm = 1.0 / math.sqrt(2.0 * (p[0] + m))
    return (norm * (moved[0] + m * xi[0]), norm * (moved[1] + m * xi[1]))


@compiled
def contracted(a: Spinor, b: Spinor) -> complex:
    """a-dagger b."""
    return a[0].conjugate() * b[0] + a[1].conjugate() * b[1]


@compiled
def current(a: Spinor, b: Spinor, bar: bool) -> Vector:
    """a-dagger sigma^mu b, or with sigma-bar."""
    x, y = a[0].conjugate(), a[1].conjugate()
    s = -1.0 if bar else 1.0
    return (
        x * b[0] + y * b[1],
        s * (x * b[1] + y * b[0]),
        s * (-1j * x * b[1] + 1j * y * b[0]),
        s * (x * b[0] - y * b[1]),
    )
