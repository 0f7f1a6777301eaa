r"""Value, gradient and Hessian of minus the logarithm of a HistFactory likelihood, in compiled code.

The value is relative to the saturated model (sum of deviances), which keeps the digits that likelihood ratios need. In every bin
the expectation is :math:`\nu = A + g B`, where g is the factor of the bin that is profiled: :math:`g(A, B)` minimises the
bin's term, so that the function of the other parameters has the gradient at that point, and the Hessian

.. math:: H_{pq} - H_{pg} H_{qg} / H_{gg}.

All derivatives are exact. Loops stand where NumPy has an expression for whole arrays: each of those is compiled with all that
its errors may say, which makes the first use slower by seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.blocks import add_first_derivatives, add_second_derivatives, block_contents
from massgap.fits.likelihoods.parameters import FREE
from massgap.fits.likelihoods.terms import best_factor, constraint, poisson

if TYPE_CHECKING:
    from massgap.fits.likelihoods.arrays import Floats, Integers, ModelArrays

__all__ = ["VALUE", "WITHOUT_CURVATURE", "WITH_DERIVATIVES", "evaluate", "expectation"]

# Of a type of NumPy: numba would compile a kernel anew for each plain integer that is a constant of the module.
_integer: Any = np.int64
VALUE: int = _integer(0)
WITH_DERIVATIVES: int = _integer(1)
WITHOUT_CURVATURE: int = _integer(2)
"""What is computed: the value; gradient and Hessian too; the same without second derivatives of the expectation, which
leaves a matrix that has no negative eigenvalue."""


@compiled
def expectation(m: ModelArrays, theta: Floats, out: Floats) -> None:
    """Expected contents of all bins.

    Parameters
    ----------
    m : ModelArrays
    theta : ndarray of shape (parameters,)
    out : ndarray of shape (bins,)
        Is filled.
    """
    rates = np.empty((len(m.rate_parameters), 3))
    for c in range(len(m.channel_bins) - 1):
        first = m.channel_bins[c]
        n = m.channel_bins[c + 1] - first
        contents, others = np.empty(n), np.empty(n)
        for b in range(n):
            out[first + b] = 0.0
        for k in range(m.channel_blocks[c], m.channel_blocks[c + 1]):
            product, zeros = block_contents(m, k, theta, rates, contents, others)
            if zeros:
                continue
            for b in range(n):
                p = m.profiled[first + b]
                factor = theta[p] if m.grouped[k] and p >= 0 else 1.0
                out[first + b] += product * contents[b] * others[b] * factor


@compiled
def _expectations(
    m: ModelArrays,
    c: int,
    theta: Floats,
    rates: Floats,
    contents: Floats,
    others: Floats,
    products: Floats,
    zeros: Integers,
    expected: Floats,
    group: Floats,
    plain: Floats,
    scaled: Floats,
) -> None:
    """Expectation of a channel, and its derivatives if there is room for them, apart for what profiled factors multiply."""
    n = len(expected)
    for k in range(m.channel_blocks[c], m.channel_blocks[c + 1]):
        i = k - m.channel_blocks[c]
        products[i], zeros[i] = block_contents(m, k, theta, rates, contents[i], others[i])
        total = group if m.grouped[k] else expected
        if zeros[i] == 0:
            for b in range(n):
                total[b] += products[i] * contents[i, b] * others[i, b]
        if plain.shape[1]:
            jacobian = scaled if m.grouped[k] else plain
            add_first_derivatives(m, k, theta, rates, products[i], zeros[i], contents[i], others[i], jacobian)


@compiled
def _bin(
    m: ModelArrays,
    p: int,
    theta: Floats,
    count: float,
    auxiliary: Floats,
    fixed_part: float,
    scaled_part: float,
) -> tuple[float, float, float]:
    """Terms of a bin, its best factor, and the second derivative of the constraint (0 where the factor does not move).

    Sets the profiled parameter of the bin.
    """
    term, factor, bend = 0.0, 1.0, 0.0
    if p >= 0:
        if not m.fixed[p]:
            kind, width = m.constraints[p], m.widths[p]
            best = best_factor(kind, fixed_part, scaled_part, count, auxiliary[p], width)
            theta[p] = min(max(best, m.low[p]), m.high[p])
            term, _, bend = constraint(kind, theta[p], auxiliary[p], width)
            if theta[p] != best:
                bend = 0.0  # on a bound
        factor = theta[p]
    return term + poisson(count, fixed_part + factor * scaled_part), factor, bend


@compiled
def _add_bin(
    local: Integers,
    slope: float,
    weight: float,
    scaled_part: float,
    bend: float,
    whole: Floats,
    cross: Floats,
    gradient: Floats,
    left: Floats,
    right: Floats,
) -> None:
    """Add a bin to the gradient, and fill the two products of vectors that are its part of the Hessian.

    ``cross`` becomes the derivative with respect to parameter and factor.
    """
    inverse = 1.0 / (weight * scaled_part * scaled_part + bend) if bend > 0.0 else 0.0
    for i in range(len(local)):
        cross[i] = weight * scaled_part * whole[i] + cross[i]
        gradient[local[i]] += slope * whole[i]
        left[0, i], right[0, i] = weight * whole[i], whole[i]
        left[1, i], right[1, i] = -inverse * cross[i], cross[i]


@compiled
def _add_products(local: Integers, left: Floats, right: Floats, hessian: Floats) -> None:
    """Add products of vectors over the local parameters, of which there are many, to the lower triangle of the Hessian."""
    row = np.empty(len(local))
    for i in range(len(local)):
        row[: i + 1] = 0.0
        for k in range(len(left)):
            factor = left[k, i]
            if factor != 0.0:
                for j in range(i + 1):
                    row[j] += factor * right[k, j]
        p = local[i]
        for j in range(i + 1):
            hessian[p, local[j]] += row[j]


@compiled
def _channel(
    m: ModelArrays,
    c: int,
    theta: Floats,
    rates: Floats,
    data: Floats,
    auxiliary: Floats,
    what: int,
    gradient: Floats,
    hessian: Floats,
) -> float:
    """The terms of a channel; its derivatives are added."""
    first, begin, end = m.channel_bins[c], m.channel_blocks[c], m.channel_blocks[c + 1]
    n = m.channel_bins[c + 1] - first
    local = m.local_parameters[m.channel_local[c] : m.channel_local[c + 1]]
    n_local = len(local) if what != VALUE else 0
    plain, scaled = np.zeros((n, n_local)), np.zeros((n, n_local))
    expected, group = np.zeros(n), np.zeros(n)
    contents, others = np.empty((end - begin, n)), np.empty((end - begin, n))
    products, zeros = np.empty(end - begin), np.empty(end - begin, dtype=np.int64)
    _expectations(m, c, theta, rates, contents, others, products, zeros, expected, group, plain, scaled)
    n_products = 2 * n + (2 * (end - begin) if what == WITH_DERIVATIVES else 0)
    left, right = np.zeros((n_products, n_local)), np.zeros((n_products, n_local))
    slopes, factors = np.empty(n), np.empty(n)
    value = 0.0
    for b in range(n):
        count = data[first + b]
        term, factors[b], bend = _bin(
            m, m.profiled[first + b], theta, count, auxiliary, expected[b], group[b]
        )
        value += term
        if what == VALUE or not value < np.inf:
            continue
        mean = expected[b] + factors[b] * group[b]
        slopes[b] = 1.0 - count / mean if count > 0.0 else 1.0
        weight = count / (mean * mean) if count > 0.0 else 0.0
        bent = slopes[b] if what == WITH_DERIVATIVES else 0.0
        for j in range(n_local):
            plain[b, j] += factors[b] * scaled[b, j]
            scaled[b, j] *= bent
        pair = slice(2 * b, 2 * b + 2)
        _add_bin(
            local, slopes[b], weight, group[b], bend, plain[b], scaled[b], gradient, left[pair], right[pair]
        )
    if what == VALUE or not value < np.inf:
        return value
    if what == WITH_DERIVATIVES:
        for b in range(n):
            factors[b] *= slopes[b]
        for k in range(begin, end):
            i = k - begin
            weights, at = factors if m.grouped[k] else slopes, 2 * (n + i)
            add_second_derivatives(
                m,
                k,
                theta,
                rates,
                products[i],
                zeros[i],
                contents[i],
                others[i],
                weights,
                left[at],
                right[at],
                hessian,
            )
            left[at + 1], right[at + 1] = right[at], left[at]
    _add_products(local, left, right, hessian)
    return value


@compiled
def evaluate(
    m: ModelArrays,
    theta: Floats,
    data: Floats,
    auxiliary: Floats,
    what: int,
    gradient: Floats,
    hessian: Floats,
) -> float:
    """Minus the logarithm of the likelihood ratio to the saturated model.

    Parameters
    ----------
    m : ModelArrays
    theta : ndarray of shape (parameters,)
        The profiled ones among them are set.
    data, auxiliary : ndarray
        Counts of all bins; auxiliary measurement of each parameter.
    what : int
        :data:`VALUE`, :data:`WITH_DERIVATIVES` or :data:`WITHOUT_CURVATURE`.
    gradient, hessian : ndarray of shape (parameters,) and (parameters, parameters)
        Are filled, the Hessian in its lower triangle; with 0 for profiled parameters.

    Returns
    -------
    float
        Infinite where a count is seen and nothing is expected.
    """
    if what != VALUE:
        for p in range(len(gradient)):
            gradient[p] = 0.0
            for q in range(len(gradient)):
                hessian[p, q] = 0.0
    value = 0.0
    rates = np.empty((len(m.rate_parameters), 3))
    for c in range(len(m.channel_bins) - 1):
        value += _channel(m, c, theta, rates, data, auxiliary, what, gradient, hessian)
        if not value < np.inf:
            return np.inf
    profiled = np.zeros(len(theta), dtype=np.bool_)
    for p in m.profiled:
        if p >= 0:
            profiled[p] = True
    for p in range(len(theta)):
        if m.constraints[p] == FREE or profiled[p] or m.fixed[p]:
            continue
        term, slope, bend = constraint(m.constraints[p], theta[p], auxiliary[p], m.widths[p])
        value += term
        if what != VALUE:
            gradient[p] += slope
            hessian[p, p] += bend
    return value
