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
"""``spline``: the thin-plate spline through all points, or through the nearest where there are very many, monotone pieces of third
order on a line; ``linear``: linear in the triangles of Delaunay, or on a line."""
_MANY = 150
_NEIGHBOURS = 60


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
    from scipy.interpolate import LinearNDInterpolator, RBFInterpolator
    from scipy.spatial import Delaunay

    triangles = Delaunay(at)
    inside = triangles.find_simplex(where, tol=1e-9) >= 0
    out = np.full((len(where), values.shape[1]), np.nan)
    if not inside.any():
        return out
    if method == "linear":
        found = LinearNDInterpolator(triangles, values)(where[inside])
        # Places on the edge may be outside by rounding; the nearest triangle tells their values.
        lost = ~np.isfinite(found).all(axis=1)
        found[lost] = LinearNDInterpolator(triangles, values)(
            0.999999 * where[inside][lost] + 1e-6 * at.mean(axis=0)
        )
        out[inside] = found
    else:
        neighbours = None if len(at) <= _MANY else _NEIGHBOURS
        out[inside] = RBFInterpolator(at, values, neighbors=neighbours)(where[inside])
    return out


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
    for i in range(len(at)):
        rest = np.arange(len(at)) != i
        if _spans(at[rest]):
            foretold[i] = interpolate(at[rest], values[rest, np.newaxis], at[i : i + 1], method)[0, 0]
    return LeftOut(values, foretold)


def _spans(at: Floats) -> bool:
    """Whether points suffice to interpolate: two on a line, three that are not on one."""
    if len(at) < at.shape[1] + 1:
        return False
    return bool(np.linalg.matrix_rank(at - at.mean(axis=0), tol=1e-9) == at.shape[1])


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
