"""Where a likelihood of the four parameters of the spectrum is lowest: grids that shrink, at each of some scales, and parabolas through the last."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["About", "Grid", "Lowest", "grid_about_lowest", "lowest_at", "vertex"]

_SEARCHES = 12
_SHRINK = 0.3
"""Steps become smaller by so much at most at a time ..."""
_SETTLED = 0.7
"""... and are those of two standard deviations where they change by less."""
_APART = 1.0
"""GeV, between which the mean ratio is smooth."""
_LEAST = 0.1
"""Steps are at least so large, GeV: nearer the likelihood is rough, as one event after the other passes an edge."""
_CORNERS = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=3)))
"""Of a grid of three values of three parameters, in steps; shape (27, 3)."""


class Grid(NamedTuple):
    """Where the likelihood is searched, GeV.

    Attributes
    ----------
    delta
        Values of the scale that rise, three at least: at each the lowest point in the other three is found.
    low, high
        Of the other three: networks know no spectra beyond.
    steps
        Of these three in the beginning.
    """

    delta: tuple[float, ...] = (-440.0, -370.0, -300.0, -230.0, -160.0, 0.0)
    low: tuple[float, ...] = (-8.0, -8.0, -8.0)
    high: tuple[float, ...] = (8.0, 8.0, 8.0)
    steps: tuple[float, float, float] = (4.0, 4.0, 3.0)

    def checked(self) -> Grid:
        """The same, if it can be searched.

        Raises
        ------
        StudyError
            If scales are fewer than three or do not rise, or the first grid is larger than where it is to lie.
        """
        if len(self.delta) < 3 or not (np.diff(self.delta) > 0.0).all():
            told = ", ".join(f"{scale:g}" for scale in self.delta)
            msg = f"a likelihood is profiled over three values of delta at least, that rise, and not over {told or 'none'}"
            raise StudyError(msg)
        room = 0.5 * (np.array(self.high) - np.array(self.low))
        if not (np.array(self.steps) <= room).all():
            msg = f"steps of {', '.join(f'{step:g}' for step in self.steps)} GeV are larger than half of where alpha, beta and gamma may be"
            raise StudyError(msg)
        return self


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


class _Parabola(NamedTuple):
    """Value, slope and second derivatives at 0, shapes (), (k,) and (k, k)."""

    value: float
    slope: NDArray[np.float64]
    hessian: NDArray[np.float64]

    @classmethod
    def through(
        cls, x: NDArray[np.float64], values: NDArray[np.float64], bent: _Parabola | None = None
    ) -> _Parabola:
        """The nearest one to values at points, shape (n, k); of those that are bent like another one if one is given."""
        k = x.shape[1]
        if bent is not None:
            rest = values - 0.5 * np.einsum("ni,ij,nj->n", x, bent.hessian, x)
            fit = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), rest - rest.min(), rcond=None)[0]
            return cls(float(fit[0] + rest.min()), fit[1:], bent.hessian)
        pairs = list(itertools.combinations_with_replacement(range(k), 2))
        design = np.column_stack([np.ones(len(x)), x, *(x[:, i] * x[:, j] for i, j in pairs)])
        least = values.min()
        fit = np.linalg.lstsq(design, values - least, rcond=None)[0]
        hessian = np.zeros((k, k))
        for (i, j), value in zip(pairs, fit[1 + k :], strict=True):
            hessian[i, j] += value
            hessian[j, i] += value
        return cls(float(fit[0] + least), fit[1 : 1 + k], hessian)

    @property
    def has_lowest(self) -> bool:
        """Whether it rises in all directions."""
        return bool((np.linalg.eigvalsh(self.hessian) > 1e-9 * np.abs(self.hessian).max()).all())

    @property
    def lowest(self) -> NDArray[np.float64]:
        """Where it is lowest."""
        return np.asarray(-np.linalg.solve(self.hessian, self.slope), np.float64)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Of that (Delta = 1)."""
        return np.asarray(np.sqrt(np.diag(2.0 * np.linalg.inv(self.hessian))), np.float64)

    def at(self, x: NDArray[np.float64]) -> float:
        """Its value at a point."""
        return float(self.value + self.slope @ x + 0.5 * x @ self.hessian @ x)


def vertex(
    points: NDArray[np.float64], values: NDArray[np.float64], expected: NDArray[np.float64] | None = None
) -> Lowest:
    """Lowest point of a likelihood of all four parameters by parabolas through the points of a grid, and the errors (Delta = 1).

    Edges of masses fix the first three parameters: at each scale the lowest point in these, then the lowest of the scales, profile the likelihood.  The
    scale, the last parameter, may not be known: where its profile falls towards an edge of the grid it ends there, and the other three are those at
    the edge.

    Parameters
    ----------
    points, values
        Shapes (n, 4) and (n,): about 27 points at each of three scales.
    expected
        Values whose expectation has these parabolas' second derivatives, shape (n,); the values themselves by default.  One step with the expected
        information estimates as precisely as the lowest point of the values themselves, where these are expected to be near (Fisher's scoring; L. Le Cam,
        Asymptotic Methods in Statistical Decision Theory, section 11), and single events that pass an edge cannot leave them without one.

    Returns
    -------
    Lowest
        NaN where there is no lowest point in the first three.
    """
    scales = np.unique(points[:, 3])
    bent = values if expected is None else expected
    places, errors, lowest, expected_lowest = [], [], [], []
    for scale in scales:
        own = points[:, 3] == scale
        centre = points[own, :3].mean(axis=0)
        unit = np.maximum(np.abs(points[own, :3] - centre).max(axis=0), 1e-12)
        x = (points[own, :3] - centre) / unit
        about = _Parabola.through(x, bent[own])
        if not about.has_lowest:
            return Lowest(np.full(4, np.nan), np.full(4, np.nan))
        parabola = _Parabola.through(x, values[own], about)
        places.append(centre + unit * parabola.lowest)
        errors.append(unit * parabola.errors)
        lowest.append(parabola.at(parabola.lowest))
        expected_lowest.append(about.at(about.lowest))
    bend = float(np.polynomial.Polynomial.fit(scales, expected_lowest, 2).deriv(2)(scales[1]))
    away = scales - scales[1]
    slope = float(np.polyfit(away, np.array(lowest) - 0.5 * bend * away**2, 1)[0])
    scale, error_of_scale = float(scales[int(np.argmin(lowest))]), float("nan")
    if bend > 0.0 and scales[0] <= scales[1] - slope / bend <= scales[2]:
        scale, error_of_scale = float(scales[1] - slope / bend), float(np.sqrt(2.0 / bend))
    along = [np.polynomial.Polynomial.fit(scales, np.array(places)[:, k], 2) for k in range(3)]
    place = np.array([*(float(of(scale)) for of in along), scale])
    nearest = errors[int(np.abs(scales - scale).argmin())]
    moved = np.array([float(of.deriv(1)(scale)) for of in along])
    if np.isfinite(error_of_scale):
        nearest = np.hypot(nearest, moved * error_of_scale)
    return Lowest(place, np.append(nearest, error_of_scale))


def lowest_at(
    expected: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    centre: NDArray[np.float64],
    steps: NDArray[np.float64],
    grid: Grid,
    least: float = _LEAST,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Where a likelihood of three parameters is lowest: on grids of three values of each that shrink to two standard deviations about it.

    Parameters
    ----------
    expected
        -2 ln L of points, shapes (n, 3) -> (n,).
    centre, steps
        Where to begin, shape (3,).
    grid
        Between what values.
    least
        Steps are at least so large, GeV.

    Returns
    -------
    centre, steps : ndarray
        Shape (3,).
    value : float
        Its lowest value there.
    """
    value = np.inf
    low, high = np.array(grid.low), np.array(grid.high)
    for _ in range(_SEARCHES):
        centre = np.clip(centre, low + steps, high - steps)
        points = centre + steps * _CORNERS
        values = expected(points)
        best = int(values.argmin())
        parabola = _Parabola.through(_CORNERS, values)
        if not parabola.has_lowest:
            # far from the lowest point it is no parabola: on to the lowest of the grid, or nearer to where it is
            value = float(values[best])
            if _CORNERS[best].any():
                centre = points[best]
                continue
            nearer = np.maximum(0.5 * steps, np.minimum(steps, least))
            if (nearer == steps).all():
                break
            steps = nearer
            continue
        place = np.clip(parabola.lowest, -1.0, 1.0)
        inside = bool((np.abs(place) < 1.0).all())
        value = parabola.at(place)
        wanted = np.clip(np.maximum(2.0 * parabola.errors, least / steps), _SHRINK, 1.0)
        centre = centre + steps * place
        steps = steps * wanted
        if inside and (wanted > _SETTLED).all():
            break
    return np.clip(centre, low + steps, high - steps), steps, value


class About(NamedTuple):
    """A grid about where a likelihood of all four parameters is lowest.

    Attributes
    ----------
    points
        Three values of the scale, at each 27 about its own lowest point; shape (81, 4).
    log_means
        Logarithm of the mean ratio at these, shape (81,).
    profile
        The lowest value at each scale of the search less the lowest of all, shape (scales,).
    found
        Where it is lowest at each scale, and how the mean depends on the first three parameters there.
    """

    points: NDArray[np.float64]
    log_means: NDArray[np.float64]
    profile: NDArray[np.float64]
    found: tuple[tuple[NDArray[np.float64], Any], ...] = ()


def grid_about_lowest(
    expected: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    log_mean: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    grid: Grid,
    before: About | None = None,
) -> About:
    """Search the lowest point at each scale, and again with the ratios divided by their mean.

    The mean is taken over more events than the likelihood, and about the first lowest point of each scale alone: its logarithm is linear in the other
    three there.

    Parameters
    ----------
    expected
        -2 ln L of points, shape (n, 4), with ratios that are divided by the exponential of a shape (n,).
    log_mean
        Logarithm of the mean ratio, of points.
    grid
        Where it is searched.
    before
        What was found on this grid for another number of the same events: the search begins there, with the same means.

    Raises
    ------
    StudyError
        If the grid cannot be searched.
    """
    grid = grid.checked()
    found: list[tuple[NDArray[np.float64], NDArray[np.float64], float, Any]] = []
    centre, steps = np.zeros(3), np.array(grid.steps)
    for k, delta in enumerate(grid.delta):

        def of_scale(mean: Any, delta: float = delta) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
            return lambda x: expected(_with(x, delta), mean(x))

        def mean_at(x: NDArray[np.float64], delta: float = delta) -> NDArray[np.float64]:
            return log_mean(_with(x, delta))

        # the next scale has its lowest point nearby
        steps = (
            np.maximum(steps, 0.25 * np.array(grid.steps)) if before is None else 0.25 * np.array(grid.steps)
        )
        if before is None:
            centre, steps, _ = lowest_at(of_scale(lambda x: np.zeros(len(x))), centre, steps, grid)
            mean = _linear(mean_at, centre, grid)
        else:
            centre, mean = before.found[k]
        centre, steps, value = lowest_at(
            of_scale(mean), centre, np.maximum(steps, 0.1 * np.array(grid.steps)), grid
        )
        found.append((centre, steps, value, mean))
    profile = np.array([value for _, _, value, _ in found])
    middle = int(np.clip(profile.argmin(), 1, len(found) - 2))
    chosen = range(middle - 1, middle + 2)
    local = {k: found[k][0] + found[k][1] * _CORNERS for k in chosen}
    return About(
        np.concatenate([_with(local[k], grid.delta[k]) for k in chosen]),
        np.concatenate([found[k][3](local[k]) for k in chosen]),
        profile - profile.min(),
        tuple((centre, mean) for centre, _, _, mean in found),
    )


def _with(x: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    return np.column_stack([x, np.full(len(x), delta)])


def _linear(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], centre: NDArray[np.float64], grid: Grid
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A function of three parameters by its value at a point and its differences over :data:`_APART` on either side, as far as the grid goes."""
    ends = centre + _APART * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
    ends = np.clip(ends, grid.low, grid.high)
    values = function(ends)
    slope = (values[1:4] - values[4:]) / (np.diag(ends[1:4]) - np.diag(ends[4:]))
    return lambda x: values[0] + (x - centre) @ slope
