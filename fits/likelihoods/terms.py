"""The terms of a likelihood: a Poisson count, a constraint, and the best value of a factor that stands in one bin alone."""

from __future__ import annotations

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.parameters import GAUSSIAN

__all__ = ["best_factor", "constraint", "poisson"]


@compiled
def poisson(count: float, mean: float) -> float:
    """Deviance, half of the usual one: minus the logarithm of the likelihood ratio to a mean equal to the count.

    Infinite for a count where nothing or less is expected; without a count it is the mean, as in pyhf also below 0.
    """
    if count == 0.0:
        return mean
    if mean <= 0.0:
        return np.inf
    x = (mean - count) / count
    if abs(x) > 0.05:
        return float(count * (x - np.log1p(x)))
    # The series of x - ln(1 + x): the difference would lose half of the digits near the minimum.
    total = 0.0
    for k in range(12, 1, -1):
        total = 1.0 / k - x * total
    return count * x * x * total


@compiled
def constraint(kind: int, value: float, auxiliary: float, width: float) -> tuple[float, float, float]:
    """Value and first two derivatives of a constraint term."""
    if kind == GAUSSIAN:
        pull = (value - auxiliary) / width
        return 0.5 * pull * pull, pull / width, 1.0 / (width * width)
    if value <= 0.0:
        return np.inf, 0.0, 0.0
    return poisson(auxiliary, value * width), width - auxiliary / value, auxiliary / (value * value)


@compiled
def best_factor(
    kind: int, fixed_part: float, scaled_part: float, count: float, auxiliary: float, width: float
) -> float:
    r"""Factor g that minimises the deviance of a count from ``fixed_part + g scaled_part`` plus its constraint term.

    Both are quadratic equations in g, whose root with a positive expectation is the minimum. With a Gaussian constraint

    .. math:: (g - a) / \sigma^2 + B (1 - n / (A + g B)) = 0,

    with a Poisson one of a counts, of which g = 1 expects :math:`\tau`, :math:`\tau - a / g + B (1 - n / (A + g B)) = 0`.
    """
    a, b, n = fixed_part, scaled_part, count
    if kind == GAUSSIAN:
        variance = width * width
        if b == 0.0 or n == 0.0:
            return auxiliary - b * variance
        square, linear = b, a - auxiliary * b + b * b * variance
        rest = -auxiliary * a + b * variance * (a - n)
    else:
        if b == 0.0 or n == 0.0:
            return auxiliary / (width + b)
        square, linear = b * (width + b), width * a - auxiliary * b + b * a - b * n
        rest = -auxiliary * a
    root = np.sqrt(max(linear * linear - 4.0 * square * rest, 0.0))
    # Both roots without cancellation.
    q = -0.5 * (linear + (root if linear >= 0.0 else -root))
    one = q / square
    two = rest / q if q != 0.0 else one
    larger, smaller = max(one, two), min(one, two)
    return float(larger if a + larger * b > 0.0 else smaller)
