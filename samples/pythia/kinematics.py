"""Momenta of single particles of Pythia's record, as tuples: the decisions inside of Pythia see one event at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgap.samples.processes.filters import MassWindow

__all__ = ["Frame", "Momentum", "boost", "frame_of", "lies_in", "momentum", "pair_mass", "pt_eta"]

Momentum = tuple[float, float, float, float]  # px, py, pz, E in GeV
Frame = tuple[float, float, float, float]  # velocity, and the Lorentz factor


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


def frame_of(p: Momentum, sign: float) -> Frame:
    """The boost into the rest frame of a particle (``sign`` -1), or out of it (1)."""
    e = p[3]
    m = math.sqrt(max(e * e - p[0] ** 2 - p[1] ** 2 - p[2] ** 2, 1e-12))
    return (sign * p[0] / e, sign * p[1] / e, sign * p[2] / e, e / m)


def boost(p: Momentum, frame: Frame) -> Momentum:
    """Boost a momentum (GeV)."""
    bx, by, bz, gamma = frame
    bp = bx * p[0] + by * p[1] + bz * p[2]
    k = gamma * (gamma * bp / (1.0 + gamma) + p[3])
    return (p[0] + k * bx, p[1] + k * by, p[2] + k * bz, gamma * (p[3] + bp))
