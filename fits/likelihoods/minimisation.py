"""Newton's method inside bounds, with the exact Hessian, in compiled code.

A point is accepted as a minimum only where the exact Hessian of the parameters that are not held by a bound is positive
definite and the estimated distance to the minimum, in units of the function, is below the tolerance.
"""

from __future__ import annotations

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.evaluation import VALUE, WITH_DERIVATIVES, WITHOUT_CURVATURE, evaluate

__all__ = ["CONVERGED", "FLAT", "NOT_CONVERGED", "NOT_FINITE", "minimise", "variance"]

CONVERGED, FLAT, NOT_CONVERGED, NOT_FINITE = 0, 1, 2, 3
"""How a minimisation ended: at a minimum; where some direction has no curvature at all; not at all; nothing finite there."""

_SMALLEST_PIVOT = 1e-13


@compiled
def _cholesky(matrix, n, damping, factor):
    """Factor of a symmetric matrix (lower triangle) with unit diagonal plus damping; whether it is positive definite."""
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                total += damping
                if total <= _SMALLEST_PIVOT:
                    return False
                factor[i, i] = np.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    return True


@compiled
def _solve(factor, n, right):
    """Solve in place with the factor of a positive definite matrix."""
    for i in range(n):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * right[k]
        right[i] = total / factor[i, i]
    for i in range(n - 1, -1, -1):
        total = right[i]
        for k in range(i + 1, n):
            total -= factor[k, i] * right[k]
        right[i] = total / factor[i, i]


@compiled
def _movable(m, theta, free, low, high, gradient, moving):
    """Fill the parameters that are neither fixed nor pushed against a bound; their number."""
    n = 0
    for p in free:
        held = (theta[p] <= low[p] and gradient[p] >= 0.0) or (theta[p] >= high[p] and gradient[p] <= 0.0)
        if not held:
            moving[n] = p
            n += 1
    return n


@compiled
def _scaled(hessian, moving, n, matrix, scale):
    """The Hessian of the moving parameters with unit diagonal; those without curvature have a scale of 0."""
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(hessian[moving[i], moving[i]]))
    for i in range(n):
        curvature = abs(hessian[moving[i], moving[i]])
        scale[i] = np.sqrt(curvature) if curvature > 1e-14 * largest else 0.0
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
def _way_down(p, theta, low, high, gradient):
    """Step in a direction without curvature, as of a signal where nothing is seen: to the bound, or far."""
    if gradient[p] == 0.0:
        return 0.0
    bound = low[p] if gradient[p] > 0.0 else high[p]
    return bound - theta[p] if np.isfinite(bound) else -10.0 * np.sign(gradient[p])


@compiled
def minimise(m, theta, free, low, high, data, auxiliary, tolerance, most):
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
        n = _movable(m, theta, free, low, high, gradient, moving)
        if n == 0:
            return value, 0.0, CONVERGED, steps
        definite = _scaled(hessian, moving, n, matrix, scale)
        exact = definite and _cholesky(matrix, n, damping, factor)
        if not exact:
            # Far from the minimum, or a saddle: downhill for sure without the curvature of the expectation.
            evaluate(m, theta, data, auxiliary, WITHOUT_CURVATURE, gradient, hessian)
            _scaled(hessian, moving, n, matrix, scale)
            extra = max(damping, 1e-6)
            while not _cholesky(matrix, n, extra, factor):
                extra *= 10.0
        for i in range(n):
            step[i] = -gradient[moving[i]] / scale[i] if scale[i] > 0.0 else 0.0
        _solve(factor, n, step)
        distance = 0.0
        for i in range(n):
            step[i] = step[i] / scale[i] if scale[i] > 0.0 else _way_down(moving[i], theta, low, high, gradient)
            distance -= 0.5 * step[i] * gradient[moving[i]]
        if exact and damping == 0.0 and distance < tolerance:
            flat = False
            for i in range(n):
                flat = flat or scale[i] == 0.0
            # One more step costs little and squares the error.
            _last_step(m, theta, low, high, data, auxiliary, moving, n, step, value, trial)
            value = min(value, evaluate(m, theta, data, auxiliary, VALUE, gradient, hessian))
            return value, distance, FLAT if flat else CONVERGED, steps
        length, accepted = 1.0, False
        for _ in range(12):
            trial[:] = theta
            for i in range(n):
                p = moving[i]
                trial[p] = min(max(theta[p] + length * step[i], low[p]), high[p])
            new = evaluate(m, trial, data, auxiliary, VALUE, gradient, hessian)
            if new < value:
                accepted = True
                break
            length *= 0.25
        if not accepted:
            if distance < 1e-10 * max(1.0, abs(value)) and exact:
                evaluate(m, theta, data, auxiliary, VALUE, gradient, hessian)
                return value, distance, CONVERGED, steps
            if damping > 1e6:
                return value, distance, NOT_CONVERGED, steps
            damping = max(1e-3, 10.0 * damping)
        else:
            theta[:] = trial
            damping = 0.0 if damping <= 1e-3 or length == 1.0 else 0.1 * damping
        value = evaluate(m, theta, data, auxiliary, WITH_DERIVATIVES, gradient, hessian)
    return value, distance, NOT_CONVERGED, most


@compiled
def variance(m, theta, free, which, data, auxiliary):
    """Variance of a parameter at a minimum, from the exact Hessian; infinite where that has no inverse."""
    size, n = len(theta), len(free)
    gradient, hessian = np.empty(size), np.empty((size, size))
    evaluate(m, theta.copy(), data, auxiliary, WITH_DERIVATIVES, gradient, hessian)
    matrix, factor = np.empty((n, n)), np.empty((n, n))
    scale, right = np.empty(n), np.zeros(n)
    if not _scaled(hessian, free, n, matrix, scale) or not _cholesky(matrix, n, 0.0, factor):
        return np.inf
    out = np.inf
    for i in range(n):
        if free[i] == which and scale[i] > 0.0:
            right[i] = 1.0 / scale[i]
            _solve(factor, n, right)
            out = right[i] / scale[i]
    return out


@compiled
def _last_step(m, theta, low, high, data, auxiliary, moving, n, step, value, trial):
    """Take a step of an accepted point where it does not lead up."""
    trial[:] = theta
    for i in range(n):
        p = moving[i]
        trial[p] = min(max(theta[p] + step[i], low[p]), high[p])
    nothing = np.empty(0)
    if evaluate(m, trial, data, auxiliary, VALUE, nothing, np.empty((0, 0))) <= value:
        theta[:] = trial
