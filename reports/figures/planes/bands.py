"""The area between the edges of the band of an exclusion, interpolated as its contours were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.figures.planes.view import dimension, is_good, points_at, positions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["band_surface"]

CELLS = 120
"""Of the grid, along each axis."""


def band_surface(
    plane: Mapping[str, Any], lumi_fb: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Where the limit lies between its fluctuations of one standard deviation down and up.

    Contours alone do not say it: one that leaves the points has no other end.

    Parameters
    ----------
    plane : mapping
        Content of ``plane.json``, with two axes.
    lumi_fb : float
        In fb-1.

    Returns
    -------
    tuple of three arrays or None
        x, y on the axes of the plane and a number that is not negative within the band, NaN beyond the points, each of shape
        (n, n); None where there is nothing to interpolate.
    """
    from massgap.fits.planes.interpolation import Coordinates, interpolate
    from massgap.fits.planes.points import Axes

    methods = [check["method"] for check in plane["interpolation"] if check["lumi_fb"] == lumi_fb]
    points = points_at(plane, lumi_fb)
    used = [point for point in points if is_good(point)]
    limits = np.array([point["upper_limit"]["expected"] for point in used], dtype=float).reshape(-1, 5)
    if not methods or dimension(plane) == 1 or not (np.isfinite(limits) & (limits > 0)).all():
        return None
    names = tuple(plane["axes"][axis]["name"] for axis in ("x", "y"))
    coordinates = Coordinates.of(Axes(names, positions(points), "plane", plane["axes"]["forbidden"]))
    at = coordinates.scaled(positions(used))
    if len(at) < 3 or np.linalg.matrix_rank(at - at.mean(axis=0), tol=1e-9) < 2:
        return None
    edge = np.linspace(0.0, 1.0, CELLS + 1)
    places = np.column_stack([axis.ravel() for axis in np.meshgrid(edge, edge)])
    down, up = interpolate(at, np.log(limits[:, [1, 3]]), places, methods[0]).T
    x, y = coordinates.masses(places).T
    shape = (CELLS + 1, CELLS + 1)
    return x.reshape(shape), y.reshape(shape), np.minimum(-down, up).reshape(shape)
