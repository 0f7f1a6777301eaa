"""What all engines share: the points that fits find, and the signal strength."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Certificate", "Engine", "FitPoint", "ToyFits"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """Why a point is taken for a minimum.

    Attributes
    ----------
    distance : float
        How much lower twice minus the logarithm of the likelihood is estimated to be at the minimum, from the gradient and
        the exact Hessian, which is positive definite there.
    steps : int
        Newton steps.
    flat : bool
        Whether some parameter has no influence at all.
    on_bounds : tuple of str
        Parameters that ended on a bound.
    second_start : float or None
        By how much the best fit from other starts ended higher (positive) or lower (negative), in the same unit; None if there
        was none, or none converged.
    """

    distance: float
    steps: int
    flat: bool
    on_bounds: tuple[str, ...]
    second_start: float | None


@dataclass(frozen=True)
class FitPoint:
    """A conditional or global minimum.

    Attributes
    ----------
    nll2 : float
        Twice minus the logarithm of the likelihood ratio to the saturated model.
    pars : ndarray of shape (parameters,)
    certificate : Certificate
    """

    nll2: float
    pars: Floats
    certificate: Certificate

    @property
    def second_start(self) -> float | None:
        """That of the certificate."""
        return self.certificate.second_start


class ToyFits(NamedTuple):
    """What was found for toys.

    Attributes
    ----------
    q : ndarray of shape (mus, toys)
        Test statistics; NaN where a fit failed.
    best : ndarray of shape (toys,)
        Fitted signal strengths.
    distances : ndarray of shape (toys,)
        How much lower twice minus the logarithm of the likelihood is estimated to be, at most, at the minima.
    ended : ndarray of shape (toys,)
        How the fits ended, see :mod:`massgap.fits.likelihoods.toys`.
    """

    q: Floats
    best: Floats
    distances: Floats
    ended: NDArray[np.int8]


class Engine(ABC):
    """A likelihood with a parameter of interest, the signal strength.

    Attributes
    ----------
    poi : int
        Index of the parameter of interest.
    """

    poi: int
    _low: Floats

    @property
    @abstractmethod
    def nominal(self) -> Floats:
        """Nominal parameters."""

    @property
    @abstractmethod
    def ambiguous(self) -> bool:
        """Whether fits at every signal strength are to try other starts, not only those of the first."""

    @property
    @abstractmethod
    def poi_fixed(self) -> bool:
        """Whether the measurement holds the parameter of interest where it is."""

    @property
    def lowest_poi(self) -> float:
        """Smallest signal strength that a free fit may reach: each bin keeps a positive expectation."""
        return float(self._low[self.poi])

    def with_poi(self, mu: float) -> Floats:
        """Nominal parameters with another signal strength."""
        pars = self.nominal
        pars[self.poi] = mu
        return pars
