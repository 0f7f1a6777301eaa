"""Pseudo-experiments: drawn from fitted parameters, fitted in blocks, with a certificate of all fits.

Counts and auxiliary measurements are drawn anew for every toy, as in pyhf: counts and the counts of Poisson constraint terms from
Poisson distributions, other auxiliary measurements from Gaussians. Every block has a seed of its own, so that the numbers do not
depend on how many workers there are, and a longer series begins with the shorter one. No more than a block per worker is in
memory; a test statistic of 8 bytes is left of every toy and signal strength.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.fits.errors import InferenceError
from massgap.fits.likelihoods.model import Data
from massgap.fits.likelihoods.parameters import GAUSSIAN, POISSON
from massgap.fits.likelihoods.toys import AGAIN, FAILED, LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.inference.toys.options import ToyOptions

    Floats = NDArray[np.float64]

__all__ = ["BLOCK", "ToyCertificate", "ToySample", "draw", "sample"]

BLOCK = 500
"""Toys that are drawn together."""

_MOST_FAILED = 0.1


@dataclass(frozen=True)
class ToyCertificate:
    """How the fits of toys ended.

    Attributes
    ----------
    toys : int
        How many were drawn.
    accepted : int
        All of whose fits ended at minima: exact Hessian positive definite, estimated distance small.
    flat : int
        Of the accepted, those where some direction had no influence.
    again : int
        Of the accepted, those that needed other starts, or whose conditional fit found a lower place than the global one.
    failed : int
        Where a fit ended at no minimum. They are in no fraction; the errors of fractions allow for either side of each.
    distance : float
        The largest estimated distance of an accepted fit to its minimum, in units of twice the log likelihood.
    """

    toys: int = 0
    accepted: int = 0
    flat: int = 0
    again: int = 0
    failed: int = 0
    distance: float = 0.0

    def __add__(self, other: ToyCertificate) -> ToyCertificate:
        """Of both series."""
        numbers = {k: v + getattr(other, k) for k, v in asdict(self).items() if k != "distance"}
        return ToyCertificate(**numbers, distance=max(self.distance, other.distance))


class ToySample(NamedTuple):
    """Test statistics of a series of toys.

    Attributes
    ----------
    q : ndarray of shape (mus, toys)
        NaN where a fit failed.
    certificate : ToyCertificate
    """

    q: Floats
    certificate: ToyCertificate


def draw(likelihood: Likelihood, pars: Floats, number: int, generator: np.random.Generator) -> Data:
    """Pseudo-data of some parameters.

    Parameters
    ----------
    likelihood : Likelihood
    pars : ndarray of shape (parameters,)
        What they are drawn from.
    number : int
        How many.
    generator : numpy.random.Generator

    Returns
    -------
    Data
        Counts of shape (number, bins), auxiliary measurements of shape (number, parameters).

    Raises
    ------
    InferenceError
        If a bin expects less than nothing.
    """
    mean = likelihood.expected(pars)
    if not (mean.counts >= 0.0).all():
        b = int(np.flatnonzero(~(mean.counts >= 0.0))[0])
        channel, place = likelihood.model.place(b)
        message = (
            f"Bin {place} (from 0) of channel '{channel}' expects {mean.counts[b]:.3g} events at the parameters that toys are "
            "drawn from, and no count can be drawn from less than nothing. Mend the contents of its samples, or use the "
            "asymptotic formulae (leave --toys out)."
        )
        raise InferenceError(message)
    arrays = likelihood.model.arrays
    counts = generator.poisson(mean.counts, (number, len(mean.counts))).astype(np.float64)
    auxiliary = np.tile(mean.auxiliary, (number, 1))
    of_counts = np.flatnonzero(arrays.constraints == POISSON)
    auxiliary[:, of_counts] = generator.poisson(mean.auxiliary[of_counts], (number, of_counts.size))
    gaussian = np.flatnonzero(arrays.constraints == GAUSSIAN)
    auxiliary[:, gaussian] += generator.normal(0.0, arrays.widths[gaussian], (number, gaussian.size))
    return Data(counts, auxiliary)


def sample(
    likelihood: Likelihood,
    pars: Floats,
    mus: Sequence[float],
    options: ToyOptions,
    *,
    stream: tuple[int, ...],
    upper: bool = True,
    progress: Callable[[int], None] | None = None,
) -> ToySample:
    r"""Draw toys from some parameters, and test signal strengths with them.

    Parameters
    ----------
    likelihood : Likelihood
    pars : ndarray of shape (parameters,)
        What toys are drawn from; fits start there.
    mus : sequence of float
        Signal strengths, all tested with the same toys.
    options : ToyOptions
    stream : tuple of int
        Series of random numbers: two series of one seed with different names are independent.
    upper : bool
        Whether the statistic is :math:`\tilde q_\mu`; else :math:`q_0`, for which ``mus`` is 0.
    progress : callable, optional
        Gets the number of toys of each block that is done.

    Raises
    ------
    InferenceError
        If more than a tenth of the toys cannot be fitted, or none can be drawn.
    """
    q = np.empty((len(mus), options.number))
    valley = likelihood.valley(pars)

    def block(first: int) -> ToyCertificate:
        size = min(BLOCK, options.number - first)
        seeds = np.random.SeedSequence(options.seed, spawn_key=(*stream, first // BLOCK))
        toys = draw(likelihood, pars, size, np.random.default_rng(seeds))
        found = likelihood.fit_toys(toys, pars, mus, upper=upper, valley=valley)
        q[:, first : first + size] = found.q
        good = found.ended != FAILED
        return ToyCertificate(
            size,
            int(good.sum()),
            int((found.ended == LEVEL).sum()),
            int((found.ended == AGAIN).sum()),
            int(size - good.sum()),
            float(found.distances[good].max(initial=0.0)),
        )

    certificate = ToyCertificate()
    with ThreadPoolExecutor(options.workers) as pool:
        for done in pool.map(block, range(0, options.number, BLOCK)):
            certificate += done
            if progress is not None:
                progress(done.toys)
    if certificate.failed > _MOST_FAILED * certificate.toys:
        message = (
            f"{certificate.failed} of {certificate.toys} toys could not be fitted. Use fewer or wider bins, or constrain free "
            "normalisations."
        )
        raise InferenceError(message)
    return ToySample(q, certificate)
