"""Between the points of a plane: interpolation of scattered values, and how wrong it is at points that are left out.

Limits and significances are interpolated in their logarithms, which vary slowly: they follow cross sections, which fall about
exponentially with the mass. Where the second mass is below the first one, the coordinates are the first mass and the gap between the
two, since efficiencies depend on the gap; both are scaled to the range of the points.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from massgap.fits.errors import PlaneError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from massgap.fits.planes.points import Axes

    Floats = NDArray[np.float64]

__all__ = ["METHODS", "Coordinates", "Method", "interpolate", "leave_one_out"]

Method = Literal["spline", "linear"]
METHODS: tuple[Method, ...] = ("spline", "linear")
"""``spline``: the thin-plate spline through all points, monotone pieces of third order on a line; ``linear``: linear in the
triangles of Delaunay, or on a line."""


@dataclass(frozen=True)
class Coordinates:
    """Scaled coordinates of a plane, in which it is interpolated.

    Attributes
    ----------
    low, span : ndarray of shape (axes,)
        Of the points, in GeV, after the second mass is replaced by the gap.
    gap : bool
        Whether the second coordinate is the gap.
    """

    low: Floats
    span: Floats
    gap: bool

    @classmethod
    def of(cls, axes: Axes) -> Coordinates:
        """Those of all points of a plane, whether they converged or not."""
        gap = axes.forbidden is not None and len(axes.names) == 2
        moved = _to_gap(axes.positions) if gap else axes.positions
        span = np.ptp(moved, axis=0)
        return cls(moved.min(axis=0), np.where(span > 0.0, span, 1.0), gap)

    def scaled(self, positions: Floats) -> Floats:
        """Coordinates of masses (GeV), shape (n, axes)."""
        return np.asarray(((_to_gap(positions) if self.gap else positions) - self.low) / self.span)

    def masses(self, scaled: Floats) -> Floats:
        """Masses (GeV) of coordinates."""
        moved = self.low + self.span * scaled
        return np.asarray(_to_gap(moved) if self.gap else moved)


def _to_gap(positions: Floats) -> Floats:
    """(x, y) to (x, x - y); its own inverse."""
    return np.column_stack([positions[:, 0], positions[:, 0] - positions[:, 1]])


def interpolate(at: Floats, values: Floats, where: Floats, method: Method = "spline") -> Floats:
    """Values at other places.

    Parameters
    ----------
    at : ndarray of shape (points, axes)
        Scaled coordinates of one or two axes; with two they must not lie on a line.
    values : ndarray of shape (points, quantities)
    where : ndarray of shape (n, axes)
    method : {"spline", "linear"}

    Returns
    -------
    ndarray of shape (n, quantities)
        NaN outside the points: nothing is extrapolated.

    Raises
    ------
    PlaneError
        If there is no such method.
    """
    if method not in METHODS:
        message = f"There is no interpolation '{method}' (--interpolation); there are: {', '.join(METHODS)}."
        raise PlaneError(message)
    if at.shape[1] == 1:
        return _on_line(at[:, 0], values, where[:, 0], method)
    from scipy.interpolate import RBFInterpolator

    inside = _inside(at, where)
    out = np.full((len(where), values.shape[1]), np.nan)
    if inside.any():
        places = where[inside]
        out[inside] = (
            _in_triangles(at, values, places) if method == "linear" else RBFInterpolator(at, values)(places)
        )
    return out


def _in_triangles(at: Floats, values: Floats, where: Floats) -> Floats:
    """Linear in the triangles of Delaunay; places on the edge count as inside."""
    # That of scipy finds triangles with LAPACK, one small system each, which takes long where that uses threads.
    from matplotlib.tri import LinearTriInterpolator, Triangulation

    triangles = Triangulation(at[:, 0], at[:, 1])
    found = np.column_stack(
        [LinearTriInterpolator(triangles, v)(where[:, 0], where[:, 1]).filled(np.nan) for v in values.T]
    )
    lost = ~np.isfinite(found).all(axis=1)
    if lost.any():
        # On the edge, but for rounding: a little towards the middle.
        near = where[lost] + 1e-7 * (at.mean(axis=0) - where[lost])
        found[lost] = np.column_stack(
            [LinearTriInterpolator(triangles, v)(near[:, 0], near[:, 1]).filled(np.nan) for v in values.T]
        )
    return found


def _on_line(at: Floats, values: Floats, where: Floats, method: Method) -> Floats:
    from scipy.interpolate import PchipInterpolator

    order = np.argsort(at)
    if method == "spline" and len(at) > 1:
        return np.asarray(PchipInterpolator(at[order], values[order], extrapolate=False)(where))
    columns = [np.interp(where, at[order], v[order], left=np.nan, right=np.nan) for v in values.T]
    return np.column_stack(columns)


@dataclass(frozen=True)
class LeftOut:
    """What the other points foretell of each point.

    Attributes
    ----------
    true, foretold : ndarray of shape (points,)
        ``foretold`` is NaN where the others do not surround it.
    """

    true: Floats = field(repr=False)
    foretold: Floats = field(repr=False)

    @property
    def errors(self) -> Floats:
        """Absolute differences where there are some."""
        found = np.abs(self.foretold - self.true)
        return found[np.isfinite(found)]


def leave_one_out(at: Floats, values: Floats, method: Method = "spline") -> LeftOut:
    """Interpolate each point from all others.

    Parameters
    ----------
    at : ndarray of shape (points, axes)
        Scaled coordinates.
    values : ndarray of shape (points,)
    method : {"spline", "linear"}
    """
    foretold = np.full(len(at), np.nan)
    splines = method == "spline" and at.shape[1] == 2
    of_splines = _splines_without(at, values) if splines and _spans(at) else foretold
    for i in range(len(at)):
        rest = np.arange(len(at)) != i
        if not _spans(at[rest]):
            continue
        if splines:
            foretold[i] = of_splines[i] if _inside(at[rest], at[i : i + 1])[0] else np.nan
        else:
            foretold[i] = interpolate(at[rest], values[rest, np.newaxis], at[i : i + 1], method)[0, 0]
    return LeftOut(values, foretold)


def _splines_without(at: Floats, values: Floats) -> Floats:
    r"""What the thin-plate spline through all other points is at each point.

    With the matrix A of the spline's equations :math:`A c = f` the value at a point that is left out is off by
    :math:`c_i / (A^{-1})_{ii}` (S. Rippa, Adv. Comput. Math. 11 (1999) 193): one inverse in place of one fit for each.
    """
    n = len(at)
    square = ((at[:, np.newaxis] - at) ** 2).sum(axis=2)
    matrix = np.zeros((n + 3, n + 3))
    matrix[:n, :n] = 0.5 * square * np.log(np.where(square > 0.0, square, 1.0))
    matrix[:n, n] = matrix[n, :n] = 1.0
    matrix[:n, n + 1 :], matrix[n + 1 :, :n] = at, at.T
    inverse = np.linalg.inv(matrix)[:n, :n]
    weights, diagonal = inverse @ values, np.diag(inverse)
    # Of three points each is needed: nothing is foretold of it.
    known = np.abs(diagonal) > 1e-12 * np.abs(inverse).max(initial=0.0)
    return np.asarray(values - np.where(known, weights, np.nan) / np.where(known, diagonal, 1.0))


def _inside(at: Floats, places: Floats) -> NDArray[np.bool_]:
    """Whether places lie in the hull of points, or on its edge."""
    from scipy.spatial import ConvexHull

    edges = ConvexHull(at).equations
    return np.asarray((places @ edges[:, :-1].T + edges[:, -1] <= 1e-9).all(axis=1))


def _spans(at: Floats) -> bool:
    """Whether points suffice to interpolate: two on a line, three that are not on one."""
    if len(at) < at.shape[1] + 1:
        return False
    # By hand: a singular value decomposition for each point that is left out takes longer than all the rest.
    spread = at - at.mean(axis=0)
    if at.shape[1] == 1:
        return bool(np.abs(spread).max() > 0.0)
    a, b, c = (spread[:, 0] ** 2).sum(), (spread[:, 1] ** 2).sum(), (spread[:, 0] * spread[:, 1]).sum()
    return bool(a * b - c * c > 1e-16 * max(a, b) ** 2)


def interpolation_summary(
    lumi_fb: float, quantity: str, method: Method, names: Sequence[str], positions: Floats, found: LeftOut
) -> dict[str, Any]:
    """An entry of ``interpolation`` of ``plane.json``, but for the shift of the contour."""
    rows = [
        {
            "name": name,
            "x": float(place[0]),
            "y": float(place[1]) if len(place) == 2 else None,
            "true": float(true),
            "interpolated": float(value) if np.isfinite(value) else None,
            "inside": bool(np.isfinite(value)),
        }
        for name, place, true, value in zip(names, positions, found.true, found.foretold, strict=True)
    ]
    errors = found.errors
    return {
        "lumi_fb": lumi_fb,
        "quantity": quantity,
        "method": method,
        "left_out": rows,
        "mean": float(errors.mean()) if errors.size else None,
        "max": float(errors.max()) if errors.size else None,
    }
