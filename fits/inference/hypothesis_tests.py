"""Discovery significance, CLs upper limit and signal strength of a workspace.

Asymptotic formulae of arXiv:1007.1727. Without recorded data only expectations are given: the
discovery significance on Asimov data with mu = 1 and the limit on Asimov data without signal, both
at the nominal parameters. With data the background of the limit's Asimov data is the
background-only fit to them, as in pyhf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from massgap.fits.errors import InferenceError
from massgap.fits.inference.engines import likelihood_of, with_interest
from massgap.fits.inference.roots import IncreasingFunction

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.likelihoods.model import Data

    Floats = NDArray[np.float64]

__all__ = [
    "Discovery",
    "HypothesisTest",
    "Pull",
    "SignalStrength",
    "UpperLimit",
    "discovery",
    "hypothesis_test",
    "log_cls",
    "signal_strength",
    "upper_limit",
]

_PRECISION = 1e-7
"""Of roots of test statistics, and of their logarithms."""


@dataclass(frozen=True)
class Discovery:
    """Test of the background-only hypothesis.

    ``p_value`` belongs to the observed significance if there are data, else to the expected one.
    """

    expected_significance: float
    observed_significance: float | None
    p_value: float


@dataclass(frozen=True)
class HypothesisTest:
    """Test of a signal strength.

    Attributes
    ----------
    mu : float
        The signal strength.
    cls : float or None
        CLs of the data, None without.
    expected : tuple of float
        CLs expected without signal, where the data fluctuate by -2 to +2 standard deviations; the first is the smallest.
    q, q_asimov : float
        Test statistic of the data (0 without) and of the Asimov data without signal.
    """

    mu: float
    cls: float | None
    expected: tuple[float, float, float, float, float]
    q: float
    q_asimov: float


@dataclass(frozen=True)
class UpperLimit:
    """Upper limit on the signal strength; ``expected`` runs from -2 to +2 standard deviations."""

    observed: float | None
    expected: tuple[float, float, float, float, float]
    level: float


@dataclass(frozen=True)
class Pull:
    """A nuisance parameter after the fit; ``pull`` is its shift in units of its prior width."""

    value: float
    error: float
    pull: float | None
    constraint: float | None


@dataclass(frozen=True)
class SignalStrength:
    """Best-fit signal strength with the interval where twice the log likelihood rises by 1.

    ``error_down`` is None where the interval ends at the smallest signal strength that leaves
    every bin a positive expectation. Where no minimum with positive expectations exists the fit is
    repeated with a signal strength of at least 0. ``nll`` is minus the logarithm of the likelihood ratio to the
    saturated model, so that twice of it measures the goodness of the fit; ``second_start`` tells by
    how much (in that unit) a fit from another starting point ended elsewhere. ``pars`` and ``covariance`` are those of all
    parameters, in the order of the likelihood's names.
    """

    value: float
    error: float
    error_up: float
    error_down: float | None
    nll: float
    second_start: float | None
    on_data: bool
    pulls: Mapping[str, Pull]
    pars: Floats = field(repr=False, compare=False)
    covariance: Floats = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers: all but the pulls, which have a place of their own, and the parameters."""
        left = ("pulls", "pars", "covariance")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in left}


def discovery(workspace: Mapping[str, Any] | Likelihood, *, observed: bool = False) -> Discovery:
    """Significance of the signal against background only, from q0.

    Parameters
    ----------
    workspace : mapping or Likelihood
        HistFactory workspace.
    observed : bool
        Whether the observations of the workspace are recorded data.

    Returns
    -------
    Discovery
        A downward fluctuation (best fit below 0) has the significance 0.

    Raises
    ------
    InferenceError
        If a fit does not converge.
    """
    likelihood = _likelihood(workspace)
    expected = _root_q0(likelihood, likelihood.expected(likelihood.with_poi(1.0)))
    seen = _root_q0(likelihood, likelihood.observed) if observed else None
    return Discovery(expected, seen, float(ndtr(-(expected if seen is None else seen))))


def hypothesis_test(
    workspace: Mapping[str, Any] | Likelihood, mu: float = 1.0, *, observed: bool = True
) -> HypothesisTest:
    r"""CLs of one signal strength from :math:`\tilde q_\mu`.

    Parameters
    ----------
    workspace : mapping or Likelihood
        HistFactory workspace.
    mu : float
        Signal strength.
    observed : bool
        Whether the observations of the workspace are data; else only expectations are given, at the nominal parameters.

    Raises
    ------
    InferenceError
        If a fit does not converge.
    """
    likelihood = _likelihood(workspace)
    asimov = _background(likelihood, observed=observed)
    root_asimov = _root_q_tilde(likelihood, asimov.data, known=asimov.pars)(mu)
    seen, root = None, 0.0
    if observed:
        root = _root_q_tilde(likelihood, likelihood.observed)(mu)
        seen = float(np.exp(log_cls(root, root_asimov)))
    a, b, c, d, e = (
        float(np.exp(log_ndtr(n - root_asimov) - log_ndtr(n))) for n in (-2.0, -1.0, 0.0, 1.0, 2.0)
    )
    return HypothesisTest(mu, seen, (a, b, c, d, e), root**2, root_asimov**2)


def upper_limit(
    workspace: Mapping[str, Any] | Likelihood, *, level: float = 0.95, observed: bool = False
) -> UpperLimit:
    r"""CLs upper limit on the signal strength from :math:`\tilde q_\mu`.

    The expected limits need no scan of CLs: with :math:`CL_s = \Phi(N - \sqrt{q_A}) / \Phi(N)` the
    limit is where :math:`\sqrt{q_A} = N - \Phi^{-1}(\alpha \Phi(N))`.

    Parameters
    ----------
    workspace : mapping or Likelihood
        HistFactory workspace.
    level : float
        Confidence level.
    observed : bool
        Whether the observations of the workspace are recorded data.

    Returns
    -------
    UpperLimit

    Raises
    ------
    InferenceError
        If a fit does not converge or no signal strength is excluded.
    """
    if not 0.0 < level < 1.0:
        message = f"The confidence level must be between 0 and 1, not {level}."
        raise InferenceError(message)
    likelihood = _likelihood(workspace)
    asimov = _background(likelihood, observed=observed)
    alpha = 1.0 - level
    root_asimov = _root_q_tilde(likelihood, asimov.data, known=asimov.pars)
    sigma = likelihood.poi_error(asimov.pars, asimov.data)
    rising = IncreasingFunction(root_asimov, 0.0, _PRECISION)
    expected = []
    for n_sigma in (-2.0, -1.0, 0.0, 1.0, 2.0):
        target = n_sigma - float(ndtri(alpha * ndtr(n_sigma)))
        expected.append(rising.reaches(target, sigma * target))
    limit = None
    if observed:
        root = _root_q_tilde(likelihood, likelihood.observed)
        excess = IncreasingFunction(lambda mu: -log_cls(root(mu), rising(mu)), 0.0, _PRECISION)
        limit = excess.reaches(-float(np.log(alpha)), expected[2])
    a, b, c, d, e = expected
    return UpperLimit(limit, (a, b, c, d, e), level)


def signal_strength(workspace: Mapping[str, Any] | Likelihood, *, observed: bool = False) -> SignalStrength:
    """Fit of the signal strength, to the data or to Asimov data with mu = 1.

    Parameters
    ----------
    workspace : mapping or Likelihood
        HistFactory workspace.
    observed : bool
        Whether the observations of the workspace are recorded data.

    Returns
    -------
    SignalStrength

    Raises
    ------
    InferenceError
        If a fit does not converge.
    """
    likelihood = _likelihood(workspace)
    data = likelihood.observed if observed else likelihood.expected(likelihood.with_poi(1.0))
    lowest = likelihood.lowest_poi
    try:
        best = likelihood.fit(data, check=True)
    except InferenceError:
        # Data far below the background can pull a bin's expectation to 0, which is no minimum but an
        # edge: the best physical signal strength is quoted then.
        lowest = 0.0
        best = likelihood.fit(data, non_negative=True, check=True)
    value = float(best.pars[likelihood.poi])
    covariance = likelihood.covariance(best.pars, data)
    sigma = float(np.sqrt(covariance[likelihood.poi, likelihood.poi]))

    def rise(mu: float) -> float:
        point = likelihood.fit(data, mu=mu, start=best.pars, check=likelihood.ambiguous)
        return point.nll2 - best.nll2

    up = IncreasingFunction(lambda d: rise(value + d), 0.0, _PRECISION).reaches(1.0, sigma)
    room = value - lowest
    down: float | None = None
    if room > 0.0 and rise(lowest) > 1.0:
        falling = IncreasingFunction(lambda d: rise(value - min(d, room)), 0.0, _PRECISION)
        down = falling.reaches(1.0, min(sigma, room))
    pulls = {}
    for i, name in enumerate(likelihood.names):
        if i == likelihood.poi:
            continue
        error = float(np.sqrt(covariance[i, i]))
        prior = likelihood.prior(i)
        central, width = prior if prior is not None else (None, None)
        pull = (float(best.pars[i]) - central) / width if central is not None and width else None
        pulls[name] = Pull(float(best.pars[i]), error, pull, error / width if width else None)
    error = up if down is None else 0.5 * (up + down)
    return SignalStrength(
        value, error, up, down, 0.5 * best.nll2, best.second_start, observed, pulls, best.pars, covariance
    )


def _likelihood(workspace: Mapping[str, Any] | Likelihood) -> Likelihood:
    # A likelihood of another engine has the same methods.
    found: Likelihood = (
        likelihood_of(workspace) if isinstance(workspace, Mapping) else with_interest(workspace)
    )
    return found


def _root_q0(likelihood: Likelihood, data: Data) -> float:
    best = likelihood.fit(data, non_negative=True)
    if best.pars[likelihood.poi] <= 0.0:
        return 0.0
    null = likelihood.fit(data, mu=0.0)
    return float(np.sqrt(max(null.nll2 - best.nll2, 0.0)))


class _Asimov(NamedTuple):
    """Asimov data, and the parameters that they are exactly what is expected of."""

    data: Data
    pars: Floats


def _background(likelihood: Likelihood, *, observed: bool) -> _Asimov:
    """Without signal: at the parameters that fit the data best, as in pyhf, or at the nominal ones."""
    pars = likelihood.with_poi(0.0)
    if observed:
        pars = likelihood.fit(likelihood.observed, mu=0.0).pars
    return _Asimov(likelihood.expected(pars), pars)


def _root_q_tilde(
    likelihood: Likelihood, data: Data, known: Floats | None = None
) -> Callable[[float], float]:
    """Square root of q~ as a function of mu, with the global fit done once; ``known`` is where it is known to end."""
    best = likelihood.at(data, known) if known is not None else likelihood.fit(data, non_negative=True)
    at = float(best.pars[likelihood.poi])
    done = {at: best}

    def root(mu: float) -> float:
        if mu <= at:
            return 0.0
        if mu not in done:  # start from the nearest signal strength that has been fitted
            nearest = done[min(done, key=lambda x: abs(x - mu))]
            done[mu] = likelihood.fit(data, mu=mu, start=nearest.pars, check=likelihood.ambiguous)
        return float(np.sqrt(max(done[mu].nll2 - best.nll2, 0.0)))

    return root


def log_cls(root: float, root_asimov: float) -> float:
    """Logarithm of CLs from the roots of q~ (equations (66) to (69) of arXiv:1007.1727)."""
    if root <= root_asimov or root_asimov == 0.0:
        return float(log_ndtr(-root) - log_ndtr(root_asimov - root))
    upper = (root**2 + root_asimov**2) / (2.0 * root_asimov)
    lower = (root_asimov**2 - root**2) / (2.0 * root_asimov)
    return float(log_ndtr(-upper) - log_ndtr(lower))
