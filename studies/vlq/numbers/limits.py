"""Limits on the cross section against the mass: by the classifier of all masses, and by one of each of a few."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from massgap.contracts.errors import ContractError
from massgap.contracts.fit_folder import open_fit
from massgap.contracts.plane_folder import open_plane
from massgap.studies.markdown import FurtherTable
from massgap.studies.vlq.study import OWN_LIMITS, own_limit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

__all__ = ["Limit", "limits_of", "limits_table"]

_MEDIAN = 2


class Limit(NamedTuple):
    """Expected upper limits of one mass (GeV), 95 % CLs.

    ``fb``: on the cross section, from -2 to +2 standard deviations; ``error`` of the median, from the finite simulation;
    ``own`` and ``own_error`` the median with a classifier of this mass alone, None without one.
    """

    mass: float
    fb: tuple[float, ...]
    error: float | None
    own: float | None = None
    own_error: float | None = None

    @property
    def median(self) -> float:
        """The median limit, fb."""
        return self.fb[_MEDIAN]

    @property
    def quotient(self) -> tuple[float, float | None] | None:
        """The limit over that of the classifier of one mass, with its error as if the two had no event in common."""
        if not self.own:
            return None
        found = self.median / self.own
        if self.error is None or self.own_error is None:
            return found, None
        return found, found * math.hypot(self.error / self.median, self.own_error / self.own)


def limits_of(folder: Path) -> list[Limit]:
    """The limits that a study folder has, by rising mass; nothing without a plane."""
    try:
        rows = open_plane(folder / "tagged" / "plane").points()
    except ContractError:
        return []
    found = []
    for row in sorted(rows, key=lambda row: float(row["x"])):
        if not row["limit_fb"]:
            continue
        mass, xsec = float(row["x"]), float(row["cross_section_fb"])
        own = _own(folder, mass, xsec) if mass in OWN_LIMITS else (None, None)
        error = _spread(row.get("uncertainty") or {})
        expected = tuple(float(x) for x in row["limit_fb"]["expected"])
        found.append(Limit(mass, expected, None if error is None else error * xsec, *own))
    return found


def _own(folder: Path, mass: float, xsec: float) -> tuple[float | None, float | None]:
    """Median limit (fb) of the fit with a classifier of one mass, and its error."""
    try:
        results = open_fit(folder / own_limit(mass) / "fit").results
    except ContractError:
        return None, None
    expected = (results.get("upper_limit") or {}).get("expected")
    if not expected:
        return None, None
    error = _spread(results.get("simulation") or {})
    return float(expected[_MEDIAN]) * xsec, None if error is None else error * xsec


def _spread(simulation: Mapping[str, Any]) -> float | None:
    """Standard deviation of the median limit over replicas of the simulation, in signal strength."""
    entries = (simulation.get("upper_limit") or {}).get("expected") or []
    std = entries[_MEDIAN].get("std") if len(entries) > _MEDIAN and entries[_MEDIAN] else None
    return None if std is None else float(std)


def limits_table(limits: list[Limit]) -> FurtherTable:
    """As it is shown."""
    rows = tuple(
        (
            f"{one.mass / 1000:g}",
            (one.median, one.error),
            None if one.own is None else (one.own, one.own_error),
            one.quotient,
        )
        for one in limits
    )
    return FurtherTable(
        "Expected limits on the cross section",
        ("m_T [TeV]", "one classifier of all masses [fb]", "a classifier of this mass [fb]", "quotient"),
        rows,
        "Upper limits at 95 % CLs of a binned fit in the reconstructed mass, after a cut at the same background efficiency "
        "at each reconstructed mass; cross section times branching fraction to the three leptons. Errors: replicas of the "
        "simulation; that of the quotient as if the two had no event in common.",
    )
