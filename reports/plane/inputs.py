"""Everything that the page of a plane shows, read once: the plane, its likelihoods, the runs that it was made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.plane_folder import PlaneFolder, open_plane
from massgap.contracts.writing import read_json
from massgap.reports.errors import UnreadableInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.reports.figures.planes.contours import Overlay

__all__ = ["PlaneInputs", "read_plane_inputs"]

REMEDY = "Make the plane folder with `massgap plane`."


@dataclass(frozen=True)
class PlaneInputs:
    """A plane and what is drawn beside it.

    Attributes
    ----------
    folder
        The plane folder.
    overlays
        Others' contours.
    """

    folder: PlaneFolder
    overlays: Sequence[Overlay] = field(default=(), repr=False)

    @property
    def plane(self) -> dict[str, Any]:
        """Content of ``plane.json``."""
        return self.folder.results

    @property
    def luminosities(self) -> list[float]:
        """In fb-1, as the plane lists them."""
        return list(self.plane["luminosities"])

    @property
    def mass_names(self) -> list[str]:
        """Names of the masses of the points, in order."""
        return list(dict.fromkeys(name for point in self.plane["points"] for name in point["masses"]))

    @property
    def signals(self) -> list[dict[str, Any]]:
        """Each signal once: its row at the first luminosity, whose bins its efficiency is of."""
        return self.folder.points()

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Rows without a result that holds."""
        return [point for point in self.plane["points"] if not point["converged"]]

    @cached_property
    def likelihoods(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Workspace and patch set per luminosity.

        Raises
        ------
        UnreadableInput
            If one of the files is missing or damaged.
        """
        return [
            (
                read_json(self.folder.path / entry["workspace"], remedy=REMEDY, error=UnreadableInput),
                read_json(self.folder.path / entry["patch_set"], remedy=REMEDY, error=UnreadableInput),
            )
            for entry in self.plane["workspaces"]
        ]


def read_plane_inputs(folder: str | Path, overlays: Sequence[Overlay] = ()) -> PlaneInputs:
    """Read a plane folder.

    Raises
    ------
    massgap.contracts.errors.PlaneFolderError
        If it is none, or its results are damaged or of another format.
    UnreadableInput
        If it has no points.
    """
    opened = open_plane(Path(folder))
    if not opened.results.get("points") or not opened.results.get("luminosities"):
        message = f"{opened.path} has no points. {REMEDY}"
        raise UnreadableInput(message)
    return PlaneInputs(opened, overlays)
