"""The discovery cut: the threshold that leaves a share of the background, what it leaves of the signal, and S/B from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.fits.counting.signal_fraction import signal_over_background
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "EPS_B",
    "Cut",
    "Pull",
    "at_threshold",
    "cut_at",
    "estimated_ratio",
    "ratio_pulls",
    "require_separation",
]

EPS_B = 0.005
"""Share of the background that the discovery cut leaves (section IV.B)."""


class Cut(NamedTuple):
    """A threshold and the shares above it, with their statistical errors.

    Attributes
    ----------
    threshold
        On the logit.
    eps_b, eps_b_error, eps_s, eps_s_error
        Shares of background and signal above it.  The error of the signal's includes what moving the threshold by the
        error of the background's makes of it.
    """

    threshold: float
    eps_b: float
    eps_b_error: float
    eps_s: float
    eps_s_error: float

    @property
    def gain(self) -> float:
        """eps_S / sqrt(eps_B), by which S / sqrt(B) grows."""
        return self.eps_s / math.sqrt(self.eps_b)


class Pull(NamedTuple):
    """Mean and width of (estimate - truth) / error over pseudo-experiments, and the mean estimate with its standard deviation."""

    mean: float
    width: float
    estimate: float
    spread: float


def cut_at(signal: ArrayLike, background: ArrayLike, weight: ArrayLike, eps_b: float = EPS_B) -> Cut:
    """The lowest threshold above which at most a share of the background lies.

    Parameters
    ----------
    signal, background
        Logits, shapes (N,) and (M,).
    weight
        Of the background, shape (M,).
    eps_b
        The share.

    Raises
    ------
    StudyError
        If there is no signal or background, or the background is too small for such a share.

    Examples
    --------
    >>> cut_at([1.5, 3.5], [0.0, 1.0, 2.0, 3.0], np.ones(4), 0.25)[:2]
    (2.0, 0.25)
    """
    s, b, w = (np.asarray(values, dtype=np.float64) for values in (signal, background, weight))
    if not s.size or not b.size:
        msg = "a discovery cut needs events of signal and background: generate more"
        raise StudyError(msg)
    order = np.argsort(b, kind="stable")[::-1]
    share = np.cumsum(w[order]) / w.sum()
    above = int(np.searchsorted(share, eps_b * (1.0 + 1e-12), side="right"))
    if not 0 < above < b.size:
        least = math.ceil(1.0 / eps_b)
        msg = f"a share of {eps_b:g} of {b.size} background events is no event: generate {least} at least"
        raise StudyError(msg)
    threshold = float(b[order[above]])
    kept = w[order[:above]]
    error = math.sqrt(float((kept**2).sum())) / float(w.sum())

    def eps_s(place: int) -> float:
        return float((s > b[order[min(max(place, 0), b.size - 1)]]).mean())

    found = eps_s(above)
    step = max(1, round(above * error / float(share[above - 1])))
    moved = 0.5 * (eps_s(above + step) - eps_s(above - step))
    return Cut(
        threshold,
        float(share[above - 1]),
        error,
        found,
        math.hypot(math.sqrt(found * (1.0 - found) / s.size), moved),
    )


def at_threshold(logits: ArrayLike, weight: ArrayLike, threshold: float) -> float:
    """Share of events above a threshold on the logit.

    Examples
    --------
    >>> at_threshold([0.0, 2.0], [1.0, 3.0], 1.0)
    0.75
    """
    w = np.asarray(weight, np.float64)
    return float(w[np.asarray(logits, np.float64) > threshold].sum() / w.sum())


def require_separation(cut: Cut) -> None:
    """Refuse a cut that leaves no more of the signal than of the background: then data say nothing about S/B.

    Raises
    ------
    StudyError
        If it does.
    """
    if not cut.eps_s > cut.eps_b:
        msg = (
            f"the cut keeps {cut.eps_s:.3g} of the signal and {cut.eps_b:.3g} of the background: with eps_S no larger than eps_B the "
            "data do not tell S/B; train with more events"
        )
        raise StudyError(msg)


def estimated_ratio(cut: Cut, n_passed: ArrayLike, n_all: ArrayLike) -> NDArray[np.float64]:
    """(S/B)_est of eq. (5.1) from how many of the data pass the cut.

    Raises
    ------
    StudyError
        If the cut leaves no more of the signal than of the background.
    """
    require_separation(cut)
    share = np.asarray(n_passed, np.float64) / np.asarray(n_all, np.float64)
    return signal_over_background(cut.eps_s, cut.eps_b, share)


def ratio_pulls(
    cut: Cut, ratio: float, background: float, *, eps_s: float | None = None, n: int = 5000, seed: int = 1
) -> Pull:
    r"""Pseudo-experiments of the estimate of S/B.

    Its error is that of the binomial fraction that passes, propagated through eq. (5.1):
    :math:`\sigma = (\epsilon_S - \epsilon_B) / (\epsilon_S - \epsilon)^2 \sqrt{\epsilon (1 - \epsilon) / N}`.

    Parameters
    ----------
    cut
        The cut with its efficiencies by simulation.
    ratio, background
        True S/B, and the expected number of background events before the cut.
    eps_s
        The true signal efficiency, where it is another than that of the simulation: data have another mass scale.
    n, seed
        Number of pseudo-experiments; the same seed gives the same.

    Raises
    ------
    StudyError
        If the ratio or the background is impossible, or ``cut`` does not separate.
    """
    if not (ratio >= 0.0 and background > 0.0 and math.isfinite(ratio) and math.isfinite(background)):
        msg = f"S/B = {ratio:g} of {background:g} background events cannot be: give numbers above 0"
        raise StudyError(msg)
    rng = np.random.default_rng(seed)
    signal = rng.poisson(ratio * background, n)
    other = rng.poisson(background, n)
    true = cut.eps_s if eps_s is None else eps_s
    passed = rng.binomial(signal, true) + rng.binomial(other, cut.eps_b)
    estimate = estimated_ratio(cut, passed, signal + other)
    share = passed / (signal + other)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = (
            (cut.eps_s - cut.eps_b)
            / (cut.eps_s - share) ** 2
            * np.sqrt(share * (1 - share) / (signal + other))
        )
        # What an experiment wants to know is the ratio that it is a draw of.
        pulls = (estimate - ratio) / error
    good = np.isfinite(pulls)
    return Pull(
        float(pulls[good].mean()),
        float(pulls[good].std()),
        float(estimate[good].mean()),
        float(estimate[good].std()),
    )
