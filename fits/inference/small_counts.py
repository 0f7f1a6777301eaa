r"""Whether counts are large enough for asymptotic formulae.

These hold where many events are expected. A bin matters by what it adds to the expected test statistic: with b events expected
without signal and s more with it, :math:`2 [s - b \ln(1 + s / b)]`, which is :math:`s^2 / b` where s is small. Of the bins that
together make nine tenths of it, those that expect fewer than five events are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.fits.inference.likelihood import Likelihood

    Floats = NDArray[np.float64]

__all__ = ["FEW", "SmallBin", "small_bins", "small_counts_warning"]

FEW = 5.0
"""Expected events below which a bin is small."""
_MATTER = 0.9
_SHOWN = 4


@dataclass(frozen=True)
class SmallBin:
    """A bin that matters and expects few events.

    Attributes
    ----------
    channel : str
    bin : int
        Position in the channel, from 0.
    expected : float
        Events without signal.
    share : float
        Its part of the expected test statistic, between 0 and 1.
    """

    channel: str
    bin: int
    expected: float
    share: float


def small_bins(
    likelihood: Likelihood,
    mu: float,
    *,
    observed: bool = True,
    background: Floats | None = None,
    few: float = FEW,
) -> list[SmallBin]:
    """Bins that matter and expect few events, the one that matters most first.

    Parameters
    ----------
    likelihood : Likelihood
    mu : float
        Signal strength whose events are the signal: about that of the limit.
    observed : bool
        Whether the background is that of the fit to the observations; else the nominal one.
    background : ndarray of shape (parameters,), optional
        Where that fit ended, if it has been done already.
    few : float
        Events below which a bin is small.

    Raises
    ------
    InferenceError
        If the fit to the observations does not converge.
    """
    pars = likelihood.with_poi(0.0)
    if background is not None:
        pars = background.copy()
    elif observed:
        pars = likelihood.fit(likelihood.observed, mu=0.0).pars
    without = np.maximum(likelihood.expected(pars).counts, 0.0)
    pars[likelihood.poi] = mu
    total = np.maximum(likelihood.expected(pars).counts, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((without > 0.0) & (total > 0.0), total / without, 1.0)
    weights = np.maximum(2.0 * (total - without - without * np.log(ratio)), 0.0)
    if not weights.sum() > 0.0:
        return []
    shares = weights / weights.sum()
    order = np.argsort(-shares, kind="stable")
    # A bin belongs to those that matter if the ones before it do not suffice.
    matter = order[np.cumsum(shares[order]) - shares[order] < _MATTER]
    return [
        SmallBin(*likelihood.model.place(int(b)), float(without[b]), float(shares[b]))
        for b in matter
        if without[b] < few
    ]


def small_counts_warning(
    likelihood: Likelihood, mu: float, *, observed: bool = True, background: Floats | None = None
) -> str | None:
    """One sentence where asymptotic formulae may not be good enough, and what to type; None where they are.

    Parameters
    ----------
    likelihood, mu, observed, background
        As of :func:`small_bins`.

    Raises
    ------
    InferenceError
        As of :func:`small_bins`.
    """
    bins = small_bins(likelihood, mu, observed=observed, background=background)
    if not bins:
        return None
    named = [
        f"bin {b.bin} of channel '{b.channel}' ({b.expected:.2g} events, {100.0 * b.share:.0f} %)"
        for b in bins[:_SHOWN]
    ]
    more = f", and {len(bins) - _SHOWN} more" if len(bins) > _SHOWN else ""
    return (
        f"The asymptotic formulae may not be good enough: {100.0 * sum(b.share for b in bins):.0f} % of the expected sensitivity is "
        f"in bins that matter and expect fewer than {FEW:g} events without signal: {', '.join(named)}{more}; bins count from 0. Use "
        "toys: --toys 20000."
    )
