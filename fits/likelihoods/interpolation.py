r"""How rates and shapes follow a parameter: pyhf's defaults, code 4 for rates and code 4p for shapes.

Source: K. Cranmer et al., "HistFactory", CERN-OPEN-2012-016, section 4.1. Rates are
:math:`\eta_\pm^{|\alpha|}` beyond :math:`|\alpha| = 1` and a polynomial of sixth order within, with equal first and second derivatives.
Shapes are linear beyond, with a polynomial within.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["rate", "rate_coefficients", "shape"]

# Value, first and second derivative of a^1 ... a^6 at a = 1 and -1.
_MATCHING = np.linalg.inv(
    np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [-1, 1, -1, 1, -1, 1],
            [1, 2, 3, 4, 5, 6],
            [1, -2, 3, -4, 5, -6],
            [0, 2, 6, 12, 20, 30],
            [0, 2, -6, 12, -20, 30],
        ],
        dtype=np.float64,
    )
)


def rate_coefficients(up: float | Floats, down: float | Floats) -> Floats:
    """Logarithms of the rates at +1 and -1, then the six coefficients of the polynomial between.

    Of many rates at once in a last dimension of 8: one by one they would take most of the time of a model of many channels.

    Examples
    --------
    >>> rate_coefficients(1.1, 1.0 / 1.1)[:2].round(6).tolist()
    [0.09531, -0.09531]
    """
    log_up, log_down = np.log(up), np.log(down)
    values = [up - 1.0, down - 1.0, log_up * up, -log_down * down, log_up**2 * up, log_down**2 * down]
    return np.stack([log_up, log_down, *(_MATCHING @ np.array(values))], axis=-1)


@compiled
def rate(a: float, coefficients: Floats) -> tuple[float, float, float]:
    """Value and first two derivatives of a rate; coefficients from :func:`rate_coefficients`."""
    if a >= 1.0 or a <= -1.0:
        slope = coefficients[0] if a > 0.0 else -coefficients[1]
        value = np.exp(a * slope)
        return value, slope * value, slope * slope * value
    value, first, second = 0.0, 0.0, 0.0
    # Horner's scheme for the polynomial and its derivatives.
    for i in range(7, 1, -1):
        second = second * a + first
        first = first * a + value
        value = value * a + coefficients[i]
    second = second * a + first
    first = first * a + value
    return 1.0 + value * a, first, 2.0 * second


@compiled
def shape(a: float) -> tuple[float, float, float, float, float, float]:
    """Factors of mean and skew of a shape variation, with first and second derivatives: six numbers."""
    if a > 1.0:
        return a, 8.0 * a, 1.0, 8.0, 0.0, 0.0
    if a < -1.0:
        return a, -8.0 * a, 1.0, -8.0, 0.0, 0.0
    square = a * a
    skew = square * (15.0 + square * (3.0 * square - 10.0))
    first = a * (30.0 + square * (18.0 * square - 40.0))
    second = 30.0 + square * (90.0 * square - 120.0)
    return a, skew, 1.0, first, 0.0, second
