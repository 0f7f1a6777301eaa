r"""The likelihood of all four parameters of the spectrum from an ensemble of single events, with the number of signal events free.

.. math:: -2 \ln L(\theta, S) = 2 S - 2 \sum_i \ln(1 + \frac{S}{B} r(x_i | \theta))

with the ratio of densities r of a network with the spectrum as input.  Its mean over the background is 1 for a perfect network; dividing by the mean
over simulated events would put their fluctuations, which no two hypotheses share, into the likelihood of thousands of events.  Where the expected
likelihood is lowest is found at each of some scales on grids that shrink about it to two of its own standard deviations; a parabola through those of
the three best scales gives each pseudo-experiment its estimates and errors.
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
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.samples import Events

__all__ = ["Grid", "Lowest", "grid_about_lowest", "likelihood_study", "lowest_at", "profiled", "vertex"]

_MOST = 60.0
"""A logit is at most this."""
_SEARCHES = 12
_SHRINK = 0.3
"""Steps become smaller by so much at most at a time ..."""
_SETTLED = 0.7
"""... and are those of two standard deviations where they change by less."""


class Grid(NamedTuple):
    """Where the likelihood is searched, GeV: values of the scale, and how far the other three may be from where the search begins.

    Attributes
    ----------
    delta
        Values of the scale: at each the lowest point in the other three is found.
    steps
        Of alpha, beta and gamma in the beginning.
    """

    delta: tuple[float, ...] = (-440.0, -370.0, -300.0, -230.0, -160.0, 0.0, 160.0)
    steps: tuple[float, float, float] = (4.0, 4.0, 3.0)


class Lowest(NamedTuple):
    """Lowest point of a parabola.

    Attributes
    ----------
    place, error
        Shape (4,). Where the data say nothing of the last parameter within the grid it ends at an edge, and has no error (NaN).
    """

    place: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def found(self) -> bool:
        """Whether there is one."""
        return bool(np.isfinite(self.place).all())


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


def vertex(points: NDArray[np.float64], values: NDArray[np.float64]) -> Lowest:
    """Lowest point of a parabola in four dimensions through the points of a grid, and the errors (Delta = 1).

    Edges of masses fix the first three parameters; the scale, the last one, may not be known: where the parabola falls towards an edge of the grid
    it ends there, and the other three are those at the edge.

    Parameters
    ----------
    points, values
        Shapes (n, 4) and (n,).

    Returns
    -------
    Lowest
        NaN where the parabola has no lowest point in the first three.
    """
    nothing = Lowest(np.full(4, np.nan), np.full(4, np.nan))
    centre, scale = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-9)
    x = (points - centre) / scale
    slope, hessian = _quadratic(x, values)
    if not _falls_to_a_point(hessian[:3, :3]):
        return nothing
    low, high = float(x[:, 3].min()), float(x[:, 3].max())
    if _falls_to_a_point(hessian):
        place = -np.linalg.solve(hessian, slope)
        if low <= place[3] <= high:
            return Lowest(centre + scale * place, scale * np.sqrt(np.diag(2.0 * np.linalg.inv(hessian))))
    ends = []
    for edge in (low, high):
        at = np.append(-np.linalg.solve(hessian[:3, :3], slope[:3] + hessian[:3, 3] * edge), edge)
        ends.append((float(slope @ at + 0.5 * at @ hessian @ at), at))
    place = min(ends, key=lambda end: end[0])[1]
    error = np.append(np.sqrt(np.diag(2.0 * np.linalg.inv(hessian[:3, :3]))), np.nan)
    return Lowest(centre + scale * place, scale * error)


def _falls_to_a_point(hessian: NDArray[np.float64]) -> bool:
    return bool((np.linalg.eigvalsh(hessian) > 1e-9 * np.abs(hessian).max()).all())


def lowest_at(
    expected: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    centre: NDArray[np.float64],
    steps: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Where a likelihood of three parameters is lowest: on grids of three values of each that shrink to two standard deviations about it.

    Parameters
    ----------
    expected
        -2 ln L of points, shapes (n, 3) -> (n,).
    centre, steps
        Where to begin, shape (3,).

    Returns
    -------
    centre, steps : ndarray
        Shape (3,).
    value : float
        Its lowest value there.
    """
    corners = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
    value = np.inf
    for _ in range(_SEARCHES):
        points = centre + steps * corners
        values = expected(points)
        best = int(values.argmin())
        value = float(values[best])
        place, error = _parabola(corners, values)
        if place is None:
            # far from the lowest point it is no parabola: on to the lowest of the grid, or nearer to where it is
            centre, steps = points[best], steps * (0.5 if not corners[best].any() else 1.0)
            continue
        inside = bool((np.abs(place) < 1.0).all())
        wanted = np.clip(2.0 * error, _SHRINK, 1.0)
        centre = centre + steps * np.clip(place, -1.0, 1.0)
        steps = steps * wanted
        if inside and (wanted > _SETTLED).all():
            break
    return centre, steps, value


def _parabola(x: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[Any, Any]:
    """Lowest point and errors (Delta = 1) of a parabola; None where it has none."""
    slope, hessian = _quadratic(x, values)
    if not _falls_to_a_point(hessian):
        return None, None
    return -np.linalg.solve(hessian, slope), np.sqrt(np.diag(2.0 * np.linalg.inv(hessian)))


def _quadratic(
    x: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and second derivatives at 0 of the parabola through values at points, shape (n, k)."""
    k = x.shape[1]
    pairs = list(itertools.combinations_with_replacement(range(k), 2))
    design = np.column_stack([np.ones(len(x)), x, *(x[:, i] * x[:, j] for i, j in pairs)])
    fit = np.linalg.lstsq(design, values - values.min(), rcond=None)[0]
    hessian = np.zeros((k, k))
    for (i, j), value in zip(pairs, fit[1 + k :], strict=True):
        hessian[i, j] += value
        hessian[j, i] += value
    return fit[1 : 1 + k], hessian


def grid_about_lowest(
    expected: Callable[[NDArray[np.float64]], NDArray[np.float64]], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points about where a likelihood of all four parameters is lowest: three values of the scale, at each those about its own lowest point.

    Parameters
    ----------
    expected
        -2 ln L of points, shapes (n, 4) -> (n,).
    grid
        Where it is searched.

    Returns
    -------
    points : ndarray
        Shape (81, 4).
    profile : ndarray
        The lowest value at each scale less the lowest of all, shape (scales,).
    """
    found: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []
    centre, steps = np.zeros(3), np.array(grid.steps)
    for delta in grid.delta:

        def at_scale(points: NDArray[np.float64], delta: float = delta) -> NDArray[np.float64]:
            return expected(np.column_stack([points, np.full(len(points), delta)]))

        # the next scale has its lowest point nearby
        begin = np.maximum(steps, 0.25 * np.array(grid.steps))
        centre, steps, value = lowest_at(at_scale, centre, begin)
        found.append((centre, steps, value))
    profile = np.array([value for *_, value in found])
    middle = int(np.clip(profile.argmin(), 1, len(found) - 2))
    corners = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
    points = [
        np.column_stack([found[k][0] + found[k][1] * corners, np.full(len(corners), grid.delta[k])])
        for k in (middle - 1, middle, middle + 1)
    ]
    return np.concatenate(points), profile - profile.min()


def likelihood_study(
    model: str,
    network: Hypotheses,
    ratios: Sequence[float],
    *,
    grid: Grid | None = None,
    events: int,
    toys: int,
    background: int = 40_000,
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
        Where the search for the lowest expected value begins.
    events, background
        Benchmark events and background events to draw from.
    toys
        Pseudo-experiments.
    seed
        The same gives the same.
    """
    signal = signal_events(model, TRUTH_SPECTRUM, events, seed=seed + 5000)
    pool = _Pool(network, signal, np.arange(min(len(network.background), background)))
    return [_toys(pool, grid or Grid(), ratio, toys, seed) for ratio in ratios]


class _Pool:
    """Events that pseudo-experiments are drawn from, and what they say of hypotheses."""

    def __init__(self, network: Hypotheses, signal: Events, rows: NDArray[np.int64]) -> None:
        self.network, self.signal, self._rows = network, signal, rows
        self.weight = network.background.weight[rows]

    def ratios(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the densities, of signal and background events one after the other; shape (events, hypotheses)."""
        columns = [
            np.concatenate(
                [self.network.logits(self.signal, point), self.network.of_background(point, self._rows)]
            )
            for point in points
        ]
        return np.exp(np.clip(np.stack(columns, axis=1), -_MOST, _MOST))

    def means(self, ratio: float) -> NDArray[np.float64]:
        """How often each event is expected in a pseudo-experiment."""
        n = len(self.signal)
        return np.concatenate([np.full(n, ratio * EXPECTED / n), EXPECTED * self.weight / self.weight.sum()])


def _toys(pool: _Pool, grid: Grid, ratio: float, toys: int, seed: int) -> dict[str, Any]:
    means = pool.means(ratio)
    points, profile = grid_about_lowest(lambda points: profiled(pool.ratios(points), EXPECTED, means), grid)
    densities = pool.ratios(points)
    rng = np.random.default_rng([seed, 82, round(1e6 * ratio)])
    found = [_one(points, densities, means, rng) for _ in range(toys)]
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
    # of a perfect network 1: the mean ratio over the background
    mean = float(densities[len(pool.signal) :, len(points) // 2] @ pool.weight / pool.weight.sum())
    return {
        "ratio": ratio,
        "points": len(points),
        "toys": toys,
        "without_minimum": toys - len(good),
        "scales": {"delta": list(grid.delta), "rise": profile.tolist()},
        "mean_of_background": mean,
        "parameters": {
            name: _numbers(places[:, k], errors[:, k], shared) for k, name in enumerate(PARAMETERS)
        },
    }


def _one(
    points: NDArray[np.float64],
    densities: NDArray[np.float64],
    means: NDArray[np.float64],
    rng: np.random.Generator,
) -> Lowest:
    counts = rng.poisson(means)
    drawn = counts > 0  # one in six
    return vertex(points, profiled(densities[drawn], EXPECTED, counts[drawn]))


def _numbers(
    place: NDArray[np.float64], error: NDArray[np.float64], shared: float
) -> dict[str, float | int | None]:
    """Mean, its error with what all fits share of the events that they are drawn from, standard deviation, the median error of the fits, and how many
    ended at an edge of the box, which have none.

    None where too few have a minimum.
    """
    n, inside = len(place), np.isfinite(error)
    if n < 2:
        return {"mean": None, "mean_error": None, "spread": None, "error": None, "at_edge": 0}
    spread = float(place.std(ddof=1))
    return {
        "mean": float(place.mean()),
        "mean_error": float(spread * np.sqrt(1.0 / n + shared)),
        "spread": spread,
        "error": float(np.median(error[inside])) if inside.any() else None,
        "at_edge": int((~inside).sum()),
    }
