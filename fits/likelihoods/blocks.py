"""The expectation of a block, a sample in a channel, and its exact derivatives, in compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.arrays import NORMSYS
from massgap.fits.likelihoods.interpolation import rate, shape

if TYPE_CHECKING:
    from massgap.fits.likelihoods.arrays import Floats, Integers, ModelArrays

__all__ = ["add_first_derivatives", "add_second_derivatives", "block_contents"]


@compiled
def _product(values: Floats, begin: int, end: int) -> tuple[float, int]:
    """Product of the factors that are not zero, and number of those that are."""
    product, zeros = 1.0, 0
    for i in range(begin, end):
        if values[i] == 0.0:
            zeros += 1
        else:
            product *= values[i]
    return product, zeros


@compiled
def _without(product: float, zeros: int, one: float) -> float:
    """The product without one of its factors."""
    if one == 0.0:
        return product if zeros == 1 else 0.0
    return product / one if zeros == 0 else 0.0


@compiled
def _without_two(product: float, zeros: int, one: float, two: float) -> float:
    """The product without two of its factors."""
    missing = (one == 0.0) + (two == 0.0)
    if missing != zeros:
        return 0.0
    return product / ((one if one != 0.0 else 1.0) * (two if two != 0.0 else 1.0))


@compiled
def block_contents(
    m: ModelArrays, k: int, theta: Floats, rates: Floats, contents: Floats, others: Floats
) -> tuple[float, int]:
    """Expectation of a block but for its profiled factors: fills its rates, contents with shapes, and other factors per bin.

    Gives the product of the rates that are not zero and the number of those that are.
    """
    begin, end = m.rates[k], m.rates[k + 1]
    for i in range(begin, end):
        value = theta[m.rate_parameters[i]]
        if m.rate_kinds[i] == NORMSYS:
            rates[i, 0], rates[i, 1], rates[i, 2] = rate(value, m.rate_coefficients[i])
        else:
            rates[i, 0], rates[i, 1], rates[i, 2] = value, 1.0, 0.0
    n = len(contents)
    at = m.contents_at[k]
    for b in range(n):
        contents[b] = m.contents[at + b]
        others[b] = 1.0
    for i in range(m.shapes[k], m.shapes[k + 1]):
        mean, skew, _, _, _, _ = shape(theta[m.shape_parameters[i]])
        at = m.shapes_at[i]
        for b in range(n):
            contents[b] += mean * m.shape_means[at + b] + skew * m.shape_skews[at + b]
    for i in range(m.factors[k], m.factors[k + 1]):
        at = m.factor_parameters[i]
        for b in range(n):
            others[b] *= theta[at + b]
    return _product(rates[:, 0], begin, end)


@compiled
def _other_factors(parameters: Integers, begin: int, end: int, theta: Floats, b: int, without: int) -> float:
    """Product of the factors of a bin of a block but one.

    Takes no more of the model than it needs: to hand on all its arrays costs the compiler more than the loop does.
    """
    product = 1.0
    for i in range(begin, end):
        if i != without:
            product *= theta[parameters[i] + b]
    return product


@compiled
def add_first_derivatives(
    m: ModelArrays,
    k: int,
    theta: Floats,
    rates: Floats,
    product: float,
    zeros: int,
    contents: Floats,
    others: Floats,
    jacobian: Floats,
) -> None:
    """Add the derivatives of a block's expectation with respect to the local parameters, shape (bins, local)."""
    n = len(contents)
    whole = product if zeros == 0 else 0.0
    for i in range(m.rates[k], m.rates[k + 1]):
        slope = _without(product, zeros, rates[i, 0]) * rates[i, 1]
        j = m.rate_local[i]
        for b in range(n):
            jacobian[b, j] += slope * contents[b] * others[b]
    for i in range(m.shapes[k], m.shapes[k + 1]):
        _, _, mean, skew, _, _ = shape(theta[m.shape_parameters[i]])
        j, at = m.shape_local[i], m.shapes_at[i]
        for b in range(n):
            slope = mean * m.shape_means[at + b] + skew * m.shape_skews[at + b]
            jacobian[b, j] += whole * slope * others[b]
    for i in range(m.factors[k], m.factors[k + 1]):
        j = m.factor_local[i]
        for b in range(n):
            rest = _other_factors(m.factor_parameters, m.factors[k], m.factors[k + 1], theta, b, i)
            jacobian[b, j + b] += whole * contents[b] * rest


@compiled
def _add(hessian: Floats, p: int, q: int, value: float) -> None:
    """Add to the lower triangle, twice on the diagonal, where both orders of a pair meet."""
    if p == q:
        hessian[p, p] += 2.0 * value
    else:
        hessian[max(p, q), min(p, q)] += value


@compiled
def add_second_derivatives(
    m: ModelArrays,
    k: int,
    theta: Floats,
    rates: Floats,
    product: float,
    zeros: int,
    contents: Floats,
    others: Floats,
    weights: Floats,
    hessian: Floats,
) -> None:
    """Add the second derivatives of a block's expectation, summed over bins with weights, to the Hessian."""
    n = len(contents)
    whole = product if zeros == 0 else 0.0
    total = 0.0
    for b in range(n):
        total += weights[b] * contents[b] * others[b]
    begin, end = m.rates[k], m.rates[k + 1]
    for i in range(begin, end):
        p = m.rate_parameters[i]
        hessian[p, p] += _without(product, zeros, rates[i, 0]) * rates[i, 2] * total
        if zeros == 0:
            # Parameters rise within a block.
            factor = product * total * rates[i, 1] / rates[i, 0]
            for j in range(begin, i):
                hessian[p, m.rate_parameters[j]] += factor * rates[j, 1] / rates[j, 0]
        else:
            for j in range(begin, i):
                pair = _without_two(product, zeros, rates[i, 0], rates[j, 0]) * rates[i, 1] * rates[j, 1]
                hessian[p, m.rate_parameters[j]] += pair * total
    for i in range(m.shapes[k], m.shapes[k + 1]):
        p, at = m.shape_parameters[i], m.shapes_at[i]
        _, _, mean, skew, _, bend = shape(theta[p])
        slope, curvature = 0.0, 0.0
        for b in range(n):
            weight = weights[b] * others[b]
            slope += weight * (mean * m.shape_means[at + b] + skew * m.shape_skews[at + b])
            curvature += weight * bend * m.shape_skews[at + b]
        hessian[p, p] += whole * curvature
        for j in range(begin, end):
            factor = _without(product, zeros, rates[j, 0]) * rates[j, 1]
            _add(hessian, p, m.rate_parameters[j], factor * slope)
    for f in range(m.factors[k], m.factors[k + 1]):
        for b in range(n):
            p = m.factor_parameters[f] + b
            rest = weights[b] * _other_factors(
                m.factor_parameters, m.factors[k], m.factors[k + 1], theta, b, f
            )
            for j in range(begin, end):
                factor = _without(product, zeros, rates[j, 0]) * rates[j, 1]
                _add(hessian, p, m.rate_parameters[j], factor * contents[b] * rest)
            for i in range(m.shapes[k], m.shapes[k + 1]):
                _, _, mean, skew, _, _ = shape(theta[m.shape_parameters[i]])
                at = m.shapes_at[i]
                slope = mean * m.shape_means[at + b] + skew * m.shape_skews[at + b]
                _add(hessian, p, m.shape_parameters[i], whole * slope * rest)
            for other in range(m.factors[k], f):
                q = m.factor_parameters[other] + b
                product_of_two = weights[b] * whole * contents[b]
                for i in range(m.factors[k], m.factors[k + 1]):
                    if i not in (f, other):
                        product_of_two *= theta[m.factor_parameters[i] + b]
                _add(hessian, p, q, product_of_two)
