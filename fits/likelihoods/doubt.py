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
from massgap.fits.likelihoods.evaluation import expectation

if TYPE_CHECKING:
    from massgap.fits.likelihoods.arrays import Floats, Integers, ModelArrays

__all__ = ["least_curvature"]

_STEPS = 6  # on each side
_STEP = 0.5
_LEAST_EXPECTED = 1e-3


@compiled
def least_curvature(m: ModelArrays, theta: Floats, parameters: Integers, fluctuations: float) -> float:
    """Smallest second derivative along any of some parameters, from -3 to 3 of it, for data that differ from what is expected.

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
    means = np.empty((2 * _STEPS + 1, n))
    at = theta.copy()
    least = np.inf
    for p in parameters:
        for i in range(2 * _STEPS + 1):
            at[p] = _STEP * (i - _STEPS)
            expectation(m, at, means[i])
        at[p] = theta[p]
        for i in range(1, 2 * _STEPS):
            straight, bent = 0.0, 0.0
            for b in range(n):
                mean = max(means[i, b], _LEAST_EXPECTED)
                slope = (means[i + 1, b] - means[i - 1, b]) / (2.0 * _STEP)
                bend = (means[i + 1, b] - 2.0 * means[i, b] + means[i - 1, b]) / (_STEP * _STEP)
                straight += slope * slope / mean
                bent += bend * bend / mean
            least = min(least, 1.0 + straight - fluctuations * np.sqrt(bent))
    return least
