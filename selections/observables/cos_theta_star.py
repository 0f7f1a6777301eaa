"""cos theta*: the polar angle of two leptons in the frame of opposite pseudorapidities."""

from __future__ import annotations

import math
from typing import Any

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise

__all__ = ["abs_cos_theta_star", "cos_theta_star"]


@compiled
def cos_theta_star_kernel(eta_a: float, eta_b: float) -> float:
    """tanh(delta eta / 2)."""
    return math.tanh(0.5 * (eta_a - eta_b))


@compiled
def abs_cos_theta_star_kernel(eta_a: float, eta_b: float) -> float:
    """|tanh(delta eta / 2)|."""
    return abs(cos_theta_star_kernel(eta_a, eta_b))


def cos_theta_star(eta_a: Any, eta_b: Any) -> Any:
    r"""Signed cos theta* of two leptons.

    .. math:: \cos\theta^* = \tanh\left(\tfrac12(\eta_a - \eta_b)\right)

    Barr, hep-ph/0511115; slepton paper, section IV B.  It does not change under boosts along the beam.

    Parameters
    ----------
    eta_a, eta_b
        Pseudorapidities of the leptons; they broadcast.

    Returns
    -------
    float or array
        In (-1, 1); always defined for finite pseudorapidities.

    Examples
    --------
    >>> print(round(cos_theta_star(0.2, 1.2), 6))
    -0.462117
    """
    return elementwise(cos_theta_star_kernel, eta_a, eta_b)


def abs_cos_theta_star(eta_a: Any, eta_b: Any) -> Any:
    """|cos theta*|, as used in Table II of the slepton paper and in its pre-cut.

    Parameters
    ----------
    eta_a, eta_b
        Pseudorapidities of the leptons; they broadcast.

    Returns
    -------
    float or array
        In [0, 1); always defined for finite pseudorapidities.

    Examples
    --------
    >>> print(round(abs_cos_theta_star(0.2, 1.2), 6))
    0.462117
    """
    return elementwise(abs_cos_theta_star_kernel, eta_a, eta_b)
