"""Events behind the discovery cut, of many mass scales, that ensembles are drawn from: nominal, and with nuisance parameters moved.

Training and test never share an event.  Nuisances are drawn in each ensemble: normal distributions stand in three points that have their
first five moments, 0 and +-sqrt(3) standard deviations with probabilities 2/3 and 1/6 each.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.selections.cascade.spectrum import (
    TESTING_SPECTRUM,
    TRUTH_SPECTRUM,
    Spectrum,
    falling_spectrum,
)
from massgap.studies.cascade.samples import Events, observables
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.networks import Scored

__all__ = [
    "EDGES",
    "MASSES",
    "NUISANCES",
    "Pool",
    "Purifier",
    "at_scale",
    "moved",
    "pool_of",
    "shared_variance",
]

MASSES = tuple(float(mass) for mass in range(100, 901, 20))
"""Of chi, GeV (section VII)."""
EDGES = TRUTH_SPECTRUM
"""Hypotheses of the mass scale have the edges of this spectrum: section VII takes the gaps as measured by the stage before, which measures those
of the data.  Those of the testing spectrum are off by half a GeV of gamma, and what that does is measured beside it."""
NUISANCES = {"photon_energy": 0.01, "muon_momentum": 0.002}
"""Uncertainties of the scales of energies, relative; assumed, of the size of what experiments at the LHC quote."""
BACKGROUND_UNCERTAINTY = 0.2
"""Of the normalisation of what is left of the background, relative; assumed."""
POINTS = ((0.0, 2.0 / 3.0), (math.sqrt(3.0), 1.0 / 6.0), (-math.sqrt(3.0), 1.0 / 6.0))
"""Standard deviations and their probabilities."""


class Purifier(NamedTuple):
    """The discovery cut of a network of single events.

    Attributes
    ----------
    scored
        The network.
    columns
        What it takes.
    threshold
        On the logit.
    """

    scored: Scored
    columns: tuple[str, ...]
    threshold: float

    def passes(self, events: Events) -> NDArray[np.bool_]:
        """Which events, none of which the network has seen."""
        x = observables(events, TESTING_SPECTRUM)
        return self.scored.logits(np.stack([x[name] for name in self.columns], axis=1)) > self.threshold


class Pool(NamedTuple):
    """What is drawn from: a row per event, probabilities up to a factor, and the share of selected events that these are."""

    rows: Any
    weight: NDArray[np.float64]
    share: float

    @property
    def effective(self) -> float:
        """Number of events of weight 1 that fluctuate as much."""
        squares = float((self.weight**2).sum())
        return float(self.weight.sum()) ** 2 / squares if squares else 0.0

    def drawn(self, mean: float, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of the rows of a Poisson number of events.

        Raises
        ------
        StudyError
            If events are expected and there are none.
        """
        n = int(rng.poisson(mean))
        if n and not len(self.weight):
            msg = f"an ensemble of {mean:g} expected events has none to draw from: the pool behind the discovery cut is empty; raise --events"
            raise StudyError(msg)
        if not n:
            return np.zeros(0, np.int64)
        total = np.cumsum(self.weight)
        return np.minimum(np.searchsorted(total, rng.random(n) * total[-1], side="right"), len(total) - 1)


def shared_variance(parts: Sequence[tuple[float, float]]) -> float:
    """Variance of what all ensembles have in common, for they are drawn from the same events, in units of an ensemble's own variance.

    For a sum over events, which estimates are nearly.  The mean of however many ensembles is not known better than that.

    Parameters
    ----------
    parts
        Of each pool the expected number of events in an ensemble, and its effective number of events.

    Examples
    --------
    >>> shared_variance([(100.0, 1000.0)])
    0.1
    """
    total = sum(mean for mean, _ in parts)
    return sum(mean**2 / size for mean, size in parts if mean) / total if total else 0.0


@functools.lru_cache(maxsize=256)
def at_scale(mass: float, like: Spectrum = TESTING_SPECTRUM) -> Spectrum:
    """The spectrum with this mass of chi and the edges of m(12), m(23) and m(13) of another: the flat direction of section IV.B.

    With p = X^2 - Y^2, q = Y^2 - Z^2, r = Z^2 - chi^2 the squared edges are p q / Y^2, q r / Z^2 and p r / Z^2.

    Examples
    --------
    >>> [round(float(m), 6) for m in at_scale(300.0, (390.0, 360.0, 330.0, 300.0))]
    [390.0, 360.0, 330.0, 300.0]
    """
    from scipy.optimize import brentq

    x2, y2, z2, c2 = (float(one) ** 2 for one in falling_spectrum(like))
    p, q, r = x2 - y2, y2 - z2, z2 - c2
    first, second, third = p * q / y2, q * r / z2, p * r / z2
    quotient = third / second

    def middle(z2: float) -> float:
        """q, from the first edge."""
        return 0.5 * (first + math.sqrt(first**2 + 4.0 * quotient * first * z2)) / quotient

    z2 = brentq(lambda z2: mass**2 + second * z2 / middle(z2) - z2, mass**2, 4.0 * mass**2 + 1e6, xtol=1e-9)
    y2 = z2 + middle(z2)
    return falling_spectrum([math.sqrt(y2 + quotient * middle(z2)), math.sqrt(y2), math.sqrt(z2), mass])


def moved(events: Events, sigmas: dict[str, float]) -> Events:
    """Events with the scales of energies moved by so many standard deviations.

    The selection is not done again: both scales are far inside of its thresholds' resolution.
    """
    columns = dict(events.columns)
    photon = 1.0 + NUISANCES["photon_energy"] * sigmas.get("photon_energy", 0.0)
    muon = 1.0 + NUISANCES["muon_momentum"] * sigmas.get("muon_momentum", 0.0)
    columns["pt_gamma"] = columns["pt_gamma"] * photon
    for name in ("pt_plus", "pt_minus"):
        columns[name] = columns[name] * muon
    return Events(columns, events.weight)


def pool_of(
    events: Events, purifier: Purifier, rows: Callable[[Events], Any], sigmas: dict[str, float] | None = None
) -> Pool:
    """Those of some events that pass the discovery cut, as rows.

    Parameters
    ----------
    events
        Selected events.
    purifier
        The cut.
    rows
        Events -> an array with a row for each.
    sigmas
        Nuisance parameters that are moved, in standard deviations.
    """
    seen = moved(events, sigmas) if sigmas else events
    passed = purifier.passes(seen)
    kept = seen.take(passed)
    return Pool(rows(kept), kept.weight, float(events.weight[passed].sum() / events.weight.sum()))
