"""The compiled passes for angles, distances and sums of objects; arrays as in ``selecting``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import of_flat_arrays
from massgap.arrays.kernels.formulas import (
    delta_phi_kernel,
    delta_r_kernel,
    invariant_mass_kernel,
    pt_eta_phi_kernel,
    sum_kernel,
    wrap_phi_kernel,
)
from massgap.arrays.kernels.selecting import At

if TYPE_CHECKING:
    from massgap.arrays.jagged.columns import Flat
    from massgap.arrays.kernels.selecting import Bools, Floats, Index

__all__ = ["closest", "delta_phi", "delta_r", "near", "pair_mass", "pair_momentum"]


@compiled
def _separation(eta_a: float, phi_a: float, eta_b: float, phi_b: float) -> float:
    """Square of delta R in double precision."""
    deta: float = np.float64(eta_a) - np.float64(eta_b)
    dphi: float = abs(np.float64(phi_a) - np.float64(phi_b))
    if dphi > 3.0 * math.pi:  # azimuths of two turns: hardly ever
        dphi = wrap_phi_kernel(dphi)
    # The same bits as those of wrap_phi_kernel, but for the sign.
    dphi = 2.0 * math.pi - dphi if dphi > math.pi else dphi
    return deta * deta + dphi * dphi


@compiled
def _events_of(offsets: Index) -> Any:
    """The event of each object; four are written at once, and those of the next events then written over."""
    event = np.empty(offsets[-1] + 4, np.int32)
    for i in range(offsets.size - 1):
        at = At(offsets[i])
        for k in range(4):
            event[at + At(k)] = i
        for k in range(4, offsets[i + 1] - offsets[i]):
            event[at + At(k)] = i
    return event


@compiled
def _two_each(offsets: Index) -> bool:
    """Whether all events have two objects."""
    others = 0
    for i in range(offsets.size - 1):
        others += offsets[i + 1] - offsets[i] != 2
    return others == 0 and offsets.size > 1


@compiled
def near(
    offsets: Index,
    index: Index,
    eta: Flat,
    phi: Flat,
    other: Index,
    other_index: Index,
    other_eta: Flat,
    other_phi: Flat,
    delta_r: float,
) -> Bools:
    """Whether each object has one of the others of its event strictly within ``delta_r``.

    Directions are taken from the columns of the file at the places of the objects, and compared in double precision.
    Without a branch but for the loops: the processor could not guess which objects are near.
    """
    whole, other_whole = index.size == 0, other_index.size == 0
    nearest = delta_r * delta_r
    out = np.empty(offsets[-1], np.bool_)
    event = _events_of(offsets)
    if _two_each(other):
        # As mostly, two leptons: without a loop.
        for k in range(out.size):
            at, first = At(k) if whole else At(index[k]), At(2) * At(event[k])
            one = first if other_whole else At(other_index[first])
            two = first + At(1) if other_whole else At(other_index[first + At(1)])
            out[k] = (_separation(eta[at], phi[at], other_eta[one], other_phi[one]) < nearest) | (
                _separation(eta[at], phi[at], other_eta[two], other_phi[two]) < nearest
            )
        return out
    for k in range(out.size):
        at, i = At(k) if whole else At(index[k]), At(event[k])
        found: Any = False
        for m in range(other[i], other[i + At(1)]):
            there = At(m) if other_whole else At(other_index[At(m)])
            found |= _separation(eta[at], phi[at], other_eta[there], other_phi[there]) < nearest
        out[k] = found
    return out


@compiled
def closest(
    offsets: Index, eta: Floats, phi: Floats, other: Index, other_eta: Floats, other_phi: Floats
) -> tuple[Floats, Index]:
    """Distance and place of the nearest of the others, inf and -1 where there is none."""
    distance = np.empty(eta.size, np.float64)
    place = np.empty(eta.size, np.int64)
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            best, at = np.inf, -1
            for m in range(other[i], other[i + 1]):
                apart = delta_r_kernel(eta[k], phi[k], other_eta[m], other_phi[m])
                if apart < best:
                    best, at = apart, m
            distance[k], place[k] = best, at
    return distance, place


@compiled
def momentum_of_two_kernel(
    pt1: float, eta1: float, phi1: float, pt2: float, eta2: float, phi2: float
) -> tuple[float, float, float]:
    """pt, eta, phi of the sum of two momenta; eta and phi are NaN where it has no transverse momentum."""
    px, py, pz = sum_kernel(pt1, eta1, phi1, pt2, eta2, phi2)
    return pt_eta_phi_kernel(px, py, pz)


def delta_phi(phi_a: Floats, phi_b: Floats) -> Floats:
    """phi_a - phi_b in (-pi, pi]."""
    out: Floats = of_flat_arrays(delta_phi_kernel, phi_a, phi_b)
    return out


def delta_r(eta_a: Floats, phi_a: Floats, eta_b: Floats, phi_b: Floats) -> Floats:
    """sqrt(delta eta^2 + delta phi^2)."""
    out: Floats = of_flat_arrays(delta_r_kernel, eta_a, phi_a, eta_b, phi_b)
    return out


def pair_mass(*momenta: Floats) -> Floats:
    """Invariant masses of pairs, from pt, eta, phi, mass of the first and of the second objects."""
    out: Floats = of_flat_arrays(invariant_mass_kernel, *momenta)
    return out


def pair_momentum(*momenta: Floats) -> tuple[Floats, Floats, Floats]:
    """pt, eta, phi of the sums of pairs, from pt, eta, phi of the first and of the second objects."""
    out: tuple[Floats, Floats, Floats] = of_flat_arrays(momentum_of_two_kernel, *momenta, outputs=3)
    return out
