"""Contours of a plane: where limits reach the signal, and where 3 and 5 standard deviations are expected or observed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.fits.planes.interpolation import (
    Coordinates,
    Method,
    interpolate,
    interpolation_summary,
    leave_one_out,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.fits.planes.points import Axes

    Floats = NDArray[np.float64]

__all__ = ["Contours", "contours_of"]

_CELLS = 200
"""Of the grid on which contours are looked for, along each axis."""
_LEAST_SIGNIFICANCE = 1e-3
"""Smaller ones count as this where their logarithm is interpolated."""


class _Quantity(NamedTuple):
    """A contour that is wanted: what is interpolated, by default a logarithm, and its level."""

    what: str
    band: int | str
    cross_section: int
    level: float
    values: Floats
    logarithm: bool = True

    @property
    def crossed(self) -> float:
        """Value on the contour."""
        return float(np.log(self.level)) if self.logarithm else self.level


@dataclass(frozen=True)
class Contours:
    """``contours`` and ``interpolation`` of ``plane.json`` for one luminosity, and what is to be said of them."""

    contours: list[dict[str, Any]]
    interpolation: list[dict[str, Any]] = field(repr=False)
    warnings: list[str]


def contours_of(
    rows: Sequence[Mapping[str, Any]], axes: Axes, method: Method = "spline", *, theory: bool = True
) -> Contours:
    """Contours through the points of one luminosity.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``plane.json``, in the order of the axes' positions.
    axes : Axes
    method : {"spline", "linear"}
    theory : bool
        Also contours for the cross section moved by its uncertainty.

    Notes
    -----
    Points that did not converge are never filled in: what is nearer to one of them than to any other point is left out. The
    interpolation does not leave the hull of the others.
    """
    lumi_fb = float(rows[0]["lumi_fb"])
    good = np.array([bool(row["converged"]) for row in rows])
    used = [row for row in rows if row["converged"]]
    quantities = _quantities(used, theory=theory)
    warnings = []
    if not good.all():
        missing = ", ".join(row["name"] for row in rows if not row["converged"])
        warnings.append(
            f"At {lumi_fb:g} fb-1 the contours go without {missing} and what lies around: no convergence there."
        )
    shape = axes.shape
    place: _Plane | _Line = _Line(axes) if shape == "line" else _Plane(axes)
    at = place.coordinates_of(axes.positions[good])
    centred = at - at.mean(axis=0) if len(at) else at
    rank = int(np.linalg.matrix_rank(centred, tol=1e-9)) if len(at) > 1 else 0
    if rank < (1 if shape == "line" else 2) or shape == "point":
        need = "two points" if shape == "line" else "three points that are not on one line"
        note = f"a contour needs {need}"
        warnings.append(f"There are no contours at {lumi_fb:g} fb-1: {note}.")
        return Contours([_entry(lumi_fb, q, [], [], note) for q in quantities], [], warnings)
    failed = place.coordinates_of(axes.positions[~good])
    found = place.contours(lumi_fb, at, failed, quantities, method)
    open_ends = [entry for entry in found if any(entry["open"]) and entry["band"] in (0, "observed")]
    if open_ends and shape == "plane":
        kinds = ", ".join(dict.fromkeys(entry["what"] for entry in open_ends))
        warnings.append(
            f"At {lumi_fb:g} fb-1 contours are open ({kinds}): they leave the region of the points, beyond which nothing is known."
        )
    summaries = []
    names = [row["name"] for row in used]
    for quantity in quantities:
        name = _NAMES.get((quantity.what, quantity.band, quantity.cross_section))
        if name is None:
            continue
        left = leave_one_out(at, quantity.values, method)
        summary = interpolation_summary(lumi_fb, name, method, names, axes.positions[good], left)
        summary["contour_shift"] = place.shift(at, quantity, left.foretold, method)
        summaries.append(summary)
    return Contours(found, summaries, warnings)


_NAMES = {
    ("exclusion", 0, 0): "log expected limit",
    ("exclusion", "observed", 0): "log observed limit",
    ("discovery", 0, 0): "log expected significance",
    ("discovery", "observed", 0): "observed significance",
}


def _quantities(rows: Sequence[Mapping[str, Any]], *, theory: bool) -> list[_Quantity]:
    expected = np.array([row["upper_limit"]["expected"] for row in rows], dtype=float).reshape(-1, 5)
    logs = np.log(expected)
    out = [_Quantity("exclusion", band, 0, 1.0, logs[:, 2 + band]) for band in (0, 1, -1)]
    observed = None
    if rows and all(row["upper_limit"]["observed"] is not None for row in rows):
        observed = np.log([row["upper_limit"]["observed"] for row in rows])
        out.append(_Quantity("exclusion", "observed", 0, 1.0, observed))
    sizes = [row["cross_section_uncertainty"] for row in rows]
    if (
        theory
        and sizes
        and all(
            size is not None and size < row["cross_section_fb"] for size, row in zip(sizes, rows, strict=True)
        )
    ):
        relative = np.array(sizes, dtype=float) / [row["cross_section_fb"] for row in rows]
        for side in (1, -1):
            # With a larger cross section a smaller multiple of it is excluded.
            moved = -np.log1p(side * relative)
            out.append(_Quantity("exclusion", 0, side, 1.0, logs[:, 2] + moved))
            if observed is not None:
                out.append(_Quantity("exclusion", "observed", side, 1.0, observed + moved))
    significance = np.array([row["significance"]["expected"] for row in rows], dtype=float)
    significance = np.log(np.maximum(significance, _LEAST_SIGNIFICANCE))
    out += [
        _Quantity("evidence", 0, 0, 3.0, significance),
        _Quantity("discovery", 0, 0, 5.0, significance),
    ]
    found = [row["significance"]["observed"] for row in rows]
    if rows and all(value is not None for value in found):
        # Not its logarithm: where less is seen than expected it is 0.
        seen = np.array(found, dtype=float)
        out += [
            _Quantity("evidence", "observed", 0, 3.0, seen, logarithm=False),
            _Quantity("discovery", "observed", 0, 5.0, seen, logarithm=False),
        ]
    return out


def _entry(
    lumi_fb: float, quantity: _Quantity, lines: list[Any], ends: list[bool], note: str
) -> dict[str, Any]:
    return {
        "lumi_fb": lumi_fb,
        "what": quantity.what,
        "level": quantity.level,
        "band": quantity.band,
        "cross_section": quantity.cross_section,
        "lines": lines,
        "open": ends,
        "note": note,
    }


def _note(quantity: _Quantity) -> str:
    """Why there is no contour."""
    if (quantity.values > quantity.crossed).all():
        return "no point is excluded" if quantity.what == "exclusion" else "all points are above the level"
    if (quantity.values < quantity.crossed).all():
        return "all points are excluded" if quantity.what == "exclusion" else "no point reaches the level"
    return "the level is crossed by no line between the points"


def _nearer(places: Floats, to: Floats, than: Floats) -> NDArray[np.bool_]:
    """Whether places are nearer to any of some points than to all of others."""
    from scipy.spatial import KDTree

    if not len(to):
        return np.zeros(len(places), dtype=bool)
    return np.asarray(KDTree(to).query(places)[0] < KDTree(than).query(places)[0])


class _Plane:
    """Points in two dimensions."""

    def __init__(self, axes: Axes) -> None:
        self.coordinates = Coordinates.of(axes)

    def coordinates_of(self, positions: Floats) -> Floats:
        """Scaled coordinates, shape (n, 2)."""
        return self.coordinates.scaled(positions)

    def contours(
        self, lumi_fb: float, at: Floats, failed: Floats, quantities: Sequence[_Quantity], method: Method
    ) -> list[dict[str, Any]]:
        from contourpy import contour_generator

        edge = np.linspace(0.0, 1.0, _CELLS + 1)
        u, v = np.meshgrid(edge, edge)
        values = np.column_stack([quantity.values for quantity in quantities])
        grid = np.column_stack([u.ravel(), v.ravel()])
        surface = interpolate(at, values, grid, method)
        surface[_nearer(grid, failed, at)] = np.nan
        out = []
        for quantity, z in zip(quantities, surface.T, strict=True):
            generator = contour_generator(u, v, np.ma.masked_invalid(z.reshape(u.shape)))
            drawn: list[Any] = [line for line in generator.lines(quantity.crossed) if len(line) > 1]
            lines = [self.coordinates.masses(line) for line in drawn]
            ends = [not np.array_equal(line[0], line[-1]) for line in drawn]
            note = "" if lines else _note(quantity)
            out.append(_entry(lumi_fb, quantity, [line.tolist() for line in lines], ends, note))
        return out

    def shift(
        self, at: Floats, quantity: _Quantity, foretold: Floats, method: Method
    ) -> dict[str, Any] | None:
        """How far the contour moves (GeV) where it runs beside a point that is left out, to first order."""
        from scipy.spatial import Delaunay

        above = quantity.values > quantity.crossed
        start, neighbours = Delaunay(at).vertex_neighbor_vertices
        near = [
            i
            for i in range(len(at))
            if np.isfinite(foretold[i]) and (above[neighbours[start[i] : start[i + 1]]] != above[i]).any()
        ]
        slopes = self._slopes(at, quantity.values, at[near], method)
        found = np.abs(foretold[near] - quantity.values[near])
        return _shifts([d / slope for d, slope in zip(found, slopes, strict=True) if slope > 0.0])

    def _slopes(self, at: Floats, values: Floats, places: Floats, method: Method) -> Floats:
        """Sizes of the gradient at some places, per GeV; 0 where it cannot be told."""
        step = 1e-3
        moves = step * np.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
        where = (places[:, np.newaxis] + moves).reshape(-1, 2)
        z = interpolate(at, values[:, np.newaxis], where, method).reshape(-1, len(moves))
        along = []
        for axis, (low, high) in enumerate(((1, 2), (3, 4))):
            # On the edge of the points there is only one side.
            sides = np.stack([z[:, high] - z[:, 0], z[:, 0] - z[:, low]])
            known = np.isfinite(sides)
            mean = np.where(known, sides, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            along.append(mean / (step * self.coordinates.span[axis]))
        along_x, along_y = (along[0] + along[1], -along[1]) if self.coordinates.gap else along
        return np.asarray(np.hypot(along_x, along_y))


class _Line:
    """Points along one mass, or along two that rise together."""

    def __init__(self, axes: Axes) -> None:
        self.first = axes.positions[0]
        spread = axes.positions - self.first
        far = int(np.abs(spread).sum(axis=1).argmax())
        self.direction = spread[far] / np.linalg.norm(spread[far])

    def coordinates_of(self, positions: Floats) -> Floats:
        """Distance (GeV) from the first point, shape (n, 1)."""
        return np.asarray((positions - self.first) @ self.direction)[:, np.newaxis]

    def contours(
        self, lumi_fb: float, at: Floats, failed: Floats, quantities: Sequence[_Quantity], method: Method
    ) -> list[dict[str, Any]]:
        from scipy.optimize import brentq

        edge = np.union1d(np.linspace(at.min(), at.max(), _CELLS + 1), at[:, 0])
        out = []
        for quantity in quantities:
            column = quantity.values[:, np.newaxis] - quantity.crossed

            def height(t: float, column: Floats = column) -> float:
                return float(interpolate(at, column, np.array([[t]]), method)[0, 0])

            z = interpolate(at, column, edge[:, np.newaxis], method)[:, 0]
            z[_nearer(edge[:, np.newaxis], failed, at)] = np.nan
            roots = [float(t) for t in edge[z == 0.0]]
            changes = np.flatnonzero(z[:-1] * z[1:] < 0.0)
            roots += [float(brentq(height, edge[i], edge[i + 1])) for i in changes]
            places = [self.first + t * self.direction for t in sorted(roots)]
            lines = [[[float(p[0]), float(p[1]) if len(p) == 2 else None]] for p in places]
            note = "" if lines else _note(quantity)
            out.append(_entry(lumi_fb, quantity, lines, [False] * len(lines), note))
        return out

    def shift(
        self,
        at: Floats,
        quantity: _Quantity,
        foretold: Floats,
        method: Method,  # noqa: ARG002 - as that of a plane
    ) -> dict[str, Any] | None:
        """As for a plane, from the slope between a point and its neighbours."""
        order = np.argsort(at[:, 0])
        t, z, guess = at[order, 0], quantity.values[order], foretold[order]
        above = z > quantity.crossed
        shifts = []
        for i in range(1, len(t) - 1):
            slope = abs(z[i + 1] - z[i - 1]) / (t[i + 1] - t[i - 1])
            if (
                np.isfinite(guess[i])
                and slope > 0.0
                and (above[i - 1] != above[i] or above[i] != above[i + 1])
            ):
                shifts.append(abs(guess[i] - z[i]) / slope)
        return _shifts(shifts)


def _shifts(found: list[float]) -> dict[str, Any] | None:
    if not found:
        return None
    return {"mean": float(np.mean(found)), "max": float(np.max(found)), "points": len(found)}
