"""Signal over background before a cut, from efficiencies alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["signal_over_background"]


def signal_over_background(
    eps_signal: ArrayLike, eps_background: ArrayLike, eps_data: ArrayLike
) -> NDArray[np.float64]:
    r"""Estimate S/B of a sample from the fraction of it that passes a cut (cascade-decays paper, eq. 5.1).

    .. math:: (S/B)_\mathrm{est} = \frac{\epsilon_{S+B} - \epsilon_B}{\epsilon_S - \epsilon_{S+B}}

    Parameters
    ----------
    eps_signal, eps_background : array_like
        Efficiencies of the cut for signal and background, from simulation.
    eps_data : array_like
        Fraction of the data that passes it.  All three broadcast.

    Returns
    -------
    ndarray
        S/B before the cut, not clipped: negative where the data pass less often than the background, and
        where they pass more often than the signal.  NaN where signal and data pass equally often (pure
        signal has no S/B) and for NaN input.

    Examples
    --------
    >>> round(float(signal_over_background(0.5, 0.005, 0.05)), 6)
    0.1
    """
    signal, background, data = (
        np.asarray(eps, dtype=np.float64) for eps in (eps_signal, eps_background, eps_data)
    )
    rest = signal - data
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rest == 0.0, np.nan, (data - background) / rest)
