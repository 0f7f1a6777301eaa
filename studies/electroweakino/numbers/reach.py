"""What the planes of the study say: whether their order is what it must be, and how far each reaches."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.plane_folder import PlaneFolder, open_plane
from massgap.studies.electroweakino.places import CHANNELS, COMBINED, PlanePlace, planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = [
    "ROUNDING",
    "Holds",
    "combined_is_best",
    "falls_with_mass",
    "largest_difference",
    "opened_planes",
    "reach",
    "rises_with_luminosity",
]

ROUNDING = 1e-3
"""Relative: what the search for a limit leaves open."""


class Holds(NamedTuple):
    """Of how many comparisons how many hold."""

    good: int
    all: int

    @property
    def share(self) -> float | None:
        """None without any comparison."""
        return self.good / self.all if self.all else None


def opened_planes(folder: Path) -> dict[PlanePlace, PlaneFolder]:
    """The planes that a folder of the study has."""
    return {
        place: open_plane(folder / place.folder)
        for place in planes()
        if (folder / place.folder / "plane.json").is_file()
    }


def combined_is_best(found: Mapping[PlanePlace, PlaneFolder]) -> Holds:
    """Whether the channels together are at least as good as the best of them, point by point, in limit and significance."""
    held = []
    for place, plane in found.items():
        if place.channel != COMBINED:
            continue
        together = _rows(plane)
        single = [_rows(found[own]) for c in CHANNELS if (own := place._replace(channel=c)) in found]
        for key, row in together.items():
            others = [rows[key] for rows in single if key in rows]
            if others:
                least = min(_limit(other) for other in others)
                most = max(_significance(other) for other in others)
                held.append(
                    _limit(row) <= least * (1 + ROUNDING)
                    and _significance(row) >= most * (1 - ROUNDING) - 1e-9
                )
    return Holds(sum(held), len(held))


def rises_with_luminosity(found: Mapping[PlanePlace, PlaneFolder]) -> Holds:
    """Whether more luminosity never makes the expected significance smaller, or the limit larger."""
    held = []
    for plane in found.values():
        rows = _rows(plane)
        lumis = sorted({lumi for _, lumi in rows})
        for process in {process for process, _ in rows}:
            along = [rows[process, lumi] for lumi in lumis if (process, lumi) in rows]
            held += [
                _limit(b) <= _limit(a) * (1 + ROUNDING)
                and _significance(b) >= _significance(a) * (1 - ROUNDING) - 1e-9
                for a, b in itertools.pairwise(along)
            ]
    return Holds(sum(held), len(held))


def falls_with_mass(found: Mapping[PlanePlace, PlaneFolder]) -> Holds:
    """Whether the significance of the combination falls from each mass to the next one, at the same gap."""
    held = []
    for place, plane in found.items():
        if place.channel != COMBINED:
            continue
        for along in _by_gap(plane):
            held += [
                _significance(b) <= _significance(a) * (1 + ROUNDING) for a, b in itertools.pairwise(along)
            ]
    return Holds(sum(held), len(held))


def largest_difference(plane: PlaneFolder, other: PlaneFolder) -> float | None:
    """Largest relative difference of two planes in limits and significances of the points that both have."""
    ours, theirs = _rows(plane), _rows(other)
    found = [
        abs(of(ours[key]) / of(theirs[key]) - 1.0)
        for key in ours
        if key in theirs
        for of in (_limit, _significance)
        if of(theirs[key]) > 0.0
    ]
    return max(found, default=None)


def reach(plane: PlaneFolder, lumi: float, gap: float, what: str = "exclusion") -> str | float | None:
    """Mass up to which signals of a gap are excluded (or 3, 5 sigma are expected), GeV.

    The logarithm is interpolated between the masses of the grid; below the lowest or above the highest one it is said so.
    """
    along = next((rows for rows in _by_gap(plane, lumi) if abs(_gap(rows[0]) - gap) < 1e-6), [])
    level = {"exclusion": 1.0, "evidence": 3.0, "discovery": 5.0}[what]
    masses = np.array([row["masses"]["m_wino"] for row in along])
    if not len(masses):
        return None
    of = (lambda row: 1.0 / _limit(row)) if what == "exclusion" else _significance
    values = np.log(np.maximum([of(row) for row in along], 1e-12)) - np.log(level)
    if values[0] < 0.0:
        return f"below {masses[0]:g}"
    crossed = np.flatnonzero(values < 0.0)
    if not len(crossed):
        return f"above {masses[-1]:g}"
    k = int(crossed[0])
    return float(masses[k - 1] + (masses[k] - masses[k - 1]) * values[k - 1] / (values[k - 1] - values[k]))


def _rows(plane: PlaneFolder) -> dict[tuple[str, float], dict[str, Any]]:
    """(signal, luminosity) -> row, of those that converged."""
    return {(row["process"], row["lumi_fb"]): row for row in plane.results["points"] if row["converged"]}


def _by_gap(plane: PlaneFolder, lumi: float | None = None) -> Iterator[list[dict[str, Any]]]:
    """Rows of one gap and luminosity in the order of their mass."""
    ways: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for (_, at), row in _rows(plane).items():
        if lumi in (None, at):
            ways.setdefault((at, _gap(row)), []).append(row)
    for way in ways.values():
        yield sorted(way, key=lambda row: row["masses"]["m_wino"])


def _gap(row: Mapping[str, Any]) -> float:
    return round(row["masses"]["m_wino"] - row["masses"]["m_lsp"], 6)


def _limit(row: Mapping[str, Any]) -> float:
    return float(row["upper_limit"]["expected"][2])


def _significance(row: Mapping[str, Any]) -> float:
    return float(row["significance"]["expected"])
