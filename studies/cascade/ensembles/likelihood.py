r"""The likelihood of all four parameters of the spectrum from an ensemble of single events, with the number of signal events free.

.. math:: -2 \ln L(\theta, S) = 2 S - 2 \sum_i \ln(1 + \frac{S}{B} r(x_i | \theta))

with the ratio of densities r of :mod:`massgap.studies.cascade.ensembles.parameterised`.  Its factor that depends on the spectrum is divided by its mean over
the signal of all spectra, which is 1 for a perfect network: in the likelihood of thousands of events a per cent is a hundred units.  That is taken over all
signal events of the training, at a few points a GeV apart, between which it is smooth.  Where the expected likelihood is lowest is found at each of some
scales on grids that shrink about it to two of its own standard deviations; parabolas through those of the three best scales, and through their lowest
values, give each pseudo-experiment its estimates and errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.selections.cascade.spectrum import TRUTH_SPECTRUM
from massgap.studies.cascade.ensembles.mass import EXPECTED
from massgap.studies.cascade.ensembles.parameterised import MOST, PARAMETERS, Hypotheses, is_open
from massgap.studies.cascade.ensembles.pools import shared_variance
from massgap.studies.cascade.ensembles.search import About, Grid, Lowest, grid_about_lowest, vertex
from massgap.studies.cascade.samples import signal_events
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.samples import Events

__all__ = ["likelihood_study", "profiled"]


def profiled(
    ratio: NDArray[np.float64], background: float, counts: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """-2 ln L at the best number of signal events, for each hypothesis.

    Parameters
    ----------
    ratio
        Of the densities of signal and background, shape (events, hypotheses).
    background
        Expected number of background events.
    counts
        How often each event is there, or is expected, shape (events,); once by default.

    Returns
    -------
    ndarray
        Shape (hypotheses,).

    Raises
    ------
    StudyError
        If there is no event.
    """
    n = np.ones(len(ratio)) if counts is None else np.asarray(counts, np.float64)
    if not n.sum() > 0.0:
        msg = "an ensemble without events has no likelihood: raise the luminosity, or take a larger S/B"
        raise StudyError(msg)
    r = ratio / background
    # d/dS = 1 - sum r / (1 + S r) rises in S: Newton's steps, at most a factor of ten down
    signal = np.maximum(n.sum() - background, 1.0) * np.ones(r.shape[1])
    for _ in range(40):
        shares = r / (1.0 + signal * r)
        slope, bend = 1.0 - n @ shares, n @ shares**2
        step = slope / np.maximum(bend, 1e-300)
        new = np.where(signal - step > 0.1 * signal, signal - step, 0.1 * signal)
        done = np.abs(new - signal) < 1e-6 * np.maximum(new, 1.0)
        signal = np.minimum(new, 10.0 * n.sum())
        if done.all():
            break
    return np.asarray(2.0 * signal - 2.0 * (n @ np.log1p(signal * r)))


def likelihood_study(
    model: str,
    network: Hypotheses,
    ratios: Sequence[float],
    *,
    grid: Grid | None = None,
    events: int,
    toys: int,
    background: int = 20_000,
    seed: int = 1,
) -> list[dict[str, Any]]:
    """Pseudo-experiments of the benchmark: estimates of all four parameters with their errors.

    Parameters
    ----------
    model
        Spin model.
    network
        The network.
    ratios
        S/B, to the paper's background; one result for each.
    grid
        Where the lowest expected value is searched.
    events, background
        Benchmark events and background events to draw from.
    toys
        Pseudo-experiments.
    seed
        The same gives the same.

    Raises
    ------
    StudyError
        If masses do not fall everywhere in the network's box, or the grid cannot be searched.
    """
    signal = signal_events(model, TRUTH_SPECTRUM, events, seed=seed + 5000)
    if not is_open(network.box):
        msg = "the network with the spectrum as input knows spectra whose masses hardly fall: the likelihood is searched where all of them do"
        raise StudyError(msg)
    low, high = (tuple(network.box[name][k] for name in PARAMETERS[:3]) for k in (0, 1))
    grid = (grid or Grid())._replace(low=low, high=high)
    pool = _Pool(network, signal, np.arange(min(len(network.background), background)))
    found: list[dict[str, Any]] = []
    about: About | None = None
    for ratio in ratios:
        about = _about(pool, grid, ratio, about)
        found.append(_toys(pool, grid, about, ratio, toys, seed))
    return found


class _Pool:
    """Events that pseudo-experiments are drawn from, and what they say of hypotheses."""

    def __init__(self, network: Hypotheses, signal: Events, rows: NDArray[np.int64]) -> None:
        # the first background events: it is their place that tells which half of the networks has not seen them
        self.network, self.events = network, (signal, network.background.take(rows))
        self.signal, self.weight = signal, self.events[1].weight
        self._second = np.concatenate([network.second_logits(part) for part in self.events])

    def ratios(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the densities, of signal and background events one after the other; shape (events, hypotheses)."""
        columns = [
            self._second + np.concatenate([self.network.first_logits(part, point) for part in self.events])
            for point in points
        ]
        return np.exp(np.clip(np.stack(columns, axis=1), -MOST, MOST))

    def log_means(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of the mean of what depends on the spectrum, over the signal of all spectra: 0 for a perfect network."""
        return np.array([self.network.log_mean(point) for point in points])

    def means(self, ratio: float) -> NDArray[np.float64]:
        """How often each event is expected in a pseudo-experiment."""
        n = len(self.signal)
        return np.concatenate([np.full(n, ratio * EXPECTED / n), EXPECTED * self.weight / self.weight.sum()])


def _about(pool: _Pool, grid: Grid, ratio: float, before: About | None) -> About:
    means = pool.means(ratio)
    return grid_about_lowest(
        lambda points, log_means: profiled(pool.ratios(points) / np.exp(log_means), EXPECTED, means),
        pool.log_means,
        grid,
        before,
    )


def _toys(pool: _Pool, grid: Grid, about: About, ratio: float, toys: int, seed: int) -> dict[str, Any]:
    means = pool.means(ratio)
    points, profile = about.points, about.profile
    densities = pool.ratios(points) / np.exp(about.log_means)
    rng = np.random.default_rng([seed, 82, round(1e6 * ratio)])
    expected = profiled(densities, EXPECTED, means)
    found = [_one(points, densities, means, expected, rng) for _ in range(toys)]
    good = [one for one in found if one.found]
    places, errors = (
        np.stack([one[k] for one in good]) if good else np.zeros((0, len(PARAMETERS))) for k in range(2)
    )
    shared = shared_variance(
        [
            (ratio * EXPECTED, float(len(pool.signal))),
            (EXPECTED, float(pool.weight.sum() ** 2 / (pool.weight**2).sum())),
        ]
    )
    return {
        "ratio": ratio,
        "points": len(points),
        "toys": toys,
        "without_minimum": toys - len(good),
        "scales": {"delta": list(grid.delta), "rise": profile.tolist()},
        "mean_of_signal": float(np.exp(about.log_means[len(points) // 2])),
        "parameters": {
            name: _numbers(places[:, k], errors[:, k], shared, np.isfinite(errors[:, -1]))
            for k, name in enumerate(PARAMETERS)
        },
    }


def _one(
    points: NDArray[np.float64],
    densities: NDArray[np.float64],
    means: NDArray[np.float64],
    expected: NDArray[np.float64],
    rng: np.random.Generator,
) -> Lowest:
    counts = rng.poisson(means)
    drawn = counts > 0  # one in six
    return vertex(points, profiled(densities[drawn], EXPECTED, counts[drawn]), expected)


def _numbers(
    place: NDArray[np.float64], error: NDArray[np.float64], shared: float, known: NDArray[np.bool_]
) -> dict[str, float | int | None]:
    """Mean, its error with what all fits share of the events that they are drawn from, standard deviation, the median error of the fits, and how many
    ended at an edge of the grid, which have none.  Errors are those of fits that know the scale, and the scale's share is in them; where no fit knows
    it they are those at a scale that is given.

    None where too few have a minimum.
    """
    n, inside = len(place), np.isfinite(error)
    counted = inside & known if (inside & known).any() else inside
    if n < 2:
        return {"mean": None, "mean_error": None, "spread": None, "error": None, "at_edge": 0}
    spread = float(place.std(ddof=1))
    return {
        "mean": float(place.mean()),
        "mean_error": float(spread * np.sqrt(1.0 / n + shared)),
        "spread": spread,
        "error": float(np.median(error[counted])) if counted.any() else None,
        "at_edge": int((~inside).sum()),
    }
