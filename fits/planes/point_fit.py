"""CLs, limits and significances of one point of a plane, with each fit done once and a certificate over all.

The asymptotic formulae are those of :mod:`massgap.fits.inference.hypothesis_tests` (arXiv:1007.1727); here the tests of one
signal share their fits, and fits that are alike start where the one before ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from massgap.fits.errors import InferenceError
from massgap.fits.inference.hypothesis_tests import log_cls
from massgap.fits.inference.roots import IncreasingFunction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from massgap.fits.inference.engine_base import FitPoint
    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.inference.toys.options import ToyOptions
    from massgap.fits.likelihoods.model import Data

    Floats = NDArray[np.float64]

__all__ = ["PointTests", "background_at", "fit_point"]

_BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)
_PRECISION = 1e-7
"""Of limits, relative to them."""


@dataclass(frozen=True)
class PointTests:
    """What is asked of each point.

    Attributes
    ----------
    level : float
        Confidence level of limits.
    observed : bool
        Whether the observations are data; else only expectations are given, at the nominal parameters.
    toys : ToyOptions, optional
        Tests with toys beside the asymptotic ones.
    """

    level: float = 0.95
    observed: bool = False
    toys: ToyOptions | None = None


def fit_point(
    likelihood: Likelihood, tests: PointTests, start: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Test one signal.

    Parameters
    ----------
    likelihood : Likelihood
        Background and signal.
    tests : PointTests
    start : mapping, optional
        Where the background-only fit to the data ended for another signal: name of a parameter -> value. It does not depend
        on the signal, and need not try other starts then.

    Returns
    -------
    dict
        ``cls``, ``upper_limit``, ``significance``, ``certificate`` as ``plane.json`` has them.

    Raises
    ------
    InferenceError
        If a fit does not converge.
    """
    fits = _Fits(likelihood)
    background = likelihood.with_poi(0.0)
    seen = None
    if tests.observed:
        null = fits.background(start)
        background = null.pars
        seen = fits.profile(likelihood.observed, fits.fit(likelihood.observed, non_negative=True))
    data = likelihood.expected(background)
    asimov = fits.profile(data, likelihood.at(data, background))
    with_signal = likelihood.with_poi(1.0)
    data = likelihood.expected(with_signal)
    # What Asimov data were made of is where their best fit ends; without signal it may end elsewhere than expected.
    discovery = (
        fits.fit(data, mu=0.0, check=likelihood.ambiguous).nll2 - likelihood.at(data, with_signal).nll2
    )
    significance = {"expected": float(np.sqrt(max(discovery, 0.0))), "observed": None}
    if seen is not None:
        rise = null.nll2 - seen.best.nll2 if seen.best_mu > 0.0 else 0.0
        significance["observed"] = float(np.sqrt(max(rise, 0.0)))
    cls, limit = _limits(likelihood, tests, asimov, seen)
    return {"cls": cls, "upper_limit": limit, "significance": significance, "certificate": fits.certificate()}


def background_at(likelihood: Likelihood, start: Mapping[str, float]) -> Floats:
    """Parameters without signal where the fit for another signal ended, see :func:`fit_point`."""
    pars = likelihood.with_poi(0.0)
    for i, name in enumerate(likelihood.names):
        pars[i] = start.get(name, pars[i])
    pars[likelihood.poi] = 0.0
    return pars


def _limits(
    likelihood: Likelihood, tests: PointTests, asimov: _Profile, seen: _Profile | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    alpha = 1.0 - tests.level
    expected_root = IncreasingFunction(asimov.root, 0.0, _PRECISION)
    root = expected_root(1.0)
    cls = {
        "observed": None if seen is None else float(np.exp(log_cls(seen.root(1.0), root))),
        "expected": [float(np.exp(log_ndtr(n - root) - log_ndtr(n))) for n in _BANDS],
    }
    sigma = likelihood.poi_error(asimov.best.pars, asimov.data)
    expected = []
    for n_sigma in _BANDS:
        target = n_sigma - float(ndtri(alpha * ndtr(n_sigma)))
        expected.append(expected_root.reaches(target, sigma * target))
    observed = None
    if seen is not None:

        def excess(mu: float) -> float:
            return -log_cls(seen.root(mu), expected_root(mu))

        observed = IncreasingFunction(excess, 0.0, _PRECISION).reaches(-float(np.log(alpha)), expected[2])
    return cls, {"observed": observed, "expected": expected}


class _Profile:
    """Fits to one set of data at any signal strength; each starts from where its neighbours ended."""

    def __init__(self, fits: _Fits, data: Data, best: FitPoint) -> None:
        self.fits, self.data, self.best = fits, data, best
        self.best_mu = float(best.pars[fits.likelihood.poi])
        self.done: dict[float, FitPoint] = {self.best_mu: best}

    def root(self, mu: float) -> float:
        """Square root of q~."""
        if mu <= self.best_mu:
            return 0.0
        if mu not in self.done:
            check = self.fits.likelihood.ambiguous
            self.done[mu] = self.fits.fit(self.data, mu=mu, start=self._start(mu), check=check)
        return float(np.sqrt(max(self.done[mu].nll2 - self.best.nll2, 0.0)))

    def _start(self, mu: float) -> Floats:
        """On the line through the two nearest signal strengths, if that does not lead far."""
        nearest = sorted(self.done, key=lambda x: abs(x - mu))[:2]
        one = self.done[nearest[0]].pars
        if len(nearest) == 1:
            return one
        share = (mu - nearest[0]) / (nearest[1] - nearest[0])
        if abs(share) > 2.0:
            return one
        return np.asarray(one + share * (self.done[nearest[1]].pars - one), dtype=np.float64)


class _Fits:
    """Does fits, and keeps the worst of their certificates."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood
        self.number = self.steps = 0
        self.distance = 0.0
        self.flat = False
        self.bounds: set[str] = set()
        self.second: float | None = None

    def profile(self, data: Data, best: FitPoint) -> _Profile:
        return _Profile(self, data, best)

    def background(self, start: Mapping[str, float] | None) -> FitPoint:
        """Fit without signal to the data."""
        if start is None:
            return self.fit(self.likelihood.observed, mu=0.0)
        pars = background_at(self.likelihood, start)
        return self.fit(self.likelihood.observed, mu=0.0, start=pars, check=False)

    def fit(self, data: Data, **options: Any) -> FitPoint:
        point = self.likelihood.fit(data, **options)
        self.number += 1
        if point.second_start is not None:
            # A start that ends lower than the first one is what matters; it is the one that is kept.
            self.second = point.second_start if self.second is None else min(self.second, point.second_start)
        certificate = getattr(point, "certificate", None)
        if certificate is not None:
            self.steps += certificate.steps
            self.distance = max(self.distance, certificate.distance)
            self.flat = self.flat or certificate.flat
            self.bounds.update(certificate.on_bounds)
        if not np.isfinite(point.nll2):
            message = "The likelihood is not finite at its minimum."
            raise InferenceError(message)
        return point

    def certificate(self) -> dict[str, Any]:
        """``certificate`` of a row."""
        bounds = sorted(self.bounds)
        return {
            "distance": self.distance,
            "steps": self.steps,
            "fits": self.number,
            "flat": self.flat,
            "on_bounds": bounds,
            "second_start": self.second,
        }
