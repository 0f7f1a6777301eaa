r"""Upper limits from toys.

CLs has a statistical error at every signal strength, so that no root finder that trusts single values may be used. Here CLs is
counted on a grid that begins at the asymptotic limits and is made denser where a limit lies; the logarithms of CLs, with their
errors, are made to fall (weighted isotonic regression), and each limit is where the line between neighbours meets the level. Its
error is that of the logarithm there over the slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtr

from massgap.fits.errors import InferenceError
from massgap.fits.inference.hypothesis_tests import upper_limit
from massgap.fits.inference.toys.hypotheses import BANDS, toy_tests
from massgap.fits.inference.toys.pseudo_experiments import ToyCertificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.inference.toys.hypotheses import ToyHypothesisTest
    from massgap.fits.inference.toys.options import ToyOptions

    Floats = NDArray[np.float64]

__all__ = ["ToyLimit", "require_enough", "toy_limit"]

_NEAR = 1.03  # a limit within this factor of a point needs no further one
_BRACKET = 1.15  # nor does one between two that are this close
_APART = 1.02  # points closer than this are one
_BEYOND = 1.4  # how far further points lie where a limit is outside the grid
_SLOPE = 1.6  # points within this factor of a limit tell the slope
_ROUNDS = 12
_LEAST_BEYOND = (
    2.0  # toys with signal that must be beyond a fluctuation by -2 standard deviations, at its limit
)
_LARGEST_MU = 1e9


@dataclass(frozen=True)
class ToyLimit:
    """Upper limit on the signal strength from toys.

    Attributes
    ----------
    observed, observed_error : float or None
        None without data.
    expected, expected_errors : tuple of float
        Where the data fluctuate by -2 to +2 standard deviations without signal, and their standard deviations from the number
        of toys.
    level : float
        Confidence level.
    points : tuple of ToyHypothesisTest
        What was counted, by rising signal strength.
    certificate : ToyCertificate
        Of all toys; those without signal, which neighbours share, count once for each refinement of the grid.
    """

    observed: float | None
    observed_error: float | None
    expected: tuple[float, ...]
    expected_errors: tuple[float, ...]
    level: float
    points: tuple[ToyHypothesisTest, ...]
    certificate: ToyCertificate


def require_enough(options: ToyOptions, level: float) -> None:
    """Refuse fewer toys than a limit with its bands takes.

    Parameters
    ----------
    options : ToyOptions
    level : float
        Confidence level of the limit.

    Raises
    ------
    InferenceError
        If there are too few.
    """
    least = int(np.ceil(_LEAST_BEYOND / ((1.0 - level) * ndtr(BANDS[0]))))
    if options.number < least:
        message = (
            f"{options.number} toys are too few for a limit at {100.0 * level:g} % with its bands: where the data fluctuate by -2 "
            f"standard deviations, hardly a toy with signal would be beyond. Use at least {least} (--toys {least}), better "
            f"{20 * least}."
        )
        raise InferenceError(message)


def toy_limit(
    likelihood: Likelihood,
    options: ToyOptions,
    *,
    level: float = 0.95,
    observed: bool = True,
    progress: Callable[[int], None] | None = None,
) -> ToyLimit:
    r"""CLs upper limit on the signal strength from toys of :math:`\tilde q_\mu`.

    Parameters
    ----------
    likelihood : Likelihood
    options : ToyOptions
        Toys of each hypothesis at each signal strength; 6 to about 20 signal strengths are tested.
    level : float
        Confidence level.
    observed : bool
        Whether the observations are data.
    progress : callable, optional
        Gets the number of toys of each block that is done; how many there will be is not known before.

    Raises
    ------
    InferenceError
        If data or too many toys cannot be fitted, no signal strength is excluded, or there are too few toys for the level.
    """
    require_enough(options, level)
    first = upper_limit(likelihood, level=level, observed=observed)
    guesses = [*first.expected, *([] if first.observed is None else [first.observed])]
    tests: dict[float, ToyHypothesisTest] = {}
    wanted = _apart(guesses, ())
    limits: list[_Crossing] = []
    certificate = ToyCertificate()
    for _ in range(_ROUNDS):
        found, fitted = toy_tests(likelihood, wanted, options, observed=observed, progress=progress)
        tests |= {test.mu: test for test in found}
        certificate += fitted
        points = [tests[mu] for mu in sorted(tests)]
        limits = [_crossing(points, which, 1.0 - level) for which in range(5 + observed)]
        wanted = _apart([limit.wanted for limit in limits if limit.wanted is not None], tests)
        if not wanted:
            break
        if max(wanted) > _LARGEST_MU:
            message = (
                f"No signal strength up to {_LARGEST_MU:g} is excluded: the signal hardly changes the expectation. Check its cross "
                "section and the binning."
            )
            raise InferenceError(message)
    values, errors = tuple(limit.value for limit in limits), tuple(limit.error for limit in limits)
    if not np.isfinite(values).all():
        message = (
            f"{options.number} toys are too few to find the limit between mu = {min(tests):.3g} and {max(tests):.3g}. Use more, for "
            "instance --toys 20000."
        )
        raise InferenceError(message)
    return ToyLimit(
        values[5] if observed else None,
        errors[5] if observed else None,
        values[:5],
        errors[:5],
        level,
        tuple(points),
        certificate,
    )


class _Crossing(NamedTuple):
    """A limit, its error, and where another point would help; NaN where the limit is outside of all points."""

    value: float
    error: float
    wanted: float | None


def _apart(values: list[float], there: dict[float, ToyHypothesisTest] | tuple[()]) -> list[float]:
    """Those that are no neighbours of each other, or of what is there."""
    out: list[float] = []
    for value in sorted(values):
        if all(max(value / x, x / value) > _APART for x in (*there, *out)):
            out.append(value)
    return out


def _crossing(points: list[ToyHypothesisTest], which: int, alpha: float) -> _Crossing:
    """Where CLs falls to ``alpha``: the observed one is number 5 after the expected ones."""
    mus = np.array([point.mu for point in points])
    pairs = [
        (p.cls, p.cls_error) if which == 5 else (p.expected[which], p.expected_errors[which]) for p in points
    ]
    values, errors = np.array(pairs, dtype=np.float64).T
    # Without a toy beyond, the error is about where CLs might be.
    values = np.maximum(values, 0.5 * errors)
    relative = np.maximum(errors / values, 1e-6)
    excess = isotonic_regression(np.log(values / alpha), weights=relative**-2.0, increasing=False).x
    below = np.flatnonzero(excess < 0.0)
    if below.size == 0:
        return _Crossing(np.nan, np.nan, float(mus[-1] * _BEYOND))
    high = int(below[0])
    if high == 0:
        return _Crossing(np.nan, np.nan, float(mus[0] / _BEYOND))
    low = high - 1
    part = excess[low] / (excess[low] - excess[high])
    value = float(mus[low] + part * (mus[high] - mus[low]))
    nearest = low if part < 0.5 else high
    far = max(value / mus[nearest], mus[nearest] / value) > _NEAR and mus[high] / mus[low] > _BRACKET
    return _Crossing(
        value,
        float(relative[nearest] / _steepness(mus, excess, relative, low, value)),
        value if far else None,
    )


def _steepness(mus: Floats, excess: Floats, relative: Floats, low: int, value: float) -> float:
    """How fast the logarithm of CLs falls around a limit, from a weighted straight line."""
    near = (mus > value / _SLOPE) & (mus < value * _SLOPE)
    near[low : low + 2] = True
    slope = np.polyfit(mus[near], excess[near], 1, w=1.0 / relative[near])[0]
    return max(-float(slope), 1e-12)
