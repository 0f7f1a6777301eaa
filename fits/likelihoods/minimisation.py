"""Newton's method inside bounds, with the exact Hessian, in compiled code.

A point is accepted as a minimum only where the exact Hessian of the parameters that are not held by a bound is positive
definite and the estimated distance to the minimum, in units of the function, is below the tolerance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.evaluation import VALUE, WITH_DERIVATIVES, WITHOUT_CURVATURE, evaluate
from massgap.fits.likelihoods.parameters import POISSON

if TYPE_CHECKING:
    from massgap.fits.likelihoods.arrays import Floats, Integers, ModelArrays

__all__ = ["CONVERGED", "FLAT", "NOT_CONVERGED", "NOT_FINITE", "minimise"]

CONVERGED, FLAT, NOT_CONVERGED, NOT_FINITE = 0, 1, 2, 3
"""How a minimisation ended: at a minimum; where some direction has no curvature at all; not at all; nothing finite there."""

# No plain integers: numba would compile a kernel anew for each.
_integer: Any = np.int64
_ONCE: int = _integer(1)
_TRIES: int = _integer(12)
_SMALLEST_PIVOT = 1e-13
_NO_CURVATURE = 1e-14
_ALMOST_FLAT = 1e-9
_LEAST_LEFT = 0.1  # of a factor with a Poisson constraint, after a step


@compiled
def _cholesky(matrix: Floats, n: int, damping: float, factor: Floats) -> bool:
    """Upper factor of a symmetric matrix (lower triangle) with unit diagonal plus damping; whether it is positive definite.

    Rows are combined, not single numbers, which compilers turn into vector instructions.
    """
    for i in range(n):
        for j in range(i, n):
            factor[i, j] = matrix[j, i]
        factor[i, i] += damping
        for k in range(i):
            part = factor[k, i]
            for j in range(i, n):
                factor[i, j] -= part * factor[k, j]
        if not factor[i, i] > _SMALLEST_PIVOT:
            return False
        factor[i, i] = np.sqrt(factor[i, i])
        for j in range(i + 1, n):
            factor[i, j] /= factor[i, i]
    return True


@compiled
def _solve(factor: Floats, n: int, right: Floats) -> None:
    """Solve in place with the upper factor of a positive definite matrix."""
    for i in range(n):
        right[i] /= factor[i, i]
        for k in range(i + 1, n):
            right[k] -= factor[i, k] * right[i]
    for i in range(n - 1, -1, -1):
        total = right[i]
        for k in range(i + 1, n):
            total -= factor[i, k] * right[k]
        right[i] = total / factor[i, i]


@compiled
def _movable(
    theta: Floats, free: Integers, low: Floats, high: Floats, gradient: Floats, moving: Integers
) -> int:
    """Fill the parameters that are neither fixed nor pushed against a bound; their number."""
    n = 0
    for p in free:
        held = (theta[p] <= low[p] and gradient[p] >= 0.0) or (theta[p] >= high[p] and gradient[p] <= 0.0)
        if not held:
            moving[n] = p
            n += 1
    return n


@compiled
def _scaled(hessian: Floats, theta: Floats, moving: Integers, n: int, matrix: Floats, scale: Floats) -> bool:
    """The Hessian of the moving parameters with unit diagonal; those without curvature have a scale of 0.

    That is what is nothing beside the largest one, and stays so in units of the parameters: of two factors that only their product
    matters of, one may be huge.
    """
    largest, largest_relative = 0.0, 0.0
    for i in range(n):
        p = moving[i]
        curvature = abs(hessian[p, p])
        largest = max(largest, curvature)
        largest_relative = max(largest_relative, curvature * theta[p] * theta[p])
    for i in range(n):
        p = moving[i]
        curvature = abs(hessian[p, p])
        felt = curvature > _NO_CURVATURE * largest
        felt = felt or curvature * theta[p] * theta[p] > _NO_CURVATURE * largest_relative > 0.0
        scale[i] = np.sqrt(curvature) if felt else 0.0
    definite = True
    for i in range(n):
        for j in range(i):
            both = scale[i] * scale[j]
            matrix[i, j] = hessian[moving[i], moving[j]] / both if both > 0.0 else 0.0
        own = hessian[moving[i], moving[i]]
        matrix[i, i] = 1.0 if scale[i] == 0.0 or own > 0.0 else -1.0
        definite = definite and matrix[i, i] > 0.0
    return definite


@compiled
def _any_zero(values: Floats, n: int) -> bool:
    """Whether one of the first n is 0."""
    for i in range(n):  # noqa: SIM110 (numba compiles no generators)
        if values[i] == 0.0:
            return True
    return False


@compiled
def _way_down(p: int, theta: Floats, low: Floats, high: Floats, gradient: Floats) -> float:
    """Step in a direction without curvature, as of a signal where nothing is seen: to the bound, or far."""
    if gradient[p] == 0.0:
        return 0.0
    bound = low[p] if gradient[p] > 0.0 else high[p]
    if np.isfinite(bound):
        return float(bound - theta[p])
    return -10.0 if gradient[p] > 0.0 else 10.0


@compiled
def minimise(
    m: ModelArrays,
    theta: Floats,
    free: Integers,
    low: Floats,
    high: Floats,
    data: Floats,
    auxiliary: Floats,
    tolerance: float,
    most: int,
) -> tuple[float, float, int, int]:
    """Minimise over some parameters, from where they are.

    Parameters
    ----------
    m : ModelArrays
    theta : ndarray of shape (parameters,)
        Start values; ends as the minimum.
    free : ndarray of int
        Parameters that are moved (the profiled ones move by themselves).
    low, high : ndarray of shape (parameters,)
        Bounds.
    data, auxiliary : ndarray
        As of :func:`massgap.fits.likelihoods.evaluation.evaluate`.
    tolerance : float
        Largest distance to the minimum, in units of minus the logarithm of the likelihood.
    most : int
        Largest number of steps.

    Returns
    -------
    value, distance : float
        The function, and how much lower the minimum is estimated to be.
    status, steps : int
    """
    size = len(theta)
    gradient, hessian = np.empty(size), np.empty((size, size))
    most_free = len(free)
    moving = np.empty(most_free, dtype=np.int64)
    matrix, factor = np.empty((most_free, most_free)), np.empty((most_free, most_free))
    scale, step, trial = np.empty(most_free), np.empty(most_free), np.empty(size)
    for p in free:
        theta[p] = min(max(theta[p], low[p]), high[p])
    value = evaluate(m, theta, data, auxiliary, WITH_DERIVATIVES, gradient, hessian)
    if not value < np.inf:
        return value, np.inf, NOT_FINITE, 0
    damping, distance = 0.0, np.inf
    for steps in range(most):
        n = _movable(theta, free, low, high, gradient, moving)
        if n == 0:
            return value, 0.0, CONVERGED, steps
        definite = _scaled(hessian, theta, moving, n, matrix, scale)
        exact = definite and _cholesky(matrix, n, damping, factor)
        if not exact and definite and _cholesky(matrix, n, _ALMOST_FLAT, factor):
            # Two parameters that do the same, for instance: a valley is a minimum, too.
            distance = _newton_step(theta, low, high, gradient, moving, n, factor, scale, step)
            if distance < tolerance:
                return value, distance, FLAT, steps
        if not exact:
            # Far from the minimum, or a saddle: downhill for sure without the curvature of the expectation.
            evaluate(m, theta, data, auxiliary, WITHOUT_CURVATURE, gradient, hessian)
            _scaled(hessian, theta, moving, n, matrix, scale)
            extra = max(damping, 1e-6)
            while not _cholesky(matrix, n, extra, factor):
                extra *= 10.0
        distance = _newton_step(theta, low, high, gradient, moving, n, factor, scale, step)
        if exact and damping == 0.0 and distance < tolerance:
            # One more step costs little and squares the error.
            value = _step(m, theta, low, high, data, auxiliary, moving, n, step, value, trial, _ONCE)[0]
            return value, distance, FLAT if _any_zero(scale, n) else CONVERGED, steps
        value, length = _step(m, theta, low, high, data, auxiliary, moving, n, step, value, trial, _TRIES)
        if length == 0.0:
            deep = definite and distance < 1e-10 * max(1.0, abs(value))
            if deep and (exact or _cholesky(matrix, n, 1e3 * _ALMOST_FLAT, factor)):
                # As low as the precision of the value can tell.
                return value, distance, CONVERGED if exact else FLAT, steps
            if damping > 1e6:
                return value, distance, NOT_CONVERGED, steps
            damping = max(1e-3, 10.0 * damping)
        else:
            damping = 0.0 if damping <= 1e-3 or length == 1.0 else 0.1 * damping
        value = evaluate(m, theta, data, auxiliary, WITH_DERIVATIVES, gradient, hessian)
    return value, distance, NOT_CONVERGED, most


@compiled
def _newton_step(
    theta: Floats,
    low: Floats,
    high: Floats,
    gradient: Floats,
    moving: Integers,
    n: int,
    factor: Floats,
    scale: Floats,
    step: Floats,
) -> float:
    """Fill the step; how much lower the function is estimated to be at its end."""
    for i in range(n):
        step[i] = -gradient[moving[i]] / scale[i] if scale[i] > 0.0 else 0.0
    _solve(factor, n, step)
    distance = 0.0
    for i in range(n):
        step[i] = step[i] / scale[i] if scale[i] > 0.0 else _way_down(moving[i], theta, low, high, gradient)
        distance -= 0.5 * step[i] * gradient[moving[i]]
    return distance


@compiled
def _step(
    m: ModelArrays,
    theta: Floats,
    low: Floats,
    high: Floats,
    data: Floats,
    auxiliary: Floats,
    moving: Integers,
    n: int,
    step: Floats,
    value: float,
    trial: Floats,
    tries: int,
) -> tuple[float, float]:
    """Go as far along the step, inside the bounds, as the function falls: value there, and part of the step, 0 for none."""
    length = 1.0
    nothing, none = np.empty(0), np.empty((0, 0))
    for _ in range(tries):
        for p in range(len(theta)):
            trial[p] = theta[p]
        for i in range(n):
            p = moving[i]
            least = low[p]
            if m.constraints[p] == POISSON and auxiliary[p] > 0.0:
                # Its logarithm has no minimum at a bound, and from there each step would but double it.
                least = max(least, _LEAST_LEFT * theta[p])
            trial[p] = min(max(theta[p] + length * step[i], least), high[p])
        new = evaluate(m, trial, data, auxiliary, VALUE, nothing, none)
        if new < value:
            for p in range(len(theta)):
                theta[p] = trial[p]
            return new, length
        length *= 0.25
    # The profiled parameters are those of where it stays.
    return evaluate(m, theta, data, auxiliary, VALUE, nothing, none), 0.0
