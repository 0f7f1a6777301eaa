"""How well a plane is known between its points: every point foretold from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.studies.smuon.places import LUMINOSITIES, NETWORKS

if TYPE_CHECKING:
    from massgap.studies.smuon.numbers.folders import Folders

    Numbers = dict[tuple[str, str], tuple[float, float | None] | None]

__all__ = ["held_out"]

_QUANTITY = "log expected limit"


def held_out(folders: Folders) -> Numbers:
    """Mean relative error of the limit at points that are left out, and how far this moves the contour (GeV, mean)."""
    out: Numbers = {}
    for score in NETWORKS:
        found = folders.plane(score)
        for entry in () if found is None else found["interpolation"]:
            if entry["quantity"] != _QUANTITY or entry["lumi_fb"] not in LUMINOSITIES:
                continue
            row = f"{score}, {entry['lumi_fb']:g} fb-1"
            if entry["mean"] is not None:
                out[row, "mu"] = (100.0 * float(entry["mean"]), None)
            if entry["contour_shift"] is not None:
                out[row, "contour"] = (float(entry["contour_shift"]["mean"]), None)
    return out
