"""Momenta of single particles of Pythia's record, as tuples: the decisions inside of Pythia see one event at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgap.samples.processes.filters import MassWindow

__all__ = ["Momentum", "ancestor", "boost_along", "lies_in", "momentum", "pair_mass", "pt_eta"]

Momentum = tuple[float, float, float, float]  # px, py, pz, E in GeV


def momentum(particle: Any) -> Momentum:
    """Momentum of one of Pythia's particles."""
    return (particle.px(), particle.py(), particle.pz(), particle.e())


def pt_eta(p: Momentum) -> tuple[float, float]:
    """Transverse momentum (GeV) and pseudorapidity."""
    pt = math.hypot(p[0], p[1])
    return pt, math.asinh(p[2] / max(pt, 1e-9))


def pair_mass(a: Momentum, b: Momentum) -> float:
    """Invariant mass of two particles (GeV)."""
    e, x, y, z = (a[k] + b[k] for k in (3, 0, 1, 2))
    return math.sqrt(max(e * e - x * x - y * y - z * z, 0.0))


def lies_in(window: MassWindow, mass: float) -> bool:
    """Whether a mass (GeV) lies in a window."""
    return abs(mass - window.centre) < window.half_width


def boost_along(p: Momentum, old: Momentum, new: Momentum) -> Momentum:
    """Carry a decay product from its ancestor's old momentum to the new one (both GeV, same mass)."""
    return _boost(_boost(p, old, -1.0), new, 1.0)


def _boost(p: Momentum, frame: Momentum, sign: float) -> Momentum:
    e = frame[3]
    m = math.sqrt(max(e * e - frame[0] ** 2 - frame[1] ** 2 - frame[2] ** 2, 1e-12))
    bx, by, bz, gamma = sign * frame[0] / e, sign * frame[1] / e, sign * frame[2] / e, e / m
    bp = bx * p[0] + by * p[1] + bz * p[2]
    k = gamma * (gamma * bp / (1.0 + gamma) + p[3])
    return (p[0] + k * bx, p[1] + k * by, p[2] + k * bz, gamma * (p[3] + bp))


def ancestor(event: Any, i: int) -> int:
    """Row of the hard process' own outgoing particle that row i descends from."""
    while event[i].mother1() > 4:
        i = event[i].mother1()
    return i
