"""Systematics of the fits with uncertainties: by how much each moves what is expected, and what the fits learn of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.run_folder import open_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.studies.markdown import FurtherTable
    from massgap.studies.slepton.numbers.folders import Folders

    Cell = str | tuple[float, float | None] | None

__all__ = ["systematics_table"]

PROCESSES = ("tt", "WW", "tautau")
"""Backgrounds that are varied: of the others a handful of simulated events is left."""

FITS = ("fits/systematics", "fits/controls", "fits/emu")
"""Fits whose constraints are told; the first that there is has the effects."""


def systematics_table(folders: Folders) -> FurtherTable | None:
    """The systematics by name, None where no fit has them.

    Those that the study asks for and its samples have no weights for are named, too: the fits go without them.
    """
    from massgap.studies.markdown import FurtherTable

    fits = [folders.results(place) for place in FITS]
    first = next((found for found in fits if found is not None), None)
    if first is None:
        return None
    columns = (str(first["signal"]), *PROCESSES)
    entries: dict[str, tuple[Mapping[str, Any], str]] = {}
    for found in (each for each in fits if each is not None):
        for entry in found["nuisances"]:
            if "shape" in entry["kinds"]:
                # The region of the search is the first part, under a name that depends on the others.
                entries.setdefault(str(entry["name"]), (entry, found["parts"][0]["channel"]))
    rows: list[tuple[Cell, ...]] = []
    for name, (entry, channel) in sorted(entries.items()):
        effects = {effect["process"]: effect for effect in entry["effects"] if effect["channel"] == channel}
        rows.append(
            (
                name,
                *(_change(effects.get(process)) for process in columns),
                *(_constraint(found, name) for found in fits),
            )
        )
    rows += [
        (name, "no weights in these samples", *("-" for _ in (*PROCESSES, *FITS)))
        for name in _missing(folders)
    ]
    if not rows:
        return None
    header = (
        "Variation",
        "Signal",
        *PROCESSES,
        "Left in the fit",
        "with two control regions",
        "with a third one",
    )
    note = (
        "Change of the expected events after the pre-cuts by one standard deviation up and down, all bins together (the fits have the "
        "shape as well), and the uncertainty that is left of the parameter, 1 where a fit learns nothing of it. A parameter is the same one "
        "in all regions and processes. mumu, ZZ and WZ, of which few simulated events are left, are not varied. isr and fsr need samples "
        "with weights of the shower's scales (massgap generate --variations)."
    )
    return FurtherTable("Systematics", header, tuple(rows), note)


def _change(effect: Mapping[str, Any] | None) -> str | None:
    if effect is None or effect.get("up") is None or effect.get("down") is None:
        return None
    return f"{100 * effect['up']:+.1f} / {100 * effect['down']:+.1f} %"


def _constraint(found: Mapping[str, Any] | None, name: str) -> Cell:
    pull = ((found or {}).get("pulls") or {}).get(name)
    return None if pull is None else (float(pull["error"]), None)


def _missing(folders: Folders) -> list[str]:
    """Variations that the study asks for and its run with variations was made without."""
    from massgap.studies.slepton.study import STUDY
    from massgap.studies.study import RunStep

    if folders.study is None:
        return []
    steps = (step for step in STUDY.steps if isinstance(step, RunStep) and step.name == "varied")
    try:
        made = open_run(folders.study / "varied").manifest.get("options", {}).get("variations", ())
    except ContractError:
        return []
    return [name for step in steps for name in step.wanted if name not in made]
