"""Standard deviation and 68 % interval of a number over replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Spread", "spread_of"]

_QUANTILES = norm.cdf([-1.0, 1.0])


@dataclass(frozen=True)
class Spread:
    """How a number scatters over the replicas in which it is defined.

    Attributes
    ----------
    std : float or None
        Standard deviation; None with less than two values.
    interval : tuple of float, or None
        Between these are the middle 68.3 % of the values.
    mean : float or None
        Mean. What it differs from the number itself is the bias that the finite sample gives it, where the number is not linear.
    defined : int
        Number of replicas with a value.
    """

    std: float | None
    interval: tuple[float, float] | None
    mean: float | None
    defined: int

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file."""
        interval = None if self.interval is None else list(self.interval)
        return {"std": self.std, "interval": interval, "mean": self.mean, "defined": self.defined}


def spread_of(values: ArrayLike) -> Spread:
    """The spread of some values; those that are not finite are not defined.

    Examples
    --------
    >>> spread_of([1.0, 3.0, float("nan")]).defined
    2
    """
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    if found.size < 2:
        return Spread(None, None, float(found[0]) if found.size else None, found.size)
    low, high = np.quantile(found, _QUANTILES)
    return Spread(float(found.std(ddof=1)), (float(low), float(high)), float(found.mean()), found.size)
