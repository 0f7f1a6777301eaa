r"""Whether a likelihood may have several minima: how far its curvature along a systematic uncertainty may fall.

Along one parameter a with the expectations :math:`\nu_b(a)`, minus the logarithm of the likelihood has the second derivative

.. math:: 1 + \sum_b \frac{n_b}{\nu_b^2} \nu_b'^2 + \sum_b \nu_b'' \left(1 - \frac{n_b}{\nu_b}\right),

the 1 from the constraint. The last sum is 0 for data as expected, and fluctuates by :math:`\sqrt{\sum_b \nu_b''^2 / \nu_b}`. Where a
few times of that outweigh the rest, there may be two minima: where an uncertainty moves a bin to the same side both up and
down, or one sample up and another down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.fits.likelihoods.arrays import NORMSYS
from massgap.fits.likelihoods.blocks import block_contents
from massgap.fits.likelihoods.evaluation import expectation
from massgap.fits.likelihoods.interpolation import rate, shape

if TYPE_CHECKING:
    from massgap.fits.likelihoods.arrays import Floats, Integers, ModelArrays

    Blocks = tuple[Floats, Floats, Floats]

__all__ = ["least_curvatures"]

_STEPS = 6  # on each side
_STEP = 0.5
_LEAST_EXPECTED = 1e-3


@compiled
def _add_block(
    m: ModelArrays,
    k: int,
    p: int,
    theta: Floats,
    product: float,
    contents: Floats,
    weights: Floats,
    means: Floats,
) -> None:
    """Add to the expectations, at all values of one parameter, what a block has more than at the value that it has now."""
    n = len(contents)
    is_rate, is_shape = -1, -1
    for i in range(m.rates[k], m.rates[k + 1]):
        if m.rate_parameters[i] == p and m.rate_kinds[i] == NORMSYS:
            is_rate = i
    for i in range(m.shapes[k], m.shapes[k + 1]):
        if m.shape_parameters[i] == p:
            is_shape = i
    if is_rate < 0 and is_shape < 0:
        return
    now_rate = rate(theta[p], m.rate_coefficients[is_rate])[0] if is_rate >= 0 else 1.0
    now_mean, now_skew, _, _, _, _ = shape(theta[p])
    at = m.shapes_at[is_shape] if is_shape >= 0 else 0
    for i in range(2 * _STEPS + 1):
        a = _STEP * (i - _STEPS)
        factor = rate(a, m.rate_coefficients[is_rate])[0] / now_rate if is_rate >= 0 else 1.0
        mean, skew, _, _, _, _ = shape(a)
        for b in range(n):
            moved = contents[b]
            if is_shape >= 0:
                moved += (mean - now_mean) * m.shape_means[at + b]
                moved += (skew - now_skew) * m.shape_skews[at + b]
            means[i, b] += product * weights[b] * (factor * moved - contents[b])


@compiled
def _add_blocks(m: ModelArrays, p: int, theta: Floats, blocks: Blocks, means: Floats) -> None:
    """All blocks, from what :func:`_blocks` has of them."""
    products, contents, weights = blocks
    for c in range(len(m.channel_bins) - 1):
        first, last = m.channel_bins[c], m.channel_bins[c + 1]
        for k in range(m.channel_blocks[c], m.channel_blocks[c + 1]):
            n = last - first
            if products[k] != 0.0:
                _add_block(m, k, p, theta, products[k], contents[k, :n], weights[k, :n], means[:, first:last])


@compiled
def _blocks(m: ModelArrays, theta: Floats) -> Blocks:
    """Of each block: product of its rates, contents with shapes, and what else multiplies each bin."""
    size, widest = len(m.contents_at), 0
    for c in range(len(m.channel_bins) - 1):
        widest = max(widest, m.channel_bins[c + 1] - m.channel_bins[c])
    products, contents, weights = np.zeros(size), np.zeros((size, widest)), np.zeros((size, widest))
    rates = np.empty((len(m.rate_parameters), 3))
    for c in range(len(m.channel_bins) - 1):
        first = m.channel_bins[c]
        n = m.channel_bins[c + 1] - first
        for k in range(m.channel_blocks[c], m.channel_blocks[c + 1]):
            product, zeros = block_contents(m, k, theta, rates, contents[k, :n], weights[k, :n])
            products[k] = product if zeros == 0 else 0.0
            for b in range(n):
                q = m.profiled[first + b]
                if m.grouped[k] and q >= 0:
                    weights[k, b] *= theta[q]
    return products, contents, weights


@compiled
def least_curvatures(m: ModelArrays, theta: Floats, parameters: Integers, fluctuations: float) -> Floats:
    """Smallest second derivative along each of some parameters, from -3 to 3 of it, for data that differ from what is expected.

    Parameters
    ----------
    m : ModelArrays
    theta : ndarray of shape (parameters,)
        All other parameters.
    parameters : ndarray of int
        Parameters with a normal constraint of width 1.
    fluctuations : float
        By how many standard deviations the data differ.
    """
    n = len(m.profiled)
    nominal, means = np.empty(n), np.empty((2 * _STEPS + 1, n))
    expectation(m, theta, nominal)
    blocks = _blocks(m, theta)
    least = np.full(len(parameters), np.inf)
    for k in range(len(parameters)):
        # Only what the parameter moves is computed anew: all of the expectation would take most of the time of a model.
        for i in range(2 * _STEPS + 1):
            for b in range(n):
                means[i, b] = nominal[b]
        _add_blocks(m, parameters[k], theta, blocks, means)
        for i in range(1, 2 * _STEPS):
            straight, bent = 0.0, 0.0
            for b in range(n):
                mean = max(means[i, b], _LEAST_EXPECTED)
                slope = (means[i + 1, b] - means[i - 1, b]) / (2.0 * _STEP)
                bend = (means[i + 1, b] - 2.0 * means[i, b] + means[i - 1, b]) / (_STEP * _STEP)
                straight += slope * slope / mean
                bent += bend * bend / mean
            least[k] = min(least[k], 1.0 + straight - fluctuations * np.sqrt(bent))
    return least
