r"""The likelihood of all four parameters of the spectrum from an ensemble of single events, with the number of signal events free.

.. math:: -2 \ln L(\theta, S) = 2 S - 2 \sum_i \ln(1 + \frac{S}{B} r(x_i | \theta))

with the ratio of densities r of a network with the spectrum as input, divided by its mean over the background, which is 1 for a perfect network.
On a grid of all four, then a parabola about the lowest points: estimates, errors, and how they scatter over pseudo-experiments.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.selections.cascade.spectrum import TRUTH_SPECTRUM
from massgap.studies.cascade.ensembles.mass import EXPECTED
from massgap.studies.cascade.ensembles.parameterised import PARAMETERS, Hypotheses
from massgap.studies.cascade.ensembles.pools import shared_variance
from massgap.studies.cascade.samples import signal_events
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Grid", "likelihood_study", "profiled", "vertex"]

_MOST = 60.0
"""A logit is at most this."""


class Grid(NamedTuple):
    """Values of each parameter, GeV."""

    alpha: tuple[float, ...] = (-8.0, -4.0, 0.0, 4.0, 8.0)
    beta: tuple[float, ...] = (-8.0, -4.0, 0.0, 4.0, 8.0)
    gamma: tuple[float, ...] = (-6.0, -3.0, 0.0, 3.0, 6.0)
    delta: tuple[float, ...] = (-440.0, -370.0, -300.0, -230.0, -160.0, 0.0)

    def points(self) -> NDArray[np.float64]:
        """All combinations, shape (n, 4)."""
        return np.array(list(itertools.product(*self)))


def profiled(
    ratio: NDArray[np.float64], background: float, counts: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """-2 ln L at the best number of signal events, for each hypothesis.

    Parameters
    ----------
    ratio
        Of the densities of signal and background, shape (events, hypotheses).
    background
        Expected number of background events.
    counts
        How often each event is there, shape (events,); once by default.

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


def vertex(points: NDArray[np.float64], values: NDArray[np.float64], most: int = 120) -> tuple[Any, Any]:
    """Lowest point of a parabola in four dimensions through the lowest points of a grid, and the errors (Delta = 1).

    Parameters
    ----------
    points, values
        Shapes (n, 4) and (n,).
    most
        So many points, at least 20.

    Returns
    -------
    place, error : ndarray
        Shape (4,); NaN where the parabola has no lowest point.
    """
    scale = np.maximum(points.std(axis=0), 1e-9)
    center = points[values.argmin()]
    x = (points - center) / scale
    near = np.argsort(values)[: max(most, 20)]
    pairs = list(itertools.combinations_with_replacement(range(4), 2))
    design = np.column_stack([np.ones(len(near)), x[near], *(x[near, i] * x[near, j] for i, j in pairs)])
    # a grid's far points are no parabola: those near the lowest count more
    weight = 1.0 / (1.0 + (values[near] - values.min()) / 20.0)
    fit = np.linalg.lstsq(design * weight[:, None], values[near] * weight, rcond=None)[0]
    hessian = np.zeros((4, 4))
    for (i, j), value in zip(pairs, fit[5:], strict=True):
        hessian[i, j] += value
        hessian[j, i] += value
    if not (np.linalg.eigvalsh(hessian) > 1e-9).all():
        nothing = np.full(4, np.nan)
        return nothing, nothing
    place = center - scale * np.linalg.solve(hessian, fit[1:5])
    return place, scale * np.sqrt(np.diag(2.0 * np.linalg.inv(hessian)))


def likelihood_study(
    model: str,
    network: Hypotheses,
    ratios: Sequence[float],
    *,
    grid: Grid | None = None,
    events: int,
    toys: int,
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
        Where the likelihood is evaluated.
    events
        Benchmark events to draw from.
    toys
        Pseudo-experiments.
    seed
        The same gives the same.
    """
    points = (grid or Grid()).points()
    signal = signal_events(model, TRUTH_SPECTRUM, events, seed=seed + 5000)
    weight = network.background.weight
    densities: tuple[list[Any], list[Any]] = ([], [])
    for point in points:
        rest = np.exp(np.clip(network.of_background(point), -_MOST, _MOST))
        norm = float((rest * weight).sum() / weight.sum())
        densities[0].append(np.exp(np.clip(network.logits(signal, point), -_MOST, _MOST)) / norm)
        densities[1].append(rest / norm)
    first, second = (np.stack(part, axis=1) for part in densities)
    return [_toys(points, first, second, weight, ratio, toys, seed) for ratio in ratios]


def _toys(
    points: Any, first: Any, second: Any, weight: Any, ratio: float, toys: int, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng([seed, 82, round(1e6 * ratio)])
    found = [_one(points, first, second, weight, ratio, rng) for _ in range(toys)]
    places, errors = (np.stack([one[k] for one in found]) for k in range(2))
    good = np.isfinite(places).all(axis=1)
    shared = shared_variance(
        [
            (ratio * EXPECTED, float(len(first))),
            (EXPECTED, float(weight.sum() ** 2 / (weight**2).sum())),
        ]
    )
    return {
        "ratio": ratio,
        "points": len(points),
        "toys": toys,
        "without_minimum": int((~good).sum()),
        "parameters": {
            name: _numbers(places[good, k], errors[good, k], shared) for k, name in enumerate(PARAMETERS)
        },
    }


def _one(
    points: Any, first: Any, second: Any, weight: Any, ratio: float, rng: np.random.Generator
) -> tuple[Any, Any]:
    counts = np.concatenate(
        [
            rng.poisson(ratio * EXPECTED / len(first), len(first)),
            rng.poisson(EXPECTED * weight / weight.sum()),
        ]
    )
    drawn = counts > 0  # one in six
    parts = (first[drawn[: len(first)]], second[drawn[len(first) :]])
    return vertex(points, profiled(np.concatenate(parts), EXPECTED, counts[drawn]))


def _numbers(
    place: NDArray[np.float64], error: NDArray[np.float64], shared: float
) -> dict[str, float | None]:
    """Mean, its error with what all fits share of the events that they are drawn from, standard deviation and the median error of the fits.

    None where too few have a minimum.
    """
    n = len(place)
    if n < 2:
        return {"mean": None, "mean_error": None, "spread": None, "error": None}
    spread = float(place.std(ddof=1))
    return {
        "mean": float(place.mean()),
        "mean_error": float(spread * np.sqrt(1.0 / n + shared)),
        "spread": spread,
        "error": float(np.median(error)),
    }
