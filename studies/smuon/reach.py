"""How far a counting experiment reaches: excluded events of background, and the mass at which a signal gives as many.

Only arithmetic: numbers go in as a paper prints them, or as a run has counted them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from massgap.fits.counting.cls import asymptotic_expected, exact
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Method", "excluded_events", "reach"]

Method = Literal["asymptotic", "exact", "exact lnN", "exact gauss"]
_LARGEST = 1e5


def excluded_events(
    background: float, uncertainty: float = 0.0, *, method: Method = "asymptotic", level: float = 0.95
) -> float:
    """Signal events that are expected to be excluded where nothing but background is seen.

    Parameters
    ----------
    background
        Expected events.
    uncertainty
        Of them, relative.
    method
        ``"asymptotic"``: median of the profile likelihood ratio (arXiv:1007.1727); ``"exact"``: the Poisson CLs for the
        rounded background as what is seen, its uncertainty log-normal (``"exact lnN"``) or a Gaussian truncated at zero
        (``"exact gauss"``).
    level
        Confidence level.

    Returns
    -------
    float
        Where CLs is one minus the level.

    Raises
    ------
    StudyError
        If the background is negative or not a number.

    Examples
    --------
    >>> round(excluded_events(5.9), 2), round(excluded_events(5.9, method="exact"), 2)
    (6.12, 6.78)
    """
    from scipy.optimize import brentq

    if not (np.isfinite(background) and background >= 0.0 and uncertainty >= 0.0):
        msg = f"a background of {background} +- {100 * uncertainty:g} % events cannot be tested: both must be 0 or more"
        raise StudyError(msg)
    prior = {"exact lnN": "lnN", "exact gauss": "gauss"}.get(method, "poisson")
    if background == 0.0:
        uncertainty, prior = 0.0, "poisson"  # a part of nothing is nothing

    def above(s: float) -> float:
        if method == "asymptotic":
            cls = asymptotic_expected(s, max(background, 1e-9), uncertainty)
        else:
            cls = exact(round(background), s, background, uncertainty, prior=prior)  # type: ignore[arg-type]
        return float(cls) - (1.0 - level)

    low, high = 1e-6, _LARGEST
    if method != "asymptotic":
        # Exact CLs take long: begin beside the asymptotic number, which is known at once.
        low = high = excluded_events(background, uncertainty, level=level)
        while above(low) <= 0.0 and low > 1e-6:
            low /= 2.0
        while above(high) > 0.0 and high < _LARGEST:
            high *= 2.0
    return float(brentq(above, low, high, xtol=1e-6))


def reach(events: Mapping[float, float], excluded: float) -> float | None:
    """The largest mass with more events than are excluded, between and beyond two known masses on a straight line of the logarithm.

    Parameters
    ----------
    events
        Mass (GeV) -> expected signal events, at least two.
    excluded
        As :func:`excluded_events` gives them.

    Returns
    -------
    float or None
        GeV; None if even the lightest has less.  Beyond the heaviest mass the last two are continued.

    Raises
    ------
    StudyError
        If there are less than two masses, or one has no events.

    Examples
    --------
    >>> round(reach({400.0: 16.6, 500.0: 6.7}, 12.71))
    429
    """
    mass = np.array(sorted(events), dtype=float)
    found = np.array([events[m] for m in sorted(events)], dtype=float)
    if len(mass) < 2 or not (found > 0.0).all():
        msg = "a reach needs the events of two masses at least, none of them 0: run over more signals"
        raise StudyError(msg)
    above = np.flatnonzero(found >= excluded)
    if not len(above):
        return None
    k = min(int(above[-1]), len(mass) - 2)
    slope = np.log(found[k + 1] / found[k]) / (mass[k + 1] - mass[k])
    if slope >= 0.0:
        return float(mass[-1])
    return float(mass[k] + np.log(excluded / found[k]) / slope)
