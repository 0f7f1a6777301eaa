"""What is asked of a plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.fits.errors import PlaneError
from massgap.fits.planes.interpolation import METHODS, Method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from massgap.fits.planes.cross_sections import CrossSections

__all__ = ["PlaneOptions", "PlaneResult"]


@dataclass(frozen=True)
class PlaneOptions:
    """What is asked of a plane beside the fit.

    Attributes
    ----------
    signals : sequence of str
        Only these, by name or pattern; default all of the run.
    masses : mapping, optional
        Process -> name -> GeV; default those of the metadata.
    x, y : str, optional
        Masses on the axes; default the first two that vary.
    cross_sections : CrossSections, optional
        Default those of the samples.
    profile_cross_section : bool
        Make the uncertainty of the cross section a parameter of the likelihood; else it is shown as a band.
    interpolation : {"spline", "linear"}

    Raises
    ------
    PlaneError
        If there is no such interpolation.
    """

    signals: Sequence[str] = ()
    masses: Mapping[str, Mapping[str, float]] | None = None
    x: str | None = None
    y: str | None = None
    cross_sections: CrossSections | None = None
    profile_cross_section: bool = False
    interpolation: Method = "spline"

    def __post_init__(self) -> None:
        if self.interpolation not in METHODS:
            message = f"There is no interpolation '{self.interpolation}' (--interpolation); there are: {', '.join(METHODS)}."
            raise PlaneError(message)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file."""
        return {
            "signals": list(self.signals),
            "x": self.x,
            "y": self.y,
            "profile_cross_section": self.profile_cross_section,
            "interpolation": self.interpolation,
        }


@dataclass(frozen=True)
class PlaneResult:
    """A plane that has been written.

    Attributes
    ----------
    out : path
    results : dict
        Content of ``plane.json``, see :mod:`massgap.contracts.plane_folder`.
    reused : int
        Fits of points that were finished before.
    """

    out: Path
    results: dict[str, Any] = field(repr=False)
    reused: int = 0

    @property
    def converged(self) -> bool:
        """Whether all points converged."""
        return all(row["converged"] for row in self.results["points"])
