"""How much each nuisance parameter moves the fitted signal strength.

The parameter is held one standard deviation of its fit above and below its fitted value, and everything else is fitted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.fits.inference.likelihood import Likelihood

__all__ = ["Impact", "impacts"]


@dataclass(frozen=True)
class Impact:
    """Shifts of the fitted signal strength.

    Attributes
    ----------
    name : str
        The nuisance parameter.
    value, error : float
        Where it was fitted, and its standard deviation.
    up, down : float
        Shift of the signal strength with the parameter one standard deviation above and below.
    """

    name: str
    value: float
    error: float
    up: float
    down: float

    @property
    def size(self) -> float:
        """The larger of the two shifts."""
        return max(abs(self.up), abs(self.down))


def impacts(likelihood: Likelihood, data: Any) -> list[Impact]:
    """Impacts of all nuisance parameters, the largest first.

    Parameters
    ----------
    likelihood : Likelihood
    data : Data
        Observations, or Asimov data.

    Raises
    ------
    InferenceError
        If a fit does not converge.
    """
    full = likelihood.unprofiled()
    best = full.fit(data)
    errors: NDArray[np.float64] = np.sqrt(np.diag(full.covariance(best.pars, data)))
    found = []
    for p, name in enumerate(full.names):
        if p == full.poi or errors[p] == 0.0:
            continue
        shifts = []
        for sign in (1.0, -1.0):
            at = {p: full.inside(p, float(best.pars[p] + sign * errors[p]))}
            held = full.fit(data, hold=at, start=best.pars, check=False)
            shifts.append(float(held.pars[full.poi] - best.pars[full.poi]))
        found.append(Impact(name, float(best.pars[p]), float(errors[p]), shifts[0], shifts[1]))
    return sorted(found, key=lambda impact: -impact.size)
