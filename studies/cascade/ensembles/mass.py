"""The mass scale from ensembles (section VII): maps of Delta_4 and a regression, and beside it a template fit and a network of sets.

Maps hold shares of events, not numbers, so that no cross section is assumed; networks see their square roots, whose noise is alike in all
pixels.  The range of each axis is that of 95 % of the signal at the testing spectrum, for the paper names none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.models.regression import Regressor, Schedule, fit_rows, fit_sets
from massgap.selections.cascade.maps import PIXELS, delta4_pixel
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM
from massgap.studies.cascade.ensembles.pools import EDGES, MASSES, Pool, at_scale
from massgap.studies.cascade.samples import LUMINOSITY, PAPER_BACKGROUND_FB, Events, observables
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["EXPECTED", "Drawn", "Viewer", "experiments", "map_network", "set_network"]

EXPECTED = PAPER_BACKGROUND_FB * LUMINOSITY
"""Background events before the discovery cut, to which S/B refers."""
RANGE = 0.95
"""Share of the signal within the range of an axis."""
BINS = 20
"""Of the template fit."""
_HIDDEN = (100, 300, 100)
_FEATURES = ("delta4_root", "delta4_low_root", "met", "m_mumu", "m_mumugamma", "pt_gamma")


class Viewer(NamedTuple):
    """How events are seen: half the range of both axes of a map (GeV^8), and the inner edges of the template's bins (GeV^2)."""

    ranges: tuple[float, float]
    edges: NDArray[np.float64]

    @classmethod
    def of(cls, signal: Events) -> Viewer:
        """Ranges and equally filled bins from selected signal at the testing spectrum."""
        first, second = (observables(signal, at_scale(mass, EDGES)) for mass in (MASSES[0], MASSES[-1]))
        ranges = tuple(float(np.quantile(np.abs(x["delta4"]), RANGE)) for x in (first, second))
        edges = np.quantile(second["delta4_root"], np.linspace(0.0, 1.0, BINS + 1)[1:-1])
        return cls((ranges[0], ranges[1]), edges)

    def rows(self, events: Events) -> NDArray[np.float32]:
        """Pixel of the map (-1 outside of it), bin of the template, and features for sets, shape (n, 2 + features)."""
        first, second = (observables(events, at_scale(mass, EDGES)) for mass in (MASSES[0], MASSES[-1]))
        x = observables(events, TESTING_SPECTRUM)
        pixels = [
            delta4_pixel(seen["delta4"], most)
            for seen, most in zip((first, second), self.ranges, strict=True)
        ]
        pixel = np.nan_to_num(PIXELS * pixels[0] + pixels[1], nan=-1.0)
        place = np.searchsorted(self.edges, second["delta4_root"], side="right")
        further = [first["delta4_root"], second["delta4_root"], *(x[name] for name in _FEATURES)]
        return np.stack([pixel, place, *further], axis=1).astype(np.float32)


class Drawn(NamedTuple):
    """Pseudo-experiments: maps, shape (n, 1681); counts of the template's bins (n, 20); sets (n, size, features) or None; numbers of events (n,)."""

    maps: NDArray[np.float32]
    counts: NDArray[np.float64]
    sets: NDArray[np.float32] | None
    events: NDArray[np.int64]


def experiments(
    signal: Sequence[Pool],
    background: Sequence[Pool],
    ratio: float,
    n: int,
    rng: np.random.Generator,
    *,
    chances: Sequence[float] = (1.0,),
    uncertainty: float = 0.0,
    set_size: int = 0,
    eps_b: float = 0.005,
) -> Drawn:
    """Ensembles behind the discovery cut.

    Parameters
    ----------
    signal, background
        Pools, nominal and with nuisance parameters moved, in one order.
    ratio
        S/B before the cut.
    n
        How many.
    rng
        Randomness.
    chances
        Probability of each pool to be the one of an experiment.
    uncertainty
        Of the background's normalisation, relative.
    set_size
        Events of each set, drawn with replacement from those of the ensemble; 0 for none.
    eps_b
        Share of the background that the cut leaves.

    Raises
    ------
    StudyError
        If no event is expected, or an experiment has none.
    """
    expected = [ratio * EXPECTED * pool.share for pool in signal]
    if not (np.isfinite(ratio) and ratio >= 0.0 and min(expected) + eps_b * EXPECTED > 0.0):
        msg = f"an ensemble with S/B = {ratio:g} is empty: give a ratio above 0"
        raise StudyError(msg)
    maps, counts = np.zeros((n, PIXELS * PIXELS), np.float32), np.zeros((n, BINS))
    sets = np.zeros((n, set_size, signal[0].rows.shape[1] - 2), np.float32) if set_size else None
    numbers = np.zeros(n, np.int64)
    for i in range(n):
        k = int(rng.choice(len(chances), p=chances)) if len(chances) > 1 else 0
        scale = max(1.0 + uncertainty * rng.standard_normal(), 0.0) if uncertainty else 1.0
        parts = [signal[k].rows[signal[k].drawn(expected[k], rng)]]
        parts.append(background[k].rows[background[k].drawn(scale * eps_b * EXPECTED, rng)])
        rows = np.concatenate(parts)
        if not len(rows):
            msg = f"an ensemble with S/B = {ratio:g} has no event behind the discovery cut: raise the luminosity, or take a larger ratio"
            raise StudyError(msg)
        numbers[i] = len(rows)
        pixel = rows[:, 0].astype(np.int64)
        maps[i] = np.sqrt(np.bincount(pixel[pixel >= 0], minlength=PIXELS * PIXELS) / len(rows))
        counts[i] = np.bincount(rows[:, 1].astype(np.int64), minlength=BINS)
        if sets is not None:
            sets[i] = rows[rng.integers(len(rows), size=set_size), 2:]
    return Drawn(maps, counts, sets, numbers)


def _many(
    pools: Mapping[float, Pool],
    background: Pool,
    ratio: float,
    n: int,
    rng: np.random.Generator,
    set_size: int,
) -> tuple[NDArray[np.float64], list[Drawn]]:
    drawn = [experiments([pool], [background], ratio, n, rng, set_size=set_size) for pool in pools.values()]
    return np.repeat(np.array(list(pools)), n), drawn


def map_network(
    pools: Mapping[float, Pool], background: Pool, ratio: float, n: int, *, seed: int = 1, epochs: int = 60
) -> Regressor:
    """The regression of maps at one S/B: 1681-100-300-100-1.

    Parameters
    ----------
    pools
        Mass of chi (GeV) -> signal behind the cut.
    background
        Behind the cut.
    ratio
        S/B before it.
    n
        Maps of each mass.
    seed, epochs
        Of the training.
    """
    rng = np.random.default_rng([seed, 71, round(1e6 * ratio)])
    mass, drawn = _many(pools, background, ratio, n, rng, 0)
    stops = np.arange(len(mass)) % 5 == 0
    schedule = Schedule(epochs=epochs, patience=15, batch=128, seed=seed)
    return fit_rows(np.concatenate([one.maps for one in drawn]), mass, stops, _HIDDEN, schedule)


def set_network(
    pools: Mapping[float, Pool],
    background: Pool,
    ratio: float,
    n: int,
    *,
    size: int,
    seed: int = 1,
    epochs: int = 40,
) -> Regressor:
    """A network of the events of an ensemble themselves, in any order; ``size`` events of each, the rest as for :func:`map_network`."""
    rng = np.random.default_rng([seed, 72, round(1e6 * ratio)])
    mass, drawn = _many(pools, background, ratio, n, rng, size)
    stops = np.arange(len(mass)) % 5 == 0
    schedule = Schedule(epochs=epochs, patience=10, batch=64, rate=2e-3, seed=seed)
    return fit_sets(np.concatenate([one.sets for one in drawn]), mass, stops, (32, 32), (32,), schedule)
