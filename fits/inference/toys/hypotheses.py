r"""CLs and discovery from pseudo-experiments, where counts are too small for asymptotic formulae.

The data of a hypothesis are drawn from the parameters that fit the observations best under it (pyhf's convention), counts and
auxiliary measurements alike; the statistics are :math:`\tilde q_\mu` and :math:`q_0` of arXiv:1007.1727. Where there are no
observations, Asimov data without signal take their place. Every number has the error that the finite number of toys gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from massgap.fits.errors import InferenceError
from massgap.fits.inference.toys.options import ToyOptions
from massgap.fits.inference.toys.pseudo_experiments import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from massgap.fits.inference.engine_base import FitPoint
    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.inference.toys.pseudo_experiments import ToyCertificate

    Floats = NDArray[np.float64]

__all__ = ["BANDS", "Fraction", "ToyDiscovery", "ToyHypothesisTest", "toy_cls", "toy_discovery", "toy_tests"]

BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)
_BACKGROUND, _SIGNAL, _NULL, _ALTERNATIVE = ((i,) for i in range(4))
"""Series of random numbers. With signal every strength has its own: neighbours that fluctuated together would tell less of where
CLs falls to a level."""
_TIE = 1e-6
"""Statistics closer than this, relative where they are above 1, are the same count in other words: fits differ by less."""
_ONE_SIGMA = 0.31731  # probability outside one standard deviation, for bounds where no toy is beyond


class Fraction(NamedTuple):
    """A probability counted with toys, and its standard deviation.

    Where no toy or every toy counts, the error is the distance to the bound of Clopper and Pearson at 68 %. Toys that could not be
    fitted might be on either side: they add linearly.
    """

    value: float
    error: float


@dataclass(frozen=True)
class ToyHypothesisTest:
    """Test of a signal strength with toys.

    Attributes
    ----------
    mu : float
    cls, cls_error : float or None
        CLs of the data and its standard deviation, None without data.
    clsb, clb : float or None
        Probabilities of a statistic not below that of the data, with and without signal.
    expected, expected_errors : tuple of float
        CLs expected without signal, where the data fluctuate by -2 to +2 standard deviations, the smallest first.
    q : float or None
        Test statistic of the data.
    certificate : ToyCertificate
        Of the toys of both hypotheses.
    """

    mu: float
    cls: float | None
    cls_error: float | None
    clsb: float | None
    clb: float | None
    expected: tuple[float, ...]
    expected_errors: tuple[float, ...]
    q: float | None
    certificate: ToyCertificate


@dataclass(frozen=True)
class ToyDiscovery:
    """Test of the background-only hypothesis with toys.

    Attributes
    ----------
    expected_p, expected_p_error, expected_significance : float
        Of the median of toys with a signal strength of 1 at the nominal parameters. Where no toy of the background reaches
        it, the significance is that of the error, a lower bound.
    observed_p, observed_p_error, observed_significance : float or None
        Of the data, None without.
    certificate : ToyCertificate
    """

    expected_p: float
    expected_p_error: float
    expected_significance: float
    observed_p: float | None
    observed_p_error: float | None
    observed_significance: float | None
    certificate: ToyCertificate


def toy_cls(
    likelihood: Likelihood,
    mu: float = 1.0,
    number: int = 20_000,
    seed: int = 1,
    *,
    observed: bool = True,
    workers: int = 1,
) -> ToyHypothesisTest:
    r"""CLs of one signal strength from toys of :math:`\tilde q_\mu`.

    Parameters
    ----------
    likelihood : Likelihood
    mu : float
        Signal strength.
    number : int
        Toys with signal, and as many without.
    seed : int
    observed : bool
        Whether the observations of the workspace are data; else only expectations are given.
    workers : int
        Threads; they change no number.

    Raises
    ------
    InferenceError
        If the observations or too many toys cannot be fitted, or no toy without signal is beyond the data.

    Examples
    --------
    >>> toy_cls(Likelihood(workspace), 1.0, 20_000).cls  # doctest: +SKIP
    """
    return toy_tests(likelihood, [mu], ToyOptions(number, seed, workers), observed=observed)[0][0]


def toy_tests(
    likelihood: Likelihood,
    mus: Sequence[float],
    options: ToyOptions,
    *,
    observed: bool = True,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[ToyHypothesisTest], ToyCertificate]:
    """As :func:`toy_cls` for several signal strengths, which share the toys without signal.

    Parameters
    ----------
    likelihood : Likelihood
    mus : sequence of float
    options : ToyOptions
    observed : bool
    progress : callable, optional
        Gets the number of toys of each block that is done; there are ``(1 + len(mus)) options.number``.

    Returns
    -------
    list of ToyHypothesisTest
        In the order of ``mus``.
    ToyCertificate
        Of all toys; those without signal count once.

    Raises
    ------
    InferenceError
        As of :func:`toy_cls`.
    """
    if not all(mu > 0.0 for mu in mus):
        message = f"Signal strengths that are tested must be positive, not {min(mus):g} (mu=..., --mu)."
        raise InferenceError(message)
    data = likelihood.observed if observed else likelihood.expected(likelihood.with_poi(0.0))
    best = likelihood.fit(data, non_negative=True)
    null = likelihood.fit(data, mu=0.0)
    without = sample(likelihood, null.pars, mus, options, stream=_BACKGROUND, progress=progress)
    tests, certificate = [], without.certificate
    for j, mu in enumerate(mus):
        held = likelihood.fit(data, mu=mu)
        seen = _statistic(best, held, likelihood.poi, mu) if observed else None
        with_signal = sample(likelihood, held.pars, [mu], options, stream=_of(mu), progress=progress)
        certificate += with_signal.certificate
        both = without.certificate + with_signal.certificate
        tests.append(_test(mu, seen, _ordered(with_signal.q[0]), _ordered(without.q[j]), options, both))
    return tests, certificate


def toy_discovery(
    likelihood: Likelihood,
    options: ToyOptions,
    *,
    observed: bool = True,
    progress: Callable[[int], None] | None = None,
) -> ToyDiscovery:
    """Significance of the signal against background only, from toys of q0.

    Parameters
    ----------
    likelihood : Likelihood
    options : ToyOptions
    observed : bool
        Whether the observations are data; else toys of the background come from the nominal parameters.
    progress : callable, optional
        As of :func:`toy_tests`; there are ``2 options.number`` toys.

    Raises
    ------
    InferenceError
        If the observations or too many toys cannot be fitted.
    """
    pars, seen = likelihood.with_poi(0.0), None
    if observed:
        best = likelihood.fit(likelihood.observed, non_negative=True)
        null = likelihood.fit(likelihood.observed, mu=0.0)
        pars = null.pars
        seen = max(null.nll2 - best.nll2, 0.0) if best.pars[likelihood.poi] > 0.0 else 0.0
    background = sample(likelihood, pars, [0.0], options, stream=_NULL, upper=False, progress=progress)
    signal = sample(
        likelihood,
        likelihood.with_poi(1.0),
        [0.0],
        options,
        stream=_ALTERNATIVE,
        upper=False,
        progress=progress,
    )
    null_q = _ordered(background.q[0])
    expected = _beyond(null_q, float(np.median(_ordered(signal.q[0]))), options.number)
    found = None if seen is None else _beyond(null_q, seen, options.number)
    return ToyDiscovery(
        *expected,
        _significance(expected),
        None if found is None else found.value,
        None if found is None else found.error,
        None if found is None else _significance(found),
        background.certificate + signal.certificate,
    )


def _of(mu: float) -> tuple[int, ...]:
    """The series of a signal strength, whatever else is tested."""
    return (*_SIGNAL, *np.frombuffer(np.float64(mu).tobytes(), dtype=np.uint32).tolist())


def _significance(p: Fraction) -> float:
    """0 for a downward fluctuation, whose p is about a half or, where no fit is above 0, 1."""
    return max(0.0, -float(ndtri(p.value if p.value > 0.0 else p.error)))


def _statistic(best: FitPoint, held: FitPoint, poi: int, mu: float) -> float:
    return 0.0 if best.pars[poi] >= mu else max(held.nll2 - best.nll2, 0.0)


def _ordered(q: Floats) -> Floats:
    """Without those that could not be fitted, rising."""
    return np.sort(q[~np.isnan(q)])


def _beyond(q: Floats, seen: float, toys: int) -> Fraction:
    """Part of the toys whose statistic is not below what is seen; ``q`` rises."""
    n = len(q)
    count = n - int(np.searchsorted(q, seen - _TIE * max(1.0, seen)))
    value = count / n
    error = float(np.sqrt(value * (1.0 - value) / n))
    if count in (0, n):
        error = 1.0 - float(_ONE_SIGMA ** (1.0 / n))
    return Fraction(value, error + (toys - n) / toys)


def _ratio(above: Fraction, below: Fraction, mu: float) -> Fraction:
    if below.value == 0.0:
        message = (
            f"No toy without signal is as far from signal strength {mu:g} as the data: CLs is a ratio of two numbers that are "
            "not known. Use more toys, for instance --toys 200000, or look at the observations."
        )
        raise InferenceError(message)
    value = above.value / below.value
    return Fraction(value, float(np.hypot(above.error, value * below.error)) / below.value)


def _test(
    mu: float,
    seen: float | None,
    signal: Floats,
    background: Floats,
    options: ToyOptions,
    certificate: ToyCertificate,
) -> ToyHypothesisTest:
    toys = options.number
    bands = [_expected(n, signal, background, toys) for n in BANDS]
    expected, errors = tuple(b.value for b in bands), tuple(b.error for b in bands)
    if seen is None:
        return ToyHypothesisTest(mu, None, None, None, None, expected, errors, None, certificate)
    above, below = _beyond(signal, seen, toys), _beyond(background, seen, toys)
    cls = _ratio(above, below, mu)
    return ToyHypothesisTest(
        mu, cls.value, cls.error, above.value, below.value, expected, errors, seen, certificate
    )


def _expected(n_sigma: float, signal: Floats, background: Floats, toys: int) -> Fraction:
    r"""CLs that a part :math:`\Phi(N)` of the toys without signal do not exceed, as in pyhf.

    Its error is that of the count of toys with signal, and half of the difference between the toys whose ranks are one standard
    deviation above and below.
    """
    n = len(background)
    part = float(ndtr(n_sigma))
    spread = float(np.sqrt(n * part * (1.0 - part)))
    limits = background - _TIE * np.maximum(1.0, background)
    above = (len(signal) - np.searchsorted(signal, limits)) / len(signal)
    below = (n - np.searchsorted(background, limits)) / n
    order = np.argsort(above / below, kind="stable")
    low, at, high = (
        order[min(max(int(np.ceil(part * n + shift)), 1), n) - 1] for shift in (-spread, 0.0, spread)
    )
    cls = above / below
    error = _beyond(signal, float(background[at]), toys).error / below[at]
    return Fraction(float(cls[at]), float(np.hypot(error, 0.5 * (cls[high] - cls[low]))))
