"""The expectation of a block, a sample in a channel, and its exact derivatives, in compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
def _slopes(m: ModelArrays, i: int, theta: Floats, slopes: Floats) -> float:
    """Fill the derivative of the contents with respect to a shape's parameter; the second derivative is a multiple of its skews."""
    _, _, mean, skew, _, bend = shape(theta[m.shape_parameters[i]])
    at = m.shapes_at[i]
    for b in range(len(slopes)):
        slopes[b] = mean * m.shape_means[at + b] + skew * m.shape_skews[at + b]
    return float(bend)


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
    slopes = np.empty(n)
    for i in range(m.shapes[k], m.shapes[k + 1]):
        _slopes(m, i, theta, slopes)
        j = m.shape_local[i]
        for b in range(n):
            jacobian[b, j] += whole * slopes[b] * others[b]
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
    one: Floats,
    two: Floats,
    hessian: Floats,
) -> None:
    r"""Second derivatives of a block's expectation, summed over bins with weights.

    With rates :math:`r_i`, their product P, contents that add to T and slopes :math:`s_j` of shapes, those of different parameters are
    :math:`T P r_i' r_j' / (r_i r_j) + P (r_i' / r_i s_j + r_j' / r_j s_i)`: a product of two vectors over the local parameters, both
    ways round, which are added to ``one`` and ``two``. The rest is added to the Hessian.
    """
    total = 0.0
    for b in range(len(contents)):
        total += weights[b] * contents[b] * others[b]
    # Both ways round make two of each pair, but where one of the rates is 0 and all derivatives are of that one.
    part = 0.5 * total if zeros == 0 else total
    begin, end = m.rates[k], m.rates[k + 1]
    for i in range(begin, end):
        p, j, without = m.rate_parameters[i], m.rate_local[i], _without(product, zeros, rates[i, 0])
        bend = without * rates[i, 2] * total
        one[j] += without * rates[i, 1]
        if rates[i, 0] != 0.0:
            logarithmic = rates[i, 1] / rates[i, 0]
            two[j] += part * logarithmic
            if zeros == 0:
                bend -= total * product * logarithmic * logarithmic
        hessian[p, p] += bend
    if zeros == 2:
        for i in range(begin, end):
            for j in range(begin, i):
                if rates[i, 0] == 0.0 and rates[j, 0] == 0.0:
                    pair = product * rates[i, 1] * rates[j, 1] * total
                    hessian[m.rate_parameters[i], m.rate_parameters[j]] += (
                        pair  # parameters rise within a block
                    )
    whole = product if zeros == 0 else 0.0
    slopes = np.empty(len(contents))
    for i in range(m.shapes[k], m.shapes[k + 1]):
        p, at = m.shape_parameters[i], m.shapes_at[i]
        bend = _slopes(m, i, theta, slopes)
        slope, curvature = 0.0, 0.0
        for b in range(len(contents)):
            weight = weights[b] * others[b]
            slope += weight * slopes[b]
            curvature += weight * bend * m.shape_skews[at + b]
        two[m.shape_local[i]] += slope
        hessian[p, p] += whole * curvature
    if m.factors[k + 1] > m.factors[k]:
        _add_of_factors(m, k, theta, rates, product, zeros, contents, weights, hessian)


@compiled
def _add_of_factors(
    m: ModelArrays,
    k: int,
    theta: Floats,
    rates: Floats,
    product: float,
    zeros: int,
    contents: Floats,
    weights: Floats,
    hessian: Floats,
) -> None:
    """Add the second derivatives with respect to factors per bin."""
    n = len(contents)
    whole = product if zeros == 0 else 0.0
    slopes = np.empty(n)
    for f in range(m.factors[k], m.factors[k + 1]):
        first = m.factor_parameters[f]
        rest = np.empty(n)
        for b in range(n):
            rest[b] = weights[b] * _other_factors(
                m.factor_parameters, m.factors[k], m.factors[k + 1], theta, b, f
            )
        for j in range(m.rates[k], m.rates[k + 1]):
            factor = _without(product, zeros, rates[j, 0]) * rates[j, 1]
            for b in range(n):
                _add(hessian, first + b, m.rate_parameters[j], factor * contents[b] * rest[b])
        for i in range(m.shapes[k], m.shapes[k + 1]):
            _slopes(m, i, theta, slopes)
            for b in range(n):
                _add(hessian, first + b, m.shape_parameters[i], whole * slopes[b] * rest[b])
        for other in range(m.factors[k], f):
            for b in range(n):
                product_of_two = weights[b] * whole * contents[b]
                for i in range(m.factors[k], m.factors[k + 1]):
                    if i not in (f, other):
                        product_of_two *= theta[m.factor_parameters[i] + b]
                _add(hessian, first + b, m.factor_parameters[other] + b, product_of_two)
