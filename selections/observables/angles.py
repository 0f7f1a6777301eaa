"""Separations in azimuth, pseudorapidity and in both (textbook definitions)."""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.kernels.formulas import delta_phi_kernel, delta_r_kernel, wrap_phi_kernel

__all__ = [
    "abs_delta_eta",
    "abs_delta_phi",
    "delta_eta",
    "delta_phi",
    "delta_r",
    "tanh_abs_delta_eta",
    "wrap_phi",
]


@compiled
def abs_delta_phi_kernel(phi_a: float, phi_b: float) -> float:
    """|phi_a - phi_b| in [0, pi]."""
    return abs(wrap_phi_kernel(phi_a - phi_b))


@compiled
def delta_eta_kernel(eta_a: float, eta_b: float) -> float:
    """eta_a - eta_b."""
    return eta_a - eta_b


@compiled
def abs_delta_eta_kernel(eta_a: float, eta_b: float) -> float:
    """|eta_a - eta_b|."""
    return abs(eta_a - eta_b)


@compiled
def tanh_abs_delta_eta_kernel(eta_a: float, eta_b: float) -> float:
    """tanh |eta_a - eta_b|."""
    return math.tanh(abs(eta_a - eta_b))


def wrap_phi(phi: Any) -> Any:
    """The same azimuth in (-pi, pi].

    Parameters
    ----------
    phi
        Azimuth in radians, any number of turns.

    Returns
    -------
    float or array
        Radians in (-pi, pi]; NaN only for input that is not finite.

    Examples
    --------
    >>> print(round(wrap_phi(4.0), 6))
    -2.283185
    """
    return elementwise(wrap_phi_kernel, phi)


def delta_phi(phi_a: Any, phi_b: Any) -> Any:
    """Signed difference of two azimuths, phi_a - phi_b.

    Parameters
    ----------
    phi_a, phi_b
        Azimuths in radians; they broadcast.

    Returns
    -------
    float or array
        Radians in (-pi, pi]; NaN only for input that is not finite.

    Examples
    --------
    >>> print(round(delta_phi(3.0, -3.0), 6))
    -0.283185
    """
    return elementwise(delta_phi_kernel, phi_a, phi_b)


def abs_delta_phi(phi_a: Any, phi_b: Any) -> Any:
    """Angle between two transverse directions (Table II, azimuthal angular separations).

    Parameters
    ----------
    phi_a, phi_b
        Azimuths in radians; they broadcast.

    Returns
    -------
    float or array
        Radians in [0, pi]; NaN only for input that is not finite. For missing transverse momentum of
        zero length the caller has to set it to undefined: the function sees angles only.

    Examples
    --------
    >>> print(round(abs_delta_phi(3.0, -3.0), 6))
    0.283185
    """
    return elementwise(abs_delta_phi_kernel, phi_a, phi_b)


def delta_eta(eta_a: Any, eta_b: Any) -> Any:
    """Signed difference of two pseudorapidities, eta_a - eta_b.

    Parameters
    ----------
    eta_a, eta_b
        Pseudorapidities; they broadcast.

    Returns
    -------
    float or array
        Any real number.

    Examples
    --------
    >>> print(delta_eta(1.5, -0.5))
    2.0
    """
    return elementwise(delta_eta_kernel, eta_a, eta_b)


def abs_delta_eta(eta_a: Any, eta_b: Any) -> Any:
    """Distance of two pseudorapidities.

    Parameters
    ----------
    eta_a, eta_b
        Pseudorapidities; they broadcast.

    Returns
    -------
    float or array
        Non-negative.

    Examples
    --------
    >>> print(abs_delta_eta(-0.5, 1.5))
    2.0
    """
    return elementwise(abs_delta_eta_kernel, eta_a, eta_b)


def tanh_abs_delta_eta(eta_a: Any, eta_b: Any) -> Any:
    """tanh of the distance of two pseudorapidities (Table II, rapidity separations).

    Parameters
    ----------
    eta_a, eta_b
        Pseudorapidities; they broadcast.

    Returns
    -------
    float or array
        In [0, 1).

    Examples
    --------
    >>> print(round(tanh_abs_delta_eta(0.5, 1.0), 6))
    0.462117
    """
    return elementwise(tanh_abs_delta_eta_kernel, eta_a, eta_b)


def delta_r(eta_a: Any, phi_a: Any, eta_b: Any, phi_b: Any) -> Any:
    """Distance in the plane of pseudorapidity and azimuth.

    Parameters
    ----------
    eta_a, phi_a, eta_b, phi_b
        Pseudorapidity and azimuth (radians) of the two objects; they broadcast.

    Returns
    -------
    float or array
        sqrt(delta eta^2 + delta phi^2), non-negative.

    Examples
    --------
    >>> print(delta_r(0.0, 0.0, 3.0, 4.0 - 2 * 3.141592653589793) > 3.7)
    True
    """
    return elementwise(delta_r_kernel, eta_a, phi_a, eta_b, phi_b)
