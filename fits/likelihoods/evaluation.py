r"""Value, gradient and Hessian of minus the logarithm of a HistFactory likelihood, in compiled code.

The value is relative to the saturated model (sum of deviances), which keeps the digits that likelihood ratios need. In every bin
the expectation is :math:`\nu = A + g B`, where g is the factor of the bin that is profiled: :math:`g(A, B)` minimises the
bin's term, so that the function of the other parameters has the gradient at that point, and the Hessian

.. math:: H_{pq} - H_{pg} H_{qg} / H_{gg}.

All derivatives are exact.
"""

from __future__ import annotations

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.arrays import NORMSYS
from massgap.fits.likelihoods.interpolation import rate, shape
from massgap.fits.likelihoods.parameters import FREE
from massgap.fits.likelihoods.terms import best_factor, constraint, poisson

__all__ = ["VALUE", "WITHOUT_CURVATURE", "WITH_DERIVATIVES", "evaluate", "expectation"]

VALUE, WITH_DERIVATIVES, WITHOUT_CURVATURE = 0, 1, 2
"""What is computed: the value; gradient and Hessian too; the same without second derivatives of the expectation, which
leaves a matrix that has no negative eigenvalue."""


@compiled
def _product(values, begin, end):
    """Product of the factors that are not zero, and number of those that are."""
    product, zeros = 1.0, 0
    for i in range(begin, end):
        if values[i] == 0.0:
            zeros += 1
        else:
            product *= values[i]
    return product, zeros


@compiled
def _without(product, zeros, one):
    """The product without one of its factors."""
    if one == 0.0:
        return product if zeros == 1 else 0.0
    return product / one if zeros == 0 else 0.0


@compiled
def _without_two(product, zeros, one, two):
    """The product without two of its factors."""
    missing = (one == 0.0) + (two == 0.0)
    if missing != zeros:
        return 0.0
    return product / ((one if one != 0.0 else 1.0) * (two if two != 0.0 else 1.0))


@compiled
def _block(m, k, theta, rates, contents, others):
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
def _other_factors(m, k, theta, b, without):
    """Product of the factors of a bin of a block but one."""
    product = 1.0
    for i in range(m.factors[k], m.factors[k + 1]):
        if i != without:
            product *= theta[m.factor_parameters[i] + b]
    return product


@compiled
def _first_derivatives(m, k, theta, rates, product, zeros, contents, others, jacobian):
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
            jacobian[b, j + b] += whole * contents[b] * _other_factors(m, k, theta, b, i)


@compiled
def _add(hessian, p, q, value):
    """Add to the lower triangle, twice on the diagonal, where both orders of a pair meet."""
    if p == q:
        hessian[p, p] += 2.0 * value
    else:
        hessian[max(p, q), min(p, q)] += value


@compiled
def _second_derivatives(m, k, theta, rates, product, zeros, contents, others, weights, hessian):
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
            rest = weights[b] * _other_factors(m, k, theta, b, f)
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


@compiled
def _profile(m, theta, p, fixed_part, scaled_part, count, auxiliary):
    """Set the profiled parameter of a bin; False where it is fixed or ends on a bound."""
    if m.fixed[p]:
        return False
    best = best_factor(m.constraints[p], fixed_part, scaled_part, count, auxiliary, m.widths[p])
    theta[p] = min(max(best, m.low[p]), m.high[p])
    return theta[p] == best


@compiled
def expectation(m, theta, out):
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
        out[first : first + n] = 0.0
        for k in range(m.channel_blocks[c], m.channel_blocks[c + 1]):
            product, zeros = _block(m, k, theta, rates, contents, others)
            if zeros:
                continue
            for b in range(n):
                p = m.profiled[first + b]
                factor = theta[p] if m.grouped[k] and p >= 0 else 1.0
                out[first + b] += product * contents[b] * others[b] * factor


@compiled
def evaluate(m, theta, data, auxiliary, what, gradient, hessian):
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
    value = 0.0
    if what != VALUE:
        gradient[:] = 0.0
        hessian[:] = 0.0
    n_rates = len(m.rate_parameters)
    rates = np.empty((n_rates, 3))
    profiled = np.zeros(len(theta), dtype=np.bool_)
    for c in range(len(m.channel_bins) - 1):
        first = m.channel_bins[c]
        n = m.channel_bins[c + 1] - first
        begin, end = m.channel_blocks[c], m.channel_blocks[c + 1]
        local = m.local_parameters[m.channel_local[c] : m.channel_local[c + 1]]
        n_local = len(local) if what != VALUE else 0
        # Rows: all, and the part that profiled factors multiply.
        plain, scaled = np.zeros((n, n_local)), np.zeros((n, n_local))
        expected, group = np.zeros(n), np.zeros(n)
        contents, others = np.empty((end - begin, n)), np.empty((end - begin, n))
        products, zeros = np.empty(end - begin), np.empty(end - begin, dtype=np.int64)
        for k in range(begin, end):
            i = k - begin
            products[i], zeros[i] = _block(m, k, theta, rates, contents[i], others[i])
            total = group if m.grouped[k] else expected
            if zeros[i] == 0:
                for b in range(n):
                    total[b] += products[i] * contents[i, b] * others[i, b]
            if what != VALUE:
                jacobian = scaled if m.grouped[k] else plain
                _first_derivatives(
                    m, k, theta, rates, products[i], zeros[i], contents[i], others[i], jacobian
                )
        slopes, factors = np.empty(n), np.ones(n)
        for b in range(n):
            p = m.profiled[first + b]
            free, bend = False, 0.0
            count = data[first + b]
            if p >= 0:
                profiled[p] = True
                free = _profile(m, theta, p, expected[b], group[b], count, auxiliary[p])
                factors[b] = theta[p]
                if not m.fixed[p]:
                    term, _, bend = constraint(m.constraints[p], theta[p], auxiliary[p], m.widths[p])
                    value += term
            mean = expected[b] + factors[b] * group[b]
            value += poisson(count, mean)
            if not value < np.inf:
                return np.inf
            if what == VALUE:
                continue
            slope = 1.0 - count / mean if count > 0.0 else 1.0
            weight = count / (mean * mean) if count > 0.0 else 0.0
            slopes[b] = slope
            cross = 0.0 if what == WITHOUT_CURVATURE else slope
            inverse = 1.0 / (weight * group[b] * group[b] + bend) if free else 0.0
            plain[b] += factors[b] * scaled[b]
            scaled[b] = weight * group[b] * plain[b] + cross * scaled[b]
            for i in range(n_local):
                p, along, across = local[i], plain[b, i], scaled[b, i] * inverse
                gradient[p] += slope * along
                if along == 0.0 and across == 0.0:
                    continue
                along *= weight
                for j in range(i + 1):
                    hessian[p, local[j]] += along * plain[b, j] - across * scaled[b, j]
        if what == WITH_DERIVATIVES:
            weights = np.empty(n)
            for k in range(begin, end):
                for b in range(n):
                    weights[b] = slopes[b] * (factors[b] if m.grouped[k] else 1.0)
                i = k - begin
                _second_derivatives(
                    m, k, theta, rates, products[i], zeros[i], contents[i], others[i], weights, hessian
                )
    for p in range(len(theta)):
        if m.constraints[p] == FREE or profiled[p] or m.fixed[p]:
            continue
        term, slope, bend = constraint(m.constraints[p], theta[p], auxiliary[p], m.widths[p])
        value += term
        if what != VALUE:
            gradient[p] += slope
            hessian[p, p] += bend
    return value
