"""Exclusion of the plane of masses by counting in four regions: the paper's figures 3 and 4, with both mixtures of background."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.studies.smuon.places import LUMINOSITIES
from massgap.studies.smuon.reach import Method, excluded_events, reach
from massgap.studies.smuon.yields import MIXTURES, Mixture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from massgap.studies.smuon.yields import Yields

__all__ = [
    "REGIONS",
    "UNCERTAINTIES",
    "Plane",
    "beyond",
    "counting_plane",
    "counting_planes",
    "exclusion_line",
    "open_ends",
]

REGIONS = ("low", "high", "bdt", "static_veto")
UNCERTAINTIES = (0.0, 0.5)
FEW = 10.0
"""Below so many effective events of background a number is said to be uncertain."""


@dataclass(frozen=True)
class Plane:
    """One region at one luminosity.

    Parameters
    ----------
    region, mixture, luminosity, uncertainty, method
        Which; fb-1, and relative.
    background, background_error, effective
        Events, the error that the finite simulation gives them, and how many simulated events that is.
    excluded
        Signal events that are expected to be excluded.
    points
        A dictionary per signal: masses, ``signal`` events, and ``mu``, the smallest excluded multiple of them (infinite
        without any event).
    """

    region: str
    mixture: Mixture
    luminosity: float
    uncertainty: float
    method: Method
    background: float
    background_error: float
    effective: float
    excluded: float
    points: tuple[dict[str, float], ...]

    def reach(self) -> float | None:
        """The largest excluded mass for a massless neutralino, GeV; None without two such signals with events."""
        massless = {
            p["m_slepton"]: p["signal"] for p in self.points if p["m_lsp"] == 0.0 and p["signal"] > 0.0
        }
        return reach(massless, self.excluded) if len(massless) > 1 else None

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "reach": self.reach()}


def counting_planes(yields: Yields, *, method: Method = "asymptotic") -> Iterator[Plane]:
    """All planes of the regions that a run has: mixtures, luminosities, and uncertainties of the background.

    Parameters
    ----------
    yields
        Of the run with scores.
    method
        As of :func:`massgap.studies.smuon.reach.excluded_events`.

    Yields
    ------
    Plane
    """
    for region in (name for name in REGIONS if name in yields.regions):
        for mixture in MIXTURES:
            for lumi in LUMINOSITIES:
                for uncertainty in UNCERTAINTIES:
                    yield counting_plane(yields, region, mixture, lumi, uncertainty, method)


def counting_plane(
    yields: Yields, region: str, mixture: Mixture, lumi: float, uncertainty: float, method: Method
) -> Plane:
    """One of them; parameters as those of :class:`Plane`."""
    b = yields.background(region, mixture)
    limit = excluded_events(lumi * b.value, uncertainty, method=method)
    signals = {name: yields.one(name, region).value for name in yields.masses}
    points = tuple(_point(*yields.masses[name], lumi * fb, limit) for name, fb in sorted(signals.items()))
    counted = (lumi * b.value, lumi * b.error, b.effective)
    return Plane(region, mixture, lumi, uncertainty, method, *counted, limit, points)


def _point(m_slepton: float, m_lsp: float, signal: float, limit: float) -> dict[str, float]:
    mu = limit / signal if signal > 0.0 else float("inf")
    return {"m_slepton": m_slepton, "m_lsp": m_lsp, "signal": signal, "mu": mu}


def beyond(
    trained: Iterable[tuple[float, float]], points: Iterable[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Points outside of what a classifier was trained on: not in the hull of its masses, where it extrapolates.

    Parameters
    ----------
    trained
        Masses (GeV) of smuon and neutralino of the signals that it has seen.
    points
        Those that it is applied to.

    Returns
    -------
    list of tuple
        Sorted.

    Examples
    --------
    >>> beyond([(200, 0), (400, 0), (400, 200)], [(300, 50), (500, 0), (300, 200)])
    [(300, 200), (500, 0)]
    """
    from scipy.spatial import ConvexHull, QhullError

    seen = np.unique(np.array(sorted(trained), dtype=float).reshape(-1, 2), axis=0)
    wanted = sorted(set(points))
    try:
        faces = ConvexHull(seen).equations
    except (QhullError, ValueError):
        # No area: one signal, or all on a line. What lies on the line between them is inside.
        return [point for point in wanted if not _between(seen, np.array(point, dtype=float))]
    return [point for point in wanted if (faces[:, :2] @ np.array(point) + faces[:, 2] > 1e-6).any()]


def _between(seen: np.ndarray, point: np.ndarray) -> bool:
    """Whether a point lies between two of some points."""
    to = np.linalg.norm(seen - point, axis=1)
    apart = np.linalg.norm(seen[:, np.newaxis] - seen, axis=2)
    return bool(len(seen)) and bool((to[:, np.newaxis] + to - apart < 1e-6).any())


def open_ends(plane: Plane, lines: Iterable[np.ndarray]) -> bool:
    """Whether a line of exclusion ends at the edge of the points while the axis m_lsp = 0 is not the edge: what is beyond is not known.

    A line that ends where the neutralino has its smallest mass crosses the whole plane there, and is not open.
    """
    least = min(p["m_lsp"] for p in plane.points)
    return any(
        not np.array_equal(line[0], line[-1])
        and sum(end[1] > least + 1e-9 for end in (line[0], line[-1])) > 0
        for line in lines
    )


def exclusion_line(plane: Plane, steps: int = 120) -> list[np.ndarray]:
    """Lines in the plane (m_slepton, m_lsp) where exactly the predicted signal is excluded.

    The logarithm of the smallest excluded multiple is interpolated linearly between the signals, never beyond them: a line
    may end at the edge of the points.

    Parameters
    ----------
    plane
        With points of at least two different neutralino masses, three in all.
    steps
        Of the grid along each axis.

    Returns
    -------
    list of numpy.ndarray
        One per line, shape (n, 2), GeV; empty if nothing is excluded, or all, or the points span no plane.
    """
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    finite = [p for p in plane.points if np.isfinite(p["mu"])]
    at = np.array([(p["m_slepton"], p["m_lsp"]) for p in finite])
    if len(at) < 3:
        return []
    values = np.log([p["mu"] for p in finite])
    try:
        surface = LinearNDInterpolator(at, values)
    except QhullError:
        return []
    x, y = (np.linspace(at[:, k].min(), at[:, k].max(), steps) for k in (0, 1))
    grid = np.ma.masked_invalid(surface(*np.meshgrid(x, y)))
    import contourpy

    lines: Any = contourpy.contour_generator(x, y, grid).lines(0.0)
    return [np.asarray(line) for line in lines]
